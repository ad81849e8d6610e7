package identity

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"

	"filippo.io/edwards25519"
)

// ErrBadKey is returned, wrapped with the reason, when 32 bytes or their text
// are no public key that we accept: not 64 lower-case hex digits, not a point
// on the curve, not its one encoding, or a point of small order.
var ErrBadKey = errors.New("bad public key")

// Entity is an Ed25519 public key: someone who holds credit, or a node. The
// zero value is no key. Entities are compared with ==.
type Entity [32]byte

// ParseEntity reads 64 lower-case hex digits, the only spelling.
func ParseEntity(s string) (Entity, error) {
	var e Entity
	if err := parseHex(e[:], s); err != nil {
		return Entity{}, fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	if err := e.Check(); err != nil {
		return Entity{}, err
	}
	return e, nil
}

// EntityFrom reads the 32 bytes of a public key.
func EntityFrom(b []byte) (Entity, error) {
	if len(b) != len(Entity{}) {
		return Entity{}, fmt.Errorf("%w: %d bytes, not 32", ErrBadKey, len(b))
	}
	e := Entity(b)
	if err := e.Check(); err != nil {
		return Entity{}, err
	}
	return e, nil
}

// Check returns ErrBadKey when e is of small order, not the one encoding of its
// point, or no point at all. Every Entity that this package hands out has been
// checked; one that was filled by hand has not.
func (e Entity) Check() error {
	_, err := e.point()
	return err
}

// String returns the 64 hex digits that ParseEntity reads.
func (e Entity) String() string { return hex.EncodeToString(e[:]) }

// Short returns the first ten digits, for people. Programs need all 64.
func (e Entity) Short() string { return hex.EncodeToString(e[:5]) }

// MarshalText returns the text of String.
func (e Entity) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what ParseEntity reads.
func (e *Entity) UnmarshalText(text []byte) (err error) {
	*e, err = ParseEntity(string(text))
	return err
}

// UnmarshalCBOR reads a byte string of 32 bytes and checks the key.
func (e *Entity) UnmarshalCBOR(b []byte) (err error) {
	if len(b) != 34 || b[0] != 0x58 || b[1] != 32 {
		return fmt.Errorf("%w: not a byte string of 32 bytes", ErrBadKey)
	}
	*e, err = EntityFrom(b[2:])
	return err
}

// met are keys that were decoded lately, each in the place that its bytes give
// it: 200 KiB in all. Nothing but good keys is in it.
var met [1024]atomic.Pointer[metKey]

type metKey struct {
	entity Entity
	point  edwards25519.Point
}

// point decodes e and does the work of Check. The point is everybody's: nobody
// changes it.
func (e Entity) point() (*edwards25519.Point, error) {
	place := &met[binary.LittleEndian.Uint16(e[:])%uint16(len(met))]
	if m := place.Load(); m != nil && m.entity == e {
		return &m.point, nil
	}
	p, err := e.decode()
	if err != nil {
		return nil, err
	}
	m := &metKey{entity: e}
	m.point.Set(p)
	place.Store(m)
	return &m.point, nil
}

// decode is point of a key that was not met.
func (e Entity) decode() (*edwards25519.Point, error) {
	if e == (Entity{}) {
		return nil, fmt.Errorf("%w: it is all zeros", ErrBadKey)
	}
	if !reduced(e) {
		return nil, fmt.Errorf("%w: not the one encoding of its point", ErrBadKey)
	}
	p, err := new(edwards25519.Point).SetBytes(e[:])
	if err != nil {
		return nil, fmt.Errorf("%w: not a point on the curve", ErrBadKey)
	}
	if isSmall(p) {
		return nil, fmt.Errorf("%w: a point of small order", ErrBadKey)
	}
	return p, nil
}

// reduced says whether the y of a point's encoding is below 2^255 - 19. The
// other way to write a point twice is a sign bit on x = 0, which only the two
// points of order 1 and 2 have (RFC 8032 §5.1.3).
func reduced(b [32]byte) bool {
	if b[31]&0x7f != 0x7f {
		return true
	}
	for _, x := range b[1:31] {
		if x != 0xff {
			return true
		}
	}
	return b[0] < 0xed
}

// isSmall says whether p is one of the eight points whose order divides the
// cofactor. Under such a key anyone can make signatures.
func isSmall(p *edwards25519.Point) bool {
	return new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1
}

// parseHex fills to with the lower-case hex digits of s, exactly as many as fit.
func parseHex(to []byte, s string) error {
	if len(s) != 2*len(to) {
		return fmt.Errorf("%d characters, not %d hex digits", len(s), 2*len(to))
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("character %d is not a lower-case hex digit", i+1)
		}
	}
	_, err := hex.Decode(to, []byte(s))
	return err
}
