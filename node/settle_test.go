package node_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// slow is a memnet with a delay for each dialling.
type slow struct {
	net   *memnet.Net
	delay time.Duration
}

func (s slow) Dial(ctx context.Context, url string) (transport.Conn, error) {
	time.Sleep(s.delay)
	return s.net.Dial(ctx, url)
}

// oneLink demands that a and b have one link, the same one, and that it works.
func oneLink(t *testing.T, a, b *node.Node) {
	t.Helper()
	la, lb := a.Links(), b.Links()
	if len(la) != 1 || len(lb) != 1 {
		t.Fatalf("%d and %d links", len(la), len(lb))
	}
	if la[0].Outbound == lb[0].Outbound {
		t.Fatal("each has another link")
	}
	if _, err := a.Call(t.Context(), b.Addr(), "sea:ping", nil); err != nil {
		t.Error(err)
	}
	if _, err := b.Call(t.Context(), a.Addr(), "sea:ping", nil); err != nil {
		t.Error(err)
	}
}

// Two nodes that dial each other at the same time, or nearly, end with one link,
// and both dials succeed.
func TestBothDial(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 45 * time.Millisecond, 70 * time.Millisecond, 95 * time.Millisecond, time.Second} {
		for range 4 { // so that either address is the smaller one
			synctest.Test(t, func(t *testing.T) {
				wire := &memnet.Net{Latency: 25 * time.Millisecond}
				a := newNode(t, wire, "a", nil)
				b := newNode(t, wire, "b", func(c *node.Config) {
					c.Dialers = map[string]transport.Dialer{"mem": slow{wire, delay}}
				})
				for _, n := range []*node.Node{a, b} {
					if err := n.Online(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				var wg sync.WaitGroup
				dial := func(n *node.Node, url string) {
					if l, err := n.Dial(t.Context(), url); err != nil || l.Peer.Addr == n.Addr() {
						t.Errorf("dial %s, %s late: %v", url, delay, err)
					}
				}
				wg.Go(func() { dial(a, "mem://b") })
				wg.Go(func() { dial(b, "mem://a") })
				wg.Wait()
				time.Sleep(time.Second)
				synctest.Wait()
				oneLink(t, a, b)
			})
		}
	}
}

// Whoever is dialled many times at once has one link.
func TestDialledManyTimes(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		sea := nodetest.LooseOn(t, w, 2)
		a, b := sea.Last(2)[0], sea.Last(2)[1]
		var wg sync.WaitGroup
		connect := func(n, to *node.Node, url string) {
			var err error
			if url != "" {
				_, err = n.Dial(t.Context(), url)
			} else {
				_, err = n.Connect(t.Context(), to.Addr())
			}
			if err != nil {
				t.Error(err)
			}
		}
		for range 5 {
			wg.Go(func() { connect(a, b, sea.URLs[len(sea.URLs)-1]) })
			wg.Go(func() { connect(b, a, sea.URLs[len(sea.URLs)-2]) })
		}
		wg.Wait()
		count := func(n, to *node.Node) (links int) {
			for _, l := range n.Links() {
				if l.Peer.Addr == to.Addr() {
					links++
				}
			}
			return links
		}
		if count(a, b) != 1 || count(b, a) != 1 {
			t.Errorf("%d and %d links", count(a, b), count(b, a))
		}
		if _, err := a.Call(t.Context(), b.Addr(), "sea:ping", nil); err != nil {
			t.Error(err)
		}
	})
}

// A peer that has restarted replaces its old link at once.
func TestRestartReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		hole := &holes{net: wire}
		a := newNode(t, wire, "a", nil)
		if err := a.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		key := nodetest.Key(t)
		begin := func() *node.Node {
			n := node.New(key, node.Config{Network: "test", Work: -1, Dialers: map[string]transport.Dialer{"mem": hole}})
			t.Cleanup(func() { n.Offline() })
			if err := n.Online(t.Context(), "mem://a"); err != nil {
				t.Fatal(err)
			}
			return n
		}
		begin()
		hole.cut() // the first life ends without a word
		began := time.Now()
		second := begin()
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s", took)
		}
		synctest.Wait()
		oneLink(t, a, second)
	})
}

// A peer that has lost its link, while ours seems to live, gets a new one as
// soon as ours has failed to answer.
func TestLostLinkReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		hole := &holes{net: wire}
		a := newNode(t, wire, "a", nil)
		b := newNode(t, wire, "", func(c *node.Config) {
			c.Dialers = map[string]transport.Dialer{"mem": hole}
		})
		if err := a.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Online(t.Context(), "mem://a"); err != nil {
			t.Fatal(err)
		}
		hole.lose() // b's end closes, a's end hears nothing
		time.Sleep(10 * time.Second)
		synctest.Wait()
		oneLink(t, a, b)
	})
}

// holes dials conns that can be cut: then nothing passes and nobody is told.
type holes struct {
	net   *memnet.Net
	mu    sync.Mutex
	conns []*holed // guarded by mu
}

type holed struct {
	transport.Conn
	hole chan struct{} // closed when cut
	lost chan struct{} // closed when our side notices
}

func (h *holes) Dial(ctx context.Context, url string) (transport.Conn, error) {
	c, err := h.net.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	hc := &holed{Conn: c, hole: make(chan struct{}), lost: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, hc)
	return hc, nil
}

// cut makes all conns so far swallow everything.
func (h *holes) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		close(c.hole)
	}
	h.conns = nil
}

// lose is cut, and our side's conns fail.
func (h *holes) lose() {
	h.mu.Lock()
	for _, c := range h.conns {
		close(c.lost)
	}
	h.mu.Unlock()
	h.cut()
}

func (c *holed) Send(ctx context.Context, msg []byte) error {
	select {
	case <-c.hole:
		return nil
	default:
		return c.Conn.Send(ctx, msg)
	}
}

func (c *holed) Recv(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		msg, err := c.Conn.Recv(ctx)
		select {
		case <-c.hole:
			if err == nil {
				continue
			}
		default:
		}
		return msg, err
	}
}

func (c *holed) Close() error {
	select {
	case <-c.hole:
		return nil // the other side must not hear of it
	default:
		return c.Conn.Close()
	}
}
