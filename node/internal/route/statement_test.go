package route

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

// vector is a signed request or reply.
type vector struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	By        string `json:"by"`
	Body      string `json:"body"`
	Statement string `json:"statement"`
	Hash      string `json:"hash,omitempty"`
}

var noon = time.UnixMilli(1_700_000_000_000)

func sampleRequest(scope string) *Request {
	return &Request{
		Network: "sea", ID: [16]byte(fixed.Bytes("id")), To: addr.OfNode(fixed.Key("destination").Entity()),
		Issued: noon, Expires: noon.Add(MaxLife), Scope: scope, Body: []byte{},
	}
}

func samples(t testing.TB) (requests []*Request, replies []*Reply, names []string) {
	t.Helper()
	call, near, contact := sampleRequest(SealedScope), sampleRequest(NearScope), sampleRequest(ContactScope)
	near.To, near.Not = addr.MakeString("target"), addr.OfNode(fixed.Key("source").Entity())
	call.Body = []byte("what is sealed does not matter here")
	requests = []*Request{call, near, contact}
	names = []string{"sealed", "sea:nearest without the source", "sea:contact", "sealed", "not opened"}
	for _, r := range requests {
		if err := r.Sign(fixed.Key("source")); err != nil {
			t.Fatal(err)
		}
	}
	reply := Reply{To: call.Source, Network: "sea", ID: call.ID, Request: call.Hash(), Body: []byte("sealed as well")}
	none := reply
	none.Body, none.Code, none.Text = []byte{}, rpc.Expired, "the call does not open"
	replies = []*Reply{&reply, &none}
	for _, r := range replies {
		if err := r.Sign(fixed.Key("destination")); err != nil {
			t.Fatal(err)
		}
	}
	return requests, replies, names
}

func TestGolden(t *testing.T) {
	requests, replies, names := samples(t)
	var all []vector
	for i, r := range requests {
		got, err := ReadRequest(r.Encoded)
		if err != nil || got.Verify() != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: read %+v, %v", names[i], got, err)
		}
		all = append(all, vector{names[i], "request", r.Source.String(), hex.EncodeToString(r.Signed.Body), hex.EncodeToString(r.Encoded), r.Hash().String()})
	}
	for i, r := range replies {
		got, err := ReadReply(r.Encoded)
		if err != nil || got.Verify() != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: read %+v, %v", names[3+i], got, err)
		}
		s, err := identity.DecodeStatement(r.Encoded)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{names[3+i], "reply", r.By.String(), hex.EncodeToString(s.Body), hex.EncodeToString(r.Encoded), ""})
	}
	golden.JSON(t, "testdata/statements.json", all)
}

func TestFlippedBytes(t *testing.T) {
	requests, replies, _ := samples(t)
	for _, r := range requests {
		for i := range r.Encoded {
			b := bytes.Clone(r.Encoded)
			b[i] ^= 1 << (i % 8)
			got, err := ReadRequest(b)
			if err == nil {
				err = got.Verify()
			}
			if err == nil || len(err.Error()) < 10 {
				t.Errorf("%s: byte %d: %v", r.Scope, i, err)
			}
		}
	}
	for _, r := range replies {
		for i := range r.Encoded {
			b := bytes.Clone(r.Encoded)
			b[i] ^= 1 << (i % 8)
			got, err := ReadReply(b)
			if err == nil {
				err = got.Verify()
			}
			if err == nil || len(err.Error()) < 10 {
				t.Errorf("reply: byte %d: %v", i, err)
			}
		}
	}
}

func TestRequestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Request)
		want   string
	}{
		{"scope in the open", func(r *Request) { r.Scope = "sea:ping" }, "it is not sealed"},
		{"body in the open", func(r *Request) { r.Scope, r.Body = ContactScope, []byte{1} }, "sea:contact takes no body"},
		{"body", func(r *Request) { r.Body = make([]byte, MaxBody+1) }, "66817 bytes"},
		{"leaves a node out", func(r *Request) { r.Not[0] = 1 }, "only sea:nearest"},
		{"ends before it begins", func(r *Request) { r.Expires = noon.Add(-time.Millisecond) }, "holds for no time"},
		{"too long", func(r *Request) { r.Expires = noon.Add(MaxLife + time.Millisecond) }, "longer than 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sampleRequest(SealedScope)
			c.change(r)
			if err := r.Sign(fixed.Key("source")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	body, err := cbor.Marshal(map[string]any{"v": 9})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := fixed.Key("source").Sign(RequestPurpose, body)
	if _, err := ReadRequest(s.Encode()); err == nil || !strings.Contains(err.Error(), "version 9 is not known here") {
		t.Errorf("version: %v", err)
	}
	if _, err := ReadReply(s.Encode()); err == nil || !strings.Contains(err.Error(), "version 9 is not known here") {
		t.Errorf("version: %v", err)
	}
}

// The largest request and reply fit their frames.
func TestLargest(t *testing.T) {
	r := sampleRequest(SealedScope)
	r.Network = strings.Repeat("n", 64)
	r.Body = make([]byte, MaxBody)
	if err := r.Sign(fixed.Key("source")); err != nil {
		t.Fatal(err)
	}
	if len(r.Encoded) > frame.MaxStatement {
		t.Errorf("a request of %d bytes, above %d", len(r.Encoded), frame.MaxStatement)
	}
	p := Reply{Network: r.Network, Text: strings.Repeat("x", rpc.MaxText), Body: r.Body}
	if err := p.Sign(fixed.Key("source")); err != nil {
		t.Fatal(err)
	}
	if len(p.Encoded) > frame.MaxStatement {
		t.Errorf("a reply of %d bytes, above %d", len(p.Encoded), frame.MaxStatement)
	}
}

func TestFits(t *testing.T) {
	requests, replies, _ := samples(t)
	q := requests[0]
	for _, c := range []struct {
		name   string
		change func(*Reply)
		ok     bool
	}{
		{"as it is", func(*Reply) {}, true},
		{"another network", func(r *Reply) { r.Network = "x" }, false},
		{"another source", func(r *Reply) { r.To[0] ^= 1 }, false},
		{"another id", func(r *Reply) { r.ID[0] ^= 1 }, false},
		{"another request", func(r *Reply) { r.Request[0] ^= 1 }, false},
		{"another destination", func(r *Reply) { r.By = fixed.Key("other").Entity() }, false},
	} {
		r := *replies[0]
		c.change(&r)
		if err := r.Fits(q); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzReadRequest: what is accepted is spelled the same again.
func FuzzReadRequest(f *testing.F) {
	requests, replies, _ := samples(f)
	for _, r := range requests {
		f.Add(r.Encoded)
	}
	f.Add(replies[0].Encoded)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadRequest(b)
		if err != nil {
			return
		}
		again := *r
		if err := again.Sign(fixed.Key("fuzz")); err != nil || !bytes.Equal(again.Signed.Body, r.Signed.Body) {
			t.Errorf("spelled %x again, %v", again.Signed.Body, err)
		}
	})
}

// FuzzReadReply: what is accepted keeps the bounds, and only what was signed is
// verified.
func FuzzReadReply(f *testing.F) {
	requests, replies, _ := samples(f)
	for _, r := range replies {
		f.Add(r.Encoded)
	}
	f.Add(requests[0].Encoded)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReply(b)
		if err != nil {
			return
		}
		if r.check() != nil {
			t.Errorf("accepted %+v", r)
		}
		if _, err := r.Signed.Open(ReplyPurpose); (err == nil) != (r.Verify() == nil) {
			t.Errorf("verified %+v: %v", r, err)
		}
	})
}
