package gossip

import (
	"bytes"
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
)

// vector are the vectors: a channel's places, a message and a record.
type vector struct {
	Channel string   `json:"channel"`
	Places  []string `json:"places"`
	Author  string   `json:"author"`
	Message string   `json:"message"` // the frame
	ID      string   `json:"id"`
	Record  string   `json:"record"` // the statement
}

var sampleMessage = Message{
	Network: "sea", Channel: addr.OfChannel("news"), Issued: time.UnixMilli(1_800_000_000_000), Number: 7,
	Scope: "text", Body: []byte("hello"),
}

var sampleRecord = Record{
	Network: "sea", Channel: addr.OfChannel("news"), Issued: time.UnixMilli(1_800_000_000_000), Every: time.Minute,
}

func makeVector(t testing.TB) vector {
	t.Helper()
	key := fixed.Key("author")
	f, err := sampleMessage.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	record, err := sampleRecord.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	id := IDOf(f)
	g := vector{
		Channel: "news", Author: key.Entity().String(), Message: hex.EncodeToString(frame.Encode(f)),
		ID: hex.EncodeToString(id[:]), Record: hex.EncodeToString(record.Encode()),
	}
	for _, a := range addr.MeetingPlaces("news") {
		g.Places = append(g.Places, a.String())
	}
	return g
}

func TestGolden(t *testing.T) {
	got := golden.JSON(t, "testdata/channel.json", makeVector(t))
	m, err := read(published(t, got.Message))
	want1 := sampleMessage
	want1.Author = fixed.Key("author").Entity()
	if err != nil || !reflect.DeepEqual(*m, want1) {
		t.Errorf("message %+v, %v", m, err)
	}
	s, err := identity.DecodeStatement(unhex(t, got.Record))
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRecord(s)
	want2 := sampleRecord
	want2.Member = want1.Author
	if err != nil || r != want2 {
		t.Errorf("record %+v, %v", r, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// published reads a Publish frame whose signature holds.
func published(t testing.TB, text string) *frame.Publish {
	t.Helper()
	f, err := frame.Decode(unhex(t, text))
	if err != nil {
		t.Fatal(err)
	}
	p := f.(*frame.Publish)
	if err := Verify(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A changed bit anywhere in what is signed, the author or the signature is seen.
func TestFlippedBits(t *testing.T) {
	g := makeVector(t)
	f := published(t, g.Message)
	for i := range f.Body {
		c := *f
		c.Body = bytes.Clone(f.Body)
		c.Body[i] ^= 1
		if err := Verify(&c); !errors.Is(err, ErrInvalid) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for i := range 32 {
		c := *f
		c.Author[i] ^= 1
		d := *f
		d.Sig[i] ^= 1
		if Verify(&c) == nil || Verify(&d) == nil {
			t.Errorf("author or signature, byte %d", i)
		}
	}
	s, err := identity.DecodeStatement(unhex(t, g.Record))
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Body {
		c := s
		c.Body = bytes.Clone(s.Body)
		c.Body[i] ^= 1
		if _, err := OpenRecord(c); !errors.Is(err, ErrInvalid) {
			t.Errorf("record, byte %d: %v", i, err)
		}
	}
}

func TestMessageRefused(t *testing.T) {
	key := fixed.Key("author")
	for name, edit := range map[string]func(*Message){
		"bad scope":   func(m *Message) { m.Scope = "Text" },
		"65537 bytes": func(m *Message) { m.Body = make([]byte, frame.MaxPublished+1) },
		"before 1970": func(m *Message) { m.Issued = time.UnixMilli(-1) },
	} {
		m := sampleMessage
		edit(&m)
		if _, err := m.Sign(key); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := sampleMessage
	large.Network, large.Scope = strings.Repeat("n", 64), strings.Repeat("s", 64)
	large.Body, large.Number = make([]byte, frame.MaxPublished), 1<<63
	f, err := large.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Body) > frame.MaxSigned {
		t.Errorf("the largest message has %d signed bytes", len(f.Body))
	}
	for _, every := range []time.Duration{0, 25 * time.Hour} {
		r := sampleRecord
		r.Every = every
		if _, err := r.Sign(key); !errors.Is(err, ErrInvalid) {
			t.Errorf("every %s: %v", every, err)
		}
	}
	r, now := sampleRecord, sampleRecord.Issued
	for _, ok := range []time.Duration{-MaxAhead, 0, MaxAge + RecordLife} {
		if err := r.ValidAt(now.Add(ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []time.Duration{-MaxAhead - time.Second, MaxAge + RecordLife + time.Second} {
		if err := r.ValidAt(now.Add(bad)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// broken are bytes like b that are none: cut off, with a tail, and changed.
func broken(b []byte) [][]byte {
	all := [][]byte{{}, b[:len(b)/2], b[:len(b)-1], append(bytes.Clone(b), 0), bytes.Repeat([]byte{0x81}, 40)}
	for i := 0; i < len(b); i += 7 {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		all = append(all, c)
	}
	return all
}

// What is read is spelled the same when it is signed again.
func FuzzMessage(f *testing.F) {
	good := published(f, makeVector(f).Message).Body
	f.Add(good)
	for _, b := range broken(good) {
		f.Add(b)
	}
	key := fixed.Key("author")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := read(&frame.Publish{Author: key.Entity(), Body: b})
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		again, err := m.Sign(key)
		if err != nil || !bytes.Equal(again.Body, b) {
			t.Errorf("%x: spelled %x again, %v", b, again.Body, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	s, err := identity.DecodeStatement(unhex(f, makeVector(f).Record))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Body)
	for _, b := range broken(s.Body) {
		f.Add(b)
	}
	key := fixed.Key("author")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		again, err := r.Sign(key)
		if err != nil || !bytes.Equal(again.Body, b) {
			t.Errorf("%x: spelled %x again, %v", b, again.Body, err)
		}
	})
}
