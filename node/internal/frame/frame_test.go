package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

const goldenFile = "testdata/frames.json"

// vector is one vector: a frame's bytes and what they say.
type vector struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
}

// samples has every kind of frame, with small and large members.
var samples = []struct {
	name  string
	frame Frame
}{
	{"welcome", &Welcome{Observed: "192.0.2.7:4321"}},
	{"welcome, address unknown", &Welcome{}},
	{"ping", &Ping{N: 1}},
	{"ping 2^64-1", &Ping{N: maxUint}},
	{"pong", &Pong{N: 24}},
	{"close, going offline", &Close{Reason: ReasonOffline}},
	{"close, protocol broken", &Close{Reason: ReasonProtocol, Text: "frame: tag 99 is not known here"}},
	{"credit", &Credit{N: 262144}},
	{"part, first of two", &Part{ID: 0, Left: 3, Data: []byte{0x83, 0x07}}},
	{"part, last", &Part{ID: 256, Left: 0, Data: []byte("end")}},
	{"open", &Open{}},
	{"message", &Message{Scope: "chat", Body: []byte("hello")}},
	{"message, empty", &Message{Scope: "chat", Body: []byte{}}},
	{"request", &Request{ID: 1, Scope: "sea:ping", Body: []byte{}}},
	{"request with body", &Request{ID: 65536, Scope: "market:ask", Body: []byte{0xa0}}},
	{"reply", &Reply{ID: 1, Code: rpc.OK, Body: []byte{0xf6}}},
	{"reply, no handler", &Reply{ID: 2, Code: rpc.NoHandler, Text: "scope x is not served here", Body: []byte{}}},
	{"cancel", &Cancel{ID: 1}},
	{"routed", &Routed{Hop: 7, TTL: 23, Attempt: 0, Budget: 4, Statement: []byte{0x83, 0x40, 0x40, 0x40}}},
	{"ack", &Ack{Hop: 7}},
	{"nak, unreachable", &Nak{Hop: 7, Code: rpc.Unreachable, Budget: 3}},
	{"need, none", &Need{N: 0}},
	{"need, the only one", &Need{N: MaxNeed}},
	{"elsewhere", &Elsewhere{URLs: "wss://a.example/sea\nwss://b.example/sea"}},
	{"answer", &Answer{Attempt: 1, Statement: []byte{0x83, 0x40, 0x40, 0x40}}},
	{"publish", &Publish{Channel: sampleChannel, Author: [32]byte{1}, Body: []byte{0xa0}, Sig: [64]byte{2}}},
	{"publish, past", &Publish{Channel: sampleChannel, Past: 1, Author: [32]byte{1}, Body: []byte{0xa0}, Sig: [64]byte{2}}},
	{"have", &Have{Channel: sampleChannel, IDs: []ID{{1}, {2}}}},
	{"have, nothing new", &Have{Channel: sampleChannel}},
	{"relay, first of two", &Relay{Stream: 3, Out: 0, Left: 2, Data: []byte{1, 9}}},
	{"relay, last", &Relay{Stream: 3, Out: 1, Left: 0, Data: []byte{9, 9}}},
	{"relay credit, of the end", &RelayCredit{Stream: 3, Out: 0, N: 8256}},
	{"relay credit, passed on", &RelayCredit{Stream: 3, Out: 1, N: 8256}},
	{"relay end", &RelayEnd{Stream: 3, Out: 1}},
	{"graft", &Graft{Channel: sampleChannel, IDs: []ID{{1}}}},
	{"prune", &Prune{Channel: sampleChannel}},
	{"neighbour, new", &Neighbour{Channel: sampleChannel, Want: WantNew}},
	{"neighbour, needed", &Neighbour{Channel: sampleChannel, Want: WantNeeded, IDs: []ID{{1}}}},
	{"partner, yes", &Partner{Channel: sampleChannel, Yes: 1, IDs: []ID{{1}}, Members: []addr.Addr{{3}}}},
	{"partner, no", &Partner{Channel: sampleChannel, Members: []addr.Addr{{3}, {4}}}},
	{"leave", &Leave{Channel: sampleChannel}},
	{"walk", &Walk{Channel: sampleChannel, Who: addr.Addr{3}, TTL: 6}},
	{"shuffle", &Shuffle{Channel: sampleChannel, Path: []addr.Addr{{5}, {6}}, Members: []addr.Addr{{3}, {4}}}},
	{"shuffled, one hop left", &Shuffled{Channel: sampleChannel, Path: []addr.Addr{{5}}, Members: []addr.Addr{{7}}}},
	{"shuffled, arrived", &Shuffled{Channel: sampleChannel, Members: []addr.Addr{{7}}}},
	{"past", &Past{Channel: sampleChannel, Want: 16}},
}

