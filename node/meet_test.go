package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// A village is a local network on which every Finder hears of all others each
// 10 s.
type village struct {
	mu    sync.Mutex
	homes map[string]string // URL by name
}

func (v *village) finder(name string) node.Finder { return villager{v, name} }

type villager struct {
	v    *village
	name string
}

func (f villager) Find(ctx context.Context, _ string, listening []string, found func(name, url string)) error {
	f.v.mu.Lock()
	if len(listening) > 0 {
		f.v.homes[f.name] = listening[0]
	}
	f.v.mu.Unlock()
	for {
		f.v.mu.Lock()
		for name, url := range f.v.homes {
			if name != f.name {
				found(name, url)
			}
		}
		f.v.mu.Unlock()
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dials counts what is dialled.
type dials struct {
	transport.Dialer
	mu  sync.Mutex
	url map[string]int
}

func (d *dials) Dial(ctx context.Context, url string) (transport.Conn, error) {
	d.mu.Lock()
	d.url[url]++
	d.mu.Unlock()
	return d.Dialer.Dial(ctx, url)
}

// Nodes that hear of each other link without an address typed, once; what cannot
// be dialled is tried once a minute; a link that was lost is made again.
func TestMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(memnet.Net)
		v := &village{homes: map[string]string{"gone": "mem://nobody"}}
		count := &dials{Dialer: wire, url: make(map[string]int)}
		a := newNode(t, wire, "a", func(c *node.Config) {
			c.LAN, c.Dialers = v.finder("a"), map[string]transport.Dialer{"mem": count}
		})
		b := newNode(t, wire, "b", func(c *node.Config) { c.LAN = v.finder("b") })
		for _, n := range []*node.Node{a, b} {
			if err := n.Online(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if len(a.Links()) != 1 || len(b.Links()) != 1 || a.Links()[0].Peer.Addr != b.Addr() {
			t.Fatalf("links %v and %v", a.Links(), b.Links())
		}
		if count.url["mem://b"] > 1 || count.url["mem://nobody"] != 6 {
			t.Errorf("dialled %v", count.url)
		}
		if err := b.Offline(); err != nil {
			t.Fatal(err)
		}
		c := newNode(t, wire, "c", func(c *node.Config) { c.LAN = v.finder("c") })
		if err := c.Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if links := a.Links(); len(links) != 1 || links[0].Peer.Addr != c.Addr() {
			t.Errorf("after the first went: %v", links)
		}
	})
}

// However many nodes there seem to be, a node makes 8 links, keeps a bounded
// list, and dials one host in vain four times a minute.
func TestMeetCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 12)
		v := &village{homes: make(map[string]string)}
		for i, url := range sea.URLs {
			v.homes[fmt.Sprint("real", i)] = url
		}
		for i := range 1000 {
			v.homes[fmt.Sprint("unreal", i)] = "mem://nobody"
		}
		count := &dials{url: make(map[string]int)}
		n := sea.Add(func(c *node.Config) {
			count.Dialer = c.Dialers["mem"]
			c.LAN, c.Dialers = v.finder("me"), map[string]transport.Dialer{"mem": count}
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		if tried := count.url["mem://nobody"]; tried < 1 || tried > 4*61 {
			t.Errorf("dialled a host %d times in vain", tried)
		}
		if links := len(n.Links()); links < 1 || links > 8 {
			t.Errorf("%d links", links)
		}
	})
}
