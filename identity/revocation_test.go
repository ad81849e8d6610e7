package identity

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
)

type revocationVector struct {
	Seed    hexBytes `json:"seed"`
	Node    Entity   `json:"node"`
	Serial  uint64   `json:"serial"`
	At      int64    `json:"at"`
	Until   int64    `json:"until"`
	Body    hexBytes `json:"body"`
	Encoded hexBytes `json:"encoded"`
}

func testRevocations() []Revocation {
	return []Revocation{
		{Node: testKey(1).Entity()},
		{Node: testKey(1).Entity(), Serial: 7, At: 1_795_000_500, Until: 1_826_536_000},
		{Node: testKey(2).Entity(), Serial: math.MaxUint64, At: 1, Until: math.MaxInt64},
	}
}

func TestRevocationVectors(t *testing.T) {
	seed := testSeed(0)
	var made []revocationVector
	for _, r := range testRevocations() {
		s, err := r.Sign(keyFromSeed(seed))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, revocationVector{seed[:], r.Node, r.Serial, r.At, r.Until, s.Body, s.Encode()})
	}
	for _, v := range golden.JSON(t, "testdata/revocations.json", made) {
		s, err := DecodeStatement(v.Encoded)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenRevocation(s)
		if want := (Revocation{v.Node, v.Serial, v.At, v.Until}); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if _, err := OpenCertificate(s); !errors.Is(err, ErrBadSignature) {
			t.Errorf("as a certificate: %v, want ErrBadSignature", err)
		}
		flips(v.Encoded, func(at int, b []byte) {
			s, err := DecodeStatement(b)
			if err == nil {
				_, err = OpenRevocation(s)
			}
			if !errors.Is(err, ErrBadSignature) && !errors.Is(err, ErrBadKey) && !errors.Is(err, cbor.ErrInvalid) {
				t.Errorf("byte %d of %x: %v", at, v.Encoded, err)
			}
		})
		// A careless signer may sign flipped bytes: what still reads has one spelling.
		flips(v.Body, func(at int, b []byte) { oneRevocation(t, b) })
	}
}

// oneRevocation says that whatever body is read is written the same way.
func oneRevocation(t *testing.T, body []byte) {
	t.Helper()
	r, err := decodeRevocation(body)
	if err != nil {
		if !errors.Is(err, ErrBadRevocation) {
			t.Fatalf("%v is not ErrBadRevocation", err)
		}
		return
	}
	s, err := r.Sign(testKey(0))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Body, body) {
		t.Fatalf("%x is written again as %x", body, s.Body)
	}
}

func TestBadRevocations(t *testing.T) {
	node := testKey(1).Entity()
	for name, r := range map[string]Revocation{
		"no node":     {Until: 1},
		"backwards":   {Node: node, At: 2, Until: 1},
		"before 1970": {Node: node, At: -1},
	} {
		if _, err := r.Sign(testKey(0)); !errors.Is(err, ErrBadRevocation) {
			t.Errorf("%s: %v, want ErrBadRevocation", name, err)
		}
	}
}

func TestRevocationVoids(t *testing.T) {
	r := testRevocations()[1]
	for serial, want := range map[uint64]bool{0: true, 6: true, 7: true, 8: false} {
		if got := r.Voids(Certificate{Node: r.Node, Serial: serial}); got != want {
			t.Errorf("serial %d: %v, want %v", serial, got, want)
		}
	}
	if r.Voids(Certificate{Node: testKey(2).Entity()}) {
		t.Error("it takes back another node's")
	}
	for at, want := range map[int64]bool{r.Until: false, r.Until + 1: true} {
		if got := r.Over(time.Unix(at, 0)); got != want {
			t.Errorf("over at %d: %v, want %v", at, got, want)
		}
	}
}

func FuzzRevocation(f *testing.F) {
	for _, r := range testRevocations() {
		s, err := r.Sign(testKey(0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Body)
	}
	f.Fuzz(oneRevocation)
}
