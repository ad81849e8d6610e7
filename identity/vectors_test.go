package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
)

// The files in testdata are the contract with every other implementation. They
// are made by these tests, from fixed seeds, with `go test -update`, and must
// not change without a new version of what they describe.

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
