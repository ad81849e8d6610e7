package node_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A walled is a Negotiator whose connections come to nothing while the wall
// stands.
type walled struct {
	*broker
	wall *wall
}

// A wall stands while it is true, and counts the offers made before it.
type wall struct {
	atomic.Bool
	offers atomic.Int64
}

var errWall = errors.New("no way found")

func (w walled) Offer(ctx context.Context) (transport.Offer, error) {
	w.wall.offers.Add(1)
	o, err := w.broker.Offer(ctx)
	if err != nil {
		return nil, err
	}
	return walledOffer{o, w.wall}, nil
}

func (w walled) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	if !w.wall.Load() {
		return w.broker.Answer(ctx, offer)
	}
	return []byte("answer"), func(context.Context) (transport.Conn, error) { return nil, errWall }, nil
}

type walledOffer struct {
	transport.Offer
	wall *wall
}

func (o walledOffer) Accept(ctx context.Context, answer []byte) (transport.Conn, error) {
	if o.wall.Load() {
		return nil, errWall
	}
	return o.Offer.Accept(ctx, answer)
}

// divided returns a node that relays, if relays is not 0, and n that are linked to
// it and cannot reach each other while the wall stands.
func divided(t *testing.T, relays, n int) (w *wall, hub *node.Node, nodes []*node.Node) {
	t.Helper()
	w = new(wall)
	w.Store(true)
	wire := &memnet.Net{Latency: 5 * time.Millisecond}
	hub = newNode(t, wire, "hub", func(c *node.Config) { c.Relays, c.Still = relays, true })
	if err := hub.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range n {
		x := newNode(t, wire, "", func(c *node.Config) {
			c.Negotiator, c.Still = walled{&broker{net: wire, t: t}, w}, true
		})
		x.Handle("test:echo", echo)
		if err := x.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Dial(t.Context(), "mem://hub"); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, x)
	}
	return w, hub, nodes
}

