package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// TestRebuild loses a daemon's ledger, once to an old backup and once whole, and
// gets it back from the peer.
func TestRebuild(t *testing.T) {
	dir := t.TempDir()
	seller := startProcess(t, t.TempDir(), "", "--listen", "127.0.0.1:0")
	start := func() *process { return startProcess(t, dir, "", "--bootstrap", seller.status.Listening[0]) }
	pay := func(p *process) ledger.Line {
		t.Helper()
		var line ledger.Line
		if err := p.api.do(t.Context(), http.MethodPost, "/credit/"+seller.status.Entity.String()+"/pay", creditAmount{Micro: 1e6}, &line); err != nil {
			t.Fatal(err)
		}
		line, _ = agreed(t, p, seller)
		return line
	}
	p := start()
	pay(p)
	p.stop(t)
	file := filepath.Join(dir, "ledger.db")
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p = start()
	for n := uint64(2); n <= 4; n += 2 {
		if line := pay(p); line.Mine.Seq != n {
			t.Fatalf("got %+v, want %d entries", line, n)
		}
		p.stop(t)
		if n == 2 {
			err = os.WriteFile(file, backup, 0o600)
		} else {
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		p = start()
		peer := seller.status.Entity.String()
		var line ledger.Line
		if !soon(func() bool { p.get(t, "/credit/"+peer, &line); return line.State == ledger.StateFenced }) {
			t.Fatalf("the line is not fenced: %+v\n%s", line, p.log)
		}
		var rebuilt []rebuiltLine
		if err := p.api.do(t.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{}, &rebuilt); err != nil {
			t.Fatal(err)
		}
		if len(rebuilt) != 1 || !rebuilt[0].Rebuilt || rebuilt[0].Entries != n || rebuilt[0].Micro != int64(n)*1e6 {
			t.Fatalf("got %+v\n%s", rebuilt, p.log)
		}
		if line := pay(p); line.Mine.Seq != n+1 || line.Balance != -ledger.Amount(n+1)*ledger.Credit {
			t.Fatalf("got %+v", line)
		}
		p.checked(t)
		if err := p.api.do(t.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{Peers: []string{peer}}, &rebuilt); err != nil || rebuilt[0].Rebuilt ||
			!strings.Contains(rebuilt[0].Error, "nothing to rebuild") {
			t.Errorf("an open line: got %+v, %v", rebuilt, err)
		}
	}
	seller.checked(t)
}

// TestShownLess shows that a peer which shows less than the copy of the heads
// knows of is told on, and no other.
func TestShownLess(t *testing.T) {
	a, b := identity.Entity{1}, identity.Entity{2}
	known := []ledger.KnownHead{{Peer: a, Mine: ledger.Half{Seq: 5}}}
	for _, test := range []struct {
		peer    identity.Entity
		entries uint64
		less    bool
	}{{a, 0, true}, {a, 4, true}, {a, 5, false}, {a, 6, false}, {b, 0, false}} {
		if got := shownLess(known, test.peer, test.entries); (got != "") != test.less {
			t.Errorf("%d of %s's: got %q", test.entries, test.peer.Short(), got)
		}
	}
}
