package identity

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
)

type keyVectors struct {
	Good []goodKey `json:"good"`
	Bad  []badKey  `json:"bad"`
}

type goodKey struct {
	Seed   hexBytes `json:"seed"`
	Entity Entity   `json:"entity"`
	Work   int      `json:"work"`
}

type badKey struct {
	Bytes hexBytes `json:"bytes"`
	Why   string   `json:"why"`
}

func TestKeyVectors(t *testing.T) {
	var made keyVectors
	for n := range 8 {
		seed := testSeed(n)
		e := keyFromSeed(seed).Entity()
		made.Good = append(made.Good, goodKey{seed[:], e, Work(e)})
	}
	for n, best := 8, 0; best < DefaultWork; n++ { // some with work
		seed := testSeed(n)
		e := keyFromSeed(seed).Entity()
		if w := Work(e); w > best && w >= 6 {
			made.Good = append(made.Good, goodKey{seed[:], e, w})
			best = w
		}
	}
	for _, b := range smallOrder() {
		made.Bad = append(made.Bad, badKey{b[:], "small order"})
	}
	for _, b := range otherNonCanonical() {
		made.Bad = append(made.Bad, badKey{b[:], "not canonical"})
	}
	for y := byte(2); len(made.Bad) < 46; y++ { // some that are on no curve
		b := [32]byte{y}
		if _, err := new(edwards25519.Point).SetBytes(b[:]); err != nil {
			made.Bad = append(made.Bad, badKey{b[:], "not on the curve"})
		}
	}
	read := golden.JSON(t, "testdata/keys.json", made)
	for _, g := range read.Good {
		k := keyFromSeed([32]byte(g.Seed))
		if k.Entity() != g.Entity || Work(g.Entity) != g.Work {
			t.Errorf("seed %x: %v with work %d, want %v with %d", g.Seed, k.Entity(), Work(k.Entity()), g.Entity, g.Work)
		}
	}
}

// TestBadKeysAtEveryDoor tries the 14 encodings of small order, the other
// encodings that are not canonical, and some that are on no curve.
func TestBadKeysAtEveryDoor(t *testing.T) {
	honest := testKey(0)
	bad := append(smallOrder(), otherNonCanonical()...)
	if len(smallOrder()) != 14 {
		t.Fatalf("%d encodings of small order, want 14", len(smallOrder()))
	}
	bad = append(bad, [32]byte{2}, [32]byte{7})
	for _, b := range bad {
		e := Entity(b)
		text := hex.EncodeToString(b[:])
		statement := Statement{By: e, Body: []byte("x")}
		doors := map[string]func() error{
			"Check":          func() error { return e.Check() },
			"ParseEntity":    func() error { _, err := ParseEntity(text); return err },
			"EntityFrom":     func() error { _, err := EntityFrom(b[:]); return err },
			"UnmarshalText":  func() error { return new(Entity).UnmarshalText([]byte(text)) },
			"JSON":           func() error { return json.Unmarshal([]byte(`"`+text+`"`), new(Entity)) },
			"CBOR":           func() error { return cbor.Unmarshal(append([]byte{0x58, 32}, b[:]...), new(Entity)) },
			"Verify":         func() error { return Verify(e, "sea/test/1", nil, make([]byte, 64)) },
			"Statement.Open": func() error { _, err := statement.Open("sea/test/1"); return err },
			"DecodeStatement": func() error {
				_, err := DecodeStatement(statement.Encode())
				return err
			},
			"Certificate.Sign": func() error { _, err := Certificate{Node: e, NotAfter: 1}.Sign(honest); return err },
			"OpenCertificate": func() error {
				body, err := cbor.Marshal(certificateBody{Version: 1, Node: e, NotAfter: 1})
				if err != nil {
					return err
				}
				s, err := honest.Sign(CertificatePurpose, body)
				if err != nil {
					return err
				}
				_, err = OpenCertificate(s)
				return err
			},
			"Restore": func() error {
				_, err := Restore(strings.NewReader(keyHeader+"entity "+text+"\nsecret "+text+"\n"), nil)
				return err
			},
		}
		for door, try := range doors {
			if err := try(); !errors.Is(err, ErrBadKey) {
				t.Errorf("%s of %x: %v, want ErrBadKey", door, b, err)
			}
		}
	}
}

// TestCanonical compares the quick test for canonical encodings with decoding
// and encoding again.
func TestCanonical(t *testing.T) {
	for low := range 256 {
		for _, high := range []byte{0x00, 0x7e, 0x7f, 0x80, 0xfe, 0xff} {
			for _, middle := range []byte{0x00, 0xff} {
				b := [32]byte{0: byte(low), 31: high}
				for i := 1; i < 31; i++ {
					b[i] = middle
				}
				p, err := new(edwards25519.Point).SetBytes(b[:])
				if err != nil {
					continue
				}
				want := [32]byte(p.Bytes()) == b && !isSmall(p)
				if got := Entity(b).Check() == nil; got != want {
					t.Errorf("%x: accepted is %v, want %v", b, got, want)
				}
			}
		}
	}
}

