package market

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
)

// TestFreeCounted: output that cost nothing is counted while it is kept. A
// buyer's own makes room for its next, and strangers together get no more than
// their part.
func TestFreeCounted(t *testing.T) {
	sea := nodetest.New(t, 2)
	seller := newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.keeps.MaxBytes = 4 << 20 })
	seller.sell(func(p *Policy) { p.Price = Price{} })
	size := 300 << 10 // of 512 KiB that one buyer may have
	scripted(seller, func(_ context.Context, job compute.Job, live compute.Live) compute.Result {
		out := bytes.Repeat([]byte(job.Args[1]), size)
		write(t, live, string(out))
		return compute.Result{End: compute.Exit, Stdout: out, Fuel: Gfuel}
	})
	buyer := newTrader(t, sea, 1, &tricky{}, nil)
	counted := func(want debts) {
		t.Helper()
		seller.selling.Lock()
		defer seller.selling.Unlock()
		if got := seller.selling.unpaidAll; got != want || seller.selling.unpaid[buyer.key.Entity()] != want || seller.selling.strangers != want {
			t.Errorf("counted are %+v, strangers' %+v, want %+v", got, seller.selling.strangers, want)
		}
		if _, pinned := seller.blobs.Usage(); uint64(pinned) != want.bytes {
			t.Errorf("%d bytes are pinned, want %d", pinned, want.bytes)
		}
	}
	for i, want := range []debts{{1, 300 << 10}, {2, 600 << 10}, {2, 600 << 10}, {2, 600 << 10}} {
		j := buyer.run(primes(buyer, fmt.Sprint(i)))
		if j.State != Done || j.Cost != 0 {
			t.Fatalf("%s (%s)", j.State, j.Error)
		}
		counted(want)
	}
	size = 1 << 20 // all that strangers may have, and there is some
	if j := buyer.run(primes(buyer, "x")); j.State != Failed || !strings.Contains(fmt.Sprint(j.History), string(EngineFailed)) {
		t.Errorf("there was no room for its output: %s (%s)", j.State, j.Error)
	}
}
