package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/ledger"
)

// couple is two daemons with a line between them, of which one is killed. first
// listens; each keeps its folder.
type couple struct {
	*testing.T
	dirs [2]string
	up   [2]*process
	url  string
}

func newCouple(t *testing.T) *couple {
	c := &couple{T: t, dirs: [2]string{t.TempDir(), t.TempDir()}}
	c.start(0, "")
	c.url = c.up[0].status.Listening[0]
	c.start(1, "")
	c.up[1].linked(t)
	return c
}

// start runs a side, to die at point.
func (c *couple) start(side int, point string) {
	c.Helper()
	flags := []string{"--bootstrap", c.url}
	if side == 0 {
		at := "127.0.0.1:0"
		if c.url != "" {
			at = strings.TrimPrefix(c.url, "ws://")
		}
		flags = []string{"--listen", at}
	}
	c.up[side] = startProcess(c.T, c.dirs[side], point, flags...)
}

// pay has a side pay the other a credit, and waits until it is there.
func (c *couple) pay(side int) {
	c.Helper()
	path := "/credit/" + c.up[1-side].status.Entity.String() + "/pay"
	if err := c.up[side].api.do(c.Context(), http.MethodPost, path, creditAmount{Micro: 1e6}, new(ledger.Line)); err != nil {
		c.Fatal(err)
	}
	c.agreed()
}

func (c *couple) agreed() (a, b ledger.Line) {
	c.Helper()
	a, b = agreed(c.T, c.up[0], c.up[1])
	if a.State != ledger.StateOpen || b.State != ledger.StateOpen || a.Balance+b.Balance != 0 || a.Mine != b.Theirs || a.Theirs != b.Mine {
		c.Fatalf("the sides disagree: %+v and %+v", a, b)
	}
	return a, b
}

// TestKillCheckpoint kills either side at each step of a checkpoint. Both have
// the same one in the end, and it names all there is.
func TestKillCheckpoint(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes a minute: set SEA_TEST_FULL=1")
	}
	c := newCouple(t)
	low := 0
	if ledger.SideOf(c.up[0].status.Entity, c.up[1].status.Entity) == ledger.High {
		low = 1
	}
	for _, x := range []struct {
		side  int
		point string
	}{
		{low, "ledger:checkpoint-before-commit"}, {low, "ledger:checkpoint-proposed"},
		{1 - low, "ledger:checkpoint-verified"}, {1 - low, "ledger:checkpoint-signed"}, {1 - low, "ledger:checkpoint-committed"},
		{low, "ledger:checkpoint-verified"}, {low, "ledger:checkpoint-committed"},
	} {
		t.Logf("killing side %d of which %d proposes at %s", x.side, low, x.point)
		c.pay(x.side)
		before, _ := c.agreed()
		c.up[x.side].stop(t)
		c.start(x.side, x.point)
		c.up[1].linked(t)
		// What is new is paid by the one that lives; the other may be dead already.
		path := "/credit/" + c.up[x.side].status.Entity.String() + "/pay"
		if err := c.up[1-x.side].api.do(t.Context(), http.MethodPost, path, creditAmount{Micro: 1e6}, new(ledger.Line)); err != nil {
			t.Fatal(err)
		}
		_ = c.up[low].api.do(t.Context(), http.MethodPost, "/credit/checkpoint", checkpointAsk{}, new([]agreedLine)) // fails with whom it kills
		c.up[x.side].died(t)
		c.start(x.side, "")
		c.up[1].linked(t)
		c.agreed()
		var all []agreedLine
		if err := c.up[low].api.do(t.Context(), http.MethodPost, "/credit/checkpoint", checkpointAsk{}, &all); err != nil || len(all) != 1 || all[0].Error != "" {
			t.Fatalf("got %+v, %v", all, err)
		}
		a, b := c.agreed()
		if a.Agreed.Hash != b.Agreed.Hash || a.Agreed.N <= before.Agreed.N || a.Agreed.Mine.Seq != a.Mine.Seq || a.Agreed.Theirs.Seq != a.Theirs.Seq {
			t.Errorf("checkpoints %+v and %+v of %+v, %d before", a.Agreed, b.Agreed, a, before.Agreed.N)
		}
		for _, p := range c.up {
			p.checked(t)
		}
	}
}

// TestKillRebuild kills either side while one rebuilds its ledger from the other.
// It is begun again and ends with all there was.
func TestKillRebuild(t *testing.T) {
	c := newCouple(t)
	c.pay(1)
	file := filepath.Join(c.dirs[1], "ledger.db")
	c.up[1].stop(t)
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c.start(1, "")
	peer := c.up[0].status.Entity.String()
	for _, x := range []struct {
		side  int
		point string
	}{{1, "ledger:recover-taken"}, {0, "ledger:recover-consented"}} {
		t.Logf("killing side %d at %s", x.side, x.point)
		c.up[1].linked(t)
		c.pay(1)
		_, before := c.agreed()
		c.up[1].stop(t)
		if err := os.WriteFile(file, backup, 0o600); err != nil {
			t.Fatal(err)
		}
		if x.side == 0 {
			c.up[0].stop(t)
			c.start(0, x.point)
			c.start(1, "")
		} else {
			c.start(1, x.point)
		}
		var line ledger.Line
		if !soon(func() bool { c.up[1].get(t, "/credit/"+peer, &line); return line.State == ledger.StateFenced }) {
			t.Fatalf("the line is not fenced: %+v\n%s", line, c.up[1].log)
		}
		_ = c.up[1].api.do(t.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{}, new([]rebuiltLine)) // fails with whom it kills
		c.up[x.side].died(t)
		c.start(x.side, "")
		c.up[1].linked(t)
		if c.up[1].get(t, "/credit/"+peer, &line); line.State != ledger.StateOpen { // else it had come so far
			var rebuilt []rebuiltLine
			err := c.up[1].api.do(t.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{}, &rebuilt)
			if err != nil || len(rebuilt) != 1 || !rebuilt[0].Rebuilt {
				t.Fatalf("got %+v, %v\n%s", rebuilt, err, c.up[1].log)
			}
		}
		if _, now := c.agreed(); now.Mine.Seq != before.Mine.Seq || now.Mine.Cum != before.Mine.Cum {
			t.Errorf("got %+v, want the entries of %+v", now, before)
		}
		c.pay(1)
		for _, p := range c.up {
			p.checked(t)
		}
	}
}
