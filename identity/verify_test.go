package identity

import (
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"github.com/peersea/sea/internal/golden"
)

// torsionVector is a signature that implementations of Ed25519 disagree about,
// or nearly. Valid is the answer of ZIP-215 after our check of the key, and
// GoEd25519 that of crypto/ed25519, which is here to show the difference.
type torsionVector struct {
	Name      string   `json:"name"`
	Entity    hexBytes `json:"entity"`
	Purpose   Purpose  `json:"purpose"`
	Body      hexBytes `json:"body"`
	Sig       hexBytes `json:"sig"`
	Valid     bool     `json:"valid"`
	GoEd25519 bool     `json:"go_ed25519"`
}

// forge describes a signature: the key is a·B + aT·T and R is r·B + rT·T, with T
// of order 8, unless their bytes are given.
type forge struct {
	name       string
	a, r       *edwards25519.Scalar
	aT, rT     int
	key, point []byte
	hashed     []byte // what stands for R in the hash, when not R's bytes
	residue    int    // of the torsion of R + k·A, wanted; -1 for any but 0
	shift      bool   // add the group's order to S
}

func (f forge) make(t testing.TB) torsionVector {
	t.Helper()
	multiple := func(s *edwards25519.Scalar, n int) []byte {
		p := new(edwards25519.Point).ScalarBaseMult(s)
		return p.Add(p, torsion(n)).Bytes()
	}
	key, point, hashed := f.key, f.point, f.hashed
	if key == nil {
		key = multiple(f.a, f.aT)
	}
	if point == nil {
		point = multiple(f.r, f.rT)
	}
	if hashed == nil {
		hashed = point
	}
	const purpose Purpose = "sea/test/1"
	for n := range 1000 {
		body := fmt.Appendf(nil, "sea torsion %d", n)
		h := sha512.New()
		h.Write(hashed)
		h.Write(key)
		h.Write(purpose.input(body))
		k, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		residue := (f.rT + int(k.Bytes()[0]&7)*f.aT) & 7
		if residue != f.residue && (f.residue >= 0 || residue == 0) {
			continue
		}
		s := new(edwards25519.Scalar).MultiplyAdd(k, f.a, f.r).Bytes()
		if f.shift {
			s = plusOrder(s)
		}
		return torsionVector{
			Name: f.name, Entity: key, Purpose: purpose, Body: body, Sig: append(slices.Clone(point), s...),
		}
	}
	t.Fatalf("%s: no body has the wanted residue", f.name)
	return torsionVector{}
}

// plusOrder adds the group's order, 2^252 + 277…493, to a scalar's bytes.
func plusOrder(s []byte) []byte {
	order, ok := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	if !ok {
		panic("not a number")
	}
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	b := slices.Clone(s)
	slices.Reverse(b) // little-endian
	b = order.Add(order, new(big.Int).SetBytes(b)).FillBytes(b)
	slices.Reverse(b)
	return b
}

func scalar(n int) *edwards25519.Scalar {
	seed := testSeed(n)
	wide := sha512.Sum512(seed[:])
	s, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
	if err != nil {
		panic(err)
	}
	return s
}

func forgeries() []forge {
	a, r, zero := scalar(0), scalar(1), edwards25519.NewScalar()
	identity := torsion(0).Bytes()
	all := []forge{
		{name: "plain", a: a, r: r},
		{name: "R has torsion of order 2", a: a, r: r, rT: 4, residue: -1},
		{name: "R has torsion of order 4", a: a, r: r, rT: 2, residue: -1},
		{name: "R has torsion of order 8", a: a, r: r, rT: 1, residue: -1},
		{name: "key has torsion of order 2", a: a, r: r, aT: 4, residue: -1},
		{name: "key has torsion of order 4", a: a, r: r, aT: 2, residue: -1},
		{name: "key has torsion of order 8", a: a, r: r, aT: 1, residue: -1},
		{name: "key has torsion of order 8, which k cancels", a: a, r: r, aT: 1},
		{name: "key and R have torsion", a: a, r: r, aT: 3, rT: 5, residue: -1},
		{name: "key and R have torsion, which cancels", a: a, r: r, aT: 3, rT: 5},
		{name: "R is the identity", a: a, r: zero},
		{name: "R is of order 2", a: a, r: zero, rT: 4, residue: -1},
		{name: "R is of order 8", a: a, r: zero, rT: 1, residue: -1},
		{name: "S is not below the order", a: a, r: r, shift: true},
		{name: "S is not below the order, key and R have torsion", a: a, r: r, aT: 3, rT: 5, shift: true},
	}
	for i, b := range smallOrder() {
		p, err := new(edwards25519.Point).SetBytes(b[:])
		if err != nil {
			panic(err)
		}
		n := slices.IndexFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(n int) bool { return torsion(n).Equal(p) == 1 })
		all = append(all, forge{name: fmt.Sprintf("key is small-order encoding %d, S is 0, R is the identity", i),
			a: zero, r: zero, aT: n, key: b[:], point: identity})
		if own := [32]byte(p.Bytes()); own != b {
			all = append(all, forge{name: fmt.Sprintf("R is small-order encoding %d, not canonical", i), a: a, r: zero, point: b[:]})
			all = append(all, forge{name: fmt.Sprintf("R is small-order encoding %d, not canonical, and hashed as if it were", i),
				a: a, r: zero, point: b[:], hashed: own[:]})
		}
	}
	return all
}

