package identity

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
)

type certificateVector struct {
	Seed      hexBytes `json:"seed"`
	Node      Entity   `json:"node"`
	Can       []string `json:"can"`
	Budget    uint64   `json:"budget"`
	NotBefore int64    `json:"from"`
	NotAfter  int64    `json:"until"`
	Serial    uint64   `json:"serial"`
	Body      hexBytes `json:"body"`
	Encoded   hexBytes `json:"encoded"`
}

func testCertificates() []Certificate {
	return []Certificate{
		{Node: testKey(1).Entity()},
		{Node: testKey(1).Entity(), Can: []string{"pay", "sell"}, Budget: 25_000_000,
			NotBefore: 1_795_000_000, NotAfter: 1_826_536_000, Serial: 7},
		{Node: testKey(2).Entity(), Can: []string{"sell"}, Budget: maxBudget - 1,
			NotBefore: 0, NotAfter: math.MaxInt64, Serial: math.MaxUint64},
	}
}

func TestCertificateVectors(t *testing.T) {
	seed := testSeed(0)
	var made []certificateVector
	for _, c := range testCertificates() {
		s, err := c.Sign(keyFromSeed(seed))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, certificateVector{seed[:], c.Node, append([]string{}, c.Can...), c.Budget,
			c.NotBefore, c.NotAfter, c.Serial, s.Body, s.Encode()})
	}
	for _, v := range golden.JSON(t, "testdata/certificates.json", made) {
		s, err := DecodeStatement(v.Encoded)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenCertificate(s)
		want := Certificate{v.Node, v.Can, v.Budget, v.NotBefore, v.NotAfter, v.Serial}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		flips(v.Encoded, func(at int, b []byte) {
			s, err := DecodeStatement(b)
			if err == nil {
				_, err = OpenCertificate(s)
			}
			if !errors.Is(err, ErrBadSignature) && !errors.Is(err, ErrBadKey) && !errors.Is(err, cbor.ErrInvalid) {
				t.Errorf("byte %d of %x: %v", at, v.Encoded, err)
			}
		})
		// A careless signer may sign flipped bytes: what still reads has one spelling.
		flips(v.Body, func(at int, b []byte) { oneCertificate(t, b) })
	}
}

// oneCertificate says that whatever body is read is written the same way.
func oneCertificate(t *testing.T, body []byte) {
	t.Helper()
	c, err := decodeCertificate(body)
	if err != nil {
		if !errors.Is(err, ErrBadCertificate) {
			t.Fatalf("%v is not ErrBadCertificate", err)
		}
		return
	}
	s, err := c.Sign(testKey(0))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Body, body) {
		t.Fatalf("%x is written again as %x", body, s.Body)
	}
}

func TestBadCertificates(t *testing.T) {
	k := testKey(0)
	node := testKey(1).Entity()
	for name, c := range map[string]Certificate{
		"no node":        {NotAfter: 1},
		"unsorted":       {Node: node, Can: []string{"sell", "pay"}},
		"twice":          {Node: node, Can: []string{"pay", "pay"}},
		"empty word":     {Node: node, Can: []string{""}},
		"upper case":     {Node: node, Can: []string{"Pay"}},
		"long word":      {Node: node, Can: []string{strings.Repeat("a", 33)}},
		"many words":     {Node: node, Can: strings.Split("abcdefghijklmnopq", "")},
		"large budget":   {Node: node, Budget: maxBudget},
		"backwards":      {Node: node, NotBefore: 2, NotAfter: 1},
		"before 1970":    {Node: node, NotBefore: -1},
		"small-order of": {Node: Entity(smallOrder()[0]), NotAfter: 1},
	} {
		if _, err := c.Sign(k); !errors.Is(err, ErrBadCertificate) {
			t.Errorf("%s: sign: %v, want ErrBadCertificate", name, err)
		}
		body, err := cbor.Marshal(certificateBody{1, c.Node, c.Can, c.Budget, c.NotBefore, c.NotAfter, c.Serial})
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.Sign(CertificatePurpose, body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenCertificate(s); !errors.Is(err, ErrBadCertificate) {
			t.Errorf("%s: open: %+v %v, want ErrBadCertificate", name, got, err)
		}
	}
	body, err := cbor.Marshal(map[string]any{"v": 2, "all": "new"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Sign(CertificatePurpose, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCertificate(s); err == nil || !strings.Contains(err.Error(), "version 2 is not known here") {
		t.Errorf("version 2: %v", err)
	}
	other, err := k.Sign("sea/test/1", body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCertificate(other); !errors.Is(err, ErrBadSignature) {
		t.Errorf("another purpose: %v, want ErrBadSignature", err)
	}
}

func TestCertificateTimesAndWords(t *testing.T) {
	c := testCertificates()[1]
	for at, want := range map[int64]error{
		c.NotBefore - 1: ErrExpired, c.NotBefore: nil, c.NotAfter: nil, c.NotAfter + 1: ErrExpired,
	} {
		if err := c.ValidAt(time.Unix(at, 999)); !errors.Is(err, want) {
			t.Errorf("at %d: %v, want %v", at, err, want)
		}
	}
	for word, want := range map[string]bool{"pay": true, "sell": true, "": false, "pa": false, "selling": false} {
		if c.Allows(word) != want {
			t.Errorf("%q: %v, want %v", word, !want, want)
		}
	}
}

func FuzzCertificate(f *testing.F) {
	for _, c := range testCertificates() {
		s, err := c.Sign(testKey(0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Body)
	}
	f.Fuzz(oneCertificate)
}
