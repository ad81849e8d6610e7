package node_test

import (
	"errors"
	"fmt"

	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
)

// A bootstrap at its bound takes in three times as many again: each newcomer gets in at
// once and keeps its link for a while, what the bootstrap itself uses stays, and those
// who only keep their links busy make room, too.
func TestBootstrapSheds(t *testing.T) {
	bound := full(1024, 48)
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 1)
		friend := sea.Nodes[0]
		hub := sea.Add(func(c *node.Config) { c.Still, c.MaxLinks = false, bound })
		if _, err := hub.Dial(t.Context(), sea.URLs[0]); err != nil {
			t.Fatal(err)
		}
		var came []*rogue
		for i := range 3 * bound {
			// As fast as the bound allows, and a little less.
			time.Sleep(table.Landing*9/8/time.Duration(bound-16) + time.Millisecond)
			r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[1])
			came = append(came, r)
			if i%2 == 0 { // it keeps the link busy
				if err := r.sendRaw(frame.Encode(&frame.Open{})); err != nil {
					t.Fatalf("newcomer %d: %v", i, err)
				}
			}
			if got := len(hub.Links()); got > bound {
				t.Fatalf("%d links, above %d", got, bound)
			}
		}
		synctest.Wait()
		linked := make(map[string]bool)
		for _, l := range hub.Links() {
			linked[l.Peer.Node.String()] = true
		}
		if !linked[friend.Key().String()] {
			t.Error("the link that the bootstrap uses was given up")
		}
		if len(linked) < bound-1 {
			t.Errorf("%d links, the bound is %d", len(linked), bound)
		}
		for i, r := range came[len(came)-bound/4:] {
			if !linked[r.key.Entity().String()] {
				t.Errorf("newcomer %d of the last %d was given up", i, bound/4)
			}
		}
	})
}

// Who comes to a full bootstrap when nobody there can go yet is told of others, and
// joins by one of them.
func TestFullNamesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 0)
		hub := sea.Add(func(c *node.Config) { c.MaxLinks = 3 })
		for i := range 3 {
			n := sea.Add(func(c *node.Config) { c.PublicURLs = c.Listeners[0].URLs() })
			if i == 2 { // a name that leads nowhere costs one try
				if err := n.SetPublicURLs([]string{"mem://nowhere"}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := n.Dial(t.Context(), sea.URLs[0]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 4 {
			n := node.New(nodetest.Key(t), node.Config{Network: "test", Work: -1, Still: true, Dialers: sea.Wire.Dialers})
			if err := n.Online(t.Context(), sea.URLs[0]); err != nil {
				t.Fatalf("newcomer %d: %v", i, err)
			}
			links := n.Links()
			if len(links) != 1 || links[0].Peer.Addr == hub.Addr() {
				t.Errorf("newcomer %d is linked to %v", i, links)
			}
			if err := n.Offline(); err != nil {
				t.Error(err)
			}
		}
		// A stranger's URLs are dialled with a stranger's rights.
		n := node.New(nodetest.Key(t), node.Config{
			Network: "test", Work: -1, Still: true, Dialers: sea.Wire.Dialers, Strangers: map[string]transport.Dialer{},
		})
		if err := n.Online(t.Context(), sea.URLs[0]); !errors.Is(err, node.ErrNoBootstrap) {
			t.Errorf("online by a wire that is not for strangers: %v", err)
		}
	})
}

// However many addresses of one /24 or /48 an attacker has, a twentieth of the links is
// theirs; others come in as ever.
func TestCrowdOfOneSubnet(t *testing.T) {
	const links = 200
	for name, tt := range map[string]struct {
		at    func(i int) string
		bound int // per host
		want  int
	}{
		"one /24":                   {func(i int) string { return fmt.Sprintf("203.0.113.%d:1", i) }, 0, links / 20},
		"one /48":                   {func(i int) string { return fmt.Sprintf("[2001:db8:1:%d00::1]:1", i) }, 0, links / 20},
		"a host may have more":      {func(i int) string { return fmt.Sprintf("203.0.113.%d:1", i/12) }, 12, 12},
		"two of them":               {func(i int) string { return fmt.Sprintf("203.0.%d.%d:1", 112+i%2, i) }, 0, links / 10},
		"no bound":                  {func(i int) string { return fmt.Sprintf("203.0.113.%d:1", i) }, -1, 30},
		"the attacker is elsewhere": {func(i int) string { return fmt.Sprintf("203.0.%d.1:1", i) }, 0, 30},
	} {
		t.Run(name, func(t *testing.T) {
			sea := nodetest.Loose(t, 0)
			n := sea.Add(func(c *node.Config) {
				c.MaxLinks, c.MaxPerHost = links, tt.bound
				c.Listeners[0] = &located{Listener: c.Listeners[0], at: tt.at}
			})
			for range 30 {
				knock(t, sea.Wire, sea.URLs[0])
			}
			if got := len(n.Links()); got != tt.want {
				t.Errorf("%d links, want %d", got, tt.want)
			}
		})
	}
}
