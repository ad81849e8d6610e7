package market

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
)

// pair is a buyer and a seller, warm, with guests in processes of their own.
func pair(b *testing.B) (buyer *trader, spec Spec) {
	b.Helper()
	e := compute.New(compute.Config{CacheDir: b.TempDir()})
	b.Cleanup(func() { _ = e.Close() })
	sea := nodetest.New(b, 2)
	buyer = newTrader(b, sea, 0, e, nil)
	seller := newTrader(b, sea, 1, e, nil)
	seller.sell(nil)
	spec = primes(buyer, "100")
	spec.MaxCredit = 100_000
	buyer.run(spec)
	return buyer, spec
}

// BenchmarkTrade is a tiny job on a warm pair of nodes, from Submit to its end.
func BenchmarkTrade(b *testing.B) {
	buyer, spec := pair(b)
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

// BenchmarkTrades is the same with eight in flight.
func BenchmarkTrades(b *testing.B) {
	buyer, spec := pair(b)
	b.ReportAllocs()
	b.SetParallelism((8 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j, err := buyer.Submit(b.Context(), spec)
			if err == nil {
				j, err = buyer.Wait(b.Context(), j.ID)
			}
			if err != nil || j.State != Done {
				b.Errorf("%v, %v", j, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
