package node_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// A rogue is a peer that does the handshake properly and then says whatever the
// test wants.
type rogue struct {
	t    testing.TB
	key  *identity.Key
	peer [sealed.KeySize]byte // the node's sealing key
	conn transport.Conn
	seal hello.Sealer
	open hello.Opener
}

// newRogue links a rogue with the given key to the node that listens at url.
func newRogue(t testing.TB, w nodetest.Wire, key *identity.Key, url string) *rogue {
	t.Helper()
	scheme, _, _ := strings.Cut(url, "://")
	conn, err := w.Dialers[scheme].Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	static, err := hello.NewStatic(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	record, err := contact.Record{Network: "test", Key: static.Public(), Issued: now, Expires: now.Add(time.Hour)}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	party := &hello.Party{Network: "test", Static: static, Record: record, Now: time.Now}
	session, err := party.Initiate(t.Context(), conn, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rogue{t: t, key: key, peer: session.Peer.Record.Seal, conn: conn}
	r.seal, r.open = session.Lane(false)
	if _, ok := r.recv().(*frame.Welcome); !ok {
		t.Fatal("no welcome")
	}
	return r
}

func (r *rogue) sendRaw(plain []byte) error {
	msg, err := r.seal.Seal(nil, plain)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.conn.Send(r.t.Context(), msg)
}

func (r *rogue) send(f frame.Frame) {
	r.t.Helper()
	if err := r.sendRaw(frame.Encode(f)); err != nil {
		r.t.Fatal(err)
	}
}

// recv returns the next frame that is no ping.
func (r *rogue) recv() frame.Frame {
	r.t.Helper()
	f, err := r.next()
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// next is recv that returns errors.
func (r *rogue) next() (frame.Frame, error) {
	for {
		msg, err := r.conn.Recv(r.t.Context())
		if err != nil {
			return nil, err
		}
		plain, err := r.open.Open(msg)
		if err != nil {
			return nil, err
		}
		f, err := frame.Decode(plain)
		if err != nil {
			return nil, err
		}
		if _, ok := f.(*frame.Ping); !ok {
			return f, nil
		}
	}
}

// closed reads until the link is closed and returns the reason.
func (r *rogue) closed() *frame.Close {
	r.t.Helper()
	for {
		if f, ok := r.recv().(*frame.Close); ok {
			return f
		}
	}
}

// request returns a signed request to the node at to, sealed to the one that the
// rogue is linked to.
func (r *rogue) request(to addr.Addr, scope string) *route.Request {
	r.t.Helper()
	now := time.Now()
	q := &route.Request{
		Source: r.key.Entity(), Network: "test", To: to, Issued: now, Expires: now.Add(route.MaxLife), Scope: route.SealedScope,
	}
	for i := range q.ID {
		q.ID[i] = byte(rand.Uint32())
	}
	var err error
	if q.Body, _, err = sealed.Seal(r.peer, q.Binding(), sealed.Call{Scope: scope}); err != nil {
		r.t.Fatal(err)
	}
	if err := q.Sign(r.key); err != nil {
		r.t.Fatal(err)
	}
	return q
}

// What breaks a rule ends the link, with a sentence that says which, and the
// node lives on.
func TestRulesKept(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *rogue)
		want string
	}{
		{"a frame of a later version", func(r *rogue) { _ = r.sendRaw([]byte{0x82, 0x18, 0x63, 0x0a}) }, "tag 99 is not known here"},
		{"no frame", func(r *rogue) { _ = r.sendRaw([]byte("garbage")) }, "frame: frame: CBOR type 3"},
		{"an empty message", func(r *rogue) { _ = r.sendRaw(nil) }, "missing"},
		{"unsealed bytes", func(r *rogue) { _ = r.conn.Send(r.t.Context(), append([]byte{1}, make([]byte, 40)...)) }, "does not open"},
		{"another version", func(r *rogue) { _ = r.conn.Send(r.t.Context(), []byte{9, 1, 2}) }, "version 9 is not known here"},
		{"a message again", func(r *rogue) {
			again := r.seal
			r.send(&frame.Pong{})
			r.seal = again
			r.send(&frame.Pong{})
		}, "does not open"},
		{"a second welcome", func(r *rogue) { r.send(&frame.Welcome{}) }, "a welcome has no place here"},
		{"credit for nothing", func(r *rogue) { r.send(&frame.Credit{N: 1}) }, "credit for more than was sent"},
		{"a request twice", func(r *rogue) {
			r.send(&frame.Request{ID: 1, Scope: "test:wait"})
			r.send(&frame.Request{ID: 1, Scope: "test:wait"})
		}, "request 1 is under way already"},
		{"more messages than the window", func(r *rogue) {
			for i := range uint64(20) {
				cut := frame.NewCut(i, frame.Encode(&frame.Message{Scope: "x", Body: make([]byte, 60000)}))
				for last := false; !last; {
					var piece []byte
					if piece, last = cut.Next(nil); r.sendRaw(piece) != nil {
						return
					}
				}
			}
		}, "more messages than the window lets in"},
		{"parts that do not follow", func(r *rogue) { r.send(&frame.Part{ID: 5, Left: 1, Data: []byte{1}}) }, "id 5, but the next to begin is 0"},
		{"three bad signatures", func(r *rogue) {
			for i := range uint64(3) {
				q := r.request(addr.Addr{1}, "x")
				q.Encoded[len(q.Encoded)-1] ^= 1
				r.send(&frame.Routed{Hop: i, TTL: 3, Statement: q.Encoded})
			}
		}, "too many bad statements: routed: request: bad signature"},
		{"three replies of nobody", func(r *rogue) {
			for range 3 {
				r.send(&frame.Answer{Statement: []byte{0x80}})
			}
		}, "too many bad statements: routed: reply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sea := nodetest.New(t, 1)
				sea.Nodes[0].Handle("test:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				})
				r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
				c.do(r)
				if f := r.closed(); f.Reason != frame.ReasonProtocol || !strings.Contains(f.Text, c.want) {
					t.Errorf("closed with %v %q, want %q", f.Reason, f.Text, c.want)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(sea.Nodes[0].Links()); n != 0 {
					t.Errorf("%d links", n)
				}
			})
		})
	}
}

