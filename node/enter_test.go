package node_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport"
)

// A node joins by one that it met before: with the rights of a stranger's URL unless the
// URL is the operator's; and nobody holds the link.
func TestEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 1)
		n := sea.Add(func(c *node.Config) {
			c.Still = false
			c.Strangers = map[string]transport.Dialer{}
		})
		if _, err := n.Enter(t.Context(), sea.URLs[0], true); err == nil || !strings.Contains(err.Error(), "no way to dial") {
			t.Errorf("a stranger's URL: %v", err)
		}
		l, err := n.Enter(t.Context(), sea.URLs[0], false)
		if err != nil || l.Peer.Addr != sea.Nodes[0].Addr() || l.URL != sea.URLs[0] {
			t.Errorf("the operator's: %+v, %v", l, err)
		}
		if _, err := n.Enter(t.Context(), "nowhere", false); err == nil {
			t.Error("no URL")
		}
		if err := n.Offline(); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Enter(t.Context(), sea.URLs[0], false); err == nil {
			t.Error("entered while it is offline")
		}
	})
}
