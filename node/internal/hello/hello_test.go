package hello

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// noon is when the vectors' handshake takes place.
var noon = time.UnixMilli(1_700_000_000_000)

// newParty returns a party all of whose secrets depend on name alone.
func newParty(t testing.TB, name string, change func(*contact.Record)) *Party {
	t.Helper()
	static, err := NewStatic(bytes.NewReader(fixed.Bytes(name + " static")))
	if err != nil {
		t.Fatal(err)
	}
	r := contact.Record{
		Network: "vectors", Key: static.Public(), Seal: [32]byte(fixed.Bytes(name + " seal")),
		Issued: noon, Expires: noon.Add(24 * time.Hour),
	}
	if change != nil {
		change(&r)
	}
	record, err := r.Sign(fixed.Key(name))
	if err != nil {
		t.Fatal(err)
	}
	return &Party{
		Network: "vectors", Static: static, Record: record, Run: [8]byte(fixed.Bytes(name + " run")),
		Agent: name, Now: func() time.Time { return noon }, Random: bytes.NewReader(fixed.Bytes(name + " ephemeral")),
	}
}

// pipe returns the two ends of a wire.
func pipe(t testing.TB) (transport.Conn, transport.Conn) {
	t.Helper()
	var n memnet.Net
	l, err := n.Listen("x")
	if err != nil {
		t.Fatal(err)
	}
	dialled, err := n.Dial(t.Context(), l.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled, accepted
}

// shake does a handshake over the two ends of a wire, closing an end as soon as
// its side has failed.
func shake(t testing.TB, ini, res *Party, a, b transport.Conn) (is *Session, ie error, rs *Session, re error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if rs, re = res.Respond(ctx, b); re != nil {
			b.Close()
		}
	}()
	if is, ie = ini.Initiate(ctx, a, nil); ie != nil {
		a.Close()
	}
	<-done
	return is, ie, rs, re
}

func mustShake(t testing.TB) (*Session, *Session) {
	t.Helper()
	a, b := pipe(t)
	is, ie, rs, re := shake(t, newParty(t, "initiator", nil), newParty(t, "responder", nil), a, b)
	if ie != nil || re != nil {
		t.Fatal(ie, re)
	}
	return is, rs
}

func TestHandshake(t *testing.T) {
	is, rs := mustShake(t)
	if is.Binding != rs.Binding || is.Binding == [32]byte{} {
		t.Error("the sides name the link differently")
	}
	if !is.Initiator || rs.Initiator {
		t.Error("who dialled")
	}
	if is.Peer.Node != fixed.Key("responder").Entity() || rs.Peer.Node != fixed.Key("initiator").Entity() {
		t.Error("who is there")
	}
	if is.Peer.Entity != is.Peer.Node || is.Peer.Agent != "responder" || is.Peer.Run != [8]byte(fixed.Bytes("responder run")) {
		t.Errorf("got %+v", is.Peer)
	}
}

func TestCertificate(t *testing.T) {
	entity, node := fixed.Key("entity"), fixed.Key("initiator")
	sign := func(c identity.Certificate) *identity.Statement {
		s, err := c.Sign(entity)
		if err != nil {
			t.Fatal(err)
		}
		return &s
	}
	good := identity.Certificate{Node: node.Entity(), Can: []string{"sell"}, NotBefore: noon.Unix() - 1, NotAfter: noon.Unix() + 60}
	another, ended := good, good
	another.Node = fixed.Key("another").Entity()
	ended.NotAfter = noon.Unix() - 1
	forged := sign(good)
	forged.Sig[40] ^= 1
	own, err := good.Sign(node)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cert *identity.Statement
		want string
	}{
		{"good", sign(good), ""},
		{"of another node", sign(another), "names another node"},
		{"ended", sign(ended), "not valid at this time"},
		{"forged", forged, "bad signature"},
		{"its own", &own, "signed it itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ini := newParty(t, "initiator", nil)
			ini.Certificate = c.cert
			a, b := pipe(t)
			_, _, rs, err := shake(t, ini, newParty(t, "responder", nil), a, b)
			if err != nil {
				t.Fatal(err)
			}
			p := rs.Peer
			if c.want == "" {
				if p.Entity != entity.Entity() || p.Granted.NotAfter != good.NotAfter || p.Refused != nil {
					t.Errorf("got %+v", p)
				}
				return
			}
			// It is the node that it proves to be, and acts for nobody else.
			if p.Node != node.Entity() || p.Entity != p.Node || p.Granted != nil || !strings.Contains(p.Refused.Error(), c.want) {
				t.Errorf("got %+v, want it refused: %q", p, c.want)
			}
		})
	}
}