// Where there is no direct way a connection is relayed, sealed between its ends;
// when there is one the link moves to it, and no message is lost, doubled or out
// of order on the way.
func TestRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall, _, n := divided(t, 4, 2)
		a, b := n[0], n[1]
		ca, err := a.Connect(t.Context(), b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if got := ca.Transport(); got != "relay" {
			t.Fatalf("connected by %q", got)
		}
		body := bytes.Repeat([]byte{7}, 100<<10) // several windows
		if got, err := a.Call(t.Context(), b.Addr(), "test:echo", body); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		cb, err := b.Connect(t.Context(), a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		const total = 400
		var both sync.WaitGroup
		for _, way := range [][2]*node.Conn{{ca, cb}, {cb, ca}} {
			both.Go(func() {
				for i := range uint64(total) {
					if err := way[0].Send(t.Context(), "test:count", binary.BigEndian.AppendUint64(nil, i)); err != nil {
						t.Errorf("message %d: %v", i, err)
						return
					}
					time.Sleep(time.Second / 2)
				}
			})
			both.Go(func() {
				for i := range uint64(total) {
					got, err := way[1].Recv(t.Context(), "test:count")
					if err != nil || binary.BigEndian.Uint64(got) != i {
						t.Errorf("message %d: %x, %v", i, got, err)
						return
					}
				}
			})
		}
		time.Sleep(70 * time.Second) // one look for a direct way comes to nothing
		if got := ca.Transport(); got != "relay" {
			t.Errorf("behind the wall by %q", got)
		}
		wall.Store(false)
		both.Wait()
		for _, c := range []*node.Conn{ca, cb} {
			if got := c.Transport(); got == "relay" {
				t.Errorf("without the wall by %q", got)
			}
		}
		if got, err := a.Call(t.Context(), b.Addr(), "test:echo", body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// A tardy is a Negotiator whose connections open when the gate does.
type tardy struct {
	*broker
	gate chan struct{}
}

func (w tardy) pass(ctx context.Context) error {
	select {
	case <-w.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w tardy) Offer(ctx context.Context) (transport.Offer, error) {
	o, err := w.broker.Offer(ctx)
	return tardyOffer{o, w}, err
}

func (w tardy) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	answer, wait, err := w.broker.Answer(ctx, offer)
	return answer, func(ctx context.Context) (transport.Conn, error) {
		if err := w.pass(ctx); err != nil {
			return nil, err
		}
		return wait(ctx)
	}, err
}

type tardyOffer struct {
	transport.Offer
	w tardy
}

func (o tardyOffer) Accept(ctx context.Context, answer []byte) (transport.Conn, error) {
	if err := o.w.pass(ctx); err != nil {
		return nil, err
	}
	return o.Offer.Accept(ctx, answer)
}

// Where a direct way takes long a relay is taken after 3 s, beside it, and the link
// moves when the direct way opens, be it before the first attempt would have been
// given up or later; without the relay's help it opens as it did. No message is
// lost, and nothing is left of the attempt that was cut short.
func TestRelayBeside(t *testing.T) {
	for _, c := range []struct {
		name   string
		relays int
		opens  time.Duration // from the start
		relay  bool          // is what Connect returns
		within time.Duration
	}{
		{"in time", 4, time.Second, false, 2 * time.Second},
		{"late", 4, 8 * time.Second, true, 4 * time.Second},
		{"in the next attempt", 4, 50 * time.Second, true, 4 * time.Second},
		{"nobody relays", 0, 8 * time.Second, false, 9 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := &memnet.Net{Latency: 5 * time.Millisecond}
				hub := newNode(t, wire, "hub", func(cfg *node.Config) { cfg.Relays, cfg.Still = c.relays, true })
				if err := hub.Online(t.Context()); err != nil {
					t.Fatal(err)
				}
				gate := make(chan struct{})
				var n [2]*node.Node
				for i := range n {
					n[i] = newNode(t, wire, "", func(cfg *node.Config) {
						cfg.Negotiator, cfg.Still = tardy{&broker{net: wire, t: t}, gate}, true
					})
					if err := n[i].Online(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, err := n[i].Dial(t.Context(), "mem://hub"); err != nil {
						t.Fatal(err)
					}
				}
				began := time.Now()
				time.AfterFunc(c.opens, func() { close(gate) })
				conn, err := n[0].Connect(t.Context(), n[1].Addr())
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); (conn.Transport() == "relay") != c.relay || took > c.within {
					t.Errorf("connected by %q after %v", conn.Transport(), took)
				}
				other, err := n[1].Connect(t.Context(), n[0].Addr())
				if err != nil {
					t.Fatal(err)
				}
				for i := range uint64(100) {
					if err := conn.Send(t.Context(), "test:count", binary.BigEndian.AppendUint64(nil, i)); err != nil {
						t.Fatal(err)
					}
					got, err := other.Recv(t.Context(), "test:count")
					if err != nil || binary.BigEndian.Uint64(got) != i {
						t.Fatalf("message %d: %x, %v", i, got, err)
					}
					time.Sleep(time.Second)
				}
				for _, conn := range []*node.Conn{conn, other} {
					if got := conn.Transport(); got == "relay" {
						t.Errorf("at the end by %q", got)
					}
				}
				if n := len(n[0].Links()); n != 2 {
					t.Errorf("%d links", n)
				}
			})
		})
	}
}

// While there is no direct way one is looked for each 60 s, and the relayed link
// stands.
func TestSeekEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wall, _, n := divided(t, 4, 2)
		conn, err := n[0].Connect(t.Context(), n[1].Addr())
		if err != nil {
			t.Fatal(err)
		}
		offers := wall.offers.Load()
		for range 10 {
			time.Sleep(time.Minute)
			if got := conn.Transport(); got != "relay" {
				t.Fatalf("behind the wall by %q", got)
			}
		}
		if got := wall.offers.Load() - offers; got < 9 || got > 11 {
			t.Errorf("%d attempts in 10 minutes", got)
		}
		wall.Store(false)
		time.Sleep(2 * time.Minute)
		if got := conn.Transport(); got == "relay" {
			t.Errorf("without the wall by %q", got)
		}
	})
}

