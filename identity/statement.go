package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity/cbor"
)

// ErrBadPurpose is returned when a purpose is empty, longer than 64 bytes or
// has other characters than a-z, 0-9 and / : . - _.
var ErrBadPurpose = errors.New("bad purpose")

// Purpose says what a statement is for, such as "sea/rpc/1". It is signed with
// the body, so a statement made for one purpose is none for another. Each is a
// constant, declared once, by the package that owns the statement.
type Purpose string

// Check returns ErrBadPurpose when p cannot be signed for.
func (p Purpose) Check() error {
	ok := len(p) >= 1 && len(p) <= 64
	for i := 0; ok && i < len(p); i++ {
		c := p[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' ||
			c == '/' || c == ':' || c == '.' || c == '-' || c == '_'
	}
	if !ok {
		return fmt.Errorf("%w %.80q", ErrBadPurpose, string(p))
	}
	return nil
}

// input is what is signed: the purpose, a zero byte, which no purpose has, and
// the body.
func (p Purpose) input(body []byte) []byte {
	b := make([]byte, 0, len(p)+1+len(body))
	b = append(b, p...)
	b = append(b, 0)
	return append(b, body...)
}

// MaxBody is the longest body of a statement, in bytes.
const MaxBody = 1 << 20

// ErrTooLong is returned when a body has more than MaxBody bytes.
var ErrTooLong = fmt.Errorf("a statement's body has more than %d bytes", MaxBody)

// pointLength is the length of an encoded point.
const pointLength = 32

// ErrPointLength is returned when a purpose, its zero byte and a body are 32 bytes
// together. Draw hashes a point of that length as a signature hashes what is
// signed; one nonce for two equations would give the secret away.
var ErrPointLength = errors.New("a statement of 32 bytes, purpose included, is not signed")

// Statement is what an entity said. Body is what was signed, byte for byte: it
// is stored and forwarded as it came, and parsed only after Open.
//
// In CBOR it is the array [by, body, sig] of three byte strings. The purpose is
// not in it; the reader knows what it expects.
type Statement struct {
	By   Entity
	Body []byte
	Sig  [64]byte
}

// Open returns the body when the signature is By's for purpose p. The slice is
// the statement's own. Errors are ErrBadKey, ErrBadSignature, ErrBadPurpose and
// ErrTooLong.
func (s Statement) Open(p Purpose) ([]byte, error) {
	if len(s.Body) > MaxBody {
		return nil, ErrTooLong
	}
	if err := Verify(s.By, p, s.Body, s.Sig[:]); err != nil {
		return nil, err
	}
	return s.Body, nil
}

// Hash names the statement by who said what for what:
// SHA-256("sea:statement:1" || by || purpose || 0x00 || body). The signature is
// left out, because a signer may make many for the same words.
func (s Statement) Hash(p Purpose) Hash {
	h := sha256.New()
	h.Write([]byte("sea:statement:1"))
	h.Write(s.By[:])
	h.Write([]byte(p))
	h.Write([]byte{0})
	h.Write(s.Body)
	return Hash(h.Sum(nil))
}

// Encode returns the CBOR array [by, body, sig].
func (s Statement) Encode() []byte {
	b, err := cbor.Marshal(s.wire())
	if err != nil {
		panic("identity: three byte strings do not encode: " + err.Error())
	}
	return b
}

// DecodeStatement reads what Encode wrote. It checks the form and the key, not
// the signature: that is Open's. The statement shares no memory with b.
func DecodeStatement(b []byte) (Statement, error) {
	var s Statement
	if err := s.UnmarshalCBOR(b); err != nil {
		return Statement{}, err
	}
	return s, nil
}

// MarshalCBOR returns what Encode returns, so a statement may stand inside
// other messages.
func (s Statement) MarshalCBOR() ([]byte, error) { return s.Encode(), nil }

// UnmarshalCBOR reads what DecodeStatement reads.
func (s *Statement) UnmarshalCBOR(b []byte) error {
	var w wireStatement
	if err := cbor.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	if len(w.Body) > MaxBody {
		return fmt.Errorf("statement: %w", ErrTooLong)
	}
	*s = Statement{By: w.By, Body: w.Body, Sig: w.Sig}
	return nil
}

// wireStatement is a Statement's array.
type wireStatement struct {
	_    struct{} `cbor:",toarray"`
	By   Entity
	Body []byte
	Sig  [64]byte
}

func (s Statement) wire() wireStatement {
	return wireStatement{By: s.By, Body: s.Body, Sig: s.Sig}
}
