// Package fixed makes keys and bytes that depend on a name alone, so that golden
// vectors are the same on every run. Nothing but tests imports it.
package fixed

import (
	"crypto/ed25519"
	"crypto/sha256"

	"github.com/peersea/sea/identity"
)

// A Signer signs with a key that everybody can know.
type Signer struct{ key ed25519.PrivateKey }

var _ identity.Signer = Signer{}

// Key returns the Signer called name: its seed is SHA-256 of "sea test seed "
// and the name.
func Key(name string) Signer {
	seed := sha256.Sum256([]byte("sea test seed " + name))
	return Signer{ed25519.NewKeyFromSeed(seed[:])}
}

// Bytes returns SHA-256 of "sea test bytes " and name.
func Bytes(name string) []byte {
	sum := sha256.Sum256([]byte("sea test bytes " + name))
	return sum[:]
}

// Seed returns the 32 bytes that the key is made from.
func (s Signer) Seed() []byte { return s.key.Seed() }

// Entity returns the public key.
func (s Signer) Entity() identity.Entity {
	return identity.Entity(s.key.Public().(ed25519.PublicKey))
}

// Sign signs body for p; Ed25519 gives the same signature each time.
func (s Signer) Sign(p identity.Purpose, body []byte) (identity.Statement, error) {
	input := append(append([]byte(p), 0), body...)
	return identity.Statement{By: s.Entity(), Body: body, Sig: [64]byte(ed25519.Sign(s.key, input))}, nil
}
