package market

import (
	"context"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
)

// TestAbsurdFuel: a seller whose engine claims more fuel than the job may have
// refuses the order at once, whatever a Gfuel costs; the buyer is told why, and
// nothing is paid or held.
func TestAbsurdFuel(t *testing.T) {
	t.Parallel()
	buyer, sellers, _ := capped(t, 1)
	seller := sellers[0]
	for name, test := range map[string]struct {
		price        ledger.Amount
		shown, ended uint64
	}{
		"one too many":         {ledger.Credit, 0, testLimit + 1},
		"2^61":                 {ledger.Credit, 0, 1 << 61},
		"2^61, while it runs":  {ledger.Credit, 1 << 61, 1 << 61},
		"all bits, for free":   {0, 1<<64 - 1, 1<<64 - 1},
		"only while it runs":   {ledger.Credit, 1<<64 - 1, Gfuel / 10},
		"only shown, for free": {0, 1 << 61, 1},
	} {
		seller.sell(func(p *Policy) { p.PerGfuel = test.price })
		buyer.sellers.Forget(seller.node.Addr())
		scripted(seller, func(_ context.Context, job compute.Job, live compute.Live) compute.Result {
			live.Progress(test.shown)
			return compute.Result{End: compute.Exit, Fuel: test.ended}
		})
		s := primes(buyer, "1")
		s.Limits.Fuel = testLimit
		j := buyer.run(s)
		if test.ended <= testLimit {
			if j.State != Done || j.Fuel != test.ended {
				t.Errorf("%s: %s, %s (%s), %d fuel", name, j.State, j.Reason, j.Error, j.Fuel)
			}
			continue
		}
		if j.State != Failed || j.Reason != EngineFailed || !strings.Contains(j.Error, "claims") || j.Paid {
			t.Errorf("%s: %s, %s (%s), paid %v", name, j.State, j.Reason, j.Error, j.Paid)
		}
		until(t, "nothing is held", func() bool { return seller.opened() == 0 && len(seller.Tasks()) == 0 })
	}
}
