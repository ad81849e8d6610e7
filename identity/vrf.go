package identity

import (
	"crypto/sha512"
	"errors"
	"fmt"

	"filippo.io/edwards25519"
)

// ErrBadDraw is returned, wrapped with the reason, when a proof is not of the
// entity's draw over these bytes.
var ErrBadDraw = errors.New("bad draw")

// DrawProof shows that a draw is the one its key gives: a point, a challenge and
// a scalar, in the bytes of RFC 9381 §5.5.
type DrawProof [80]byte

// Drawn is what was drawn: 64 bytes that nobody but the key's owner can tell from
// random ones before he shows the proof, and that he cannot choose.
type Drawn [64]byte

// The numbers of ECVRF-EDWARDS25519-SHA512-TAI, RFC 9381 §5.5.
const (
	vrfSuite     = 0x03
	vrfCurve     = 0x01
	vrfChallenge = 0x02
	vrfHash      = 0x03
	vrfEnd       = 0x00
)

// Draw draws by lot over alpha: for a key and alpha there is one outcome, and
// the proof lets everyone who knows the entity check it with DrawProof.Check. It
// is the VRF of RFC 9381, ECVRF-EDWARDS25519-SHA512-TAI, under the key that
// signs. Alpha must say what it is for: draws have no Purpose of their own.
func (k *Key) Draw(alpha []byte) (DrawProof, Drawn) {
	wide := sha512.Sum512(k.secret().Seed())
	x, err := new(edwards25519.Scalar).SetBytesWithClamping(wide[:32])
	if err != nil {
		panic("identity: 32 bytes are no scalar: " + err.Error())
	}
	y, err := k.entity.point()
	if err != nil {
		panic("identity: a key's own entity: " + err.Error())
	}
	h := lotPoint(k.entity, alpha)
	gamma := new(edwards25519.Point).ScalarMult(x, h)

	// The nonce, §5.4.2.2: the same hash as Ed25519's nonce of a message that is
	// h. A statement that is h would give the secret away, so Sign signs none of
	// h's length.
	nonce := wideScalar(wide[32:], h.Bytes())
	c := challenge(y, h, gamma,
		new(edwards25519.Point).ScalarBaseMult(nonce),
		new(edwards25519.Point).ScalarMult(nonce, h))
	s := new(edwards25519.Scalar).MultiplyAdd(shortScalar(c), x, nonce)

	var proof DrawProof
	copy(proof[:32], gamma.Bytes())
	copy(proof[32:48], c[:])
	copy(proof[48:], s.Bytes())
	return proof, drawn(gamma)
}

// Check returns what e drew over alpha. Errors are ErrBadKey and ErrBadDraw.
func (p DrawProof) Check(e Entity, alpha []byte) (Drawn, error) {
	y, err := e.point()
	if err != nil {
		return Drawn{}, err
	}
	gamma, err := onePoint([32]byte(p[:32]))
	if err != nil {
		return Drawn{}, fmt.Errorf("%w: its first half is %w", ErrBadDraw, err)
	}
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(p[48:])
	if err != nil {
		return Drawn{}, fmt.Errorf("%w: its scalar is not below the group's order", ErrBadDraw)
	}
	h := lotPoint(e, alpha)
	minus := new(edwards25519.Scalar).Negate(shortScalar([16]byte(p[32:48])))
	u := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(minus, y, s)
	v := new(edwards25519.Point).VarTimeMultiScalarMult([]*edwards25519.Scalar{s, minus}, []*edwards25519.Point{h, gamma})
	if challenge(y, h, gamma, u, v) != [16]byte(p[32:48]) {
		return Drawn{}, fmt.Errorf("%w: it is not %s's over these bytes", ErrBadDraw, e.Short())
	}
	return drawn(gamma), nil
}

// lotPoint maps alpha to a point by trying counters, §5.4.1.1. Half of them are
// the y of a point, so the 256 there are do not run out.
func lotPoint(e Entity, alpha []byte) *edwards25519.Point {
	for counter := range 256 {
		h := sha512.New()
		h.Write([]byte{vrfSuite, vrfCurve})
		h.Write(e[:])
		h.Write(alpha)
		h.Write([]byte{byte(counter), vrfEnd})
		p, err := onePoint([32]byte(h.Sum(nil)))
		if err != nil || isSmall(p) {
			continue
		}
		return p.MultByCofactor(p)
	}
	panic("identity: 256 hashes and not one a point")
}

// challenge is §5.4.3's: 16 bytes of a hash over all five points.
func challenge(points ...*edwards25519.Point) [16]byte {
	h := sha512.New()
	h.Write([]byte{vrfSuite, vrfChallenge})
	for _, p := range points {
		h.Write(p.Bytes())
	}
	h.Write([]byte{vrfEnd})
	return [16]byte(h.Sum(nil))
}

// drawn is §5.2's: the hash of gamma without its torsion.
func drawn(gamma *edwards25519.Point) Drawn {
	h := sha512.New()
	h.Write([]byte{vrfSuite, vrfHash})
	h.Write(new(edwards25519.Point).MultByCofactor(gamma).Bytes())
	h.Write([]byte{vrfEnd})
	return Drawn(h.Sum(nil))
}

// onePoint decodes a point in its one encoding, RFC 8032 §5.1.3.
func onePoint(b [32]byte) (*edwards25519.Point, error) {
	p, err := new(edwards25519.Point).SetBytes(b[:])
	if err != nil {
		return nil, errors.New("not a point on the curve")
	}
	if [32]byte(p.Bytes()) != b {
		return nil, errors.New("not the one encoding of its point")
	}
	return p, nil
}

func wideScalar(prefix, message []byte) *edwards25519.Scalar {
	h := sha512.New()
	h.Write(prefix)
	h.Write(message)
	s, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
	if err != nil {
		panic("identity: 64 bytes are no scalar: " + err.Error())
	}
	return s
}

func shortScalar(c [16]byte) *edwards25519.Scalar {
	var b [32]byte
	copy(b[:], c[:])
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(b[:])
	if err != nil {
		panic("identity: 16 bytes are no scalar: " + err.Error())
	}
	return s
}
