package addr

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// vectors are shared with the browser. Unknown sections fail, so that none is
// added without a test.
type vectors struct {
	About string `json:"about"`
	Make  []struct {
		Text    string `json:"text"`
		Address Addr   `json:"address"`
	} `json:"make"`
	Dist []struct {
		Name     string `json:"name"`
		A        Addr   `json:"a"`
		B        Addr   `json:"b"`
		LogDist  int    `json:"logDist"`
		Dist     string `json:"dist"`
		HexFloat string `json:"hexfloat"`
		F32      string `json:"f32"`
	} `json:"dist"`
	Text struct {
		Valid []struct {
			Text    string `json:"text"`
			Address string `json:"address"`
		} `json:"valid"`
		Invalid []string `json:"invalid"`
	} `json:"text"`
}

func load(t testing.TB) vectors {
	t.Helper()
	file, err := os.Open("testdata/address.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dec := json.NewDecoder(file)
	dec.DisallowUnknownFields()
	var v vectors
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Make) == 0 || len(v.Dist) == 0 || len(v.Text.Valid) == 0 || len(v.Text.Invalid) == 0 {
		t.Fatal("a section of the vectors is empty")
	}
	return v
}

func TestVectorsMake(t *testing.T) {
	for _, v := range load(t).Make {
		if got := MakeString(v.Text); got != v.Address {
			t.Errorf("MakeString(%q): got %v, want %v", v.Text, got, v.Address)
		}
		if got := Make([]byte(v.Text)); got != v.Address {
			t.Errorf("Make(%q): got %v, want %v", v.Text, got, v.Address)
		}
	}
}

func TestVectorsDist(t *testing.T) {
	for _, v := range load(t).Dist {
		t.Run(v.Name, func(t *testing.T) {
			for _, pair := range [][2]Addr{{v.A, v.B}, {v.B, v.A}} {
				if got := LogDist(pair[0], pair[1]); got != v.LogDist {
					t.Errorf("LogDist: got %v, want %v", got, v.LogDist)
				}
				got := Dist(pair[0], pair[1])
				for _, text := range []string{v.Dist, v.HexFloat} {
					want, err := strconv.ParseFloat(text, 64)
					if err != nil {
						t.Fatal(err)
					}
					if float64(got) != want {
						t.Errorf("Dist: got %x, want %x", got, want)
					}
				}
				want, err := strconv.ParseUint(v.F32, 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				if bits := math.Float32bits(got); bits != uint32(want) {
					t.Errorf("Dist: got bits %08x, want %08x", bits, want)
				}
			}
		})
	}
}

func TestVectorsText(t *testing.T) {
	v := load(t)
	for _, c := range v.Text.Valid {
		got, err := Parse(c.Text)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.Text, err)
		}
		if got.String() != c.Address {
			t.Errorf("Parse(%q): got %v, want %v", c.Text, got, c.Address)
		}
	}
	for _, text := range v.Text.Invalid {
		if got, err := Parse(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q): got %v, %v, want %v", text, got, err, ErrSyntax)
		}
		kept := MakeString("kept")
		if err := kept.UnmarshalText([]byte(text)); !errors.Is(err, ErrSyntax) || kept != MakeString("kept") {
			t.Errorf("UnmarshalText(%q): got %v, %v", text, kept, err)
		}
	}
}

// TestParseFlippedBytes turns over each bit of a good address's text: what is
// still accepted must be another address in its own spelling, and what is not
// must say where it went wrong.
func TestParseFlippedBytes(t *testing.T) {
	good := MakeString("hello").String()
	for i := range good {
		for bit := range 8 {
			text := []byte(good)
			text[i] ^= 1 << bit
			got, err := Parse(string(text))
			switch {
			case err == nil && got.String() != string(text):
				t.Errorf("Parse(%q) is spelled %q", text, got)
			case err != nil && !strings.Contains(err.Error(), "character "+strconv.Itoa(i+1)+" "):
				t.Errorf("Parse(%q): %v does not name character %d", text, err, i+1)
			}
		}
	}
}

// TestSeedExample is the sentence of Sea's first page: the distance between
// 0b1111… and 0b1010111… is 2**125 + 2**123.
func TestSeedExample(t *testing.T) {
	var ones Addr
	for i := range ones {
		ones[i] = 0xff
	}
	if got, want := float64(Dist(ones, ones.Flip(1).Flip(3))), math.Pow(2, 125)+math.Pow(2, 123); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := float64(Dist(Addr{}, Addr{}.Flip(0))), math.Pow(2, 126); got != want {
		t.Errorf("first bit: got %v, want %v", got, want)
	}
	if got, want := float64(Dist(Addr{}, Addr{}.Flip(223))), math.Pow(2, -97); got != want {
		t.Errorf("last bit: got %v, want %v", got, want)
	}
}