var sampleChannel = addr.OfChannel("news")

func TestGolden(t *testing.T) {
	var all []vector
	for _, s := range samples {
		all = append(all, vector{s.name, hex.EncodeToString(Encode(s.frame))})
	}
	vectors := golden.JSON(t, goldenFile, all)
	for i, s := range samples {
		v := vectors[i]
		want, err := hex.DecodeString(v.Hex)
		if err != nil || v.Name != s.name {
			t.Fatalf("vector %q: %v, want %q", v.Name, err, s.name)
		}
		if got := Encode(s.frame); !bytes.Equal(got, want) {
			t.Errorf("%s: encoded %x, want %x", s.name, got, want)
		}
		got, err := Decode(want)
		if err != nil || !reflect.DeepEqual(got, s.frame) {
			t.Errorf("%s: decoded %+v, %v, want %+v", s.name, got, err, s.frame)
		}
		if err := cbor.Check(want); err != nil {
			t.Errorf("%s: not in the one spelling: %v", s.name, err)
		}
	}
}

// A frame has no checksum of its own, the seal around it has. So a changed byte
// either is refused with a reason or says something else, in its one spelling.
func TestFlippedBytes(t *testing.T) {
	for _, v := range golden.Read[[]vector](t, goldenFile) {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			for bit := range 8 {
				c := bytes.Clone(b)
				c[i] ^= 1 << bit
				checkOneSpelling(t, c)
			}
		}
		for i := range b {
			if _, err := Decode(b[:i]); err == nil {
				t.Errorf("%s cut to %d bytes: no error", v.Name, i)
			}
		}
		if _, err := Decode(append(bytes.Clone(b), 0)); err == nil {
			t.Errorf("%s and a byte more: no error", v.Name)
		}
	}
}

// checkOneSpelling demands that b is refused with a reason, or is what its
// frame encodes to.
func checkOneSpelling(t *testing.T, b []byte) {
	t.Helper()
	f, err := Decode(b)
	if err != nil {
		if !errors.Is(err, ErrInvalid) || len(err.Error()) < len("frame: x") {
			t.Errorf("%x: error %q says nothing", b, err)
		}
		return
	}
	if err := cbor.Check(b); err != nil {
		t.Errorf("%x: accepted, but %v", b, err)
	}
	if again := Encode(f); !bytes.Equal(again, b) {
		t.Errorf("%x: spelled %x again", b, again)
	}
}