func TestTorsionVectors(t *testing.T) {
	var made []torsionVector
	for _, f := range forgeries() {
		v := f.make(t)
		v.Valid = Verify(Entity(v.Entity), v.Purpose, v.Body, v.Sig) == nil
		v.GoEd25519 = goVerify(v)
		made = append(made, v)
	}
	var onlyWe, onlyGo, both, neither int
	for _, v := range golden.JSON(t, "testdata/torsion.json", made) {
		err := Verify(Entity(v.Entity), v.Purpose, v.Body, v.Sig)
		if (err == nil) != v.Valid {
			t.Errorf("%s: %v, want valid %v", v.Name, err, v.Valid)
		}
		if got := goVerify(v); got != v.GoEd25519 {
			t.Errorf("%s: crypto/ed25519 says %v, want %v", v.Name, got, v.GoEd25519)
		}
		switch {
		case v.Valid && v.GoEd25519:
			both++
		case v.Valid:
			onlyWe++
		case v.GoEd25519:
			onlyGo++
		default:
			neither++
		}
	}
	// The point of it all: crypto/ed25519 refuses signatures that a batch must
	// accept, and accepts, under keys of small order, what nobody signed.
	if onlyWe < 15 || onlyGo < 14 || both < 4 || neither < 8 {
		t.Errorf("accepted by us alone %d, by crypto/ed25519 alone %d, by both %d, by neither %d", onlyWe, onlyGo, both, neither)
	}
}

// TestZIP215AcceptsAllSmallOrder shows that the equation itself, without our
// check of the key, is that of ZIP-215: with S = 0 it holds for each of the 14
// encodings as key and each as R.
func TestZIP215AcceptsAllSmallOrder(t *testing.T) {
	for _, key := range smallOrder() {
		a, err := new(edwards25519.Point).SetBytes(key[:])
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range smallOrder() {
			sig := append(r[:], make([]byte, 32)...)
			if err := zip215(Entity(key), a, []byte("any"), sig); err != nil {
				t.Errorf("key %x, R %x: %v", key, r, err)
			}
			if err := verify(Entity(key), []byte("any"), sig); !errors.Is(err, ErrBadKey) {
				t.Errorf("key %x, R %x: %v, want ErrBadKey", key, r, err)
			}
		}
	}
}

// TestRFC8032 runs the first three vectors of RFC 8032 §7.1, which have no
// purpose.
func TestRFC8032(t *testing.T) {
	for _, v := range []struct{ key, message, sig string }{
		{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
		{"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	} {
		var message, sig hexBytes
		if err := errors.Join(message.UnmarshalText([]byte(v.message)), sig.UnmarshalText([]byte(v.sig))); err != nil {
			t.Fatal(err)
		}
		e, err := ParseEntity(v.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(e, message, sig); err != nil {
			t.Errorf("%s: %v", v.key, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	k, other := testKey(0), testKey(1)
	body := []byte("a body")
	s, err := k.Sign("sea/test/1", body)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(k.Entity(), "sea/test/1", body, s.Sig[:]); err != nil {
		t.Fatal(err)
	}
	offCurve := s.Sig
	offCurve[0], offCurve[31] = 2, 0
	copy(offCurve[1:31], make([]byte, 30))
	for name, err := range map[string]error{
		"another purpose": Verify(k.Entity(), "sea/test/2", body, s.Sig[:]),
		"another body":    Verify(k.Entity(), "sea/test/1", []byte("A body"), s.Sig[:]),
		"another key":     Verify(other.Entity(), "sea/test/1", body, s.Sig[:]),
		"no signature":    Verify(k.Entity(), "sea/test/1", body, nil),
		"short signature": Verify(k.Entity(), "sea/test/1", body, s.Sig[:63]),
		"long signature":  Verify(k.Entity(), "sea/test/1", body, append(s.Sig[:], 0)),
		"R off the curve": Verify(k.Entity(), "sea/test/1", body, offCurve[:]),
	} {
		if !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v, want ErrBadSignature", name, err)
		}
	}
	for bit := range 512 {
		sig := s.Sig
		sig[bit/8] ^= 1 << (bit % 8)
		if err := Verify(k.Entity(), "sea/test/1", body, sig[:]); !errors.Is(err, ErrBadSignature) {
			t.Errorf("bit %d flipped: %v, want ErrBadSignature", bit, err)
		}
	}
	// A purpose and a body must not run into each other.
	if err := Verify(k.Entity(), "sea/test/1a", []byte(" body"), s.Sig[:]); !errors.Is(err, ErrBadSignature) {
		t.Errorf("shifted purpose: %v, want ErrBadSignature", err)
	}
}

func goVerify(v torsionVector) bool {
	return ed25519.Verify(ed25519.PublicKey(v.Entity), v.Purpose.input(v.Body), v.Sig)
}

// FuzzVerify compares with crypto/ed25519: under a key that we accept, whatever
// it accepts we accept too.
func FuzzVerify(f *testing.F) {
	for _, forged := range forgeries() {
		v := forged.make(f)
		f.Add([]byte(v.Entity), v.Purpose.input(v.Body), []byte(v.Sig))
	}
	f.Fuzz(func(t *testing.T, key, message, sig []byte) {
		e, err := EntityFrom(key)
		if err != nil {
			return
		}
		ours := verify(e, message, sig)
		if len(sig) == 64 && ed25519.Verify(e[:], message, sig) && ours != nil {
			t.Fatalf("crypto/ed25519 accepts, we say %v", ours)
		}
		if ours != nil && !errors.Is(ours, ErrBadSignature) {
			t.Fatalf("%v is not ErrBadSignature", ours)
		}
	})
}
