// Package nodetest makes small seas for other packages' tests: a few nodes in
// one process, online and linked, with keys that took no work.
//
// On memnet it works inside a testing/synctest bubble and outside of one.
package nodetest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
)

// Wait is how long the package waits for anything.
const Wait = 20 * time.Second

// A Sea is some nodes on one wire.
type Sea struct {
	// Wire is what the nodes talk over.
	Wire Wire

	// Nodes are online; Keys are theirs, URLs where they listen, empty where
	// they do not.
	Nodes []*node.Node
	Keys  []*identity.Key
	URLs  []string

	t testing.TB
}

// Bubble is synctest.Test.
func Bubble(t *testing.T, body func(*testing.T)) { synctest.Test(t, body) }

// New returns n nodes on memnet, each linked to each, which the test's end takes
// offline.
func New(t testing.TB, n int) *Sea {
	t.Helper()
	return NewOn(t, Mem(), n)
}

// Loose returns n nodes on memnet without links, which the test's end takes
// offline.
func Loose(t testing.TB, n int) *Sea {
	t.Helper()
	return LooseOn(t, Mem(), n)
}

// NewOn is New on another wire. On WebRTC there is a hub beside the n nodes: it
// comes first.
func NewOn(t testing.TB, w Wire, n int) *Sea {
	t.Helper()
	s := LooseOn(t, w, n)
	first := 0
	if w.Negotiator != nil {
		first = 1
	}
	for i := first; i < len(s.Nodes); i++ {
		for j := first; j < i; j++ {
			s.Link(i, j)
		}
	}
	return s
}

// LooseOn is Loose on another wire. On WebRTC there is a hub beside the n
// nodes: it comes first, and they are linked to it.
func LooseOn(t testing.TB, w Wire, n int) *Sea {
	t.Helper()
	s := &Sea{Wire: w, t: t}
	if w.Negotiator != nil {
		s.Add(nil)
	}
	for range n {
		s.Add(nil)
	}
	return s
}

// Last returns the last n nodes: those that are not the hub.
func (s *Sea) Last(n int) []*node.Node { return s.Nodes[len(s.Nodes)-n:] }

// Add brings one more node online, without links or with one to the hub, after
// edit has had its way with the Config; nil edits nothing.
func (s *Sea) Add(edit func(*node.Config)) *node.Node {
	s.t.Helper()
	return s.AddKey(Key(s.t), edit)
}

// AddKey is Add of a node with a key that the caller chose.
func (s *Sea) AddKey(key *identity.Key, edit func(*node.Config)) *node.Node {
	s.t.Helper()
	cfg := node.Config{Network: "test", Work: -1, Still: true, Dialers: s.Wire.Dialers, Version: "nodetest"}
	hub := len(s.Nodes) == 0
	if s.Wire.Negotiator == nil || hub {
		l, err := s.Wire.Listen()
		if err != nil {
			s.t.Fatal(err)
		}
		cfg.Listeners = []transport.Listener{l}
	} else {
		cfg.Negotiator = s.Wire.Negotiator()
	}
	if edit != nil {
		edit(&cfg)
	}
	n := node.New(key, cfg)
	s.t.Cleanup(func() {
		if err := n.Offline(); err != nil {
			s.t.Errorf("offline: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	if err := n.Online(ctx); err != nil {
		s.t.Fatal(err)
	}
	url := ""
	if urls := n.Listening(); len(urls) > 0 {
		url = urls[0]
	}
	s.Nodes = append(s.Nodes, n)
	s.Keys = append(s.Keys, key)
	s.URLs = append(s.URLs, url)
	if s.Wire.Negotiator != nil && !hub {
		s.dial(n, s.URLs[0])
	}
	return n
}

// Link links node i to node j and waits until both have the link.
func (s *Sea) Link(i, j int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	from, to := s.Nodes[i], s.Nodes[j]
	events := to.Events(ctx)
	if s.URLs[j] != "" {
		s.dial(from, s.URLs[j])
	} else {
		c, err := from.Connect(ctx, to.Addr())
		if err != nil {
			s.t.Fatalf("connect node %d to node %d: %v", i, j, err)
		}
		c.Close()
	}
	linked := func(l node.Link) bool { return l.Peer.Addr == from.Addr() }
	if slices.ContainsFunc(to.Links(), linked) {
		return
	}
	for e := range events {
		if e.Kind == node.LinkUp && e.Peer.Addr == from.Addr() {
			return
		}
	}
	s.t.Fatalf("node %d does not see its link to node %d", j, i)
}

func (s *Sea) dial(from *node.Node, url string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	if _, err := from.Dial(ctx, url); err != nil {
		s.t.Fatalf("dial: %v", err)
	}
}

// Key returns a key that took no work.
func Key(t testing.TB) *identity.Key {
	t.Helper()
	key, err := identity.NewKey(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
