package sealed

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

const vectorFile = "testdata/sealed.json"

// A vector is a call and its outcome, sealed, with the secret that opens both.
type vector struct {
	About   string        `json:"about"`
	Secret  string        `json:"x25519_seal_secret"`
	Public  string        `json:"x25519_seal_public"`
	Network string        `json:"network"`
	From    string        `json:"from"`
	To      string        `json:"to"`
	ID      string        `json:"id"`
	Issued  int64         `json:"iat_ms"`
	Expires int64         `json:"exp_ms"`
	Bound   string        `json:"call_additional_data"`
	Scope   string        `json:"scope"`
	Body    string        `json:"body"`
	Call    string        `json:"sealed_call"`
	Request string        `json:"request_hash"`
	Answers []vectorReply `json:"answers"`
}

type vectorReply struct {
	Code   rpc.Code `json:"code"`
	Text   string   `json:"text"`
	Body   string   `json:"body"`
	Sealed string   `json:"sealed_outcome"`
}

var noon = time.UnixMilli(1_700_000_000_000)

func key(t testing.TB, name string) *Key {
	t.Helper()
	k, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(fixed.Bytes(name))
	if err != nil {
		t.Fatal(err)
	}
	return &Key{k}
}

func binding() Binding {
	return Binding{
		Network: "sea", From: fixed.Key("source").Entity(), To: addr.OfNode(fixed.Key("destination").Entity()),
		ID: [16]byte(fixed.Bytes("id")), Issued: noon, Expires: noon.Add(30 * time.Second),
	}
}

var (
	request  = identity.Hash(fixed.Bytes("request"))
	call     = Call{Scope: "market:ask", Body: []byte("what does it cost?")}
	outcomes = []Outcome{{Body: []byte("three")}, {Code: rpc.NoHandler, Text: "scope market:ask is not served here", Body: []byte{}}}
)

func TestVectors(t *testing.T) {
	k := key(t, "destination seal")
	if *golden.Update {
		writeVectors(t, k)
	}
	v := golden.Read[vector](t, vectorFile)
	public := k.Public()
	bound, err := binding().bytes()
	if err != nil || v.Public != hex.EncodeToString(public[:]) || v.Bound != hex.EncodeToString(bound) {
		t.Errorf("public %x, bound %x, %v", public, bound, err)
	}
	got, answers, err := k.Open(binding(), unhex(t, v.Call))
	if err != nil || !reflect.DeepEqual(got, call) {
		t.Fatalf("opened %+v, %v", got, err)
	}
	for i, a := range v.Answers {
		o, err := answers.Open(request, unhex(t, a.Sealed))
		if err != nil || !reflect.DeepEqual(o, outcomes[i]) {
			t.Errorf("opened %+v, %v", o, err)
		}
	}
}

