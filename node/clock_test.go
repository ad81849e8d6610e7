package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/nodetest"
)

// A node knows how far its clock is from that of most of its neighbours, whatever fewer
// than half of them say.
func TestClockAhead(t *testing.T) {
	s := time.Second
	for _, tt := range []struct {
		skews []time.Duration
		want  time.Duration
		ok    bool
	}{
		{nil, 0, false},
		{[]time.Duration{s, s}, 0, false},
		{[]time.Duration{-60 * s, -61 * s, -59 * s}, 60 * s, true},
		{[]time.Duration{60 * s, 60 * s, 0}, -60 * s, true},
		{[]time.Duration{0, 0, 599 * s}, 0, true},
		{[]time.Duration{0, 0, 599 * s, 599 * s}, 0, true},
		{[]time.Duration{-599 * s, -599 * s, s, 2 * s, 0}, 0, true},
	} {
		var links []node.Link
		for _, skew := range tt.skews {
			links = append(links, node.Link{Skew: skew})
		}
		if got, ok := node.ClockAhead(links); got != tt.want || ok != tt.ok {
			t.Errorf("%v: %v, %v, want %v, %v", tt.skews, got, ok, tt.want, tt.ok)
		}
	}
}

// Neighbours whose clocks are a minute and a half behind are linked to, and tell that.
func TestClockOfLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 1)
		n := sea.Nodes[0]
		behind := func() time.Time { return time.Now().Add(-90 * time.Second) }
		for i := range 3 {
			if _, ok := n.ClockAhead(); ok {
				t.Errorf("judged by %d neighbours", i)
			}
			conn, err := sea.Wire.Dialers["mem"].Dial(t.Context(), sea.URLs[0])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			static, err := hello.NewStatic(nil)
			if err != nil {
				t.Fatal(err)
			}
			record, err := contact.Record{
				Network: "test", Key: static.Public(), Issued: behind(), Expires: behind().Add(time.Hour),
			}.Sign(nodetest.Key(t))
			if err != nil {
				t.Fatal(err)
			}
			party := &hello.Party{Network: "test", Static: static, Record: record, Now: behind}
			if _, err := party.Initiate(t.Context(), conn, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if ahead, ok := n.ClockAhead(); !ok || ahead != 90*time.Second {
			t.Errorf("%v ahead, %v", ahead, ok)
		}
	})
}
