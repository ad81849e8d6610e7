package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A host begins two links a second, 16 at once; what is more is closed before the
// handshake, and other hosts do not notice.
func TestJoinRate(t *testing.T) {
	for name, tt := range map[string]struct {
		at      func(i int) string
		perHost int
		free    bool
	}{
		"one address":     {func(int) string { return "203.0.113.7:1" }, 1000, false},
		"one /56":         {func(i int) string { return fmt.Sprintf("[2001:db8:1:1%02x::1]:1", i%256) }, 1000, false},
		"no bound":        {func(int) string { return "203.0.113.7:1" }, -1, true},
		"loopback":        {func(int) string { return "127.0.0.1:1" }, 1000, true},
		"many addresses":  {func(i int) string { return fmt.Sprintf("203.%d.113.7:1", i) }, 1000, true},
		"private network": {func(int) string { return "10.1.2.3:1" }, 1000, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sea := nodetest.Loose(t, 0)
				sea.Add(func(c *node.Config) {
					c.MaxLinks, c.MaxPerHost = 1000, tt.perHost
					c.Listeners[0] = &located{Listener: c.Listeners[0], at: tt.at}
				})
				count := func(tries int) (welcome int) {
					for range tries {
						if knock(t, sea.Wire, sea.URLs[0]) {
							welcome++
						}
					}
					return welcome
				}
				first, later := node.JoinBurst, 3*node.JoinRate
				if tt.free {
					first, later = 20, 10
				}
				if got := count(20); got != first {
					t.Errorf("%d of 20 at once, want %d", got, first)
				}
				time.Sleep(3 * time.Second)
				if got := count(10); got != later {
					t.Errorf("%d of 10 three seconds later, want %d", got, later)
				}
			})
		})
	}
}

// However many hosts come, the rates of so many are kept; and none is held back by others.
func TestJoinRateBounded(t *testing.T) {
	allow, kept := node.Joiners()
	now := time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)
	for host := range 3 * node.MaxJoiners {
		if !allow(now, host) {
			t.Fatalf("host %d is held back", host)
		}
		if got := kept(); got > node.MaxJoiners {
			t.Fatalf("%d are kept", got)
		}
	}
	// Those that have been quiet are forgotten first.
	now = now.Add(time.Minute)
	for range node.JoinBurst {
		allow(now, -1)
	}
	for host := range node.MaxJoiners - 1 {
		allow(now, host)
	}
	if allow(now, -1) {
		t.Error("the one that is busy was forgotten for those that were not")
	}
	if !allow(now.Add(time.Second), -1) {
		t.Error("held back for ever")
	}
}

// Sixteen identities that offer and never connect hold others up for three seconds, not
// for the fifteen that a connection may take.
func TestOffersThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := &memnet.Net{Latency: time.Millisecond}
		add := func(name string, neg transport.Negotiator) *node.Node {
			n := newNode(t, wire, name, func(c *node.Config) { c.Still = true; c.Negotiator = neg })
			if err := n.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			if name != "hub" {
				if _, err := n.Dial(t.Context(), "mem://hub"); err != nil {
					t.Fatal(err)
				}
			}
			return n
		}
		add("hub", nil)
		victim := add("", waiting{&broker{net: wire, t: t}})
		honest := add("", &broker{net: wire, t: t})
		for range node.MaxAnswering {
			n := add("", silent{})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = n.Connect(ctx, victim.Addr())
			}()
			defer func() { stop(); <-done }()
		}
		time.Sleep(time.Second)
		began := time.Now()
		if _, err := honest.Connect(t.Context(), victim.Addr()); err == nil || !strings.Contains(err.Error(), "too many offers") {
			t.Errorf("while all places are taken: %v", err)
		}
		time.Sleep(node.OfferTime - time.Second)
		if _, err := honest.Connect(t.Context(), victim.Addr()); err != nil {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// One identity makes two offers a second to a node, sixteen at once, however they come.
func TestOfferRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 0)
		victim := sea.Add(func(c *node.Config) { c.Negotiator = waiting{&broker{net: new(memnet.Net), t: t}} })
		via := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		eager := &rogue{t: t, key: nodetest.Key(t), peer: via.peer} // it has no link
		count := func(tries int) (replies map[bool]int) {
			replies = make(map[bool]int)
			for range tries {
				q := eager.request(victim.Addr(), "sea:rtc")
				var answers *sealed.Answers
				var err error
				call := sealed.Call{Scope: "sea:rtc", Body: node.OfferBody(t, []byte(nobody))}
				if q.Body, answers, err = sealed.Seal(eager.peer, q.Binding(), call); err != nil {
					t.Fatal(err)
				}
				if err := q.Sign(eager.key); err != nil {
					t.Fatal(err)
				}
				via.send(&frame.Routed{TTL: 3, Statement: q.Encoded})
				f, ok := via.recv().(*frame.Answer)
				for !ok {
					f, ok = via.recv().(*frame.Answer)
				}
				reply, err := route.ReadReply(f.Statement)
				if err != nil {
					t.Fatal(err)
				}
				out, err := answers.Open(q.Hash(), reply.Body)
				if err != nil {
					t.Fatal(err)
				}
				replies[out.Code != rpc.Busy]++
				time.Sleep(time.Millisecond)
			}
			return replies
		}
		if got := count(node.JoinBurst + 10); got[true] != node.JoinBurst {
			t.Errorf("%d offers at once, want %d", got[true], node.JoinBurst)
		}
		time.Sleep(2 * time.Second)
		if got := count(10); got[true] != 2*node.JoinRate {
			t.Errorf("%d offers two seconds later, want %d", got[true], 2*node.JoinRate)
		}
	})
}

// A waiting negotiator waits for whoever offers, also when nobody is there.
type waiting struct{ *broker }

func (w waiting) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	if string(offer) == nobody {
		return []byte("answer"), func(ctx context.Context) (transport.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil
	}
	return w.broker.Answer(ctx, offer)
}

const nobody = "mem://nobody"

// A silent negotiator makes offers that nobody is behind.
type silent struct{}

func (silent) Offer(context.Context) (transport.Offer, error) { return silentOffer{}, nil }
func (silent) Answer(context.Context, []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	return nil, nil, errors.New("it only offers")
}
func (silent) Close() error { return nil }

type silentOffer struct{}

func (silentOffer) Bytes() []byte { return []byte(nobody) }
func (silentOffer) Accept(ctx context.Context, _ []byte) (transport.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (silentOffer) Close() error { return nil }
