//go:build race

package ledger

// slow is how much less some tests do under the race detector, which makes a
// signature's verification twenty times dearer and finds nothing in it.
const slow = 10
