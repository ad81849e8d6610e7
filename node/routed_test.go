package node_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// bucketed returns n nodes of which each has a link into every bucket that is
// not empty, and no more than that needs.
func bucketed(t *testing.T, n int) *nodetest.Sea {
	t.Helper()
	sea := nodetest.Loose(t, n)
	draw := rand.New(rand.NewPCG(1, uint64(n)))
	for i, a := range sea.Nodes {
		filled := make(map[int]bool)
		for _, l := range a.Links() {
			filled[addr.LogDist(a.Addr(), l.Peer.Addr)] = true
		}
		for _, j := range draw.Perm(n) {
			if d := addr.LogDist(a.Addr(), sea.Nodes[j].Addr()); j != i && !filled[d] {
				sea.Link(i, j)
				filled[d] = true
			}
		}
	}
	return sea
}

// Twenty-four nodes, of which none has a link to all: everyone calls everyone,
// and look-ups end at the node that is nearest of all.
func TestSeaOfTwentyFour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := bucketed(t, 24)
		direct, routed := 0, 0
		for _, n := range sea.Nodes {
			n.Handle("test:echo", func(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
				if from.Direct {
					direct++
				} else {
					routed++
				}
				return body, nil
			})
		}
		for _, a := range sea.Nodes {
			for _, b := range sea.Nodes {
				body := []byte(a.Addr().String())
				got, err := a.Call(t.Context(), b.Addr(), "test:echo", body)
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%s to %s: %q, %v", a.Addr().Short(), b.Addr().Short(), got, err)
				}
			}
		}
		if routed < 100 {
			t.Errorf("%d calls were direct, %d routed", direct, routed)
		}
		for i := range 50 {
			target := addr.MakeString(string(rune('a' + i)))
			best := sea.Nodes[0]
			for _, n := range sea.Nodes {
				if addr.Closer(target, n.Addr(), best.Addr()) {
					best = n
				}
			}
			from := sea.Nodes[i%24]
			if got, err := from.Nearest(t.Context(), target); err != nil || got.Peer.Addr != best.Addr() {
				t.Errorf("nearest to %s: %s, %v, want %s", target.Short(), got.Peer.Addr.Short(), err, best.Addr().Short())
			}
		}
		for _, n := range sea.Nodes {
			got, err := n.NearestBut(t.Context(), n.Addr(), n.Addr())
			if err != nil || got.Peer.Addr == n.Addr() {
				t.Errorf("nearest other: %s, %v", got.Peer.Addr.Short(), err)
			}
		}
	})
}

// hub returns n nodes that are linked to one more, which comes first, and to
// nobody else.
func hub(t *testing.T, w nodetest.Wire, n int) *nodetest.Sea {
	t.Helper()
	if w.Negotiator != nil {
		return nodetest.LooseOn(t, w, n) // has one already
	}
	sea := nodetest.LooseOn(t, w, n+1)
	for i := range n {
		sea.Link(i+1, 0)
	}
	return sea
}

func TestCallRouted(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		sea := hub(t, w, 3)
		a, b, c := sea.Nodes[1], sea.Nodes[2], sea.Nodes[3]
		var from atomic.Value
		b.Handle("test:echo", func(_ context.Context, p rpc.Peer, body []byte) ([]byte, error) {
			from.Store(p)
			return body, nil
		})
		b.Handle("test:huge", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			return make([]byte, 64<<10+1), nil
		})
		for _, size := range []int{0, 1, 16300, 64 << 10} {
			body := bytes.Repeat([]byte{9}, size)
			got, err := a.Call(t.Context(), b.Addr(), "test:echo", body)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
		if p := from.Load().(rpc.Peer); p.Addr != a.Addr() || p.Direct || p.Node != a.Key() {
			t.Errorf("from %+v", p)
		}
		if rtt, err := a.Ping(t.Context(), b.Addr()); err != nil || rtt > 5*time.Second {
			t.Errorf("ping %v, %v", rtt, err)
		}
		if got, err := a.Nearest(t.Context(), c.Addr()); err != nil || got.Peer.Addr != c.Addr() {
			t.Errorf("nearest %+v, %v", got, err)
		}
		for _, x := range []struct {
			to    addr.Addr
			scope string
			body  int
			want  error
		}{
			{b.Addr(), "test:none", 0, rpc.ErrNoHandler},
			{b.Addr(), "test:huge", 0, rpc.ErrTooLarge},
			{b.Addr(), "test:echo", 64<<10 + 1, rpc.ErrTooLarge},
			{b.Addr().Flip(223), "test:echo", 0, rpc.ErrUnreachable},
		} {
			if _, err := a.Call(t.Context(), x.to, x.scope, make([]byte, x.body)); !errors.Is(err, x.want) {
				t.Errorf("%s: got %v, want %v", x.scope, err, x.want)
			}
		}
	})
}

