package market

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market/program"
)

// quoted is what the only seller says to a job.
func (tr *trader) quoted(s Spec) Quoted {
	tr.t.Helper()
	quotes, err := tr.Quotes(tr.t.Context(), s)
	if err != nil || len(quotes) != 1 {
		tr.t.Fatalf("%+v, %v", quotes, err)
	}
	return quotes[0]
}

// TestHours asks at hours that are open and closed on the seller's own clock,
// which the test turns.
func TestHours(t *testing.T) {
	t.Parallel()
	buyer, seller := testMarket(t)
	var now atomic.Int64
	seller.clock = func() time.Time { return time.UnixMilli(now.Load()).UTC() }
	seller.sell(func(p *Policy) { p.Hours = "22:00-07:00,12:00-13:00" })
	for at, open := range map[string]bool{"21:59": false, "22:00": true, "06:59": true, "07:00": false, "12:30": true} {
		clock, err := time.Parse("15:04", at)
		if err != nil {
			t.Fatal(err)
		}
		now.Store(clock.UnixMilli())
		s := primes(buyer, "100")
		s.To = []addr.Addr{seller.node.Addr()}
		want := NotSelling
		if open {
			want = ""
		}
		if q := buyer.quoted(s); q.Reason != want {
			t.Errorf("at %s: %s (%s), want %q", at, q.Reason, q.Error, want)
		}
	}
}

// TestDoor lets in and keeps out by node, by entity and by module; the longest
// lists there may be are taken, and no longer ones.
func TestDoor(t *testing.T) {
	node, entity, other := identity.Entity{1}, identity.Entity{2}, identity.Entity{3}
	for _, test := range []struct {
		name string
		door Door
		in   bool
	}{
		{"open", Door{}, true},
		{"denied node", Door{DenyPeers: []identity.Entity{node}}, false},
		{"denied entity", Door{DenyPeers: []identity.Entity{entity}}, false},
		{"another denied", Door{DenyPeers: []identity.Entity{other}}, true},
		{"allowed node", Door{AllowPeers: []identity.Entity{node}}, true},
		{"allowed entity", Door{AllowPeers: []identity.Entity{entity}}, true},
		{"another allowed", Door{AllowPeers: []identity.Entity{other}}, false},
		{"allowed and denied", Door{AllowPeers: []identity.Entity{node}, DenyPeers: []identity.Entity{entity}}, false},
	} {
		if no := test.door.refusesPeer(node, entity); (no == nil) != test.in {
			t.Errorf("%s: %v", test.name, no)
		}
	}
	run, not := identity.Hash{1}, identity.Hash{2}
	for _, door := range []Door{{AllowModules: []identity.Hash{run}}, {DenyModules: []identity.Hash{not}}} {
		if no := door.refusesModule(run); no != nil {
			t.Errorf("%+v refuses: %v", door, no)
		}
		if no := door.refusesModule(not); no == nil || no.Reason != NotWelcome {
			t.Errorf("%+v: %v", door, no)
		}
	}
	p := DefaultPolicy()
	p.DenyPeers = make([]identity.Entity, maxListed)
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	p.DenyPeers = append(p.DenyPeers, other)
	if err := p.Check(); err == nil {
		t.Error("a list above its bound was taken")
	}
}

// TestProgram has a program decide: its reason and its price reach the buyer, and
// of its failure only that there was one.
func TestProgram(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it is a shell script")
	}
	buyer, seller := testMarket(t)
	seller.program = program.NewRunner(time.Minute) // it has its time on any machine
	path := filepath.Join(t.TempDir(), "policy.sh")
	s := primes(buyer, "100")
	for _, test := range []struct {
		says, text string
		reason     Reason
		fee        int64
	}{
		{`echo '{"accept": true}'`, "", "", 0},
		{`echo '{"price": {"fee_micro": 77, "micro_per_gfuel": 0}}'`, "", "", 77},
		{`echo '{"price": {"fee_micro": 1000000000000, "micro_per_gfuel": 0}}'`, "the cap is", RefusedPrice, 0},
		{`echo '{"refuse": "full moon"}'`, "full moon", NotWelcome, 0},
		{`echo hidden >&2; exit 1`, "gave no answer", NotWelcome, 0},
		{`echo '{"accept": tr'`, "gave no answer", NotWelcome, 0},
	} {
		next := filepath.Join(t.TempDir(), "next") // renamed into place: a file that is written to cannot be run
		if err := os.WriteFile(next, []byte("#!/bin/sh\nread question\n"+test.says+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
		seller.sell(func(p *Policy) { p.Program = path })
		q := buyer.quoted(s)
		if q.Reason != test.reason || !strings.Contains(q.Error, test.text) || strings.Contains(q.Error, "hidden") {
			t.Errorf("%s: %s, %s", test.says, q.Reason, q.Error)
		}
		if q.Reason == "" && test.fee != 0 && int64(q.Price.Fee) != test.fee {
			t.Errorf("%s: the fee is %d", test.says, q.Price.Fee)
		}
	}
	seller.sell(func(p *Policy) { p.Program = "" })
	p := seller.Policy()
	p.Program = "policy.sh"
	if err := seller.SetPolicy(p); err == nil {
		t.Error("a path was taken that is not absolute")
	}
}

// TestShareSet: the policy's share of a core is that of the jobs which run, and of
// those that come.
func TestShareSet(t *testing.T) {
	for share, want := range map[uint32]int{0: 100, 1: 1, 30: 30, 100: 100} {
		p := DefaultPolicy()
		p.Share = share
		if err := p.Check(); err != nil || p.share() != want {
			t.Errorf("a share of %d is %d (%v), want %d", share, p.share(), err, want)
		}
	}
	p := DefaultPolicy()
	p.Share = 101
	if err := p.Check(); err == nil {
		t.Error("a share of 101 % was taken")
	}
}
