//go:build !race

package ledger

const slow = 1