// Two bad signatures are forgiven.
func TestTwoBadSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		for i := range uint64(2) {
			q := r.request(sea.Nodes[0].Addr(), "sea:ping")
			q.Encoded[len(q.Encoded)-1] ^= 1
			r.send(&frame.Routed{Hop: i, TTL: 3, Statement: q.Encoded})
			if f, ok := r.recv().(*frame.Nak); !ok || f.Code != rpc.BadRequest || f.Hop != i {
				t.Errorf("got %+v", f)
			}
		}
		r.send(&frame.Ping{N: 3})
		if f, ok := r.recv().(*frame.Pong); !ok || f.N != 3 {
			t.Errorf("got %+v", f)
		}
	})
}

// More calls than a link may carry are told busy, and none is lost.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		sea.Nodes[0].Handle("test:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			select {
			case <-time.After(time.Second):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		for i := range uint64(node.MaxCalls + 10) {
			r.send(&frame.Request{ID: i, Scope: "test:wait"})
		}
		codes := make(map[rpc.Code]int)
		for range node.MaxCalls + 10 {
			f, ok := r.recv().(*frame.Reply)
			if !ok {
				t.Fatalf("got %+v", f)
			}
			codes[f.Code]++
		}
		if codes[rpc.OK] != node.MaxCalls || codes[rpc.Busy] != 10 {
			t.Errorf("codes %v", codes)
		}
	})
}

// A source, and a link, may send 50 routed requests a second, 200 at once.
func TestRoutedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		count := func(n int) (served, busy int) {
			for i := range n {
				r.send(&frame.Routed{Hop: uint64(i), TTL: 3, Statement: r.request(sea.Nodes[0].Addr(), "sea:ping").Encoded})
				for done := false; !done; {
					switch f := r.recv().(type) {
					case *frame.Answer:
						served, done = served+1, true
					case *frame.Nak:
						busy, done = busy+1, true
						if f.Code != rpc.Busy {
							t.Errorf("nak %v", f.Code)
						}
					}
				}
			}
			return served, busy
		}
		if served, busy := count(route.Burst + 20); served != route.Burst || busy != 20 {
			t.Errorf("at once: %d served, %d busy", served, busy)
		}
		time.Sleep(time.Second)
		if served, busy := count(route.Rate + 20); served != route.Rate || busy != 20 {
			t.Errorf("a second later: %d served, %d busy", served, busy)
		}
	})
}

// A reply that nobody waits for is not verified: whoever sends many has nobody
// work for him.
func TestUnaskedReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		reply := route.Reply{To: r.key.Entity(), Network: "test", ID: [16]byte{1}}
		if err := reply.Sign(r.key); err != nil {
			t.Fatal(err)
		}
		reply.Signed.Sig[0] ^= 1
		for range 100 {
			r.send(&frame.Answer{Statement: reply.Signed.Encode()})
		}
		r.send(&frame.Ping{N: 3})
		if f, ok := r.recv().(*frame.Pong); !ok || f.N != 3 {
			t.Errorf("got %+v", f)
		}
	})
}

