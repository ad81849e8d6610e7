package node_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// newNode returns a node that listens as name, not online yet.
func newNode(t *testing.T, wire *memnet.Net, name string, edit func(*node.Config)) *node.Node {
	t.Helper()
	cfg := node.Config{Network: "test", Work: -1, Dialers: map[string]transport.Dialer{"mem": wire}}
	if name != "" {
		l, err := wire.Listen(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Listeners = []transport.Listener{l}
	}
	if edit != nil {
		edit(&cfg)
	}
	n := node.New(nodetest.Key(t), cfg)
	t.Cleanup(func() { n.Offline() })
	return n
}

func TestOnlineOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		boot := newNode(t, wire, "boot", nil)
		if err := boot.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := newNode(t, wire, "", nil)
		if _, err := n.Call(t.Context(), boot.Addr(), "sea:ping", nil); !errors.Is(err, node.ErrOffline) {
			t.Errorf("call before Online: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		events := n.Events(ctx)
		for range 3 { // a node without listeners comes and goes
			if err := n.Online(t.Context(), "mem://boot"); err != nil {
				t.Fatal(err)
			}
			if err := n.Online(t.Context()); !errors.Is(err, node.ErrOnline) {
				t.Errorf("online twice: %v", err)
			}
			if !n.IsOnline() || len(n.Links()) != 1 {
				t.Errorf("online %v, %d links", n.IsOnline(), len(n.Links()))
			}
			if err := n.Offline(); err != nil {
				t.Error(err)
			}
			if n.IsOnline() || n.Links() != nil {
				t.Error("still online")
			}
		}
		if err := n.Offline(); err != nil {
			t.Error(err)
		}
		cancel()
		var kinds []string
		for e := range events {
			kinds = append(kinds, e.Kind.String())
		}
		if got, want := strings.Join(kinds, ","), strings.Repeat("link up,online,link down,offline,", 3); got+"," != want {
			t.Errorf("events %s", got)
		}
	})
}

func TestOnlineErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		n := newNode(t, wire, "", nil)
		err := n.Online(t.Context(), "mem://nobody", "mem://nowhere")
		if !errors.Is(err, node.ErrNoBootstrap) || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("got %v", err)
		}
		if n.IsOnline() {
			t.Error("online without a bootstrap")
		}
		for url, want := range map[string]string{"carrier-pigeon://x": "no way to dial", "localhost:80": "is not a URL"} {
			if err := n.Online(t.Context(), url); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", url, err)
			}
		}
		// A bootstrap that does not listen, only takes the bytes.
		l, err := wire.Listen("silent")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		began := time.Now()
		if err := n.Online(t.Context(), "mem://silent"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("silent bootstrap: %v after %s", err, time.Since(began))
		}
	})
}

// Of several bootstraps one is enough, and all that can be reached are kept.
func TestSeveralBootstraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		for _, name := range []string{"one", "two"} {
			if err := newNode(t, wire, name, nil).Online(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n := newNode(t, wire, "three", nil)
		if err := n.Online(t.Context(), "mem://nobody", "mem://one", "mem://two", "mem://three"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if links := n.Links(); len(links) != 2 || !links[0].Outbound {
			t.Errorf("%d links", len(links))
		}
		many := make([]string, 17)
		if err := newNode(t, wire, "", nil).Online(t.Context(), many...); err == nil || !strings.Contains(err.Error(), "17 bootstraps, at most 16") {
			t.Errorf("too many: %v", err)
		}
	})
}

// A patient node is online at once and finds its bootstrap when it comes, also
// when it comes again.
func TestBootstrapRedialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		n := newNode(t, wire, "", func(c *node.Config) { c.Patient = true })
		if err := n.Online(t.Context(), "mem://boot"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for range 2 {
			boot := newNode(t, wire, "boot", nil)
			if err := boot.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(76 * time.Second) // the longest pause is 75 s
			synctest.Wait()
			if len(n.Links()) != 1 || len(boot.Links()) != 1 {
				t.Errorf("%d and %d links", len(n.Links()), len(boot.Links()))
			}
			boot.Offline()
		}
	})
}

// A bootstrap that restarts again and again, its links as short as can be, is
// dialled again as soon as the first time.
func TestShortLinksRedialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		n := newNode(t, wire, "", func(c *node.Config) { c.Patient = true })
		for i := range 8 {
			boot := newNode(t, wire, "boot", nil)
			if err := boot.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if err := n.Online(t.Context(), "mem://boot"); err != nil {
					t.Fatal(err)
				}
			} else {
				time.Sleep(1300 * time.Millisecond) // the shortest pause is 1.25 s
			}
			synctest.Wait()
			if len(n.Links()) != 1 {
				t.Fatalf("%d links after %d restarts", len(n.Links()), i)
			}
			boot.Offline()
		}
	})
}

