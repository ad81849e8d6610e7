package identity

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
)

type statementVector struct {
	Seed    hexBytes `json:"seed"`
	Purpose Purpose  `json:"purpose"`
	Body    hexBytes `json:"body"`
	Sig     hexBytes `json:"sig"`
	Encoded hexBytes `json:"encoded"`
	Hash    Hash     `json:"hash"`
}

func makeStatements(t testing.TB) []statementVector {
	var all []statementVector
	for n, c := range []struct {
		purpose Purpose
		body    []byte
	}{
		{"sea/test/1", nil},
		{"sea/test/1", []byte("a job bought and sold, end to end")},
		{"sea/test/2", []byte("a job bought and sold, end to end")},
		{"a", []byte{0}},
		{Purpose(strings.Repeat("p", 64)), bytes.Repeat([]byte{0xab}, 300)},
	} {
		seed := testSeed(n / 2)
		s, err := keyFromSeed(seed).Sign(c.purpose, c.body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, statementVector{seed[:], c.purpose, c.body, s.Sig[:], s.Encode(), s.Hash(c.purpose)})
	}
	return all
}

func TestStatementVectors(t *testing.T) {
	for _, v := range golden.JSON(t, "testdata/statements.json", makeStatements(t)) {
		s, err := DecodeStatement(v.Encoded)
		if err != nil {
			t.Fatal(err)
		}
		body, err := s.Open(v.Purpose)
		if err != nil || !bytes.Equal(body, v.Body) {
			t.Errorf("%x: opens as %x, %v", v.Encoded, body, err)
		}
		if got := s.Hash(v.Purpose); got != v.Hash {
			t.Errorf("hash %v, want %v", got, v.Hash)
		}
		if !bytes.Equal(s.Encode(), v.Encoded) {
			t.Errorf("encodes as %x, want %x", s.Encode(), v.Encoded)
		}
	}
}

func TestStatementFlips(t *testing.T) {
	for _, v := range makeStatements(t) {
		flips(v.Encoded, func(at int, b []byte) {
			s, err := DecodeStatement(b)
			if err == nil {
				_, err = s.Open(v.Purpose)
			}
			if !errors.Is(err, ErrBadSignature) && !errors.Is(err, ErrBadKey) && !errors.Is(err, cbor.ErrInvalid) {
				t.Errorf("byte %d of %x: %v", at, v.Encoded, err)
			}
		})
		for n := range v.Encoded {
			if _, err := DecodeStatement(v.Encoded[:n]); !errors.Is(err, cbor.ErrInvalid) {
				t.Errorf("the first %d bytes: %v", n, err)
			}
		}
		if _, err := DecodeStatement(append(slices.Clone(v.Encoded), 0)); !errors.Is(err, cbor.ErrInvalid) {
			t.Errorf("a byte more: %v", err)
		}
	}
}

func TestStatementHash(t *testing.T) {
	s, err := testKey(0).Sign("sea/test/1", []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	want := s.Hash("sea/test/1")
	s.Sig[5] ^= 1
	if s.Hash("sea/test/1") != want {
		t.Error("the signature changes the hash")
	}
	if s.Hash("sea/test/2") == want {
		t.Error("the purpose does not change the hash")
	}
	if (Statement{By: testKey(1).Entity(), Body: s.Body}).Hash("sea/test/1") == want {
		t.Error("the signer does not change the hash")
	}
	if (Statement{By: s.By, Body: []byte("bodY")}).Hash("sea/test/1") == want {
		t.Error("the body does not change the hash")
	}
}

// TestStatementNests puts statements into another message and back.
func TestStatementNests(t *testing.T) {
	type envelope struct {
		One  Statement   `cbor:"one"`
		Many []Statement `cbor:"many"`
		None *Statement  `cbor:"none"`
		Who  Entity      `cbor:"who"`
		Ref  Hash        `cbor:"ref"`
	}
	k := testKey(0)
	s, err := k.Sign("sea/test/1", []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	in := envelope{One: s, Many: []Statement{s, s}, Who: k.Entity(), Ref: HashOf(nil)}
	b, err := cbor.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, s.Encode()) {
		t.Error("the statement is not the bytes of Encode")
	}
	var out envelope
	if err := cbor.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	clear(b) // nothing may share memory with it
	body, err := out.Many[1].Open("sea/test/1")
	if err != nil || string(body) != "body" || out.None != nil || out.Who != in.Who || out.Ref != in.Ref {
		t.Errorf("%+v %v", out, err)
	}
}

func TestPurposes(t *testing.T) {
	k := testKey(0)
	for _, p := range []Purpose{"", "sea/test/1\x00", "Sea/test/1", "sea test", "sea/tést/1", Purpose(strings.Repeat("p", 65))} {
		if _, err := k.Sign(p, nil); !errors.Is(err, ErrBadPurpose) {
			t.Errorf("sign for %q: %v, want ErrBadPurpose", p, err)
		}
		if err := Verify(k.Entity(), p, nil, make([]byte, 64)); !errors.Is(err, ErrBadPurpose) {
			t.Errorf("verify for %q: %v, want ErrBadPurpose", p, err)
		}
	}
}

func TestLongBodies(t *testing.T) {
	k := testKey(0)
	s, err := k.Sign("sea/test/1", make([]byte, MaxBody))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = DecodeStatement(s.Encode()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open("sea/test/1"); err != nil {
		t.Fatal(err)
	}
	s.Body = append(s.Body, 0)
	if _, err := s.Open("sea/test/1"); !errors.Is(err, ErrTooLong) {
		t.Errorf("open: %v, want ErrTooLong", err)
	}
	if _, err := DecodeStatement(s.Encode()); !errors.Is(err, ErrTooLong) {
		t.Errorf("decode: %v, want ErrTooLong", err)
	}
	if _, err := k.Sign("sea/test/1", s.Body); !errors.Is(err, ErrTooLong) {
		t.Errorf("sign: %v, want ErrTooLong", err)
	}
}

// TestSignCopies changes the body after signing it.
func TestSignCopies(t *testing.T) {
	body := []byte("body")
	s, err := testKey(0).Sign("sea/test/1", body)
	if err != nil {
		t.Fatal(err)
	}
	body[0] = 'B'
	if _, err := s.Open("sea/test/1"); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeStatement(f *testing.F) {
	for _, v := range makeStatements(f) {
		f.Add([]byte(v.Encoded))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStatement(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatalf("%x is encoded again as %x", b, s.Encode())
		}
		if err := s.By.Check(); err != nil {
			t.Fatal(err)
		}
		s.Open("sea/test/1")
	})
}
