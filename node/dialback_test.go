package node_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

// dialsBack has a node dial its neighbours back.
func dialsBack(c *node.Config) {
	c.Back = func(only netip.Addr) map[string]transport.Dialer {
		return map[string]transport.Dialer{"ws": wsnet.NewDialer(wsnet.DialConfig{Allow: func(ip netip.Addr) error {
			if ip != only {
				return fmt.Errorf("%v is not %v", ip, only)
			}
			return nil
		}})}
	}
}

// Two neighbours say whether a node can be reached at what it claims. They dial
// no other address than its own.
func TestReachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close() // somebody listens there, and says nothing
	sea := nodetest.LooseOn(t, nodetest.WS(), 0)
	for range 2 {
		node.SetBackEvery(sea.Add(dialsBack), time.Hour)
	}
	other := sea.URLs[0]
	for _, c := range []struct {
		name    string
		claim   string // none: where it listens
		told    int
		reached bool
	}{
		{"where it listens", "", 2, true},
		{"where another node is", other, 2, false},
		{"an address that is not its own", "ws://192.0.2.1:4160", 0, false},
		{"a name that is not its own", "ws://[::1]:4160", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := sea.Add(func(cfg *node.Config) {
				if c.claim != "" {
					cfg.PublicURLs = []string{c.claim}
				}
			})
			for i := range 2 {
				sea.Link(len(sea.Nodes)-1, i)
			}
			links := len(n.Links())
			said, err := n.Reachable(t.Context())
			if err != nil || len(said) != c.told {
				t.Fatalf("%d say something, want %d; %v", len(said), c.told, err)
			}
			for _, r := range said {
				if (r.Err == nil) != c.reached {
					t.Errorf("%s: %v", r.URL, r.Err)
				}
			}
			if got := len(n.Links()); got != links {
				t.Errorf("%d links after it, %d before", got, links)
			}
			// Not again so soon, and not by what is no URL.
			if said, err := n.Reachable(t.Context()); err != nil || len(said) > 0 {
				t.Errorf("asked again: %v, %v", said, err)
			}
			for _, rude := range []any{1, []string{"\x00"}, []string{"ws://a@:1"}, []string{string(make([]byte, 600))}} {
				body, err := cbor.Marshal(rude)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := n.Call(t.Context(), sea.Nodes[0].Addr(), "sea:back", body); !errors.Is(err, rpc.ErrRefused) && !errors.Is(err, rpc.ErrBadRequest) {
					t.Errorf("%v: %v", rude, err)
				}
			}
		})
	}
}
