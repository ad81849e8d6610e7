// Package sea_test runs whole peers in Chromium: tabs among Go nodes, and tabs
// with each other.
package sea_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/web/internal/browsertest"
)

// seaOf is a Go node that tabs can dial, and another one that they can reach by
// WebRTC alone.
func seaOf(t *testing.T) (hub, other *node.Node, url string) {
	t.Helper()
	s := nodetest.LooseOn(t, nodetest.WS(), 0)
	s.Add(func(c *node.Config) { c.Still = false })
	other = s.Add(func(c *node.Config) {
		c.Still = false
		c.Negotiator = rtcnet.New(rtcnet.Config{Loopback: true})
		c.Listeners = nil
	})
	s.Link(1, 0)
	for _, n := range s.Nodes {
		n.Handle("echo", func(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil })
	}
	return s.Nodes[0], other, s.URLs[0]
}

// open opens a tab that is online, and returns its address.
func open(t *testing.T, b *browsertest.Browser, page, url string) (*browsertest.Tab, string) {
	t.Helper()
	tab := b.Tab(t, page)
	tab.Run(t, fmt.Sprintf("await peer.online(%q)", url))
	return tab, browsertest.Value[string](t, tab, "peer.id()")
}

// TestSea has tabs and Go nodes call each other, connect and talk.
func TestSea(t *testing.T) { browsertest.Each(t, talk) }

func talk(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	hub, other, url := seaOf(t)
	page := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	one, a := open(t, browser, page, url)
	two, b := open(t, browser, page, url)
	if a == b {
		t.Fatal("two tabs of one profile have one key")
	}

	t.Run("calls", func(t *testing.T) {
		if got := browsertest.Value[int](t, one, fmt.Sprintf("peer.call(%q, 'test:add', 40, 2)", b)); got != 42 {
			t.Errorf("tab to tab: %d", got)
		}
		for _, n := range []*node.Node{hub, other} {
			if got := browsertest.Value[[]int](t, two, fmt.Sprintf("peer.call(%q, 'echo', 1, 2, 3)", n.Addr())); !slices.Equal(got, []int{1, 2, 3}) {
				t.Errorf("tab to node: %v", got)
			}
		}
		for _, to := range []string{a, b, other.Addr().String()} {
			if to != a {
				one.Run(t, fmt.Sprintf("await peer.until(%q, true)", to)) // a small sea is linked each to each
			}
			if got := browsertest.Value[string](t, one, fmt.Sprintf("peer.nearest(%q)", to)); got != to {
				t.Errorf("the nearest to %s is %s", to, got)
			}
		}
	})

	const flow = 5 << 20
	t.Run("5 MiB each way, tab and tab", func(t *testing.T) {
		if got := browsertest.Value[int](t, one, fmt.Sprintf("peer.talk(%q, %d)", b, flow)); got != flow {
			t.Errorf("%d bytes came back", got)
		}
	})
	t.Run("5 MiB each way, tab and node", func(t *testing.T) {
		go echo(t.Context(), other, other.Events(t.Context()), "there", "back")
		if got := browsertest.Value[int](t, one, fmt.Sprintf("peer.talk(%q, %d)", other.Addr(), flow)); got != flow {
			t.Errorf("%d bytes came back", got)
		}
	})

	t.Run("a channel of three tabs and two nodes", func(t *testing.T) {
		three, c := open(t, browser, page, url)
		tabs := map[string]*browsertest.Tab{a: one, b: two, c: three}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		var want []string
		heard := map[*node.Node]*node.Channel{}
		for _, n := range []*node.Node{hub, other} {
			ch, err := n.Join(ctx, "all")
			if err != nil {
				t.Fatal(err)
			}
			defer ch.Close()
			heard[n] = ch
		}
		for _, tab := range tabs {
			tab.Run(t, "await peer.join('all')")
		}
		for at, tab := range tabs {
			tab.Run(t, fmt.Sprintf("await peer.say('all', %q)", "I am "+at[:4]))
			want = append(want, fmt.Sprintf("%s %q", at[:8], "I am "+at[:4]))
		}
		for n, ch := range heard {
			text := "node " + n.Addr().String()[:4]
			body, err := cbor.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.Send(ctx, "say", body); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%s %q", n.Addr().String()[:8], text))
		}
		slices.Sort(want)
		for at, tab := range tabs {
			others := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.HasPrefix(s, at[:8]) })
			if got := browsertest.Value[[]string](t, tab, fmt.Sprintf("peer.heard('all', %d)", len(others))); !slices.Equal(got, others) {
				t.Errorf("%s heard %q, want %q", at[:8], got, others)
			}
		}
		for n, ch := range heard {
			for range len(want) - 1 {
				if _, err := ch.Recv(ctx); err != nil {
					t.Fatalf("%s misses a message: %v", n.Addr(), err)
				}
			}
		}
		three.Close(t)
	})

	t.Run("a node connects to a tab", func(t *testing.T) {
		a, err := addr.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), nodetest.Wait)
		defer cancel()
		c, err := other.Connect(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want := []byte("\x83\x01\x02\x61a") // [1, 2, "a"]
		if err := c.Send(ctx, "there", want); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Recv(ctx, "back"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %x, %v", got, err)
		}
	})
	t.Run("a tab that is loaded anew has its key, and comes back", func(t *testing.T) {
		two.Open(t, page)
		one.Run(t, fmt.Sprintf("await peer.until(%q, false)", b))
		if id := browsertest.Value[string](t, two, "peer.id()"); id != b {
			t.Errorf("it was %s and is %s", b, id)
		}
		two.Run(t, fmt.Sprintf("await peer.online(%q)", url))
		one.Run(t, fmt.Sprintf("await peer.until(%q, true)", b))
	})
	t.Run("links that come and go leave no PeerConnection", func(t *testing.T) {
		rounds := 10
		if os.Getenv("SEA_TEST_FULL") != "" {
			rounds = 100
		}
		for range rounds {
			two.Run(t, "peer.offline()")
			one.Run(t, fmt.Sprintf("await peer.until(%q, false)", b))
			two.Run(t, fmt.Sprintf("await peer.online(%q)", url))
			one.Run(t, fmt.Sprintf("await peer.until(%q, true)", b))
		}
		two.Run(t, "peer.offline(); await peer.closed()")
		if n := browsertest.Value[int](t, two, "peer.peers()"); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// echo sends back what comes over the connections of others.
func echo(ctx context.Context, n *node.Node, events iter.Seq[node.Event], from, to string) {
	for e := range events {
		if e.Kind != node.Connected {
			continue
		}
		c, err := n.Connect(ctx, e.Peer.Addr)
		if err != nil {
			continue // it has gone
		}
		go func() {
			defer c.Close()
			for {
				body, err := c.Recv(ctx, from)
				if err != nil || c.Send(ctx, to, body) != nil {
					return
				}
			}
		}()
	}
}
