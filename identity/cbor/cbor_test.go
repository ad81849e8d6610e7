package cbor

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// testdata/cbor.json is written by hand, most of it from RFC 8949 appendix A: it
// says which bytes are in Sea's subset, and of those that are not, why.
type vectors struct {
	Accepted []struct{ Hex, Means string }
	Refused  []struct{ Hex, Because string }
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/cbor.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Accepted) < 30 || len(v.Refused) < 30 {
		t.Fatalf("only %d and %d vectors", len(v.Accepted), len(v.Refused))
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// anyValue reads b into Go's own types and demands the same bytes back.
func anyValue(t testing.TB, b []byte) {
	t.Helper()
	var v any
	if err := Unmarshal(b, &v); err != nil {
		t.Fatalf("%x passes Check but does not decode: %v", b, err)
	}
	again, err := Marshal(v)
	if err != nil {
		t.Fatalf("%x decodes but does not encode: %v", b, err)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%x is encoded again as %x", b, again)
	}
}

func TestVectors(t *testing.T) {
	all := readVectors(t)
	for _, v := range all.Accepted {
		b := unhex(t, v.Hex)
		if err := Check(b); err != nil {
			t.Errorf("%s (%s): %v", v.Hex, v.Means, err)
			continue
		}
		anyValue(t, b)
		for n := range b {
			if err := Check(b[:n]); !errors.Is(err, ErrInvalid) {
				t.Errorf("the first %d bytes of %s: %v", n, v.Hex, err)
			}
		}
	}
	for _, v := range all.Refused {
		b := unhex(t, v.Hex)
		if err := Check(b); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), v.Because) {
			t.Errorf("%s: %v, want %q", v.Hex, err, v.Because)
		}
		var value any
		if err := Unmarshal(b, &value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s decodes: %v", v.Hex, err)
		}
	}
}

// TestFlips changes each byte of the accepted vectors. What is still accepted is
// another value in its one spelling.
func TestFlips(t *testing.T) {
	for _, v := range readVectors(t).Accepted {
		b := unhex(t, v.Hex)
		for at := range b {
			for mask := 1; mask < 256; mask++ {
				f := bytes.Clone(b)
				f[at] ^= byte(mask)
				if err := Check(f); err == nil {
					anyValue(t, f)
				} else if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "byte ") {
					t.Errorf("%x: %v does not say where", f, err)
				}
			}
		}
	}
}

type inner struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Key  [4]byte
}

type outer struct {
	Version  uint64            `cbor:"v"`
	Name     string            `cbor:"name"`
	Body     []byte            `cbor:"body"`
	List     []inner           `cbor:"list"`
	Maybe    *int64            `cbor:"maybe"`
	Some     string            `cbor:"some,omitempty"`
	Time     int64             `cbor:"time,omitzero"`
	Raw      RawMessage        `cbor:"raw"`
	Words    map[string]string `cbor:"words"`
	Float    float64           `cbor:"float"`
	Flag     bool              `cbor:"flag"`
	Internal int               `cbor:"-"`
}

func sample() outer {
	n := int64(-5)
	return outer{
		Version: 1, Name: "söa", Body: []byte{1, 2}, List: []inner{{Kind: 3, Key: [4]byte{1, 2, 3, 4}}}, Maybe: &n, Some: "x", Time: 7,
		Raw: RawMessage{0x82, 1, 2}, Words: map[string]string{"b": "1", "aa": "2"}, Float: 1.5, Flag: true,
	}
}

func TestStructs(t *testing.T) {
	for _, in := range []outer{{Raw: RawMessage{null}, Body: []byte{}, List: []inner{}, Words: map[string]string{}}, sample()} {
		b, err := Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out outer
		if err := Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(in, out) {
			t.Errorf("%+v came back as %+v", in, out)
		}
	}
	// nil and empty are one value with one spelling.
	a, err := Marshal(outer{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Marshal(outer{Raw: RawMessage{null}, Body: []byte{}, List: []inner{}, Words: map[string]string{}})
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("%x and %x %v", a, b, err)
	}
}

// TestUnmarshalSharesNothing overwrites the input afterwards.
func TestUnmarshalSharesNothing(t *testing.T) {
	in := sample()
	b, err := Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out outer
	if err := Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 0xff
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%+v became %+v", in, out)
	}
}

