package market

import (
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
)

// BenchmarkTrade is a tiny job on a warm pair of nodes, from Submit to its end,
// with guests in processes of their own.
func BenchmarkTrade(b *testing.B) {
	e := compute.New(compute.Config{CacheDir: b.TempDir()})
	defer e.Close()
	sea := nodetest.New(b, 2)
	buyer := newTrader(b, sea, 0, e, nil)
	seller := newTrader(b, sea, 1, e, nil)
	seller.sell(nil)
	spec := primes(buyer, "100")
	spec.MaxCredit = 100_000
	buyer.run(spec)
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		id := buyer.submit(spec)
		if j := buyer.wait(id); j.State != Done {
			b.Fatalf("%+v", j)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
