package node_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A broker is a Negotiator whose offers are names of memnet listeners. It keeps
// count of how many of its halves are open at once, as two WebRTC connections
// between the same two nodes would harm each other.
type broker struct {
	net  *memnet.Net
	t    testing.TB
	at   string // where it listens; empty is anywhere
	open atomic.Int32
	most atomic.Int32
}

func (b *broker) begin() {
	if n := b.open.Add(1); n > b.most.Load() {
		b.most.Store(n)
	}
}

func (b *broker) Offer(context.Context) (transport.Offer, error) {
	l, err := b.net.Listen(b.at)
	if err != nil {
		return nil, err
	}
	b.begin()
	return &brokered{b: b, l: l}, nil
}

func (b *broker) Answer(_ context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	b.begin()
	return []byte("answer"), func(ctx context.Context) (transport.Conn, error) {
		c, err := b.net.Dial(ctx, string(offer))
		if err != nil {
			b.open.Add(-1)
			return nil, err
		}
		return &counted{Conn: c, b: b}, nil
	}, nil
}

func (b *broker) Close() error { return nil }

type brokered struct {
	b        *broker
	l        *memnet.Listener
	accepted bool
	once     sync.Once
}

func (o *brokered) Bytes() []byte { return []byte(o.l.URLs()[0]) }

func (o *brokered) Accept(ctx context.Context, _ []byte) (transport.Conn, error) {
	c, err := o.l.Accept(ctx)
	if err != nil {
		return nil, err
	}
	o.accepted = true
	return &counted{Conn: c, b: o.b}, nil
}

func (o *brokered) Close() error {
	o.once.Do(func() {
		o.l.Close()
		if !o.accepted {
			o.b.open.Add(-1)
		}
	})
	return nil
}

type counted struct {
	transport.Conn
	b    *broker
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.b.open.Add(-1) })
	return c.Conn.Close()
}

// Two nodes that offer to each other at the same time, or nearly, end with one
// link, both Connects succeed, and neither node has at any time two connections
// to the other.
func TestGlare(t *testing.T) {
	for _, late := range []time.Duration{0, time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond, 110 * time.Millisecond, 160 * time.Millisecond, 300 * time.Millisecond} {
		for range 4 { // so that either address is the smaller one
			synctest.Test(t, func(t *testing.T) {
				wire := &memnet.Net{Latency: 25 * time.Millisecond}
				if err := newNode(t, wire, "hub", nil).Online(t.Context()); err != nil {
					t.Fatal(err)
				}
				var nodes [2]*node.Node
				var brokers [2]*broker
				for i := range nodes {
					brokers[i] = &broker{net: wire, t: t}
					nodes[i] = newNode(t, wire, "", func(c *node.Config) { c.Negotiator = brokers[i] })
					if err := nodes[i].Online(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, err := nodes[i].Dial(t.Context(), "mem://hub"); err != nil {
						t.Fatal(err)
					}
				}
				var wg sync.WaitGroup
				for i := range nodes {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * late)
						c, err := nodes[i].Connect(t.Context(), nodes[1-i].Addr())
						if err != nil {
							t.Errorf("%s late: %v", late, err)
							return
						}
						if c.Peer().Addr != nodes[1-i].Addr() {
							t.Errorf("connected to %v", c.Peer())
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Second)
				synctest.Wait()
				for i := range nodes {
					links := 0
					for _, l := range nodes[i].Links() {
						if l.Peer.Addr == nodes[1-i].Addr() {
							links++
						}
					}
					if links != 1 || brokers[i].open.Load() != 1 || brokers[i].most.Load() != 1 {
						t.Errorf("%s late: %d links, %d connections, %d at once", late, links, brokers[i].open.Load(), brokers[i].most.Load())
					}
				}
			})
		}
	}
}

// A peer that offers anew, because it has lost the link that we still have, gets
// a new one when ours does not answer, and is refused when it does.
func TestOfferWhileLinked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		hub := newNode(t, wire, "hub", nil)
		if err := hub.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := newNode(t, wire, "", func(c *node.Config) { c.Negotiator = &broker{net: wire, t: t} })
		if err := b.Online(t.Context(), "mem://hub"); err != nil {
			t.Fatal(err)
		}
		key := nodetest.Key(t)
		begin := func(n *memnet.Net) *node.Node {
			a := node.New(key, node.Config{
				Network: "test", Work: -1, Dialers: map[string]transport.Dialer{"mem": wire}, Negotiator: &broker{net: n, t: t},
			})
			t.Cleanup(func() { a.Offline() })
			if err := a.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			return a
		}
		first := begin(wire)
		if _, err := first.Dial(t.Context(), "mem://hub"); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Connect(t.Context(), b.Addr()); err != nil {
			t.Fatal(err)
		}
		// The same key appears at the hub again, while the first still runs.
		second := begin(wire)
		if _, err := second.Dial(t.Context(), "mem://hub"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := second.Connect(ctx, b.Addr()); err == nil {
			t.Error("a link that lives was replaced")
		}
		if err := first.Offline(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if _, err := second.Connect(t.Context(), b.Addr()); err != nil {
			t.Errorf("after the first link's end: %v", err)
		}
	})
}

// A peer that has given an offer up, and offers anew while the old one is still being
// answered, has the new one answered at once; and the answer to the old one, when it
// comes late, is taken for nothing else.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &memnet.Net{Latency: 50 * time.Millisecond}
		hub := newNode(t, wire, "hub", func(c *node.Config) { c.Still = true })
		if err := hub.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n [2]*node.Node
		late := make(chan struct{}, 1)
		for i := range n {
			n[i] = newNode(t, wire, "", func(c *node.Config) {
				c.Still, c.Negotiator = true, &naming{broker: &broker{net: wire, t: t}, late: late}
			})
			if err := n[i].Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := n[i].Dial(t.Context(), "mem://hub"); err != nil {
				t.Fatal(err)
			}
		}
		a, b := n[0], n[1]
		if _, err := a.Connect(t.Context(), b.Addr()); err == nil {
			t.Fatal("connected by an answer that came too late")
		}
		began := time.Now()
		if _, err := a.Connect(t.Context(), b.Addr()); err != nil {
			t.Errorf("the second time: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the second time took %v", took)
		}
		select {
		case <-late:
		default:
			t.Error("no answer was late")
		}
	})
}

// A naming is a broker whose answers name their offers. The first comes just before
// its time is over, so that it arrives after it.
type naming struct {
	*broker
	first atomic.Bool
	late  chan struct{}
}

func (b *naming) Offer(ctx context.Context) (transport.Offer, error) {
	o, err := b.broker.Offer(ctx)
	return namingOffer{o, b}, err
}

func (b *naming) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	_, wait, err := b.broker.Answer(ctx, offer)
	if b.first.CompareAndSwap(false, true) {
		time.Sleep(9850 * time.Millisecond)
		b.late <- struct{}{}
		dial := wait
		wait = func(ctx context.Context) (transport.Conn, error) {
			<-ctx.Done() // as ICE, which does not know that the other side has given up
			return dial(ctx)
		}
	}
	return []byte("answer to " + string(offer)), wait, err
}

type namingOffer struct {
	transport.Offer
	b *naming
}

func (o namingOffer) Accept(ctx context.Context, answer []byte) (transport.Conn, error) {
	if want := "answer to " + string(o.Bytes()); string(answer) != want {
		o.b.t.Errorf("%q was taken for %q", answer, want)
	}
	return o.Offer.Accept(ctx, answer)
}
