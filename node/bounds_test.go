package node_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// full returns the first in a run of SEA_TEST_FULL=1, else the second.
func full(most, usual int) int {
	if os.Getenv("SEA_TEST_FULL") == "1" {
		return most
	}
	return usual
}

// descriptors returns how many descriptors this process has open, 0 where that
// cannot be seen.
func descriptors() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

// back waits until count is at most what it was.
func back(t *testing.T, what string, before int, count func() int) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for count() > before {
		select {
		case <-late.C:
			t.Fatalf("%d %s more than before", count()-before, what)
		default:
			runtime.Gosched()
		}
	}
}

// Nodes that come, link and go leave no goroutine and no descriptor behind, on
// either side. Package rtcnet has the thousand rounds of WebRTC: here each takes
// calls through the hub, which has a rate.
func TestRoundsLeaveNothing(t *testing.T) {
	for _, wire := range []struct {
		nodetest.Wire
		rounds int
	}{{nodetest.WS(), full(1000, 100)}, {nodetest.RTC(), full(50, 10)}} {
		t.Run(wire.Name, func(t *testing.T) {
			// The hub and its one neighbour stay.
			sea := nodetest.LooseOn(t, wire.Wire, 1)
			to := sea.Nodes[len(sea.Nodes)-1]
			round := func() {
				cfg := node.Config{Network: "test", Work: -1, Still: true, Dialers: wire.Dialers}
				if wire.Negotiator != nil {
					cfg.Negotiator = wire.Negotiator()
				}
				n := node.New(nodetest.Key(t), cfg)
				if err := n.Online(t.Context(), sea.URLs[0]); err != nil {
					t.Fatal(err)
				}
				c, err := n.Connect(t.Context(), to.Addr())
				if err != nil {
					t.Fatal(err)
				}
				if got := c.Transport(); got != wire.Name {
					t.Fatalf("linked by %s", got)
				}
				if err := c.Send(t.Context(), "x", []byte("hello")); err != nil {
					t.Fatal(err)
				}
				if err := n.Offline(); err != nil {
					t.Fatal(err)
				}
			}
			round() // what is made once
			// The other side hears of the end a little later.
			for _, n := range sea.Nodes {
				back(t, "links", len(sea.Nodes)-1, func() int { return len(n.Links()) })
			}
			settled := runtime.NumGoroutine() + 8 // the round before may be ending
			open := descriptors() + 8
			for range wire.rounds {
				round()
			}
			back(t, "goroutines", settled, runtime.NumGoroutine)
			back(t, "descriptors", open, descriptors)
		})
	}
}

// A peer that asks and never reads has a bounded queue, and is dropped 15 s
// after its wire has taken the last.
func TestDeafPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		n, other := sea.Nodes[0], sea.Nodes[1]
		const size = 256 << 10
		n.Handle("test:much", func(context.Context, rpc.Peer, []byte) ([]byte, error) { return make([]byte, size), nil })
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		began := time.Now()
		most := 0
		for id := uint64(1); time.Since(began) < time.Minute; id++ {
			if err := r.sendRaw(frame.Encode(&frame.Request{ID: id, Scope: "test:much"})); err != nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
			most = max(most, node.Backlog(n, r.key.Entity()))
			if len(n.Links()) == 1 {
				break
			}
		}
		if took := time.Since(began); took > 30*time.Second { // filling the wire takes some
			t.Errorf("dropped after %v", took)
		}
		if least, limit := size, 9<<20; most < least || most > limit {
			t.Errorf("%d bytes waited for it, want at most %d", most, limit)
		}
		if _, err := other.Call(t.Context(), n.Addr(), "sea:ping", []byte("well?")); err != nil {
			t.Error(err)
		}
	})
}

// Peers that vanish without a word are found and dropped, all at once; those who
// answer stay.
func TestHalfOpenLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		for range 50 {
			newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		}
		synctest.Wait()
		if got := len(sea.Nodes[0].Links()); got != 51 {
			t.Fatalf("%d links", got)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if links := sea.Nodes[0].Links(); len(links) != 1 || links[0].Peer.Addr != sea.Nodes[1].Addr() {
			t.Errorf("%d links left", len(links))
		}
	})
}