// A thousand recorded requests that are sent again, as they were and as later
// attempts, to the same node, to another, to the same node after a restart, and
// after they have expired, are not carried out once more.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 2)
		var carried int
		count := func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			carried++
			return nil, nil
		}
		target := sea.Nodes[0]
		for _, n := range sea.Nodes {
			n.Handle("test:pay", count)
		}
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		play := func(r *rogue, all []*route.Request, attempts ...uint64) {
			t.Helper()
			for i, q := range all {
				for _, attempt := range attempts {
					r.send(&frame.Routed{Hop: uint64(i), TTL: 5, Attempt: attempt, Statement: q.Encoded})
					for done := false; !done; {
						switch f := r.recv().(type) {
						case *frame.Answer, *frame.Nak:
							done = true
						default:
							_ = f // Acks
						}
					}
					time.Sleep(time.Second / route.Rate) // within the rate
				}
			}
			synctest.Wait()
		}
		const total, batch = 1000, 250 // a batch stays within the life of a request
		var recorded []*route.Request
		for range total / batch {
			var fresh []*route.Request
			for range batch {
				fresh = append(fresh, r.request(target.Addr(), "test:pay"))
			}
			carried = 0
			play(r, fresh, 0)
			if carried != batch {
				t.Fatalf("%d of %d were carried out at first", carried, batch)
			}
			carried = 0
			play(r, fresh, 0, 1)
			if carried != 0 {
				t.Errorf("the same node carried out %d again", carried)
			}
			other := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[1])
			play(other, fresh, 0)
			if carried != 0 {
				t.Errorf("another node carried out %d", carried)
			}
			recorded = append(recorded, fresh...)
			other.conn.Close()
		}
		// The last batch has not expired: only the restart keeps it out.
		last := make([]*route.Request, batch)
		for i := range last {
			last[i] = r.request(target.Addr(), "test:pay")
		}
		play(r, last[:100], 0)
		carried = 0
		r.conn.Close()
		again := restart(t, sea, 0)
		again.Handle("test:pay", count)
		r = newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[len(sea.URLs)-1])
		play(r, last[:100], 0, 1)
		if carried != 0 {
			t.Errorf("after the restart %d were carried out", carried)
		}
		time.Sleep(time.Minute)
		r = newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[len(sea.URLs)-1])
		play(r, append(recorded, last...), 0)
		if carried != 0 {
			t.Errorf("after their time %d were carried out", carried)
		}
	})
}

// restart takes node i offline and brings one with its key online.
func restart(t *testing.T, sea *nodetest.Sea, i int) *node.Node {
	t.Helper()
	if err := sea.Nodes[i].Offline(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	return sea.AddKey(sea.Keys[i], nil)
}

// A request that is sent again because its answer was late is carried out once,
// and answered.
func TestRetryCarriedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := hub(t, nodetest.Mem(), 2)
		carried := 0
		sea.Nodes[2].Handle("test:slow", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			carried++
			time.Sleep(8 * time.Second)
			return []byte("done"), nil
		})
		got, err := sea.Nodes[1].Call(t.Context(), sea.Nodes[2].Addr(), "test:slow", nil)
		if err != nil || string(got) != "done" || carried != 1 {
			t.Errorf("got %q, %v, carried out %d times", got, err, carried)
		}
	})
}

// A node that is just joining has one link and is in nobody's table. When the way that
// its request took breaks before the reply is back, the next attempt brings the same
// reply by another, and the request is carried out once.
func TestReplyToJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 5)
		end := sea.Nodes[0]
		others := slices.Clone(sea.Nodes[1:])
		slices.SortFunc(others, func(a, b *node.Node) int {
			if addr.Closer(end.Addr(), a.Addr(), b.Addr()) {
				return -1
			}
			return 1
		})
		index := func(n *node.Node) int { return slices.Index(sea.Nodes, n) }
		nearer, farther, boot, joining := index(others[0]), index(others[1]), index(others[2]), index(others[3])
		sea.Link(joining, boot)
		for _, hop := range []int{nearer, farther} {
			sea.Link(boot, hop)
			sea.Link(hop, 0)
		}
		carried := 0
		end.Handle("test:slow", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			carried++
			sea.Nodes[nearer].Offline() // which has the way back
			return []byte("done"), nil
		})
		began := time.Now()
		got, err := sea.Nodes[joining].Call(t.Context(), end.Addr(), "test:slow", nil)
		if err != nil || string(got) != "done" || carried != 1 {
			t.Errorf("got %q, %v, carried out %d times", got, err, carried)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A hop that goes away under a request is worked around.
func TestHopGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 4) // 0 and 3 meet through 1 and through 2
		for _, hop := range []int{1, 2} {
			sea.Link(0, hop)
			sea.Link(3, hop)
		}
		sea.Nodes[3].Handle("test:slow", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			select {
			case <-time.After(2 * time.Second):
				return []byte("done"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		nearer := sea.Nodes[1]
		if addr.Closer(sea.Nodes[3].Addr(), sea.Nodes[2].Addr(), nearer.Addr()) {
			nearer = sea.Nodes[2]
		}
		go func() {
			time.Sleep(time.Second)
			nearer.Offline()
		}()
		if got, err := sea.Nodes[0].Call(t.Context(), sea.Nodes[3].Addr(), "test:slow", nil); err != nil || string(got) != "done" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