// TestOneSpellingOfTypes tries values that are good CBOR but not the spelling of
// the type they are read into.
func TestOneSpellingOfTypes(t *testing.T) {
	type pair struct {
		A uint64  `cbor:"a"`
		B float64 `cbor:"b"`
	}
	type option struct {
		A uint64 `cbor:"a,omitempty"`
	}
	type bytes4 struct {
		_ struct{} `cbor:",toarray"`
		B [4]byte
	}
	for name, c := range map[string]struct {
		hex  string
		into any
	}{
		"missing field":         {"a1616101", new(pair)},
		"unknown field":         {"a36161016162f90000616300", new(pair)},
		"other case":            {"a26141016162f90000", new(pair)},
		"null for a number":     {"a26161f66162f90000", new(pair)},
		"integer for a float":   {"a2616101616201", new(pair)},
		"float for an integer":  {"a26161f93c006162f90000", new(pair)},
		"negative for unsigned": {"a26161206162f90000", new(pair)},
		"text for a number":     {"a2616161316162f90000", new(pair)},
		"zero that is omitted":  {"a1616100", new(option)},
		"null that is omitted":  {"a16161f6", new(option)},
		"short array":           {"8143010203", new(bytes4)},
		"long array":            {"81450102030405", new(bytes4)},
		"integers for bytes":    {"818401020304", new(bytes4)},
		"text for bytes":        {"816474657374", new(bytes4)},
		"too few members":       {"80", new(bytes4)},
		"too many members":      {"824401020304f6", new(bytes4)},
		"map for an array":      {"a0", new(bytes4)},
		"null for a struct":     {"f6", new(bytes4)},
		"null for bytes":        {"f6", new([]byte)},
		"null for a slice":      {"f6", new([]uint64)},
		"null for a map":        {"f6", new(map[string]uint64)},
		"null for text":         {"f6", new(string)},
		"bytes for text":        {"4161", new(string)},
		"256 for a byte":        {"190100", new(uint8)},
		"2^63 for an int64":     {"1b8000000000000000", new(int64)},
		"float64 for float32":   {"fb3ff199999999999a", new(float32)},
		"integer for a bool":    {"01", new(bool)},
		"a pointer that is nil": {"01", (*int)(nil)},
		"not a pointer":         {"01", 0},
		"nothing":               {"01", nil},
	} {
		b := unhex(t, c.hex)
		if err := Check(b); err != nil {
			t.Errorf("%s: %v: this should be good CBOR", name, err)
		}
		if err := Unmarshal(b, c.into); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, read as %v", name, err, c.into)
		}
	}
}

// TestMarshalRefuses tries values that would not be let back in.
func TestMarshalRefuses(t *testing.T) {
	deep := any("x")
	for range MaxDepth + 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"integer keys":  map[int]string{1: "x"},
		"array keys":    map[[2]byte]string{{1, 2}: "x"},
		"bad text":      "\xff",
		"bad key":       map[string]int{"\xff": 1},
		"too deep":      deep,
		"too long":      make([]uint64, MaxElements+1),
		"a channel":     make(chan int),
		"bad raw":       RawMessage{0x18, 0x01},
		"two raw":       RawMessage{1, 1},
		"half raw":      []RawMessage{{0x82, 1}},
		"a raw tag":     RawMessage{0xc0, 0x60},
		"raw undefined": RawMessage{0xf7},
	} {
		if b, err := Marshal(v); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %x %v, want ErrInvalid", name, b, err)
		}
	}
}

func TestDepthAndElements(t *testing.T) {
	nest := func(n int) []byte { return append(bytes.Repeat([]byte{0x81}, n), 0x00) }
	mapNest := func(n int) []byte { return append(bytes.Repeat([]byte{0xa1, 0x60}, n), 0x00) }
	anyValue(t, nest(MaxDepth))
	anyValue(t, mapNest(MaxDepth))
	for _, b := range [][]byte{nest(MaxDepth + 1), mapNest(MaxDepth + 1), nest(1 << 20)} {
		if err := Check(b); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "levels deep") {
			t.Errorf("%v", err)
		}
	}
	full := append([]byte{0x9a, 0, 1, 0, 0}, make([]byte, MaxElements)...)
	anyValue(t, full)
	if err := Check(append([]byte{0x9a, 0, 1, 0, 1}, make([]byte, MaxElements+1)...)); !errors.Is(err, ErrInvalid) {
		t.Errorf("an array too long: %v", err)
	}
}