func TestEntityText(t *testing.T) {
	good := testKey(0).Entity().String()
	for name, s := range map[string]string{
		"empty": "", "short": good[:63], "long": good + "0", "upper case": strings.ToUpper(good),
		"space": " " + good[1:], "prefix": "0x" + good[2:], "new line": good + "\n",
	} {
		if _, err := ParseEntity(s); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: %v, want ErrBadKey", name, err)
		}
		if _, err := ParseHash(s); err == nil {
			t.Errorf("hash: %s: accepted", name)
		}
	}
	e, err := ParseEntity(good)
	if err != nil || e.String() != good || e.Short() != good[:10] || fmt.Sprint(e) != good {
		t.Errorf("%v %v", e, err)
	}
	b, err := json.Marshal(map[Entity]Hash{e: HashOf(nil)})
	want := `{"` + good + `":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`
	if err != nil || string(b) != want {
		t.Errorf("%s %v, want %s", b, err, want)
	}
	var back map[Entity]Hash
	if err := json.Unmarshal(b, &back); err != nil || back[e] != HashOf(nil) {
		t.Errorf("%v %v", back, err)
	}
}

func TestEntityFromLength(t *testing.T) {
	e := testKey(0).Entity()
	for _, n := range []int{0, 31, 33, 64} {
		b := append(slices.Clone(e[:]), make([]byte, 32)...)[:n]
		if _, err := EntityFrom(b); !errors.Is(err, ErrBadKey) {
			t.Errorf("%d bytes: %v, want ErrBadKey", n, err)
		}
	}
}

// orderEight is a point of order 8.
func orderEight() *edwards25519.Point {
	b, err := hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	if err != nil {
		panic(err)
	}
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		panic(err)
	}
	return p
}

// torsion returns n times orderEight.
func torsion(n int) *edwards25519.Point {
	p := edwards25519.NewIdentityPoint()
	for range n {
		p.Add(p, orderEight())
	}
	return p
}

// smallOrder makes the 14 encodings of the 8 points of small order: each
// point's own; with the other sign bit where x is 0; with p added to y where
// that fits in 255 bits; with both.
func smallOrder() [][32]byte {
	var all [][32]byte
	add := func(b [32]byte) {
		p, err := new(edwards25519.Point).SetBytes(b[:])
		if err == nil && isSmall(p) && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	for n := range 8 {
		b := [32]byte(torsion(n).Bytes())
		add(b)
		b[31] ^= 0x80
		add(b)
	}
	for _, b := range yAbovePrime() {
		add(b)
	}
	return all
}

// otherNonCanonical makes the encodings of points of large order that are not
// canonical.
func otherNonCanonical() [][32]byte {
	var all [][32]byte
	for _, b := range yAbovePrime() {
		p, err := new(edwards25519.Point).SetBytes(b[:])
		if err == nil && !isSmall(p) {
			all = append(all, b)
		}
	}
	return all
}

// yAbovePrime makes all encodings with y from 2^255-19 to 2^255-1.
func yAbovePrime() [][32]byte {
	var all [][32]byte
	for low := 0xed; low <= 0xff; low++ {
		for _, high := range []byte{0x7f, 0xff} {
			b := [32]byte{0: byte(low), 31: high}
			for i := 1; i < 31; i++ {
				b[i] = 0xff
			}
			all = append(all, b)
		}
	}
	return all
}

func FuzzParseEntity(f *testing.F) {
	f.Add(testKey(0).Entity().String())
	f.Add(strings.Repeat("0", 64))
	f.Add(strings.Repeat("f", 64))
	for _, b := range smallOrder() {
		f.Add(hex.EncodeToString(b[:]))
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEntity(s)
		if err != nil {
			if !errors.Is(err, ErrBadKey) {
				t.Fatalf("%v is not ErrBadKey", err)
			}
			return
		}
		if e.String() != s {
			t.Fatalf("%q is read as %q", s, e)
		}
		p, err := new(edwards25519.Point).SetBytes(e[:])
		if err != nil || [32]byte(p.Bytes()) != e || isSmall(p) {
			t.Fatalf("%s is accepted", s)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(HashOf(nil).String())
	f.Add(strings.Repeat("G", 64))
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := ParseHash(s); err == nil && h.String() != s {
			t.Fatalf("%q is read as %q", s, h)
		}
	})
}

// TestMetKeys has keys take each other's place among those that are remembered,
// and bad ones try.
func TestMetKeys(t *testing.T) {
	place := func(e Entity) int { return (int(e[0]) | int(e[1])<<8) % len(met) }
	var at [len(met)]Entity
	for {
		k, err := NewKey(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		a, b := k.Entity(), at[place(k.Entity())]
		if at[place(a)] = a; b == (Entity{}) {
			continue
		}
		bad := a
		for bad.Check() == nil {
			bad[20]++ // half of all are no point
		}
		for range 3 {
			for _, e := range []Entity{a, a, b} {
				p, err := e.point()
				if err != nil || [32]byte(p.Bytes()) != e {
					t.Fatalf("%s is the point %x, %v", e, p.Bytes(), err)
				}
			}
			if err := bad.Check(); !errors.Is(err, ErrBadKey) {
				t.Fatalf("a bad key in a good one's place: %v", err)
			}
		}
		return
	}
}