// writeVectors makes other vectors each time, since sealing draws keys.
func writeVectors(t *testing.T, k *Key) {
	closed, answers, err := Seal(k.Public(), binding(), call)
	if err != nil {
		t.Fatal(err)
	}
	b, public := binding(), k.Public()
	bound, err := b.bytes()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := k.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	v := vector{
		About: "HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, info \"sea/seal/1\"; " +
			"outcomes under the key exported for \"sea/unseal/1\". Sealing draws keys: an implementation opens these.",
		Secret: hex.EncodeToString(secret), Public: hex.EncodeToString(public[:]),
		Network: b.Network, From: b.From.String(), To: b.To.String(), ID: hex.EncodeToString(b.ID[:]),
		Issued: b.Issued.UnixMilli(), Expires: b.Expires.UnixMilli(), Bound: hex.EncodeToString(bound),
		Scope: call.Scope, Body: hex.EncodeToString(call.Body), Call: hex.EncodeToString(closed), Request: request.String(),
	}
	for _, o := range outcomes {
		s, err := answers.Seal(request, o)
		if err != nil {
			t.Fatal(err)
		}
		v.Answers = append(v.Answers, vectorReply{o.Code, o.Text, hex.EncodeToString(o.Body), hex.EncodeToString(s)})
	}
	golden.JSON(t, vectorFile, v)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A call opens for its destination and in its request only.
func TestBound(t *testing.T) {
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	closed, asked, err := Seal(k.Public(), binding(), call)
	if err != nil {
		t.Fatal(err)
	}
	got, answers, err := k.Open(binding(), closed)
	if err != nil || !reflect.DeepEqual(got, call) {
		t.Fatalf("opened %+v, %v", got, err)
	}
	for name, change := range map[string]func(*Binding){
		"network":     func(b *Binding) { b.Network = "other" },
		"source":      func(b *Binding) { b.From = fixed.Key("thief").Entity() },
		"destination": func(b *Binding) { b.To = addr.MakeString("elsewhere") },
		"id":          func(b *Binding) { b.ID[0] ^= 1 },
		"issued":      func(b *Binding) { b.Issued = b.Issued.Add(time.Millisecond) },
		"expires":     func(b *Binding) { b.Expires = b.Expires.Add(time.Hour) },
	} {
		b := binding()
		change(&b)
		if _, a, err := k.Open(b, closed); !errors.Is(err, ErrOpen) || a != nil {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, _, err := key(t, "another").Open(binding(), closed); !errors.Is(err, ErrOpen) {
		t.Errorf("another key: %v", err)
	}
	out, err := answers.Seal(request, outcomes[0])
	if err != nil {
		t.Fatal(err)
	}
	if o, err := asked.Open(request, out); err != nil || !reflect.DeepEqual(o, outcomes[0]) {
		t.Errorf("outcome %+v, %v", o, err)
	}
	if _, err := asked.Open(identity.Hash{1}, out); !errors.Is(err, ErrOpen) {
		t.Errorf("the answer to another request: %v", err)
	}
	again, _, err := Seal(k.Public(), binding(), call)
	if err != nil || bytes.Equal(again, closed) {
		t.Errorf("sealed twice to the same bytes, %v", err)
	}
}

func TestFlippedBytes(t *testing.T) {
	k := key(t, "destination seal")
	closed, asked, err := Seal(k.Public(), binding(), call)
	if err != nil {
		t.Fatal(err)
	}
	for i := range closed {
		b := bytes.Clone(closed)
		b[i] ^= 1 << (i % 8)
		if _, _, err := k.Open(binding(), b); !errors.Is(err, ErrOpen) {
			t.Errorf("call: byte %d: %v", i, err)
		}
	}
	_, answers, err := k.Open(binding(), closed)
	if err != nil {
		t.Fatal(err)
	}
	out, err := answers.Seal(request, outcomes[1])
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		b := bytes.Clone(out)
		b[i] ^= 1 << (i % 8)
		if _, err := asked.Open(request, b); !errors.Is(err, ErrOpen) {
			t.Errorf("outcome: byte %d: %v", i, err)
		}
	}
	for n := range KeySize + tagSize {
		if _, _, err := k.Open(binding(), closed[:n]); !errors.Is(err, ErrOpen) {
			t.Errorf("%d bytes of a call: %v", n, err)
		}
	}
	for n := range nonceSize + tagSize {
		if _, err := asked.Open(request, out[:n]); !errors.Is(err, ErrOpen) {
			t.Errorf("%d bytes of an outcome: %v", n, err)
		}
	}
}

// The largest call and outcome keep to Overhead.
func TestLargest(t *testing.T) {
	k := key(t, "destination seal")
	b := binding()
	b.Network = strings.Repeat("n", 64)
	closed, _, err := Seal(k.Public(), b, Call{
		Scope: strings.Repeat("x", rpc.MaxScope), Body: make([]byte, frame.MaxRouted),
		Certificate: &identity.Statement{By: fixed.Key("entity").Entity(), Body: make([]byte, MaxCertificate)},
	})
	if err != nil || len(closed) > frame.MaxRouted+Overhead {
		t.Errorf("a call of %d bytes, %v", len(closed), err)
	}
	_, answers, err := k.Open(b, closed)
	if err != nil {
		t.Fatal(err)
	}
	out, err := answers.Seal(request, Outcome{Code: 1<<32 - 1, Text: strings.Repeat("x", rpc.MaxText), Body: make([]byte, frame.MaxRouted)})
	if err != nil || len(out) > frame.MaxRouted+Overhead {
		t.Errorf("an outcome of %d bytes, %v", len(out), err)
	}
}

func TestTooMuch(t *testing.T) {
	k := key(t, "destination seal")
	for name, c := range map[string]Call{
		"scope":       {Scope: "No"},
		"body":        {Scope: "x", Body: make([]byte, frame.MaxRouted+1)},
		"certificate": {Scope: "x", Certificate: &identity.Statement{Body: make([]byte, MaxCertificate+1)}},
	} {
		if _, _, err := Seal(k.Public(), binding(), c); !errors.Is(err, ErrInside) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, answers, err := Seal(k.Public(), binding(), call)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Outcome{
		"text": {Text: strings.Repeat("x", rpc.MaxText+1)}, "spelling": {Text: "\xff"},
		"body": {Body: make([]byte, frame.MaxRouted+1)},
	} {
		if _, err := answers.Seal(request, o); !errors.Is(err, ErrInside) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Seal([KeySize]byte{}, binding(), call); err == nil {
		t.Error("sealed to a key of small order")
	}
}

// What opens but is no call comes with the means to say so.
func TestInside(t *testing.T) {
	k := key(t, "destination seal")
	bound, err := binding().bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, inside := range [][]byte{{}, {0x80}, {0x83, 0x61, 'A', 0x40, 0xf6}, []byte("\x83\x61x\x40\xf6\x00")} {
		enc, sender, err := hpke.NewSender(k.private.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(callInfo))
		if err != nil {
			t.Fatal(err)
		}
		closed, err := sender.Seal(bound, inside)
		if err != nil {
			t.Fatal(err)
		}
		if _, answers, err := k.Open(binding(), append(enc, closed...)); !errors.Is(err, ErrInside) || answers == nil {
			t.Errorf("%x: %v", inside, err)
		}
	}
}

// FuzzOpen: bytes from outside open or do not; what was never sealed does not.
func FuzzOpen(f *testing.F) {
	k := key(f, "destination seal")
	closed, _, err := Seal(k.Public(), binding(), call)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(closed[:KeySize+tagSize])
	f.Add(closed[:len(closed)-1])
	f.Add(append(bytes.Clone(closed), 0))
	f.Add(append(make([]byte, KeySize), closed[KeySize:]...)) // the point of order 1
	f.Add(make([]byte, 64))
	f.Add([]byte{})
	_, answers, err := k.Open(binding(), closed)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := k.Open(binding(), b); err == nil {
			t.Errorf("a call was made up: %x", b)
		}
		if _, err := answers.Open(request, b); err == nil {
			t.Errorf("an outcome was made up: %x", b)
		}
	})
}

// FuzzInside: what the other side sealed is read in one spelling only.
func FuzzInside(f *testing.F) {
	f.Add([]byte{0x83, 0x61, 'x', 0x40, 0xf6})
	f.Add([]byte{0x83, 0x00, 0x60, 0x40})
	f.Add([]byte{0x83, 0x61, 'x', 0x41, 1, 0x83, 0x40, 0x40, 0x40})
	f.Add([]byte{0x83, 0x01, 0x61, 'x', 0x41, 1})                // an outcome
	f.Add([]byte{0x82, 0x61, 'x', 0x40})                         // too few
	f.Add([]byte{0x83, 0x61, 'X', 0x40, 0xf6})                   // no scope
	f.Add([]byte{0x83, 0x78, 0x01, 'x', 0x40, 0xf6})             // a longer head than needed
	f.Add([]byte{0x9f, 0x61, 'x', 0x40, 0xf6, 0xff})             // of indefinite length
	f.Add([]byte{0x83, 0x61, 'x', 0x5a, 0xff, 0xff, 0xff, 0xff}) // bytes that are not there
	k := key(f, "destination seal")
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := readCall(b); err == nil {
			closed, _, err := Seal(k.Public(), binding(), c)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := k.Open(binding(), closed)
			if err != nil || !reflect.DeepEqual(again, c) || len(closed) != len(b)+KeySize+tagSize {
				t.Errorf("%+v again: %+v, %v", c, again, err)
			}
		}
		if o, err := readOutcome(b); err == nil && o.check() != nil {
			t.Errorf("accepted %+v", o)
		}
	})
}

// BenchmarkCall is a call sealed and opened, and its answer.
func BenchmarkCall(b *testing.B) {
	k := key(b, "destination seal")
	b.ReportAllocs()
	for b.Loop() {
		closed, asked, err := Seal(k.Public(), binding(), call)
		if err != nil {
			b.Fatal(err)
		}
		_, answers, err := k.Open(binding(), closed)
		if err != nil {
			b.Fatal(err)
		}
		out, err := answers.Seal(request, outcomes[0])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := asked.Open(request, out); err != nil {
			b.Fatal(err)
		}
	}
}
