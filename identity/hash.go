package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256. It names bytes (a module, a file), or a statement. The
// zero value names nothing. Hashes are compared with ==.
type Hash [32]byte

// HashOf returns the SHA-256 of b.
func HashOf(b []byte) Hash { return sha256.Sum256(b) }

// ParseHash reads 64 lower-case hex digits, the only spelling.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if err := parseHex(h[:], s); err != nil {
		return Hash{}, fmt.Errorf("hash: %w", err)
	}
	return h, nil
}

// String returns the 64 hex digits that ParseHash reads.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short returns the first ten digits, for people.
func (h Hash) Short() string { return hex.EncodeToString(h[:5]) }

// MarshalText returns the text of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what ParseHash reads.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHash(string(text))
	return err
}
