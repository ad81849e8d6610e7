package node_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A spy is a node between two others that forwards what they ask each other and
// keeps a copy of every byte that it can read.
type spy struct {
	ends [2]*rogue

	mu   sync.Mutex
	read bytes.Buffer
}

// newSpy links a spy to the nodes at both URLs and lets it forward.
func newSpy(t *testing.T, w nodetest.Wire, urls ...string) *spy {
	key := nodetest.Key(t)
	s := &spy{ends: [2]*rogue{newRogue(t, w, key, urls[0]), newRogue(t, w, key, urls[1])}}
	for i, end := range s.ends {
		go s.forward(end, s.ends[1-i])
	}
	return s
}

// forward passes the frames of routing on until the link ends.
func (s *spy) forward(from, to *rogue) {
	for {
		f, err := from.next()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.read.Write(frame.Encode(f))
		s.mu.Unlock()
		switch f.(type) {
		case *frame.Routed, *frame.Ack, *frame.Nak, *frame.Answer:
			_ = to.sendRaw(frame.Encode(f)) // fails only when the link has ended
		}
	}
}

// saw reports whether the spy could read b.
func (s *spy) saw(b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.read.Bytes(), b)
}

// The node that carries a call sees who calls whom. It sees neither what is
// asked and answered, nor what goes wrong, nor for whom the caller acts.
func TestRelaySeesNoBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 1)
		entity, key := nodetest.Key(t), nodetest.Key(t)
		now := time.Now().Unix()
		cert, err := identity.Certificate{Node: key.Entity(), NotBefore: now, NotAfter: now + 600}.Sign(entity)
		if err != nil {
			t.Fatal(err)
		}
		a := sea.AddKey(key, func(c *node.Config) { c.Certificate = &cert })
		b := sea.Nodes[0]
		relay := newSpy(t, sea.Wire, sea.URLs[1], sea.URLs[0])
		question, answer, trouble := []byte("what does the moon cost?"), []byte("three shillings"), "not on a Sunday"
		b.Handle("test:price", func(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			if from.Entity != entity.Entity() || !bytes.Equal(body, question) {
				t.Errorf("from %v: %q", from, body)
			}
			return answer, nil
		})
		b.Handle("test:trouble", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			return nil, rpc.Errorf(rpc.Refused, "%s", trouble)
		})
		if got, err := a.Call(t.Context(), b.Addr(), "test:price", question); err != nil || !bytes.Equal(got, answer) {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := a.Call(t.Context(), b.Addr(), "test:trouble", nil); !errors.Is(err, rpc.ErrRefused) {
			t.Fatalf("got %v", err)
		}
		who := entity.Entity()
		for name, secret := range map[string][]byte{
			"the question": question, "the answer": answer, "an error's text": []byte(trouble), "a scope": []byte("test:"),
			"the entity": who[:], "the certificate": cert.Encode(),
		} {
			if relay.saw(secret) {
				t.Errorf("the relay read %s", name)
			}
		}
		from, to := a.Key(), b.Addr()
		if !relay.saw(from[:]) || !relay.saw(to[:]) {
			t.Error("the relay read nothing at all")
		}
	})
}

// The node that carries an offer and its answer reads no address in them.
func TestRelaySeesNoAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		var nodes [2]*node.Node
		for i, name := range []string{"one", "two"} {
			nodes[i] = newNode(t, wire, name, func(c *node.Config) { c.Negotiator = &broker{net: wire, t: t, at: "192.0.2.77:" + name} })
			if err := nodes[i].Online(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w := nodetest.Wire{Dialers: map[string]transport.Dialer{"mem": wire}}
		relay := newSpy(t, w, "mem://one", "mem://two")
		if _, err := nodes[0].Connect(t.Context(), nodes[1].Addr()); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"192.0.2.77", "answer", "sea:rtc"} {
			if relay.saw([]byte(secret)) {
				t.Errorf("the relay read %q", secret)
			}
		}
		if from := nodes[0].Key(); !relay.saw(from[:]) {
			t.Error("the relay read nothing at all")
		}
	})
}

// A sealed call is one round trip when the destination's key is known; one more
// finds the key, and two more when the destination has started anew.
func TestSealedRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const way = 10 * time.Millisecond
		const trip = 4 * way // two hops, there and back
		wire := &memnet.Net{Latency: way}
		sea := nodetest.LooseOn(t, nodetest.Wire{
			Dialers: map[string]transport.Dialer{"mem": wire},
			Listen:  func() (transport.Listener, error) { return wire.Listen("") },
		}, 3)
		sea.Link(0, 1)
		sea.Link(0, 2)
		a, b := sea.Nodes[1], sea.Nodes[2]
		took := func(what string, trips int) {
			t.Helper()
			began := time.Now()
			if _, err := a.Call(t.Context(), b.Addr(), "sea:ping", nil); err != nil {
				t.Fatal(what, err)
			}
			if got := time.Since(began); got != time.Duration(trips)*trip {
				t.Errorf("%s: %s, want %d round trips of %s", what, got, trips, trip)
			}
		}
		took("unknown", 2)
		took("known", 1)
		if err := b.Offline(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b = sea.AddKey(sea.Keys[2], nil)
		sea.Link(0, 3)
		took("started anew", 3)
		took("known again", 1)
	})
}

// Bytes that were sealed in one node's request are worth nothing in another's.
func TestSealedBodyStolen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 1)
		carried := 0
		sea.Nodes[0].Handle("test:pay", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			carried++
			return nil, nil
		})
		honest := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		thief := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		q := honest.request(sea.Nodes[0].Addr(), "test:pay")
		stolen := *q
		if err := stolen.Sign(thief.key); err != nil {
			t.Fatal(err)
		}
		thief.send(&frame.Routed{TTL: 3, Statement: stolen.Encoded})
		if f, ok := thief.recv().(*frame.Ack); !ok {
			t.Fatalf("got %+v", f)
		}
		f, ok := thief.recv().(*frame.Answer)
		if !ok {
			t.Fatal("no answer")
		}
		reply, err := route.ReadReply(f.Statement)
		if err != nil || reply.Verify() != nil || reply.Code != rpc.Expired || len(reply.Body) != 0 || carried != 0 {
			t.Errorf("reply %+v, %v; carried out %d times", reply, err, carried)
		}
	})
}
