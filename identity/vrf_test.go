package identity

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"github.com/peersea/sea/internal/golden"
)

// drawVector is an example of RFC 9381, appendix B.3.
type drawVector struct {
	Name   string   `json:"name"`
	Seed   hexBytes `json:"seed"`
	Entity hexBytes `json:"entity"`
	Alpha  hexBytes `json:"alpha"`
	Point  hexBytes `json:"point"`
	Proof  hexBytes `json:"proof"`
	Drawn  hexBytes `json:"drawn"`
}

func drawVectors(t testing.TB) []drawVector {
	return golden.Read[[]drawVector](t, "testdata/draws.json")
}

func TestDraw(t *testing.T) {
	for _, v := range drawVectors(t) {
		k := keyFromSeed([32]byte(v.Seed))
		if e := k.Entity(); !bytes.Equal(e[:], v.Entity) {
			t.Errorf("%s: entity %s", v.Name, e)
		}
		if h := lotPoint(k.Entity(), v.Alpha).Bytes(); !bytes.Equal(h, v.Point) {
			t.Errorf("%s: point %x", v.Name, h)
		}
		proof, out := k.Draw(v.Alpha)
		if !bytes.Equal(proof[:], v.Proof) || !bytes.Equal(out[:], v.Drawn) {
			t.Errorf("%s: proof %x, drawn %x", v.Name, proof, out)
		}
		if got, err := proof.Check(k.Entity(), v.Alpha); err != nil || got != out {
			t.Errorf("%s: checked %x, %v", v.Name, got, err)
		}
	}
}

// TestDrawRefused alters every bit of a proof, and what it is checked with.
func TestDrawRefused(t *testing.T) {
	v := drawVectors(t)[2]
	e, other := Entity(v.Entity), Entity(drawVectors(t)[0].Entity)
	good := DrawProof(v.Proof)
	for i := range good {
		for bit := range 8 {
			p := good
			p[i] ^= 1 << bit
			if _, err := p.Check(e, v.Alpha); !errors.Is(err, ErrBadDraw) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	if _, err := good.Check(other, v.Alpha); !errors.Is(err, ErrBadDraw) {
		t.Errorf("another's: %v", err)
	}
	if _, err := good.Check(e, append(slices.Clone([]byte(v.Alpha)), 0)); !errors.Is(err, ErrBadDraw) {
		t.Errorf("over other bytes: %v", err)
	}
	if _, err := good.Check(Entity{}, v.Alpha); !errors.Is(err, ErrBadKey) {
		t.Errorf("under no key: %v", err)
	}

	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	high := good
	s := slices.Clone(high[48:])
	slices.Reverse(s)
	new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(s)
	slices.Reverse(s)
	copy(high[48:], s)
	if _, err := high.Check(e, v.Alpha); !errors.Is(err, ErrBadDraw) {
		t.Errorf("a scalar above the order: %v", err)
	}
}

// TestOneDraw is what the seller could try: gamma with a torsion point added
// verifies nowhere, though it hashes to the same draw.
func TestOneDraw(t *testing.T) {
	v := drawVectors(t)[0]
	gamma, err := onePoint([32]byte(v.Proof[:32]))
	if err != nil {
		t.Fatal(err)
	}
	torsion, err := new(edwards25519.Point).SetBytes(bytes.Repeat([]byte{0}, 32)) // of order 4
	if err != nil {
		t.Fatal(err)
	}
	moved := DrawProof(v.Proof)
	copy(moved[:32], new(edwards25519.Point).Add(gamma, torsion).Bytes())
	if _, err := moved.Check(Entity(v.Entity), v.Alpha); !errors.Is(err, ErrBadDraw) {
		t.Errorf("got %v", err)
	}
}

// TestNoStatementOfAPoint keeps what is signed apart from what draws hash.
func TestNoStatementOfAPoint(t *testing.T) {
	k := keyFromSeed([32]byte(drawVectors(t)[0].Seed))
	const p Purpose = "sea/test/1"
	if _, err := k.Sign(p, make([]byte, 32-1-len(p))); !errors.Is(err, ErrPointLength) {
		t.Errorf("got %v", err)
	}
	if _, err := k.Sign(p, make([]byte, 32-len(p))); err != nil {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzDraw demands that draws are checked as they were drawn, and that what is
// no proof is refused.
func FuzzDraw(f *testing.F) {
	for _, v := range drawVectors(f) {
		f.Add([]byte(v.Seed), []byte(v.Alpha), []byte(v.Proof))
	}
	f.Fuzz(func(t *testing.T, seed, alpha, proof []byte) {
		k := keyFromSeed([32]byte(append(slices.Clone(seed), make([]byte, 32)...)))
		p, out := k.Draw(alpha)
		if got, err := p.Check(k.Entity(), alpha); err != nil || got != out {
			t.Fatalf("checked %x, %v, want %x", got, err, out)
		}
		other := DrawProof(append(slices.Clone(proof), make([]byte, 80)...))
		got, err := other.Check(k.Entity(), alpha)
		if err == nil && (other != p || got != out) {
			t.Fatalf("a second proof %x, of %x", other, got)
		}
		if err != nil && !errors.Is(err, ErrBadDraw) {
			t.Fatal(err)
		}
	})
}