// refused are bytes that are no frame, and what is said of them.
var refused = []struct {
	name string
	hex  string
	want string
}{
	{"nothing", "", "missing"},
	{"not an array", "a0", "type 5"},
	{"indefinite array", "9f01ff", "no definite length"},
	{"tag of a later version", "8218630a", "tag 99 is not known here"},
	{"huge tag", "821b000000010000000100", "not known here"},
	{"too few members", "8101", "1 members, not 2"},
	{"too many members", "83010101", "3 members, not 2"},
	{"a number as text", "820161", "type 3, not 0"},
	{"number not shortest", "82011801", "shortest"},
	{"length not shortest", "8307" + "7804" + hex.EncodeToString([]byte("chat")) + "40", "shortest"},
	{"scope in upper case", "83076143" + "40", "not one of a-z"},
	{"empty scope", "830760" + "40", "0 bytes, not 1 to 64"},
	{"long scope", "83077841" + strings.Repeat("61", 65) + "40", "65 bytes, not 1 to 64"},
	{"text that is not UTF-8", "830301" + "61ff", "not UTF-8"},
	{"ttl", "860b00181900" + "00" + "4100", "ttl: 25, above 24"},
	{"attempt", "860b001803" + "00" + "4100", "shortest"},
	{"attempt 3", "860b000103" + "00" + "4100", "attempt: 3, above 2"},
	{"budget", "860b00010005" + "4100", "budget: 5, above 4"},
	{"credit", "82041a00200001", "bytes: 2097153"},
	{"empty part", "8405000040", "data: 0 bytes, not 1"},
	{"body of 2^63 bytes", "8307616" + "15b8000000000000000", "not 0 to 1048576"},
	{"body cut short", "8307616" + "14561", "cut short"},
	{"channel cut", "8218231b", "channel: CBOR type 0, not 2"},
	{"want", "841824" + "581c" + strings.Repeat("00", 28) + "03" + "40", "want: 3, above 2"},
	{"half an id", "831821" + "581c" + strings.Repeat("00", 28) + "4800000000000000" + "00", "8 bytes, not a multiple of 16"},
	{"65 ids", "831821" + "581c" + strings.Repeat("00", 28) + "590410" + strings.Repeat("00", 1040), "1040 bytes, not 0 to 1024"},
	{"no path", "841828" + "581c" + strings.Repeat("00", 28) + "40" + "40", "path: 0 bytes, not 28 to 168"},
	{"reason above 32 bits", "83031b0000000100000000" + "60", "above 4294967295"},
}

func TestRefused(t *testing.T) {
	var all []vector
	for _, c := range refused {
		all = append(all, vector{c.name, c.hex})
	}
	golden.JSON(t, "testdata/refused.json", all)
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			b, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Decode(b)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	large := Encode(&Reply{ID: maxUint, Code: 1<<32 - 1, Text: strings.Repeat("x", rpc.MaxText), Body: make([]byte, MaxBody)})
	if len(large) > MaxFrame {
		t.Errorf("the largest frame has %d bytes, above %d", len(large), MaxFrame)
	}
	if n := len(Encode(&Routed{Statement: make([]byte, MaxStatement)})); n > MaxFrame {
		t.Errorf("the largest routed frame has %d bytes", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a body too large was encoded")
		}
	}()
	Encode(&Message{Scope: "x", Body: make([]byte, MaxBody+1)})
}

// A body that arrived is not copied again.
func TestDecodeDoesNotCopy(t *testing.T) {
	b := Encode(&Message{Scope: "chat", Body: []byte("hello")})
	f, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] = '!'
	if got := string(f.(*Message).Body); got != "hell!" {
		t.Errorf("got %q", got)
	}
}

func TestNames(t *testing.T) {
	for tag := TagWelcome; tag <= TagPast; tag++ {
		if tag == TagAnswer+1 {
			tag = TagPublish
		}
		f, _ := blank(tag)
		if f.Tag() != tag || tag.String() == "" || tag.String() == "unknown" {
			t.Errorf("tag %d is %v, called %q", tag, f.Tag(), tag)
		}
	}
	if Tag(99).String() != "unknown" || Reason(99).String() != "reason 99" || ReasonFull.String() != "no room for more links" {
		t.Error("names")
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range golden.Read[[]vector](f, goldenFile) {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(bytes.Clone(b), 0))
		b = bytes.Clone(b)
		b[len(b)/2] ^= 0x80
		f.Add(b)
	}
	f.Fuzz(checkOneSpelling)
}