// A relayed connection has 128 KiB a second, each way.
func TestRelayRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, n := divided(t, 4, 2)
		if _, err := n[0].Connect(t.Context(), n[1].Addr()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		const size = 1 << 20
		if _, err := n[0].Call(t.Context(), n[1].Addr(), "test:echo", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		// There and back, less what may go at once.
		least := 2 * (size - frame.RelayWindow) * time.Second / (128 << 10)
		if took := time.Since(began); took < least || took > least+2*time.Second {
			t.Errorf("took %s, want %s or a little more", took, least)
		}
	})
}

// A node relays when it is told to, at most so many connections, and of those at
// most 4 of one neighbour; places come back.
func TestRelayBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, n := divided(t, 0, 2)
		if _, err := n[0].Connect(t.Context(), n[1].Addr()); !errors.Is(err, rpc.ErrUnreachable) {
			t.Errorf("nobody relays: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		const relays, each = 5, 4
		wire := new(memnet.Net)
		hub := newNode(t, wire, "hub", func(c *node.Config) { c.Relays, c.Still = relays, true })
		if err := hub.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		var others []addr.Addr
		for range each + 1 {
			b := newNode(t, wire, "", func(c *node.Config) { c.Still = true })
			if err := b.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Dial(t.Context(), "mem://hub"); err != nil {
				t.Fatal(err)
			}
			others = append(others, b.Addr())
		}
		w := nodetest.Wire{Dialers: map[string]transport.Dialer{"mem": wire}}
		one, two := newRogue(t, w, nodetest.Key(t), "mem://hub"), newRogue(t, w, nodetest.Key(t), "mem://hub")
		for i, to := range others {
			if f := one.relay(to); (f.Code == rpc.OK) != (i < each) {
				t.Errorf("connection %d of one neighbour: %v", i+1, f.Code)
			}
		}
		for i, to := range others[:2] {
			if f := two.relay(to); (f.Code == rpc.OK) != (i == 0) {
				t.Errorf("connection %d of all: %v", each+i+1, f.Code)
			}
		}
		if f := two.relay(two.address()); f.Code != rpc.Refused {
			t.Errorf("to itself: %v", f.Code)
		}
		if f := two.relay(addr.Addr{1}); f.Code != rpc.NotFound {
			t.Errorf("to nobody: %v", f.Code)
		}
		one.conn.Close()
		time.Sleep(time.Second)
		if f := two.relay(others[1]); f.Code != rpc.OK {
			t.Errorf("after four have ended: %v", f.Code)
		}
	})
}

// Neighbours of one /24 have a quarter of the relays; others find the rest.
func TestRelaySubnet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const relays = 32
		sea := nodetest.Loose(t, 0)
		// The first twenty are in one subnet, the others each in their own; the last are
		// called by all.
		hub := sea.Add(func(c *node.Config) {
			c.Relays, c.MaxPerHost = relays, -1
			c.Listeners[0] = &located{Listener: c.Listeners[0], at: func(i int) string {
				if i < 20 {
					return fmt.Sprintf("203.0.113.%d:1", i)
				}
				return fmt.Sprintf("198.%d.100.1:1", i)
			}}
		})
		var askers []*rogue
		for range 40 {
			askers = append(askers, newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0]))
		}
		var called []addr.Addr
		for range 20 {
			n := sea.Add(nil)
			if _, err := n.Dial(t.Context(), sea.URLs[0]); err != nil {
				t.Fatal(err)
			}
			called = append(called, n.Addr())
		}
		count := func(askers []*rogue) (taken int) {
			for i, r := range askers {
				if r.relay(called[i]).Code == rpc.OK {
					taken++
				}
			}
			return taken
		}
		if got := count(askers[:20]); got != relays/4 {
			t.Errorf("one subnet has %d of %d relays, want %d", got, relays, relays/4)
		}
		if got := count(askers[20:]); got != 20 {
			t.Errorf("%d of 20 others were relayed", got)
		}
		if got := node.Carried(hub); got != 2*(relays/4+20) {
			t.Errorf("%d ends are carried", got)
		}
	})
}

func (r *rogue) address() addr.Addr { return addr.OfNode(r.key.Entity()) }

