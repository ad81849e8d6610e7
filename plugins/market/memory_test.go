package market

import (
	"context"
	"math"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// TestMemoryExact compares the price of a job's memory with numbers of any size.
func TestMemoryExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.Int64Range(0, maxAmount-1).Draw(t, "price")
		perGiB := rapid.Int64Range(0, maxAmount-1).Draw(t, "gib")
		pages := rapid.Uint32Range(0, math.MaxUint32).Draw(t, "pages")
		want := new(big.Int).Mul(big.NewInt(perGiB), big.NewInt(int64(pages)))
		want.Add(want, big.NewInt(pagesPerGiB-1)).Div(want, big.NewInt(pagesPerGiB)).Add(want, big.NewInt(price))
		if most := big.NewInt(maxAmount - 1); want.Cmp(most) > 0 {
			want = most
		}
		got := Price{3, ledger.Amount(price)}.withMemory(ledger.Amount(perGiB), pages)
		if got.Fee != 3 || want.Cmp(big.NewInt(int64(got.PerGfuel))) != 0 {
			t.Fatalf("%d and %d for %d pages: %+v, want %v", price, perGiB, pages, got, want)
		}
	})
}

// TestMemoryPrice: a job pays for the memory that it may have, to the
// micro-credit; who takes less of it goes to whom that is cheaper; and no cap is
// passed, though a seller hides the price of its memory until the quote.
func TestMemoryPrice(t *testing.T) {
	t.Parallel()
	buyer, sellers, wire := capped(t, 2)
	flat, steep := sellers[0], sellers[1]
	var hides atomic.Bool
	wire.alter = func(to addr.Addr, scope string, _, reply []byte) []byte {
		var a offerAnswer
		if !hides.Load() || to != steep.node.Addr() || scope != offerMethod.Scope || cbor.Unmarshal(reply, &a) != nil {
			return reply
		}
		o, err := OpenOffer(a.Offer)
		if err != nil {
			t.Error(err)
		}
		o.PerGiB = 0
		if a.Offer, err = o.Sign(steep.key); err != nil {
			t.Error(err)
		}
		out, err := cbor.Marshal(a)
		if err != nil {
			t.Error(err)
		}
		return out
	}
	flat.sell(func(p *Policy) { p.PerGfuel = 1_200_000 })
	steep.sell(func(p *Policy) { p.PerGfuel, p.PerGiB = 1_000_000, 800_001 })
	for _, s := range sellers {
		s.engine.(*tricky).engine = runFunc(func(_ context.Context, job compute.Job, live compute.Live) (compute.Result, error) {
			return compute.Result{Job: job.Hash(), Engine: "test", End: compute.Exit, Fuel: job.Limits.Fuel}, nil
		})
	}
	job := func(mebibytes uint32, to ...addr.Addr) Spec {
		s := primes(buyer, "1")
		s.Limits.Fuel, s.Limits.MemoryPages, s.To = Gfuel/2, mebibytes*16, to
		return s
	}
	done := func(j Job, seller *trader, perGfuel, cost ledger.Amount) {
		t.Helper()
		if j.State != Done || j.Seller != seller.key.Entity() || j.Price.PerGfuel != perGfuel || j.Cost != cost {
			t.Errorf("%s (%s) by %s at %s, cost %s; want %s at %s, %s", j.State, j.Error, j.Seller.Short(), j.Price.PerGfuel, j.Cost, seller.key.Entity().Short(), perGfuel, cost)
		}
	}
	atFlat, atSteep := flat.node.Addr(), steep.node.Addr()
	for mebibytes, first := range map[uint32]*trader{128: steep, 512: flat} {
		var known []known
		for _, at := range []addr.Addr{atFlat, atSteep} {
			k, err := buyer.fetchOffer(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			known = append(known, k)
		}
		if buyer.rank(job(mebibytes), known); known[0].Seller != first.key.Entity() {
			t.Errorf("for %d MiB %s is asked first", mebibytes, known[0].Seller.Short())
		}
	}
	done(buyer.run(job(128, atSteep)), steep, 1_100_001, 550_001) // 100,000.125 for the memory: rounded up, and the half of it again
	done(buyer.run(job(512, atFlat)), flat, 1_200_000, 600_000)
	done(buyer.run(job(512, atSteep)), steep, 1_400_001, 700_001)

	capped := job(512, atSteep)
	capped.MaxPrice = 1_399_999
	refused := func(by string) {
		t.Helper()
		j := buyer.run(capped)
		if j.State != Failed || j.Reason != RefusedPrice || !strings.Contains(j.Error, by) || !strings.Contains(j.Error, "512 MiB") || j.Order != (identity.Hash{}) {
			t.Errorf("%s, %s: %s", j.State, j.Reason, j.Error)
		}
	}
	refused("it asks 1.400001 credits")
	hides.Store(true)
	buyer.sellers.Forget(atSteep)
	refused("a Gfuel costs 1.400001 credits here")
	capped.MaxPrice, capped.MaxCredit = 0, 700_000 // the job may cost 700,001
	buyer.sellers.Forget(atSteep)
	if j := buyer.run(capped); j.State != Failed || j.Reason != RefusedPrice || j.Order != (identity.Hash{}) {
		t.Errorf("%s, %s: %s", j.State, j.Reason, j.Error)
	}
}
