package node_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A halfway is a Negotiator whose connections open at one end only.
type halfway struct {
	*broker
	offering bool // it is the one that offered

	mu   sync.Mutex
	left []transport.Conn // the other ends
}

func (h *halfway) keep(c transport.Conn, err error) (transport.Conn, error) {
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = append(h.left, c)
	return nil, errWall
}

func (h *halfway) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.left {
		c.Close()
	}
	return h.broker.Close()
}

func (h *halfway) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	answer, wait, err := h.broker.Answer(ctx, offer)
	if !h.offering {
		return answer, wait, err
	}
	return answer, func(ctx context.Context) (transport.Conn, error) { return h.keep(wait(ctx)) }, err
}

func (h *halfway) Offer(ctx context.Context) (transport.Offer, error) {
	o, err := h.broker.Offer(ctx)
	if err != nil || h.offering {
		return o, err
	}
	return halfwayOffer{o, h}, nil
}

type halfwayOffer struct {
	transport.Offer
	h *halfway
}

func (o halfwayOffer) Accept(ctx context.Context, answer []byte) (transport.Conn, error) {
	return o.h.keep(o.Offer.Accept(ctx, answer))
}

// A direct way that opens at one end only, so that one side moves to it and the other never
// follows, ends the link for both, and says so; the next link is relayed like the first.
func TestHalfwayDirect(t *testing.T) {
	for name, offering := range map[string]bool{"open for who offered": true, "open for who answered": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := &memnet.Net{Latency: 5 * time.Millisecond}
				hub := newNode(t, wire, "hub", func(c *node.Config) { c.Relays, c.Still = 4, true })
				if err := hub.Online(t.Context()); err != nil {
					t.Fatal(err)
				}
				var n [2]*node.Node
				for i := range n {
					n[i] = newNode(t, wire, "", func(c *node.Config) {
						c.Negotiator, c.Still = &halfway{broker: &broker{net: wire, t: t}, offering: offering}, true
					})
					n[i].Handle("test:echo", echo)
					if err := n[i].Online(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, err := n[i].Dial(t.Context(), "mem://hub"); err != nil {
						t.Fatal(err)
					}
				}
				for round := range 2 {
					c, err := n[0].Connect(t.Context(), n[1].Addr())
					if err != nil {
						t.Fatalf("round %d: %v", round, err)
					}
					if got := c.Transport(); got != "relay" {
						t.Fatalf("round %d: connected by %q", round, got)
					}
					if got, err := n[0].Call(t.Context(), n[1].Addr(), "test:echo", []byte("hello")); err != nil || string(got) != "hello" {
						t.Fatalf("round %d: %q, %v", round, got, err)
					}
					began := time.Now()
					select {
					case <-c.Done():
					case <-time.After(5 * time.Minute):
						t.Fatal("half a link stands")
					}
					if took := time.Since(began); took > 2*time.Minute {
						t.Errorf("it took %v", took)
					}
					time.Sleep(20 * time.Second)
					synctest.Wait()
					for i := range n {
						if links := n[i].Links(); len(links) != 1 || links[0].Peer.Addr != hub.Addr() {
							t.Errorf("round %d: node %d still has %d links", round, i, len(links))
						}
					}
				}
				if got := node.Carried(hub); got != 0 {
					t.Errorf("the relay carries %d ends", got)
				}
			})
		})
	}
}
