package node_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A node with a public URL is dialled there, though both could do WebRTC.
func TestConnectByURL(t *testing.T) {
	w := nodetest.RTC()
	sea := nodetest.LooseOn(t, w, 1)
	var public string
	b := sea.Add(func(c *node.Config) {
		l, err := w.Listen()
		if err != nil {
			t.Fatal(err)
		}
		public = l.URLs()[0]
		c.Listeners = append(c.Listeners, l)
		c.PublicURLs = []string{public}
	})
	a := sea.Nodes[1]
	found, err := a.Nearest(t.Context(), b.Addr())
	if err != nil || len(found.URLs) != 1 || found.URLs[0] != public || len(found.Caps) != 1 || found.Caps[0] != "rtc" {
		t.Errorf("found %+v, %v", found, err)
	}
	c, err := a.Connect(t.Context(), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if c.Transport() != "ws" || !c.Link().Outbound || c.Link().Observed == "" {
		t.Errorf("link %+v", c.Link())
	}
}

// A public URL that leads nowhere, or to another node, costs only the attempt:
// the link is made by WebRTC.
func TestConnectFallsBack(t *testing.T) {
	w := nodetest.RTC()
	sea := nodetest.LooseOn(t, w, 1)
	b := sea.Add(func(c *node.Config) {
		c.PublicURLs = []string{"ws://127.0.0.1:1", sea.URLs[0], "carrier-pigeon://roof"}
	})
	c, err := sea.Nodes[1].Connect(t.Context(), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if c.Transport() != "webrtc" || c.Peer().Addr != b.Addr() {
		t.Errorf("link %+v", c.Link())
	}
	b.Handle("test:who", func(_ context.Context, p rpc.Peer, _ []byte) ([]byte, error) {
		if !p.Direct {
			return nil, rpc.ErrRefused
		}
		return nil, nil
	})
	if _, err := sea.Nodes[1].Call(t.Context(), b.Addr(), "test:who", nil); err != nil {
		t.Errorf("the call did not take the link: %v", err)
	}
	// The hub may go: the link stands by itself.
	if err := sea.Nodes[0].Offline(); err != nil {
		t.Fatal(err)
	}
	if _, err := sea.Nodes[1].Call(t.Context(), b.Addr(), "test:who", nil); err != nil {
		t.Errorf("without the hub: %v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := hub(t, nodetest.Mem(), 2)
		a, b := sea.Nodes[1], sea.Nodes[2]
		_, err := a.Connect(t.Context(), b.Addr())
		if !errors.Is(err, rpc.ErrUnreachable) || !strings.Contains(err.Error(), "this node has no WebRTC") {
			t.Errorf("no way: %v", err)
		}
		_, err = a.Connect(t.Context(), b.Addr().Flip(0))
		if !errors.Is(err, rpc.ErrUnreachable) || !strings.Contains(err.Error(), "nobody is at") {
			t.Errorf("nobody: %v", err)
		}
		if _, err := a.Connect(expired(t), b.Addr()); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		if _, err := a.Call(t.Context(), b.Addr(), "sea:rtc", []byte{0x81, 0x40}); !errors.Is(err, rpc.ErrUnavailable) {
			t.Errorf("an offer to a node without WebRTC: %v", err)
		}
		if _, err := a.Call(t.Context(), sea.Nodes[0].Addr(), "sea:rtc", nil); !errors.Is(err, rpc.ErrRefused) {
			t.Errorf("an offer over a link: %v", err)
		}
	})
}

// URLs that strangers name are dialled with the dialers for strangers.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		boot := newNode(t, wire, "boot", nil)
		b := newNode(t, wire, "b", func(c *node.Config) { c.PublicURLs = []string{"mem://b"} })
		a := newNode(t, wire, "", func(c *node.Config) { c.Strangers = map[string]transport.Dialer{} })
		if err := boot.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node.Node{a, b} {
			if err := n.Online(t.Context(), "mem://boot"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Connect(t.Context(), b.Addr()); !errors.Is(err, rpc.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		if c, err := b.Connect(t.Context(), boot.Addr()); err != nil || c.Peer().Addr != boot.Addr() {
			t.Errorf("got %v", err)
		}
	})
}

// A URL behind which nobody answers, such as one that a router has forgotten, does not
// hold the other ways up, and its dialling ends with them.
func TestConnectBesideURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		boot := newNode(t, wire, "boot", func(c *node.Config) { c.Still = true })
		hole := new(abyss)
		rtc := func(c *node.Config) {
			c.Still, c.Negotiator = true, &broker{net: wire, t: t}
			c.Strangers = map[string]transport.Dialer{"hole": hole}
		}
		a, b := newNode(t, wire, "", rtc), newNode(t, wire, "", rtc)
		if err := b.SetPublicURLs([]string{"hole://1", "hole://2"}); err != nil {
			t.Fatal(err)
		}
		if err := boot.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node.Node{a, b} {
			if err := n.Online(t.Context(), "mem://boot"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := a.Connect(t.Context(), b.Addr()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if hole.in.Load() != 2 || hole.out.Load() != 2 {
			t.Errorf("%d began to dial, %d ended", hole.in.Load(), hole.out.Load())
		}
	})
}

// An abyss is a Dialer that nobody answers.
type abyss struct{ in, out atomic.Int64 }

func (d *abyss) Dial(ctx context.Context, _ string) (transport.Conn, error) {
	d.in.Add(1)
	defer d.out.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A node that hears later where it can be dialled says so to who asks, and not any
// more when it is wrong.
func TestSetPublicURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		boot := newNode(t, wire, "boot", nil)
		still := func(c *node.Config) { c.Still = true }
		a, b := newNode(t, wire, "", still), newNode(t, wire, "b", still)
		if err := boot.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*node.Node{a, b} {
			if err := n.Online(t.Context(), "mem://boot"); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.SetPublicURLs(make([]string, 5)); err == nil {
			t.Error("five empty URLs are taken")
		}
		for _, c := range []struct {
			urls []string
			err  error
		}{{nil, rpc.ErrUnreachable}, {[]string{"mem://nowhere"}, rpc.ErrUnreachable}, {[]string{"mem://b"}, nil}} {
			if err := b.SetPublicURLs(c.urls); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Connect(t.Context(), b.Addr()); !errors.Is(err, c.err) {
				t.Errorf("%v: got %v, want %v", c.urls, err, c.err)
			}
		}
	})
}

// Connect to a node that is being connected to waits for the same attempt.
func TestConnectAtOnce(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		var a, b *node.Node
		if w.Negotiator != nil {
			sea := nodetest.LooseOn(t, w, 2)
			a, b = sea.Nodes[1], sea.Nodes[2]
		} else {
			sea := hub(t, w, 1)
			a = sea.Nodes[1]
			b = sea.Add(func(c *node.Config) { c.PublicURLs = c.Listeners[0].URLs() })
			sea.Link(2, 0)
		}
		type result struct {
			c   *node.Conn
			err error
		}
		results := make(chan result)
		for range 10 {
			go func() {
				c, err := a.Connect(t.Context(), b.Addr())
				results <- result{c, err}
			}()
		}
		began := time.Now()
		for range 10 {
			r := <-results
			if r.err != nil || r.c.Peer().Addr != b.Addr() || !r.c.Link().Since.Before(time.Now().Add(time.Second)) {
				t.Errorf("got %v after %s", r.err, time.Since(began))
			}
		}
	})
}
