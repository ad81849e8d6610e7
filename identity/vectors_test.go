package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The files in testdata are the contract with every other implementation. They
// are made by these tests, from fixed seeds, with `go test -update`, and must
// not change without a new version of what they describe.
var update = flag.Bool("update", false, "write the vectors in testdata anew")

// golden compares made with testdata/name, and returns what the file says.
func golden[V any](t testing.TB, name string, made V) V {
	t.Helper()
	path := filepath.Join("testdata", name)
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(made); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, text.Bytes()) {
		t.Errorf("%s is not what this code makes; compare it with the output of go test -update", path)
	}
	var read V
	if err := json.Unmarshal(file, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// hexBytes are bytes that are hex in JSON.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// testSeed is SHA-256("sea test seed N").
func testSeed(n int) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "sea test seed %d", n))
}

func testKey(n int) *Key { return keyFromSeed(testSeed(n)) }

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// flips calls try with b, of which one byte has been changed: each byte, in
// three ways.
func flips(b []byte, try func(at int, flipped []byte)) {
	for at := range b {
		for _, mask := range []byte{0x01, 0x80, 0xff} {
			f := bytes.Clone(b)
			f[at] ^= mask
			try(at, f)
		}
	}
}