// wide is the distance as a whole number, by other means than the package's.
func wide(a, b Addr) *big.Int {
	x, y := new(big.Int).SetBytes(a[:]), new(big.Int).SetBytes(b[:])
	return x.Xor(x, y)
}

// near returns an address that often shares a long beginning with a.
func near(rnd *rand.Rand, seed *rand.ChaCha8, a Addr) Addr {
	start := rnd.IntN(Bits + 1)
	b, err := a.Randomise(seed, start)
	if err != nil {
		panic(err)
	}
	return b
}

func TestAgainstBigInt(t *testing.T) {
	seed := rand.NewChaCha8([32]byte{1})
	rnd := rand.New(seed)
	for range 20_000 {
		a := near(rnd, seed, Addr{})
		b, c := near(rnd, seed, a), near(rnd, seed, a)

		x := wide(a, b)
		if got, want := LogDist(a, b), Bits-x.BitLen(); got != want {
			t.Fatalf("LogDist(%v, %v): got %v, want %v", a, b, got, want)
		}
		cut := new(big.Int).Set(x)
		if drop := x.BitLen() - 24; drop > 0 {
			cut.Rsh(cut, uint(drop)).Lsh(cut, uint(drop))
		}
		want, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(cut), -97).Float64()
		if got := float64(Dist(a, b)); got != want {
			t.Fatalf("Dist(%v, %v): got %x, want %x", a, b, got, want)
		}
		if got, want := Compare(c, a, b), wide(c, a).Cmp(wide(c, b)); got != want {
			t.Fatalf("Compare(%v, %v, %v): got %v, want %v", c, a, b, got, want)
		}
		if got, want := Closer(c, a, b), wide(c, a).Cmp(wide(c, b)) < 0; got != want {
			t.Fatalf("Closer(%v, %v, %v): got %v, want %v", c, a, b, got, want)
		}
		// The triangle inequality, which rounding would break.
		if ab, ac, cb := float64(Dist(a, b)), float64(Dist(a, c)), float64(Dist(c, b)); ab > ac+cb {
			t.Fatalf("%v, %v, %v: %x > %x + %x", a, b, c, ab, ac, cb)
		}
	}
}

// TestCompareSeesTies takes two addresses that Dist cannot tell apart.
func TestCompareSeesTies(t *testing.T) {
	a, b := Addr{}.Flip(0), Addr{}.Flip(0).Flip(223)
	if Dist(Addr{}, a) != Dist(Addr{}, b) {
		t.Fatal("no tie")
	}
	if !Closer(Addr{}, a, b) || Closer(Addr{}, b, a) || Closer(Addr{}, a, a) || Compare(Addr{}, a, a) != 0 {
		t.Error("Closer and Compare do not see past the tie")
	}
}

func TestFlipRandomise(t *testing.T) {
	seed := rand.NewChaCha8([32]byte{2})
	start := MakeString("start")
	for j := range Bits {
		flipped := start.Flip(j)
		if got := LogDist(start, flipped); got != j {
			t.Errorf("Flip(%d): LogDist %d", j, got)
		}
		if flipped.Flip(j) != start {
			t.Errorf("Flip(%d) twice is not where it began", j)
		}
		for range 4 {
			drawn, err := flipped.Randomise(seed, j+1)
			if err != nil {
				t.Fatal(err)
			}
			if got := LogDist(start, drawn); got != j {
				t.Errorf("Flip(%d).Randomise(%d): LogDist %d", j, j+1, got)
			}
		}
	}
	if same, err := start.Randomise(seed, Bits); err != nil || same != start {
		t.Errorf("Randomise(%d): got %v, %v, want %v", Bits, same, err, start)
	}
	ones := bytes.Repeat([]byte{0xff}, Size)
	if got, err := (Addr{}).Randomise(bytes.NewReader(ones), 3); err != nil || got[0] != 0x1f || got[27] != 0xff {
		t.Errorf("Randomise(3) of ones: got %v, %v", got, err)
	}
	if _, err := start.Randomise(bytes.NewReader(ones[1:]), 0); err == nil {
		t.Error("Randomise did not tell that its source ran dry")
	}
}

func TestOwnMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"flip -1":       func() { Addr{}.Flip(-1) },
		"flip 224":      func() { Addr{}.Flip(Bits) },
		"randomise -1":  func() { _, _ = Addr{}.Randomise(bytes.NewReader(nil), -1) },
		"randomise 225": func() { _, _ = Addr{}.Randomise(bytes.NewReader(nil), Bits+1) },
	} {
		func() {
			defer func() {
				if got, ok := recover().(string); !ok || !strings.HasPrefix(got, "addr: ") {
					t.Errorf("%s: got %v, want a panic that names addr", name, got)
				}
			}()
			f()
		}()
	}
}

func TestJSON(t *testing.T) {
	a := MakeString("hello")
	b, err := json.Marshal(map[Addr]Addr{a: a})
	if want := `{"` + a.String() + `":"` + a.String() + `"}`; err != nil || string(b) != want {
		t.Fatalf("got %s, %v, want %s", b, err, want)
	}
	var back map[Addr]Addr
	if err := json.Unmarshal(b, &back); err != nil || back[a] != a {
		t.Errorf("got %v, %v", back, err)
	}
	if a.Short() != a.String()[:10] {
		t.Errorf("Short: got %s", a.Short())
	}
}

func TestResolve(t *testing.T) {
	hello := MakeString("hello")   // 2cf24dba5f…
	twin := hello.Flip(Bits - 1)   // differs in the last digit
	other := MakeString("another") // elsewhere
	known := []Addr{other, hello, hello, twin}
	full := hello.String()
	for _, c := range []struct {
		name, in string
		known    []Addr
		want     Addr
		err      error
	}{
		{"all digits", full, known, hello, nil},
		{"all digits of a stranger", full, nil, hello, nil},
		{"shortest", other.String()[:MinPrefix], known, other, nil},
		{"known twice", full[:MinPrefix], known[:3], hello, nil},
		{"all but one", full[:Digits-1], known[:3], hello, nil},
		{"ambiguous", full[:Digits-1], known, Addr{}, ErrAmbiguous},
		{"too short", full[:MinPrefix-1], known, Addr{}, ErrSyntax},
		{"empty", "", known, Addr{}, ErrSyntax},
		{"too long", full + "0", known, Addr{}, ErrSyntax},
		{"upper case", strings.ToUpper(full[:10]), known, Addr{}, ErrSyntax},
		{"other characters", "2cf24d…", known, Addr{}, ErrSyntax},
		{"unknown", "ffffff", known, Addr{}, ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(c.in, slices.Values(c.known))
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %v, %v, want %v, %v", got, err, c.want, c.err)
			}
		})
	}
}

// FuzzParse: what Parse accepts has one spelling.
func FuzzParse(f *testing.F) {
	v := load(f)
	for _, c := range v.Text.Valid {
		f.Add(c.Text)
	}
	for _, text := range v.Text.Invalid {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			if a != (Addr{}) || !errors.Is(err, ErrSyntax) {
				t.Errorf("Parse(%q): %v, %v", s, a, err)
			}
			return
		}
		if a.String() != s {
			t.Errorf("Parse(%q) is spelled %q", s, a)
		}
	})
}

// FuzzResolve: what Resolve finds begins with what was typed.
func FuzzResolve(f *testing.F) {
	known := []Addr{MakeString("hello"), MakeString("world"), MakeString("hello").Flip(30)}
	f.Add("2cf24d")
	f.Add("2cf24dba")
	f.Add("486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c6526")
	f.Add("486EA4")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Resolve(s, slices.Values(known))
		if err == nil && (len(s) < MinPrefix || !strings.HasPrefix(a.String(), s)) {
			t.Errorf("Resolve(%q): %v", s, a)
		}
	})
}

func BenchmarkMake(b *testing.B) {
	data := sha256.Sum256(nil)
	b.ReportAllocs()
	for b.Loop() {
		Make(data[:])
	}
}

func BenchmarkCompare(b *testing.B) {
	target, x, y := MakeString("target"), MakeString("x"), MakeString("y")
	b.ReportAllocs()
	for b.Loop() {
		Compare(target, x, y)
	}
}

func BenchmarkDist(b *testing.B) {
	x, y := MakeString("x"), MakeString("y")
	b.ReportAllocs()
	for b.Loop() {
		Dist(x, y)
	}
}
