package marketsim

import (
	"testing"
	"time"
)

// town is a market that takes a moment.
var town = Config{Seed: 1, Nodes: 120, Buyers: 8, Sellers: 90, Jobs: 24}

func per(a, b int) float64 { return float64(a) / float64(b) }

// played plays a market in which all jobs must be done.
func played(t *testing.T, cfg Config) (Report, uint64) {
	t.Helper()
	w := New(cfg)
	r := w.Run()
	t.Logf("%d jobs of %.0f messages; found after %v (p99 %v), later %v (p99 %v); %d of %d sellers served, the busiest %d; %.2f runs and %.2f own; %d wrong; %d liars out after %.1f jobs",
		r.Jobs, per(int(r.Messages), r.Jobs), r.First(0.5), r.First(0.99), r.Later(0.5), r.Later(0.99),
		r.Served, r.Sellers, r.Most, per(r.Runs, r.Jobs), per(r.Own, r.Jobs), r.Wrong, r.Out, per(r.OutJobs, max(1, r.Out)))
	if want := cfg.Buyers * cfg.Jobs; r.Jobs != want || r.Sellers != cfg.Sellers {
		t.Errorf("%d jobs of %d sellers are done, want %d of %d", r.Jobs, r.Sellers, want, cfg.Sellers)
	}
	return r, w.Hash()
}

// TestMarket: jobs find sellers within seconds, each is run once, far more sellers
// get work at one price than there are buyers, who know one each; and one seed
// gives one course of events. With prices the cheapest that a buyer knows has the
// work, and others when it has no free slot.
func TestMarket(t *testing.T) {
	r, hash := played(t, town)
	if _, again := played(t, town); again != hash {
		t.Error("one seed has two courses of events")
	}
	if r.Runs != r.Jobs || r.Own != 0 || r.Wrong != 0 || r.Out != 0 {
		t.Errorf("%d runs, %d own, %d wrong, %d out", r.Runs, r.Own, r.Wrong, r.Out)
	}
	if d := max(r.First(1), r.Later(1)); d <= 0 || d > 5*time.Second {
		t.Errorf("a seller was found after %v", d)
	}
	if r.Served < 2*town.Buyers {
		t.Errorf("%d sellers ever got work from %d buyers", r.Served, town.Buyers)
	}
	cfg := town
	cfg.Spread = 4
	if prices, _ := played(t, cfg); prices.Most <= r.Most || prices.Served >= r.Served {
		t.Errorf("with prices %d sellers got work and the busiest %d jobs; at one price %d and %d", prices.Served, prices.Most, r.Served, r.Most)
	}
}

// TestBusy: when sellers have little more than is wanted, most jobs begin at once
// at one that is dearer, and do not wait at the cheapest.
func TestBusy(t *testing.T) {
	cfg := Config{Seed: 1, Nodes: 120, Buyers: 50, Sellers: 10, Jobs: 10, Spread: 4}
	r, _ := played(t, cfg)
	if d := r.Wait(0.5); d != 0 {
		t.Errorf("half of the jobs waited for %v", d)
	}
	if r.Wait(0.99) == 0 {
		t.Error("nobody waited: the market was not busy")
	}
}

// TestLiars: who lies is found out, also by sellers that were checked themselves,
// and what is accepted nevertheless is little.
func TestLiars(t *testing.T) {
	cfg := town
	cfg.Audit, cfg.Liars, cfg.Jobs = true, 0.2, 40
	r, _ := played(t, cfg)
	if r.Out == 0 || r.OutJobs < r.Out || 50*r.Wrong > r.Jobs {
		t.Errorf("%d liars are out after %d jobs, %d wrong results were accepted", r.Out, r.OutJobs, r.Wrong)
	}
	if r.Runs <= r.Jobs || r.Own == 0 {
		t.Errorf("%d runs by sellers and %d by buyers of %d jobs", r.Runs, r.Own, r.Jobs)
	}
}