// A source whose clock is two minutes behind or ahead is served like any other, once; what
// is further off is refused and says so.
func TestClocksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		to := sea.Nodes[0].Addr()
		for _, tt := range []struct {
			apart time.Duration
			code  rpc.Code
		}{
			{0, rpc.OK}, {-route.Slack, rpc.OK}, {route.Slack, rpc.OK},
			{-route.Slack - time.Second, rpc.OK}, // it holds for 30 s more
			{-route.Slack - route.MaxLife - time.Second, rpc.Expired}, {route.Slack + time.Second, rpc.Expired},
		} {
			for _, way := range sea.URLs { // at once, and by way of another node
				r := newRogue(t, sea.Wire, nodetest.Key(t), way)
				q := r.request(to, "sea:ping")
				q.Issued, q.Expires = q.Issued.Add(tt.apart), q.Expires.Add(tt.apart)
				key, err := node.SealingKey(sea.Nodes[0])
				if err != nil {
					t.Fatal(err)
				}
				if q.Body, _, err = sealed.Seal(key, q.Binding(), sealed.Call{Scope: "sea:ping"}); err != nil {
					t.Fatal(err)
				}
				if err := q.Sign(r.key); err != nil {
					t.Fatal(err)
				}
				code := func(attempt uint64) rpc.Code {
					r.send(&frame.Routed{Hop: attempt, TTL: 5, Attempt: attempt, Statement: q.Encoded})
					for {
						switch f := r.recv().(type) {
						case *frame.Nak:
							return f.Code
						case *frame.Answer:
							reply, err := route.ReadReply(f.Statement)
							if err != nil {
								t.Fatal(err)
							}
							return reply.Code
						}
					}
				}
				if got := code(0); got != tt.code {
					t.Errorf("%v apart: %v, want %v", tt.apart, got, tt.code)
				}
				r.conn.Close()
			}
		}
	})
}

// Requests that only pretend to be somebody's do not use up that source's rate.
func TestRateOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		honest := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		for range 5 {
			liar := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
			for range 2 {
				q := honest.request(sea.Nodes[0].Addr(), "sea:ping")
				q.Encoded[len(q.Encoded)-1] ^= 1
				liar.send(&frame.Routed{TTL: 3, Statement: q.Encoded})
				liar.recv()
			}
		}
		for i := range uint64(route.Burst) {
			honest.send(&frame.Routed{Hop: i, TTL: 3, Statement: honest.request(sea.Nodes[0].Addr(), "sea:ping").Encoded})
			if f, ok := honest.recv().(*frame.Ack); !ok {
				t.Fatalf("request %d: %+v", i, f)
			}
			if f, ok := honest.recv().(*frame.Answer); !ok {
				t.Fatalf("request %d: %+v", i, f)
			}
		}
	})
}

// A neighbour that acknowledges and then does nothing costs 3 s: the second
// attempt goes through another one.
func TestSilentHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 3)
		sea.Link(0, 1)
		sea.Link(1, 2)
		a, b := sea.Nodes[0], sea.Nodes[2]
		// The rogue is nearer to b than the honest neighbour is.
		key := nodetest.Key(t)
		for !addr.Closer(b.Addr(), addr.OfNode(key.Entity()), sea.Nodes[1].Addr()) {
			key = nodetest.Key(t)
		}
		r := newRogue(t, sea.Wire, key, sea.URLs[0])
		go func() {
			f, ok := r.recv().(*frame.Routed)
			if !ok {
				t.Errorf("the rogue was not asked")
				return
			}
			r.send(&frame.Ack{Hop: f.Hop})
		}()
		b.Handle("test:echo", echo)
		began := time.Now()
		if _, err := a.Call(t.Context(), b.Addr(), "test:echo", nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began).Round(time.Millisecond); took != 3*time.Second {
			t.Errorf("took %s, want 3s", took)
		}
	})
}

// Nobody answers at all: the error comes after 10 s.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		go func() {
			for range 3 {
				if f, ok := r.recv().(*frame.Routed); ok {
					r.send(&frame.Ack{Hop: f.Hop})
				}
			}
		}()
		began := time.Now()
		_, err := sea.Nodes[0].Call(t.Context(), addr.Addr{1}, "test:echo", nil)
		if took := time.Since(began).Round(time.Millisecond); !errors.Is(err, rpc.ErrTimeout) || took != 10*time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}