// Two nodes with one key take each other's place at their bootstrap ever more
// rarely.
func TestOneKeyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		boot := newNode(t, wire, "boot", nil)
		if err := boot.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		events := boot.Events(ctx)
		key := nodetest.Key(t)
		for range 2 {
			n := node.New(key, node.Config{Network: "test", Work: -1, Dialers: map[string]transport.Dialer{"mem": wire}})
			t.Cleanup(func() { n.Offline() })
			if err := n.Online(t.Context(), "mem://boot"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		cancel()
		up := 0
		for e := range events {
			if e.Kind == node.LinkUp {
				up++
			}
		}
		if up < 10 || up > 40 {
			t.Errorf("%d links in 10 minutes", up)
		}
	})
}

// A node that joins is linked to the one nearest to it, if that can be dialled.
func TestJoinFindsNearest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		var all []*node.Node
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			n := newNode(t, wire, name, func(c *node.Config) { c.PublicURLs = []string{"mem://" + name} })
			var boot []string
			if len(all) > 0 {
				boot = []string{"mem://a"}
			}
			if err := n.Online(t.Context(), boot...); err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, n := range all[1:] {
			near, err := n.NearestBut(t.Context(), n.Addr(), n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			linked := false
			for _, l := range n.Links() {
				linked = linked || l.Peer.Addr == near.Peer.Addr
			}
			if !linked {
				t.Errorf("%s has no link to its nearest %s", n.Addr().Short(), near.Peer.Addr.Short())
			}
		}
	})
}

// A node takes 64 silent visitors at once and no more. They keep nobody out for
// longer than half a second, and are gone after 5 s.
func TestUnproven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		dial := func() transport.Conn {
			c, err := sea.Wire.Dialers["mem"].Dial(t.Context(), sea.URLs[0])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		began := time.Now()
		silent := make([]transport.Conn, 64)
		for i := range silent {
			silent[i] = dial()
			synctest.Wait()
		}
		if _, err := dial().Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the 65th: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		n := sea.Add(nil)
		if _, err := n.Dial(t.Context(), sea.URLs[0]); err != nil {
			t.Errorf("an honest visitor: %v", err)
		}
		for i, c := range silent {
			if _, err := c.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("silent: %v", err)
			}
			want := 5 * time.Second
			if i == 0 {
				want = 500 * time.Millisecond // made room for the honest one
			}
			if took := time.Since(began); took != want {
				t.Errorf("visitor %d closed after %s, want %s", i, took, want)
			}
		}
	})
}

func TestMaxLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 4)
		small := sea.Add(func(c *node.Config) { c.MaxLinks = 2 })
		for i, ok := range []bool{true, true, false, false} {
			_, err := sea.Nodes[i].Dial(t.Context(), sea.URLs[4])
			if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "no room for more links") {
				t.Errorf("link %d: %v", i, err)
			}
		}
		if _, err := small.Dial(t.Context(), sea.URLs[3]); err == nil || !strings.Contains(err.Error(), "no room for more links") {
			t.Errorf("outbound: %v", err)
		}
	})
}

func TestDialRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 2)
		strict := sea.Add(func(c *node.Config) { c.Work = 60 })
		foreign := sea.Add(func(c *node.Config) { c.Network = "other" })
		for _, c := range []struct {
			name string
			n    *node.Node
			url  string
			want string
		}{
			{"itself", sea.Nodes[0], sea.URLs[0], "this is the same node"},
			{"too little work, theirs", strict, sea.URLs[0], "bits of work, this network asks for 60"},
			{"too little work, ours", sea.Nodes[0], sea.URLs[2], "bits of work, this network asks for 60"},
			{"another network", foreign, sea.URLs[0], "does not verify"},
			{"nobody", sea.Nodes[0], "mem://nobody", "nobody"},
		} {
			if _, err := c.n.Dial(t.Context(), c.url); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.want)
			}
		}
		for i, n := range sea.Nodes {
			if len(n.Links()) != 0 {
				t.Errorf("node %d has %d links", i, len(n.Links()))
			}
		}
	})
}

// A listener of events that does not keep up loses the oldest and is told.
func TestEventsLag(t *testing.T) {
	n := node.New(nodetest.Key(t), node.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	events := n.Events(ctx)
	for i := range 300 {
		node.Emit(n, node.Event{Kind: node.LinkUp, Missed: i})
	}
	cancel()
	var got []node.Event
	for e := range events {
		got = append(got, e)
	}
	if len(got) != 257 || got[0].Kind != node.Lagged || got[0].Missed != 44 || got[1].Missed != 44 || got[256].Missed != 299 {
		t.Errorf("%d events, the first %+v", len(got), got[0])
	}
}

// Calls that come while a node goes offline end with an error, none hangs.
func TestOfflineUnderLoad(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		b.Handle("test:echo", echo)
		done := make(chan error)
		for range 5 {
			go func() {
				for {
					if _, err := a.Call(t.Context(), b.Addr(), "test:echo", make([]byte, 3000)); err != nil {
						done <- err
						return
					}
				}
			}()
		}
		for range 20 {
			if _, err := a.Call(t.Context(), b.Addr(), "test:echo", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Offline(); err != nil {
			t.Error(err)
		}
		for range 5 {
			if err := <-done; !errors.Is(err, rpc.ErrUnreachable) && !errors.Is(err, node.ErrOffline) {
				t.Errorf("got %v", err)
			}
		}
	})
}
