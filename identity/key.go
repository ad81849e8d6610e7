package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
)

// Signer is the one door to a private key. Sign may be called by many
// goroutines at once; the Statement shares no memory with body.
type Signer interface {
	Entity() Entity
	Sign(p Purpose, body []byte) (Statement, error)
}

// Key is an entity's secret key. Printed, logged or encoded in any way it shows
// its entity or nothing; the secret leaves it by Save and Backup only. The zero
// value is no key.
type Key struct {
	entity Entity
	// A function, because fmt prints the unexported fields of a struct that
	// holds a Key without asking Key's methods, and may follow a pointer there.
	// Nothing looks into a function.
	secret func() ed25519.PrivateKey
}

var _ Signer = (*Key)(nil)

// NewKey makes a key whose entity has at least work zero bits, see Work. That
// takes 2^work tries: a tenth of a second or so for DefaultWork. Zero or less
// asks for none. It returns ctx's error when that ends first.
func NewKey(ctx context.Context, work int) (*Key, error) {
	if work > MaxWork {
		return nil, fmt.Errorf("new key: %d bits of work asked for, %d at most", work, MaxWork)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("new key: %w", err)
		}
		var seed [ed25519.SeedSize]byte
		rand.Read(seed[:]) // never fails: it ends the process instead
		if k := keyFromSeed(seed); Work(k.entity) >= work {
			return k, nil
		}
	}
}

func keyFromSeed(seed [ed25519.SeedSize]byte) *Key {
	secret := ed25519.NewKeyFromSeed(seed[:])
	return &Key{
		entity: Entity(secret.Public().(ed25519.PublicKey)),
		secret: func() ed25519.PrivateKey { return secret },
	}
}

// Entity returns the public key.
func (k *Key) Entity() Entity { return k.entity }

// Sign states body for purpose p. It copies body. Errors are ErrBadPurpose,
// ErrTooLong and ErrPointLength.
func (k *Key) Sign(p Purpose, body []byte) (Statement, error) {
	if err := p.Check(); err != nil {
		return Statement{}, err
	}
	if len(body) > MaxBody {
		return Statement{}, ErrTooLong
	}
	input := p.input(body)
	if len(input) == pointLength {
		return Statement{}, ErrPointLength
	}
	s := Statement{By: k.entity, Body: input[len(p)+1:]}
	copy(s.Sig[:], ed25519.Sign(k.secret(), input))
	return s, nil
}

// String names the key by its entity.
func (k Key) String() string { return "key of " + k.entity.Short() }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// Format prints String whatever the verb and its flags.
func (k Key) Format(f fmt.State, verb rune) { fmt.Fprint(f, k.String()) }

// LogValue logs the entity.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.entity.String()) }

// MarshalText returns String, for JSON and everything else that encodes text.
// Nothing reads it back.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