// A link that is silent for 28 s is dead, or 15 s if it is used; one that answers pings is not.
func TestSilentLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		used := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		conn, err := sea.Nodes[0].Connect(t.Context(), addr.OfNode(used.key.Entity()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, at := range []struct {
			wait  time.Duration
			links int
		}{{14 * time.Second, 3}, {3 * time.Second, 2}, {10 * time.Second, 2}, {3 * time.Second, 1}} {
			time.Sleep(at.wait)
			synctest.Wait()
			if n := len(sea.Nodes[0].Links()); n != at.links {
				t.Errorf("%v later: %d links, want %d", at.wait, n, at.links)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(sea.Nodes[0].Links()); n != 1 {
			t.Errorf("after an hour: %d links, want 1", n)
		}
	})
}

// FuzzLink gives a node random sealed and unsealed bytes. It may end the link;
// it must live on and serve others.
func FuzzLink(f *testing.F) {
	fuzzed := addr.OfChannel("fuzzed")
	asked := frame.Encode(&frame.Neighbour{Channel: fuzzed, Want: frame.WantNew})
	asked = append([]byte{0, byte(len(asked))}, asked...)
	f.Add([]byte{0, 2, 0x81, 0x06, 1, 3, 1, 2, 3})
	f.Add([]byte{0, 9, 0x84, 0x08, 0x01, 0x68, 's', 'e', 'a', ':', 'p'})
	f.Add([]byte{1, 40, 1, 0, 0, 0})
	for _, sample := range []frame.Frame{
		&frame.Request{ID: 1, Scope: "sea:ping"}, &frame.Cancel{ID: 1}, &frame.Ack{Hop: 1}, &frame.Nak{Hop: 1},
		&frame.Part{ID: 0, Left: 9, Data: []byte{1}}, &frame.Message{Scope: "x"}, &frame.Open{}, &frame.Reply{ID: 1},
		&frame.Relay{Stream: 1, Data: []byte{1}}, &frame.Relay{Stream: 1, Out: 1, Left: 1, Data: []byte{1}},
		&frame.RelayCredit{Stream: 1, N: 1}, &frame.RelayCredit{Stream: 1, Out: 1, N: 1}, &frame.RelayEnd{Stream: 1}, &frame.Need{N: 1},
		&frame.Answer{Attempt: 1, Statement: []byte{0x83}}, &frame.Routed{Hop: 1, TTL: 3, Statement: []byte{0x83}},
		&frame.Neighbour{Channel: fuzzed, Want: frame.WantNew}, &frame.Partner{Channel: fuzzed, Yes: 1},
		&frame.Publish{Channel: fuzzed, Body: []byte{0xa0}}, &frame.Have{Channel: fuzzed, IDs: []frame.ID{{1}}},
		&frame.Graft{Channel: fuzzed, IDs: []frame.ID{{1}}}, &frame.Prune{Channel: fuzzed}, &frame.Leave{Channel: fuzzed},
		&frame.Walk{Channel: fuzzed, Who: addr.Addr{1}, TTL: 6}, &frame.Shuffle{Channel: fuzzed, Path: []addr.Addr{{1}}},
		&frame.Shuffled{Channel: fuzzed, Path: []addr.Addr{{1}}}, &frame.Past{Channel: fuzzed, Want: 16},
	} {
		b := frame.Encode(sample)
		f.Add(append([]byte{0, byte(len(b))}, b...))
		if tag, ok := frame.ChannelOf(sample); ok && tag == fuzzed { // as a partner, too
			f.Add(slices.Concat(asked, []byte{0, byte(len(b))}, b))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			sea := nodetest.New(t, 2)
			ch, err := sea.Nodes[0].Join(t.Context(), "fuzzed")
			if err != nil {
				t.Fatal(err)
			}
			defer ch.Close()
			r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
			// Each record: sealed or not, length, bytes.
			for len(b) >= 2 {
				n := min(int(b[1]), len(b)-2)
				msg := b[2 : 2+n]
				var err error
				if b[0]%2 == 0 {
					err = r.sendRaw(msg)
				} else if n > 0 {
					err = r.conn.Send(t.Context(), msg)
				}
				if err != nil {
					break // the node has ended the link
				}
				b = b[2+n:]
			}
			if _, err := sea.Nodes[1].Call(t.Context(), sea.Nodes[0].Addr(), "sea:ping", []byte("well?")); err != nil {
				t.Error(err)
			}
		})
	})
}
