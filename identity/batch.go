package identity

import (
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"sync"

	"filippo.io/edwards25519"
)

// Signed is one signature to verify: Sig is said to be By's over Body for
// Purpose, as Verify has it.
type Signed struct {
	By      Entity
	Purpose Purpose
	Body    []byte
	Sig     []byte
}

// Verifier verifies signatures by the hundred, several times faster than Verify
// does one by one, and gives the same answer for every input. It remembers the
// keys it has met. Its methods may be called at once.
type Verifier struct {
	most int

	mu   sync.Mutex // guards keys
	keys map[Entity]*edwards25519.Point
}

// NewVerifier makes a verifier that remembers at most so many keys, about 300
// bytes each; a number below 1 is 1.
func NewVerifier(keys int) *Verifier {
	return &Verifier{most: max(1, keys), keys: map[Entity]*edwards25519.Point{}}
}

// Verify returns nil when every signature of batch is good. Otherwise it returns
// an error for each that is not, at its place, those of the function Verify. The
// first failure costs one pass over ever smaller halves; a batch that is all bad
// costs about twice what single verification does.
//
// A bad signature is taken for good with a chance of 2^-128, whatever its maker
// does: the coefficients are drawn after the batch is there.
func (v *Verifier) Verify(batch []Signed) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(batch))
		}
		errs[i] = err
	}
	terms := make([]term, 0, len(batch))
	for i, s := range batch {
		t, err := v.term(s)
		if err != nil {
			fail(i, err)
			continue
		}
		t.index = i
		terms = append(terms, t)
	}
	if len(terms) > 1 {
		draw(terms)
	}
	search(terms, false, func(t term) { fail(t.index, errEquation(batch[t.index].By)) })
	return errs
}

// term is a signature read into what its equation is made of: it holds when
// 8·(S·B − k·A − R) = 0.
type term struct {
	index   int
	by      Entity
	a, r    *edwards25519.Point
	s, k, z edwards25519.Scalar // z is the coefficient in the sum
}

// term reads a signature.
func (v *Verifier) term(s Signed) (term, error) {
	if err := s.Purpose.Check(); err != nil {
		return term{}, err
	}
	a, err := v.point(s.By)
	if err != nil {
		return term{}, err
	}
	t := term{by: s.By, a: a}
	if err := t.read(s.Purpose.input(s.Body), s.Sig); err != nil {
		return term{}, err
	}
	return t, nil
}

// read takes in a signature by t.by over a whole message.
func (t *term) read(message, sig []byte) error {
	if len(sig) != 64 {
		return fmt.Errorf("%w: %d bytes, not 64", ErrBadSignature, len(sig))
	}
	var err error
	if t.r, err = new(edwards25519.Point).SetBytes(sig[:32]); err != nil {
		return fmt.Errorf("%w: its R is not a point on the curve", ErrBadSignature)
	}
	if _, err := t.s.SetCanonicalBytes(sig[32:]); err != nil {
		return fmt.Errorf("%w: its S is not below the group's order", ErrBadSignature)
	}
	h := sha512.New()
	h.Write(sig[:32]) // R and A as they came, not re-encoded: RFC 8032 §5.1.7
	h.Write(t.by[:])
	h.Write(message)
	if _, err := t.k.SetUniformBytes(h.Sum(nil)); err != nil {
		panic("identity: SHA-512 is not 64 bytes: " + err.Error())
	}
	return nil
}

// holds is the equation of one signature.
func (t *term) holds() bool {
	// S·B − k·A − R is a point of small order exactly when the equation holds.
	k := new(edwards25519.Scalar).Negate(&t.k)
	d := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, t.a, &t.s)
	return isSmall(d.Subtract(d, t.r))
}

func errEquation(by Entity) error {
	return fmt.Errorf("%w: not %s's over these bytes for this purpose", ErrBadSignature, by.Short())
}

// point is e's, decoded and checked once.
func (v *Verifier) point(e Entity) (*edwards25519.Point, error) {
	v.mu.Lock()
	p := v.keys[e]
	v.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := e.point()
	if err != nil {
		return nil, err // not remembered: anyone can make up bad keys
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys) >= v.most {
		for old := range v.keys { // any one
			delete(v.keys, old)
			break
		}
	}
	v.keys[e] = p
	return p, nil
}

// draw gives each term a random coefficient below 2^128.
func draw(terms []term) {
	random := make([]byte, 16*len(terms))
	rand.Read(random) // it never fails (crypto/rand)
	var b [32]byte
	for i := range terms {
		copy(b[:16], random[16*i:])
		if _, err := terms[i].z.SetCanonicalBytes(b[:]); err != nil {
			panic("identity: 2^128 is above the group's order: " + err.Error())
		}
	}
}

// few is how many terms are looked at one by one when their sum does not hold.
const few = 4

// search calls bad for each term that does not hold. guilty tells that one at
// least is among them, which need not be shown again.
func search(terms []term, guilty bool, bad func(term)) {
	switch {
	case len(terms) <= few && guilty || len(terms) == 1:
		for i := range terms {
			if !terms[i].holds() {
				bad(terms[i])
			}
		}
		return
	case len(terms) == 0 || !guilty && sumHolds(terms):
		return
	}
	left, right := terms[:len(terms)/2], terms[len(terms)/2:]
	innocent := true
	search(left, false, func(t term) {
		innocent = false
		bad(t)
	})
	search(right, innocent, bad)
}

// sumHolds tells whether 8·Σ z·(S·B − k·A − R) = 0. The terms of one signer are
// added up first: z·k·A costs a multiplication for each signer, not for each
// signature.
func sumHolds(terms []term) bool {
	scalars := make([]edwards25519.Scalar, 1, 2*len(terms)+1)
	points := make([]*edwards25519.Point, 1, 2*len(terms)+1)
	points[0] = edwards25519.NewGeneratorPoint()
	signers := make(map[Entity]int, 16)
	for i := range terms {
		t := &terms[i]
		scalars[0].MultiplyAdd(&t.z, &t.s, &scalars[0])
		at, met := signers[t.by]
		if !met {
			at = len(points)
			signers[t.by] = at
			points = append(points, t.a)
			scalars = append(scalars, edwards25519.Scalar{})
		}
		scalars[at].MultiplyAdd(&t.z, &t.k, &scalars[at])
	}
	scalars[0].Negate(&scalars[0])
	for i := range terms {
		points = append(points, terms[i].r)
		scalars = append(scalars, terms[i].z)
	}
	return isSmall(multiScalar(scalars, points))
}
