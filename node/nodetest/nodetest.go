// Package nodetest makes small seas for other packages' tests: a few nodes in
// one process, online and linked over memnet, with keys that took no work.
//
// It works inside a testing/synctest bubble and outside of one.
package nodetest

import (
	"context"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
)

// Wait is how long the package waits for anything.
const Wait = 10 * time.Second

// A Sea is some nodes on one memnet.
type Sea struct {
	// Net is the wire between the nodes.
	Net *memnet.Net

	// Nodes are online; Keys are theirs, URLs where they listen.
	Nodes []*node.Node
	Keys  []*identity.Key
	URLs  []string

	t testing.TB
}

// New returns n nodes, each linked to each, which the test's end takes offline.
func New(t testing.TB, n int) *Sea {
	t.Helper()
	s := Loose(t, n)
	for i := range n {
		for j := range i {
			s.Link(i, j)
		}
	}
	return s
}

// Loose returns n nodes without links, which the test's end takes offline.
func Loose(t testing.TB, n int) *Sea {
	t.Helper()
	s := &Sea{Net: new(memnet.Net), t: t}
	for range n {
		s.Add(nil)
	}
	return s
}

// Add brings one more node online, without links, after edit has had its way
// with the Config; nil edits nothing.
func (s *Sea) Add(edit func(*node.Config)) *node.Node {
	s.t.Helper()
	key := Key(s.t)
	listener, err := s.Net.Listen("")
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := node.Config{
		Network:   "test",
		Work:      -1,
		Dialers:   map[string]transport.Dialer{"mem": s.Net},
		Listeners: []transport.Listener{listener},
		Version:   "nodetest",
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
	s.Nodes = append(s.Nodes, n)
	s.Keys = append(s.Keys, key)
	s.URLs = append(s.URLs, listener.URLs()[0])
	return n
}

// Link links node i to node j and waits until both have the link.
func (s *Sea) Link(i, j int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Wait)
	defer cancel()
	// The responder has the link before it says so.
	if _, err := s.Nodes[i].Dial(ctx, s.URLs[j]); err != nil {
		s.t.Fatalf("link node %d to node %d: %v", i, j, err)
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
