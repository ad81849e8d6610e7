package market

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
)

func TestCost(t *testing.T) {
	tests := []struct {
		price Price
		fuel  uint64
		want  ledger.Amount
		ok    bool
	}{
		{Price{}, math.MaxUint64, 0, true},
		{Price{Fee: 5}, 0, 5, true},
		{Price{PerGfuel: 1_000_000}, 1, 1, true}, // rounded up
		{Price{PerGfuel: 1_000_000}, 1000, 1, true},
		{Price{PerGfuel: 1_000_000}, 1001, 2, true},
		{Price{PerGfuel: 1_000_000}, Gfuel, 1_000_000, true},
		{Price{Fee: 7, PerGfuel: 3}, 10 * Gfuel, 37, true},
		{Price{PerGfuel: maxAmount - 1}, compute.MaxFuel, 0, false},
		{Price{Fee: maxAmount - 1, PerGfuel: 1}, 1, 0, false},
	}
	for _, test := range tests {
		if got, ok := test.price.Cost(test.fuel); got != test.want || ok != test.ok {
			t.Errorf("%+v for %d: got %d, %v, want %d, %v", test.price, test.fuel, got, ok, test.want, test.ok)
		}
	}
}

// TestCostExact compares with numbers of any size, and Covers with Cost: it is
// the most fuel that fits.
func TestCostExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{
			Fee:      ledger.Amount(rapid.Int64Range(0, maxAmount-1).Draw(t, "fee")),
			PerGfuel: ledger.Amount(rapid.Int64Range(0, maxAmount-1).Draw(t, "price")),
		}
		fuel := rapid.Uint64().Draw(t, "fuel")
		want := new(big.Int).Mul(new(big.Int).SetUint64(fuel), big.NewInt(int64(p.PerGfuel)))
		want.Add(want, big.NewInt(Gfuel-1)).Div(want, big.NewInt(Gfuel)).Add(want, big.NewInt(int64(p.Fee)))
		fits := want.Cmp(new(big.Int).Lsh(big.NewInt(1), 62)) < 0
		got, ok := p.Cost(fuel)
		if ok != fits || ok && want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("%+v for %d: got %d, %v, want %v, %v", p, fuel, got, ok, want, fits)
		}

		credit := ledger.Amount(rapid.Int64Range(0, maxAmount-1).Draw(t, "credit"))
		most := rapid.Uint64Range(0, compute.MaxFuel).Draw(t, "most")
		n := p.Covers(credit, most)
		if n > most {
			t.Fatalf("%+v covers %d of at most %d", p, n, most)
		}
		if cost, ok := p.Cost(n); n > 0 && (!ok || cost > credit) {
			t.Fatalf("%+v: %d fuel cost %d, above %d", p, n, cost, credit)
		}
		if cost, ok := p.Cost(n + 1); credit >= p.Fee && n < most && ok && cost <= credit {
			t.Fatalf("%+v: %d fuel would fit into %d, %d were said", p, n+1, credit, n)
		}
	})
}
