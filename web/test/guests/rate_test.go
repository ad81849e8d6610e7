//go:build !race

package guests_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/web/internal/browsertest"
)

// BenchmarkFuel has a tab and Go's engine run the same job in turns, compiled before,
// and gives the best rate of each.
func BenchmarkFuel(b *testing.B) {
	bench := newBench(b)
	tab := browsertest.Start(b).Tab(b, bench.serve(b, true))
	job := bench.job(read(b, "../../../examples/primes/primes.wasm"), nil, "primes", "20000000")
	var there, here float64 // the best of each
	turn := func() {
		there = max(there, browsertest.Value[float64](b, tab, fmt.Sprintf("guests.rate('%x')", job.Encode())))
		began := time.Now()
		r, err := bench.engine.Run(b.Context(), job, bench.blobs, compute.Live{})
		if err != nil {
			b.Fatal(err)
		}
		here = max(here, float64(r.Fuel)/time.Since(began).Seconds())
	}
	turn() // compiles
	for b.Loop() {
		turn()
	}
	b.ReportMetric(there/1e6, "tab-Mfuel/s")
	b.ReportMetric(here/1e6, "go-Mfuel/s")
	b.ReportMetric(there/here, "tab/go")
	b.ReportMetric(0, "ns/op")
}
