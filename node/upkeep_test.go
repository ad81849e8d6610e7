package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport/memnet"
)

// seaSize is how many real nodes the tests of the overlay have.
func seaSize() int {
	switch {
	case os.Getenv("SEA_TEST_FULL") == "1":
		return 200
	case raceDetector:
		return 16
	}
	return 40
}

// overlay brings size nodes online that know two bootstraps and nothing else.
func overlay(t *testing.T, size int) []*node.Node {
	t.Helper()
	wire := new(memnet.Net)
	var all []*node.Node
	for i := range size {
		name := fmt.Sprint("n", i)
		n := newNode(t, wire, name, func(cfg *node.Config) {
			cfg.PublicURLs = []string{"mem://" + name}
			cfg.Patient = true
		})
		if err := n.Online(t.Context(), "mem://n0", "mem://n1"); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
		time.Sleep(100 * time.Millisecond)
	}
	return all
}

// others returns the nodes but one, those nearest to target first.
func others(all []*node.Node, but *node.Node, target addr.Addr) []*node.Node {
	rest := slices.DeleteFunc(slices.Clone(all), func(n *node.Node) bool { return n == but })
	slices.SortFunc(rest, func(a, b *node.Node) int { return addr.Compare(target, a.Addr(), b.Addr()) })
	return rest
}

// settle waits until each node is linked to the six that are nearest to it, for
// most at most.
func settle(t *testing.T, all []*node.Node, most time.Duration) {
	t.Helper()
	loose := 0
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(time.Second) {
		synctest.Wait()
		loose = 0
		for _, n := range all {
			links := n.Links()
			for _, o := range others(all, n, n.Addr())[:min(6, len(all)-1)] {
				if !slices.ContainsFunc(links, func(l node.Link) bool { return l.Peer.Addr == o.Addr() }) {
					loose++
					break
				}
			}
		}
		if loose == 0 {
			return
		}
	}
	t.Fatalf("after %v %d of %d nodes are not linked to the six nearest", most, loose, len(all))
}

// wantFound has each node look for a place and call a node. A look-up may be
// wrong until the last bucket is filled, for a while.
func wantFound(t *testing.T, all []*node.Node) {
	t.Helper()
	for i, n := range all {
		target := addr.MakeString(fmt.Sprint("target ", i))
		want := others(all, nil, target)[0].Addr()
		got, err := n.Nearest(t.Context(), target)
		for end := time.Now().Add(15 * time.Minute); (err != nil || got.Peer.Addr != want) && time.Now().Before(end); {
			time.Sleep(10 * time.Second)
			got, err = n.Nearest(t.Context(), target)
		}
		if err != nil || got.Peer.Addr != want {
			t.Errorf("node %d found %v (%v), want %v", i, got.Peer.Addr.Short(), err, want.Short())
		}
		to := all[(i*7+3)%len(all)]
		if got, err := n.Call(t.Context(), to.Addr(), "app:whoami", nil); err != nil || string(got) != n.Addr().String() {
			t.Errorf("call from node %d: %q, %v", i, got, err)
		}
	}
}

func whoami(_ context.Context, from rpc.Peer, _ []byte) ([]byte, error) {
	return []byte(from.Addr.String()), nil
}

// Real nodes that know two bootstraps find their neighbours; after some have
// gone, the bootstraps among them, the rest finds each other; nothing is left
// running, or the bubble would not end.
func TestOverlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := overlay(t, seaSize())
		for _, n := range all {
			n.Handle("app:whoami", whoami)
		}
		settle(t, all, 5*time.Minute)
		wantFound(t, all)
		gone := len(all) / 4
		for _, n := range all[:gone] {
			if err := n.Offline(); err != nil {
				t.Fatal(err)
			}
		}
		rest := all[gone:]
		settle(t, rest, 10*time.Minute)
		wantFound(t, rest)
		for _, n := range rest {
			if err := n.Offline(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What the user asked for stays, and a Still node makes no link by itself.
func TestStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		var all []*node.Node
		for i := range 3 {
			name := fmt.Sprint("n", i)
			n := newNode(t, wire, name, func(cfg *node.Config) {
				cfg.PublicURLs = []string{"mem://" + name}
				cfg.Still = true
			})
			if err := n.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
		for _, n := range all[1:] {
			if _, err := n.Dial(t.Context(), "mem://n0"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := len(all[0].Links()); got != 2 {
			t.Errorf("the hub has %d links", got)
		}
		for _, n := range all[1:] {
			if got := len(n.Links()); got != 1 {
				t.Errorf("a leaf has %d links", got)
			}
		}
	})
}

// A neighbour gives the record of a neighbour of its that lives: one that was not heard
// lately is asked for a sign of life first. Of nobody else.
func TestContactOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 3)
		asking, asked := sea.Nodes[0], sea.Nodes[1].Addr()
		dead := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[1])
		contactOf := func(of addr.Addr) error {
			body, err := asking.Call(t.Context(), asked, "sea:contact", of[:])
			if err == nil && len(body) < 100 {
				t.Errorf("an answer of %d bytes", len(body))
			}
			return err
		}
		if err := contactOf(addr.OfNode(dead.key.Entity())); err != nil {
			t.Errorf("heard just now: %v", err)
		}
		time.Sleep(upkeep.Fresh + time.Second)
		if err := contactOf(sea.Nodes[2].Addr()); err != nil {
			t.Errorf("one that lives: %v", err)
		}
		began := time.Now()
		for range 2 {
			if err := contactOf(addr.OfNode(dead.key.Entity())); !errors.Is(err, rpc.ErrNotFound) {
				t.Errorf("one that is silent: %v", err)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v to find out", took)
		}
		for _, of := range []addr.Addr{asked, {1}} {
			if err := contactOf(of); !errors.Is(err, rpc.ErrNotFound) {
				t.Errorf("%s: %v", of.Short(), err)
			}
		}
		for _, body := range [][]byte{{1}, make([]byte, addr.Size+1)} {
			for _, scope := range []string{"sea:contact", "sea:silent"} {
				if _, err := asking.Call(t.Context(), asked, scope, body); !errors.Is(err, rpc.ErrBadRequest) {
					t.Errorf("%s with %d bytes: %v", scope, len(body), err)
				}
			}
		}
	})
}

// Who is said to be silent is asked for a sign of life, and given up when none comes;
// who lives stays, however often it is said.
func TestWarned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 0)
		for range 3 {
			sea.Add(func(c *node.Config) { c.Still = false })
		}
		sea.Link(0, 1)
		sea.Link(0, 2)
		told, liar := sea.Nodes[0], sea.Nodes[1]
		dead := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		time.Sleep(upkeep.RumorAfter + time.Second)
		for range 3 {
			for _, of := range []addr.Addr{addr.OfNode(dead.key.Entity()), sea.Nodes[2].Addr(), liar.Addr(), told.Addr(), {1}} {
				if _, err := liar.Call(t.Context(), told.Addr(), "sea:silent", of[:]); err != nil {
					t.Error(err)
				}
			}
		}
		time.Sleep(upkeep.DoubtFor + time.Second)
		synctest.Wait()
		if links := told.Links(); len(links) != 2 {
			t.Errorf("%d links, want those two that live", len(links))
		}
	})
}
