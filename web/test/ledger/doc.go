// Package ledger has no code but its tests: ledgers of a browser, and what they
// keep in IndexedDB.
package ledger