// Whoever is not accepted is told why, and neither side has a session.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		ini    func(*Party)
		record func(*contact.Record)
		want   string
	}{
		{"another network", func(p *Party) { p.Network = "other" }, nil, "another network"},
		{"another network in the record", nil, func(r *contact.Record) { r.Network = "other" }, "of another network"},
		{"a record for another key", nil, func(r *contact.Record) { r.Key[3] ^= 1 }, "vouches for another X25519 key"},
		{"a record that has ended", nil, func(r *contact.Record) {
			r.Issued, r.Expires = noon.Add(-time.Hour), noon.Add(-11*time.Minute)
		}, "it ended 11m0s ago"},
		{"a record to come", nil, func(r *contact.Record) { r.Issued = noon.Add(11 * time.Minute) }, "11m0s ahead"},
		{"a clock ahead", func(p *Party) { p.Now = func() time.Time { return noon.Add(11 * time.Minute) } }, nil, "clocks differ by 11m0s"},
		{"a clock behind", func(p *Party) { p.Now = func() time.Time { return noon.Add(-11 * time.Minute) } }, nil, "clocks differ by 11m0s"},
		{"a record with a bad signature", func(p *Party) { p.Record.Sig[1] ^= 1 }, nil, "bad signature"},
		{"a long name", func(p *Party) { p.Agent = strings.Repeat("x", 65) }, nil, "65 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ini := newParty(t, "initiator", c.record)
			if c.ini != nil {
				c.ini(ini)
			}
			a, b := pipe(t)
			is, ie, rs, re := shake(t, ini, newParty(t, "responder", nil), a, b)
			if rs != nil || re == nil || !strings.Contains(re.Error()+errText(ie), c.want) {
				t.Errorf("responder got %v, initiator %v, want %q", re, ie, c.want)
			}
			if is == nil {
				return
			}
			// The initiator was done before the responder refused: it hears
			// the refusal where the welcome would be.
			msg, err := a.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r := ReadRefusal(msg); r == nil || r.Reason != frame.ReasonRefused || !strings.Contains(r.Text, c.want) {
				t.Errorf("told %v, want %q", r, c.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestWork(t *testing.T) {
	res := newParty(t, "responder", nil)
	res.Work = identity.Work(fixed.Key("initiator").Entity()) + 1
	a, b := pipe(t)
	_, _, rs, err := shake(t, newParty(t, "initiator", nil), res, a, b)
	if rs != nil || err == nil || !strings.Contains(err.Error(), "bits of work, this network asks for") {
		t.Errorf("got %v", err)
	}
}

// decide sees who is there before they see us.
func TestDecide(t *testing.T) {
	a, b := pipe(t)
	ours := &Refusal{Reason: frame.ReasonDuplicate, Text: "we have one", Ours: true}
	var re error
	done := make(chan struct{})
	go func() { defer close(done); _, re = newParty(t, "responder", nil).Respond(t.Context(), b) }()
	_, err := newParty(t, "initiator", nil).Initiate(t.Context(), a, func(p Proof) error {
		if p.Node != fixed.Key("responder").Entity() {
			t.Error("who is there")
		}
		return ours
	})
	<-done
	if err != ours {
		t.Errorf("initiator got %v", err)
	}
	var r *Refusal
	if !errors.As(re, &r) || r.Ours || r.Reason != frame.ReasonDuplicate || r.Text != "we have one" {
		t.Errorf("responder got %v", re)
	}
}

func TestUnknownVersion(t *testing.T) {
	a, b := pipe(t)
	go a.Send(t.Context(), append([]byte{7}, make([]byte, 32)...))
	_, err := newParty(t, "responder", nil).Respond(t.Context(), b)
	const want = "version 7 is not known here, this node speaks version 1"
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	msg, err := a.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := ReadRefusal(msg); r == nil || !strings.Contains(r.Text, want) {
		t.Errorf("told %v", r)
	}
}

// A responder that says nothing does not hold the initiator.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := newParty(t, "initiator", nil).Initiate(ctx, a, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// A tap changes the n-th message that is sent through it.
type tap struct {
	transport.Conn
	n      int
	change func([]byte) []byte
	sent   [][]byte
}

func (c *tap) Send(ctx context.Context, msg []byte) error {
	c.sent = append(c.sent, bytes.Clone(msg))
	if c.change != nil && len(c.sent)-1 == c.n {
		msg = c.change(bytes.Clone(msg))
	}
	return c.Conn.Send(ctx, msg)
}

// record returns the bytes of the three messages.
func record(t *testing.T) (first, second, third []byte) {
	a, b := pipe(t)
	ta, tb := &tap{Conn: a}, &tap{Conn: b}
	if _, ie, _, re := shake(t, newParty(t, "initiator", nil), newParty(t, "responder", nil), ta, tb); ie != nil || re != nil {
		t.Fatal(ie, re)
	}
	return ta.sent[0], tb.sent[0], ta.sent[1]
}

// A script is a wire whose other end says what was written down.
type script struct {
	transport.Conn
	lines [][]byte
}

func (s *script) Send(context.Context, []byte) error { return nil }

func (s *script) Recv(context.Context) ([]byte, error) {
	if len(s.lines) == 0 {
		return nil, net.ErrClosed
	}
	line := bytes.Clone(s.lines[0])
	s.lines = s.lines[1:]
	return line, nil
}

// Every changed byte of every message is refused by its reader, or by the next
// one, and the error says what was wrong.
func TestFlippedHandshake(t *testing.T) {
	first, second, third := record(t)
	check := func(which, i int, s *Session, err error) {
		t.Helper()
		if s != nil || err == nil {
			t.Fatalf("message %d, byte %d: a session", which, i)
		}
		if said := err.Error(); !strings.Contains(said, "does not verify") && !strings.Contains(said, "version") {
			t.Errorf("message %d, byte %d: the error is %q", which, i, said)
		}
	}
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[i] ^= 1 << (i % 8)
		return b
	}
	ini, res := newParty(t, "initiator", nil), newParty(t, "responder", nil)
	respond := func(lines ...[]byte) (*Session, error) {
		res.Random = bytes.NewReader(fixed.Bytes("responder ephemeral"))
		return res.Respond(t.Context(), &script{lines: lines})
	}
	if s, err := respond(first, third); s == nil {
		t.Fatal(err) // the script itself works
	}
	for i := range first {
		// The responder sees a key, and answers to it: its reader notices.
		s, err := respond(flip(first, i), third)
		check(1, i, s, err)
	}
	for i := range second {
		ini.Random = bytes.NewReader(fixed.Bytes("initiator ephemeral"))
		s, err := ini.Initiate(t.Context(), &script{lines: [][]byte{flip(second, i)}}, nil)
		check(2, i, s, err)
	}
	for i := range third {
		s, err := respond(first, flip(third, i))
		check(3, i, s, err)
	}
}

// A recorded handshake sent again gets nowhere: the responder's ephemeral key
// is another one.
func TestReplayedHandshake(t *testing.T) {
	first, _, third := record(t)
	a, b := pipe(t)
	res := newParty(t, "responder", nil)
	res.Random = nil
	go func() {
		_ = a.Send(t.Context(), first)
		_ = a.Send(t.Context(), third)
	}()
	if rs, err := res.Respond(t.Context(), b); rs != nil || !errors.Is(err, ErrHandshake) {
		t.Errorf("got %v", err)
	}
}

// A payload relayed into another handshake vouches for another X25519 key.
func TestRelayedPayload(t *testing.T) {
	thief := newParty(t, "thief", nil)
	thief.Record = newParty(t, "initiator", nil).Record
	a, b := pipe(t)
	_, _, rs, err := shake(t, thief, newParty(t, "responder", nil), a, b)
	if rs != nil || !errors.Is(err, ErrPayload) || !strings.Contains(err.Error(), "vouches for another X25519 key") {
		t.Errorf("got %v", err)
	}
}

func TestSealed(t *testing.T) {
	is, rs := mustShake(t)
	for _, bulk := range []bool{false, true} {
		seal, _ := is.Lane(bulk)
		_, open := rs.Lane(bulk)
		for i := range 3 {
			msg, err := seal.Seal(nil, []byte{byte(i)})
			if err != nil || len(msg) != 1+Overhead {
				t.Fatal(len(msg), err)
			}
			if plain, err := open.Open(msg); err != nil || !bytes.Equal(plain, []byte{byte(i)}) {
				t.Fatal(plain, err)
			}
		}
	}
}

func TestSealedRefuses(t *testing.T) {
	is, rs := mustShake(t)
	seal, ownOpen := is.Lane(false)
	bulk, _ := is.Lane(true)
	_, fresh := rs.Lane(false)
	first, _ := seal.Seal(nil, []byte("first"))
	second, _ := seal.Seal(nil, []byte("second"))
	other, _ := bulk.Seal(nil, []byte("other lane"))
	try := func(name string, msg []byte, open Opener, want error) {
		t.Helper()
		if _, err := open.Open(bytes.Clone(msg)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for i := range first {
		flipped := bytes.Clone(first)
		flipped[i] ^= 1 << (i % 8)
		want := ErrSeal
		if i == 0 {
			want = ErrVersion
		}
		try("flipped", flipped, fresh, want)
	}
	for i := range first {
		want := ErrSeal
		if i == 0 {
			want = ErrVersion
		}
		try("cut", first[:i], fresh, want)
	}
	try("too long", make([]byte, MaxSealed+1), fresh, ErrVersion)
	try("too long, right version", append([]byte{Version}, make([]byte, MaxSealed)...), fresh, ErrSeal)
	try("out of turn", second, fresh, ErrSeal)
	try("of the other lane", other, fresh, ErrSeal)
	try("sent back", first, ownOpen, ErrSeal)
	ahead := fresh
	if _, err := ahead.Open(bytes.Clone(first)); err != nil {
		t.Fatal(err)
	}
	try("repeated", first, ahead, ErrSeal)
	ahead.n = maxNonce
	try("exhausted", second, ahead, ErrExhausted)
	seal.n = maxNonce
	if _, err := seal.Seal(nil, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("sealed too much: %v", err)
	}
}

// A side that goes away is an error, not a wait.
func TestPeerGone(t *testing.T) {
	a, b := pipe(t)
	b.Close()
	if _, err := newParty(t, "initiator", nil).Initiate(t.Context(), a, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