// relay asks the node that the rogue is linked to for a relayed connection.
func (r *rogue) relay(to addr.Addr) *frame.Reply {
	r.t.Helper()
	body, err := cbor.Marshal([]any{to[:]})
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(&frame.Request{ID: 1, Scope: "sea:relay", Body: body})
	for {
		if f, ok := r.recv().(*frame.Reply); ok {
			return f
		}
	}
}

// When the relay goes, relayed links end and say so.
func TestRelayGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hub, n := divided(t, 4, 2)
		c, err := n[0].Connect(t.Context(), n[1].Addr())
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Offline(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Done():
		case <-time.After(time.Second):
			t.Error("the link lives on")
		}
	})
}

// A relayed connection's pieces that do not follow, are too many, or come from
// nobody end that connection at most, never the node or the link.
func TestRelayRude(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(r *rogue, stream uint64)
		ends bool
	}{
		{"more than the window", func(r *rogue, stream uint64) {
			for range 10 {
				r.send(&frame.Relay{Stream: stream, Data: make([]byte, frame.MaxRelay)})
			}
		}, true},
		{"pieces that do not follow", func(r *rogue, stream uint64) {
			r.send(&frame.Relay{Stream: stream, Left: 10, Data: []byte{1}})
			r.send(&frame.Relay{Stream: stream, Left: 3, Data: []byte{1}})
		}, true},
		{"credit for what did not come", func(r *rogue, stream uint64) {
			r.send(&frame.RelayCredit{Stream: stream, N: frame.RelayWindow})
		}, true},
		{"bytes that nobody sealed", func(r *rogue, stream uint64) {
			r.send(&frame.Relay{Stream: stream, Data: []byte("hello")})
		}, true},
		{"streams that are not there", func(r *rogue, stream uint64) {
			for i := range uint64(100) {
				r.send(&frame.Relay{Stream: stream + 1 + i, Out: i % 2, Data: []byte{1}})
				r.send(&frame.RelayCredit{Stream: stream + 1 + i, Out: i % 2, N: 1})
				r.send(&frame.RelayEnd{Stream: stream + 1 + i, Out: i % 2})
			}
		}, false},
		{"the end of the relay's own way", func(r *rogue, stream uint64) { r.send(&frame.RelayEnd{Stream: stream, Out: 1}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := new(memnet.Net)
				hub := newNode(t, wire, "hub", func(c *node.Config) { c.Relays, c.Still = 4, true })
				b := newNode(t, wire, "b", func(c *node.Config) { c.Still = true })
				for _, n := range []*node.Node{hub, b} {
					if err := n.Online(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := b.Dial(t.Context(), "mem://hub"); err != nil {
					t.Fatal(err)
				}
				r := newRogue(t, nodetest.Wire{Dialers: map[string]transport.Dialer{"mem": wire}}, nodetest.Key(t), "mem://hub")
				f := r.relay(b.Addr())
				if f.Code != rpc.OK {
					t.Fatalf("got %+v", f)
				}
				var stream []uint64
				if err := cbor.Unmarshal(f.Body, &stream); err != nil {
					t.Fatal(err)
				}
				c.do(r, stream[0])
				r.send(&frame.Ping{N: 99})
				ended, alive := false, false
				for !alive || c.ends && !ended {
					switch f := r.recv().(type) {
					case *frame.Pong:
						alive = f.N == 99
					case *frame.RelayEnd:
						ended = true
					}
				}
				if links := len(hub.Links()); links != 2 {
					t.Errorf("%d links", links)
				}
			})
		})
	}
}

// Links that carry a relayed connection are in use, at the relay and at both
// ends, and no longer than the connection.
func TestRelayHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hub, n := divided(t, 4, 2)
		carried := func() (all int) {
			for _, x := range append(n, hub) {
				all += node.Carried(x)
			}
			return all
		}
		if _, err := n[0].Connect(t.Context(), n[1].Addr()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := carried(); got != 4 {
			t.Errorf("%d links carry the connection, want 2 at the relay and 1 at each end", got)
		}
		if err := n[0].Offline(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := carried(); got != 0 {
			t.Errorf("%d links carry something after its end", got)
		}
	})
}