func TestCheckVersion(t *testing.T) {
	for name, c := range map[string]struct{ hex, want string }{
		"version 1":    {"a1617601", ""},
		"and more":     {"a2617601627676a0", ""},
		"version 2":    {"a1617602", "version 2 is not known here, this program speaks version 1"},
		"version 2^64": {"a161761bffffffffffffffff", "version 18446744073709551615 is not known"},
		"none":         {"a1617701", "is missing"},
		"text":         {"a161766131", "is not a number"},
		"negative":     {"a1617620", "is not a number"},
		"null":         {"a16176f6", "is not a number"},
		"array":        {"8101", "is a map, this is none"},
		"not cbor":     {"a1", "byte 0"},
	} {
		err := CheckVersion(unhex(t, c.hex), 1)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestAllocation reads bytes that promise much more than is there, and bytes
// that cost the most to keep, into the types that cost the most.
func TestAllocation(t *testing.T) {
	const size = 1 << 16
	long := func(head ...byte) []byte { return append(head, make([]byte, size)...) }
	many := append([]byte{0x99, 0xff, 0xff}, bytes.Repeat([]byte{0x80}, 0xffff)...)
	for name, c := range map[string]struct {
		b    []byte
		most uint64 // bytes allocated
	}{
		"bytes of 2^63":     {long(0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0), 4 << 10},
		"bytes of 2^32":     {long(0x5b, 0, 0, 0, 1, 0, 0, 0, 0), 4 << 10},
		"text of 2^31":      {long(0x7a, 0x80, 0, 0, 0), 4 << 10},
		"array of 2^64-1":   {long(0x9b, 255, 255, 255, 255, 255, 255, 255, 255), 4 << 10},
		"array of 65,535":   {[]byte{0x99, 0xff, 0xff}, 4 << 10},
		"map of 2^60":       {long(0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0), 4 << 10},
		"map of 65,535":     {[]byte{0xb9, 0xff, 0xff, 0x60}, 4 << 10},
		"in the last place": {append([]byte{0x82, 0x00}, 0x5a, 0x7f, 0xff, 0xff, 0xff), 4 << 10},
		"65,535 arrays":     {many, 80 * uint64(len(many))},
	} {
		for _, into := range []func() any{
			func() any { return new(any) }, func() any { return new([]byte) }, func() any { return new([]any) },
			func() any { return new([][]string) }, func() any { return new(map[string]any) }, func() any { return new(outer) },
		} {
			v := into()
			used := allocated(func() { Unmarshal(c.b, v) })
			if used > c.most {
				t.Errorf("%s into %T: %d bytes allocated for %d, %d at most", name, v, used, len(c.b), c.most)
			}
		}
		if used := allocated(func() { Check(c.b) }); used > 1<<10 {
			t.Errorf("%s: Check allocated %d bytes", name, used)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Check(many) }); n != 0 {
		t.Errorf("Check of good bytes allocates %v times", n)
	}
}

// allocated returns the least of some runs, as other goroutines allocate too.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	var before, after runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestFloats compares Check's idea of the shortest float with the encoder's, for
// every half, and for what one flipped bit makes of many.
func TestFloats(t *testing.T) {
	for bits := range 1 << 16 {
		b := []byte{0xf9, byte(bits >> 8), byte(bits)}
		nan := bits&0x7c00 == 0x7c00 && bits&0x3ff != 0 && bits != 0x7e00
		if err := Check(b); (err == nil) == nan {
			t.Fatalf("%x: %v", b, err)
		}
		edge := bits&0x3ff < 2 || bits&0x3ff > 0x3fd || bits%509 == 0
		if nan || !edge {
			continue
		}
		var f float32
		if err := Unmarshal(b, &f); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		checkFloat(t, float64(f))
		for bit := range 32 {
			checkFloat(t, float64(math.Float32frombits(math.Float32bits(f)^1<<bit)))
		}
		for bit := range 64 {
			checkFloat(t, math.Float64frombits(math.Float64bits(float64(f))^1<<bit))
		}
	}
}

// checkFloat writes f in each size and demands that Check accepts the encoder's
// choice alone.
func checkFloat(t testing.TB, f float64) {
	t.Helper()
	shortest, err := Marshal(f)
	if err != nil {
		t.Fatalf("%g: %v", f, err)
	}
	single, double := math.Float32bits(float32(f)), math.Float64bits(f)
	for _, b := range [][]byte{
		{0xfa, byte(single >> 24), byte(single >> 16), byte(single >> 8), byte(single)},
		{0xfb, byte(double >> 56), byte(double >> 48), byte(double >> 40), byte(double >> 32),
			byte(double >> 24), byte(double >> 16), byte(double >> 8), byte(double)},
	} {
		if len(b) == 5 && float64(float32(f)) != f && !math.IsNaN(f) {
			continue // another number
		}
		if err := Check(b); (err == nil) != bytes.Equal(b, shortest) {
			t.Fatalf("%x: %v, the encoder writes %x", b, err, shortest)
		}
	}
}

func FuzzCheck(f *testing.F) {
	all := readVectors(f)
	for _, v := range all.Accepted {
		f.Add(unhex(f, v.Hex))
	}
	for _, v := range all.Refused {
		f.Add(unhex(f, v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Check(b) == nil {
			anyValue(t, b)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, v := range []outer{{}, sample()} {
		b, err := Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v outer
		if err := Unmarshal(b, &v); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		again, err := Marshal(v)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is encoded again as %x, %v", b, again, err)
		}
		if CheckVersion(b, v.Version) != nil {
			t.Fatalf("%x: the version is not %d", b, v.Version)
		}
	})
}

func FuzzFloats(f *testing.F) {
	for _, x := range []float64{0, 1.5, 65504, 65505, 5.960464477539063e-8, 1e300, math.Inf(-1), math.NaN()} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) { checkFloat(t, x) })
}

func BenchmarkUnmarshal(b *testing.B) {
	in, err := Marshal(sample())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		var v outer
		if err := Unmarshal(in, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	v := sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	in, err := Marshal(sample())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if err := Check(in); err != nil {
			b.Fatal(err)
		}
	}
}
