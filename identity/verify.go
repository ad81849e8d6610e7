package identity

import (
	"errors"

	"filippo.io/edwards25519"
)

// ErrBadSignature is returned, wrapped with the reason, when a signature is not
// e's over these bytes for this purpose.
var ErrBadSignature = errors.New("bad signature")

// Verify returns nil when sig is e's signature over body for purpose p, by the
// rules of ZIP-215: S below the group's order, R any encoding of a point, and
// 8·S·B = 8·R + 8·k·A. The key is checked first. Errors are ErrBadKey,
// ErrBadSignature and ErrBadPurpose.
func Verify(e Entity, p Purpose, body, sig []byte) error {
	if err := p.Check(); err != nil {
		return err
	}
	return verify(e, p.input(body), sig)
}

// verify looks at the key and then at the signature over a whole message.
func verify(e Entity, message, sig []byte) error {
	a, err := e.point()
	if err != nil {
		return err
	}
	return zip215(e, a, message, sig)
}

// zip215 verifies under any key e with point a. What crypto/ed25519 does instead
// is encode S·B − k·A and compare it with R's bytes, which is another answer
// when R or A has a torsion component or R is not in its one encoding.
func zip215(e Entity, a *edwards25519.Point, message, sig []byte) error {
	t := term{by: e, a: a}
	if err := t.read(message, sig); err != nil {
		return err
	}
	if !t.holds() {
		return errEquation(e)
	}
	return nil
}