// A link costs little: two thousand of them with both their ends fit the memory
// that a node alone may take for so many, and none of it is the peers' to fill.
func TestManyLinks(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's memory counts, too")
	}
	links := full(2000, 100)
	const each = 256 << 20 / 2000
	w := nodetest.WS()
	sea := nodetest.LooseOn(t, w, 0)
	hub := sea.Add(func(c *node.Config) { c.MaxLinks = links })
	use := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools held goes with the second
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := use()
	var all []*node.Node
	defer func() {
		for _, n := range all {
			n.Offline()
		}
	}()
	for range links {
		n := node.New(nodetest.Key(t), node.Config{Network: "test", Work: -1, Still: true, Dialers: w.Dialers})
		all = append(all, n)
		if err := n.Online(t.Context(), sea.URLs[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(hub.Links()); got != links {
		t.Errorf("%d links, want %d", got, links)
	}
	got := (use() - before) / int64(links)
	t.Logf("%d bytes a link", got)
	if got > each {
		t.Errorf("a link takes %d bytes, both ends together, want at most %d", got, each)
	}
	if got := node.HeldMemory(hub); got != 0 {
		t.Errorf("%d bytes are held of idle links", got)
	}
}

// A bootstrap that holds a thousand links takes in a hundred a second more, and
// loses none.
func TestBootstrapCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, seconds := full(1000, 100), full(10, 3)
		const perSecond = 100
		sea := nodetest.Loose(t, 0)
		hub := sea.Add(func(c *node.Config) { c.MaxLinks = held + seconds*perSecond })
		join := func() *node.Node {
			n := node.New(nodetest.Key(t), node.Config{Network: "test", Work: -1, Still: true, Dialers: sea.Wire.Dialers})
			if err := n.Online(t.Context(), sea.URLs[0]); err != nil {
				t.Error(err)
			}
			return n
		}
		var all []*node.Node
		defer func() {
			for _, n := range all {
				n.Offline()
			}
		}()
		for range held {
			all = append(all, join())
		}
		first := hub.Links()
		came := make(chan *node.Node)
		for range seconds {
			for range perSecond {
				time.Sleep(time.Second / perSecond)
				go func() { came <- join() }()
				all = append(all, <-came)
			}
		}
		time.Sleep(20 * time.Second) // in which whoever is silent is dropped
		synctest.Wait()
		if got, want := len(hub.Links()), held+seconds*perSecond; got != want {
			t.Errorf("%d links, want %d", got, want)
		}
		now := hub.Links()
		for _, l := range first {
			if !slices.ContainsFunc(now, func(o node.Link) bool { return o.Peer.Addr == l.Peer.Addr && o.Since.Equal(l.Since) }) {
				t.Errorf("the link to %v was lost", l.Peer.Addr.Short())
			}
		}
	})
}

// What channels keep counts in the node's memory: where there is none left they
// keep less and readers miss something, but what is said still goes round.
func TestChannelMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		all := joinAll(t, "news", sea.Nodes...)
		say := func(size int) {
			t.Helper()
			for {
				err := all[0].Send(t.Context(), "x", make([]byte, size))
				if err == nil {
					break
				}
				if !errors.Is(err, node.ErrBackpressure) {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
		}
		n := sea.Nodes[1]
		say(10000)
		// Once for those who missed it, signed, and once for the reader.
		if got := node.HeldMemory(n); got < 20000 || got > 21000 {
			t.Errorf("held %d", got)
		}
		if _, err := all[1].Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := node.HeldMemory(n); got < 10000 || got > 11000 {
			t.Errorf("held %d after it was taken", got)
		}
		free := node.FillMemory(n)
		say(9000) // in one piece: what must be joined would end the link
		free()
		say(100)
		p, err := all[1].Recv(t.Context())
		if err != nil || len(p.Body) != 100 || p.Missed != 1 {
			t.Errorf("heard %d bytes, %d missed, %v", len(p.Body), p.Missed, err)
		}
		say(100)
		all[1].Close()
		if got := node.HeldMemory(n); got != 0 {
			t.Errorf("held %d after the channel was left", got)
		}
	})
}
