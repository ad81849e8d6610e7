package compute

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
)

// vector is a line of testdata/vectors.json: a value, its encoding and its hash.
type vector struct {
	Name    string
	Job     *Job     `json:",omitempty"`
	Outcome *Outcome `json:",omitempty"`
	Receipt *Receipt `json:",omitempty"`
	CBOR    string
	Hash    identity.Hash
	// Statement is the receipt signed by the key whose seed is 32 zeros.
	Statement string `json:",omitempty"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(b, &list); err != nil || len(list) == 0 {
		t.Fatal("no vectors", err)
	}
	return list
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.CBOR)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recode decodes b as what the vector is and encodes it again.
func (v vector) recode(b []byte) ([]byte, error) {
	switch {
	case v.Job != nil:
		j, err := DecodeJob(b)
		return j.Encode(), err
	case v.Outcome != nil:
		o, err := DecodeOutcome(b)
		return o.Encode(), err
	}
	r, err := DecodeReceipt(b)
	return r.Encode(), err
}

func (v vector) encode() []byte {
	switch {
	case v.Job != nil:
		return v.Job.Encode()
	case v.Outcome != nil:
		return v.Outcome.Encode()
	}
	return v.Receipt.Encode()
}

// zeroKey signs with a key that everybody knows, so that vectors can be made.
type zeroKey struct{}

func (zeroKey) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func (k zeroKey) Entity() identity.Entity {
	return identity.Entity(k.key().Public().(ed25519.PublicKey))
}

func (k zeroKey) Sign(p identity.Purpose, body []byte) (identity.Statement, error) {
	sig := ed25519.Sign(k.key(), append([]byte(string(p)+"\x00"), body...))
	return identity.Statement{By: k.Entity(), Body: body, Sig: [64]byte(sig)}, nil
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if got := hex.EncodeToString(v.encode()); got != v.CBOR {
				t.Errorf("encodes as %s", got)
			}
			again, err := v.recode(v.bytes(t))
			if err != nil || !bytes.Equal(again, v.bytes(t)) {
				t.Errorf("decodes as %x, %v", again, err)
			}
			if got := identity.HashOf(v.bytes(t)); got != v.Hash {
				t.Errorf("hash is %v", got)
			}
			if v.Receipt == nil {
				return
			}
			s, err := v.Receipt.Sign(zeroKey{})
			if got := hex.EncodeToString(s.Encode()); err != nil || got != v.Statement {
				t.Errorf("statement is %s, %v", got, err)
			}
			if r, err := OpenReceipt(s); err != nil || r != *v.Receipt {
				t.Errorf("opens as %+v, %v", r, err)
			}
		})
	}
}

// TestFlips: no byte of a vector can change unseen. A job and an outcome are
// named by their hash, a receipt is signed; where the bytes still decode, the
// name or the signature is wrong.
func TestFlips(t *testing.T) {
	for _, v := range vectors(t) {
		good := v.bytes(t)
		refused := 0
		for i := range good {
			for _, bit := range []byte{1, 0x20} {
				b := bytes.Clone(good)
				b[i] ^= bit
				_, err := v.recode(b)
				if err == nil {
					if identity.HashOf(b) == v.Hash {
						t.Errorf("%s: byte %d changed and the hash did not", v.Name, i)
					}
					continue
				}
				refused++
				if !errors.Is(err, ErrInvalid) || len(err.Error()) < len("compute: invalid job: x") {
					t.Errorf("%s: byte %d: %v", v.Name, i, err)
				}
			}
			if _, err := v.recode(good[:i]); err == nil {
				t.Errorf("%s: its first %d bytes decode", v.Name, i)
			}
		}
		if refused == 0 {
			t.Errorf("%s: no change was refused", v.Name)
		}
		if v.Receipt == nil {
			continue
		}
		signed, err := hex.DecodeString(v.Statement)
		if err != nil {
			t.Fatal(err)
		}
		for i := range signed {
			b := bytes.Clone(signed)
			b[i] ^= 1
			s, err := identity.DecodeStatement(b)
			if err == nil {
				_, err = OpenReceipt(s)
			}
			if err == nil || err.Error() == "" {
				t.Errorf("%s: byte %d of the statement changed unseen", v.Name, i)
			}
		}
	}
}

// TestUnknownVersion: a newer version is refused as such.
func TestUnknownVersion(t *testing.T) {
	for _, v := range vectors(t) {
		b := v.bytes(t)
		i := bytes.Index(b, []byte("av\x01")) // the key "v" of one letter, and 1
		if i < 0 {
			t.Fatalf("%s has no version", v.Name)
		}
		b[i+2] = 2
		if _, err := v.recode(b); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%s: got %v", v.Name, err)
		}
	}
}

// TestCheckJob goes over every bound by one.
func TestCheckJob(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00")
	many := func(n int) []string { return strings.Split(strings.Repeat("x,", n-1)+"x", ",") }
	for name, tt := range map[string]struct {
		change func(k *task)
		want   string
	}{
		"tariff":           {func(k *task) { k.Tariff = 2 }, "tariff"},
		"small module":     {func(k *task) { k.ModuleSize = 7 }, "module"},
		"large module":     {func(k *task) { k.ModuleSize = MaxModuleBytes + 1 }, "module"},
		"long entry":       {func(k *task) { k.Entry = strings.Repeat("x", maxEntry+1) }, "entry"},
		"entry in bits":    {func(k *task) { k.Entry = "\xff" }, "entry"},
		"reserved entry":   {func(k *task) { k.Entry = "sea:start" }, "entry"},
		"start":            {func(k *task) { k.Start = -1 }, "start"},
		"late start":       {func(k *task) { k.Start = maxStart + 1 }, "start"},
		"no fuel":          {func(k *task) { k.Limits.Fuel = 0 }, "fuel"},
		"fuel":             {func(k *task) { k.Limits.Fuel = MaxFuel + 1 }, "fuel"},
		"memory":           {func(k *task) { k.Limits.MemoryPages = MaxMemoryPages + 1 }, "memory_pages"},
		"output":           {func(k *task) { k.Limits.OutputBytes = MaxOutputBytes + 1 }, "output_bytes"},
		"files":            {func(k *task) { k.Limits.Files = MaxFiles + 1 }, "files"},
		"depth":            {func(k *task) { k.Limits.Depth = MaxDepth + 1 }, "depth"},
		"wall":             {func(k *task) { k.Limits.WallMillis = 0 }, "wall_ms"},
		"many arguments":   {func(k *task) { k.Args = many(maxArgs + 1) }, "arguments"},
		"long arguments":   {func(k *task) { k.Args = []string{strings.Repeat("x", maxArgBytes)} }, "arguments"},
		"NUL argument":     {func(k *task) { k.Args = []string{"a\x00"} }, "NUL"},
		"argument in bits": {func(k *task) { k.Args = []string{"\xff"} }, "UTF-8"},
		"environment":      {func(k *task) { k.Env = []string{"NAME"} }, "NAME=VALUE"},
		"no name":          {func(k *task) { k.Env = []string{"=x"} }, "NAME=VALUE"},
		"twice":            {func(k *task) { k.Env = []string{"A=1", "A=2"} }, "twice"},
		"stdin":            {func(k *task) { k.Stdin = Blob{Size: 5, Hash: emptyBlob.Hash} }, "stdin"},
		"large inputs":     {func(k *task) { k.input("a", []byte("x")); k.Files[0].Size = MaxInputBytes + 1 }, "input"},
		"inputs together": {func(k *task) {
			k.input("a", []byte("x")).input("b", []byte("y"))
			k.Files[0].Size, k.Files[1].Size = MaxInputBytes/2, MaxInputBytes/2+1
		}, "inputs have"},
		"unsorted":       {func(k *task) { k.input("b", nil).input("a", nil) }, "sorted"},
		"same path":      {func(k *task) { k.input("a", nil).input("a", nil) }, "sorted"},
		"file in file":   {func(k *task) { k.input("a", nil).input("a.", nil).input("a/b", nil) }, "a file and a folder"},
		"in out":         {func(k *task) { k.input("out/a", nil) }, "output folder"},
		"out":            {func(k *task) { k.input("out", nil) }, "output folder"},
		"up":             {func(k *task) { k.input("../a", nil) }, "not clean"},
		"absolute":       {func(k *task) { k.input("/a", nil) }, "not relative"},
		"empty path":     {func(k *task) { k.input("", nil) }, "empty"},
		"dot":            {func(k *task) { k.input("a/./b", nil) }, "not clean"},
		"slash":          {func(k *task) { k.input("a/", nil) }, "not clean"},
		"NUL path":       {func(k *task) { k.input("a\x00b", nil) }, "NUL"},
		"path in bits":   {func(k *task) { k.input("\xff", nil) }, "UTF-8"},
		"long path":      {func(k *task) { k.input(strings.Repeat("a/", 600)+"b", nil) }, "bytes"},
		"long name":      {func(k *task) { k.input(strings.Repeat("a", 256), nil) }, "256"},
		"deep path":      {func(k *task) { k.input(strings.Repeat("a/", 32)+"b", nil) }, "parts"},
		"too few files":  {func(k *task) { k.input("a/b/c", nil); k.Limits.Files = 2 }, "files"},
		"too many files": {func(k *task) { k.Files = make([]File, maxInputs+1) }, "input files"},
		"long description": {func(k *task) {
			for i := range maxInputs {
				k.Files = append(k.Files, File{Path: strings.Repeat("a", 200) + string(rune('A'+i)), Hash: emptyBlob.Hash})
			}
		}, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTask(module)
			if err := k.Check(); err != nil {
				t.Fatal(err)
			}
			tt.change(k)
			err := k.Check()
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrInvalid about %q", err, tt.want)
			}
			if _, err := DecodeJob(k.Encode()); !errors.Is(err, ErrInvalid) {
				t.Errorf("its encoding is decoded: %v", err)
			}
		})
	}
}

func TestCheckOutcome(t *testing.T) {
	good := Outcome{End: Exit, Stdout: emptyBlob, Stderr: emptyBlob}
	for name, tt := range map[string]struct {
		change func(o *Outcome)
		want   string
	}{
		"end":         {func(o *Outcome) { o.End = "bored" }, "end"},
		"code":        {func(o *Outcome) { o.End, o.Code = OutOfFuel, 1 }, "exit code"},
		"trap":        {func(o *Outcome) { o.Trap = TrapMemory }, "trap"},
		"no trap":     {func(o *Outcome) { o.End = Trap }, "trap"},
		"other trap":  {func(o *Outcome) { o.End, o.Trap = Trap, "wasm error: boom" }, "trap"},
		"path":        {func(o *Outcome) { o.Files = []OutFile{{Path: "../x"}} }, "not clean"},
		"order":       {func(o *Outcome) { o.Files = []OutFile{{Path: "b"}, {Path: "a"}} }, "sorted"},
		"no folder":   {func(o *Outcome) { o.Files = []OutFile{{Path: "a/b"}} }, "folder"},
		"file folder": {func(o *Outcome) { o.Files = []OutFile{{Path: "a"}, {Path: "a/b"}} }, "folder"},
		"folder with bytes": {func(o *Outcome) {
			o.Files = []OutFile{{Path: "a", Dir: true, Blob: BlobOf([]byte("x"))}}
		}, "has bytes"},
		"too much": {func(o *Outcome) { o.Stdout = Blob{identity.Hash{1}, MaxOutputBytes}; o.Stderr = BlobOf([]byte("x")) }, "output"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			tt.change(&o)
			if _, err := DecodeOutcome(o.Encode()); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrInvalid about %q", err, tt.want)
			}
		})
	}
}

// TestEngineIsNotHashed: who ran a job is not part of its result.
func TestEngineIsNotHashed(t *testing.T) {
	a := Result{End: Exit, Stdout: []byte("x"), Engine: "a", Fuel: 5}
	b := a
	b.Engine, b.Cause, b.Job, b.Fuel = "b", "c", identity.Hash{1}, 6
	if a.Hash() != b.Hash() {
		t.Error("the hash depends on engine, cause, job or fuel")
	}
	b.Stderr = []byte("y")
	if a.Hash() == b.Hash() {
		t.Error("the hash does not depend on stderr")
	}
	if _, err := (Receipt{End: Exit, Tariff: 9}).Sign(zeroKey{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a receipt of an unknown tariff was signed: %v", err)
	}
}

func FuzzDecodeJob(f *testing.F) {
	fuzzOneSpelling(f, func(v vector) bool { return v.Job != nil })
}

func FuzzDecodeOutcome(f *testing.F) {
	fuzzOneSpelling(f, func(v vector) bool { return v.Outcome != nil })
}

func FuzzDecodeReceipt(f *testing.F) {
	fuzzOneSpelling(f, func(v vector) bool { return v.Receipt != nil })
}

func fuzzOneSpelling(f *testing.F, is func(vector) bool) {
	var kind vector
	for _, v := range vectors(f) {
		if is(v) {
			kind = v
			f.Add(v.bytes(f))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := kind.recode(b)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x decodes and encodes as %x", b, again)
		}
	})
}
