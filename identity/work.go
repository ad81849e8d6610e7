package identity

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// DefaultWork is the work that nodes of the public sea ask of each other's keys.
const DefaultWork = 12

// MaxWork is the most work that NewKey agrees to do: some hours of one core.
const MaxWork = 30

// Work returns how many zero bits SHA-256(SHA-256("sea:pow:1" || e)) begins
// with, 0 to 256. It makes keys near a chosen address dear: finding one with w
// bits of work takes 2^w keys.
func Work(e Entity) int {
	once := sha256.Sum256(append([]byte("sea:pow:1"), e[:]...))
	twice := sha256.Sum256(once[:])
	n := 0
	for i := 0; i < len(twice); i += 8 {
		zeros := bits.LeadingZeros64(binary.BigEndian.Uint64(twice[i:]))
		n += zeros
		if zeros < 64 {
			break
		}
	}
	return n
}
