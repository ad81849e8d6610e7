package rtc_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/peersea/sea/web/internal/browsertest"
)

// BenchmarkTabs compares a wire between two tabs with a data channel as the
// browser gives it, in turns: 16 MiB in messages of 16 KiB, and round trips of 100
// bytes. Medians, and of the ratios of each turn, of at least five turns:
//
//	go test -run '^$' -bench Tabs -benchtime 5x ./web/test/rtc
func BenchmarkTabs(b *testing.B) {
	browser := browsertest.Start(b)
	url := browsertest.Serve(b, browsertest.Page(b, "bench.ts"))
	one, two := browser.Tab(b, url), browser.Tab(b, url)
	hows := []string{"raw", "wire"}
	for _, how := range hows {
		offer := browsertest.Value[string](b, one, fmt.Sprintf("test.offer(%q)", how))
		answer := browsertest.Value[string](b, two, fmt.Sprintf("test.answer(%q, %q)", how, offer))
		one.Run(b, fmt.Sprintf("await test.accept(%q, %q)", how, answer))
		two.Run(b, fmt.Sprintf("await test.answered(%q)", how))
	}
	rates, trips := map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for _, how := range hows {
			rates[how] = append(rates[how], browsertest.Value[float64](b, one, fmt.Sprintf("test.pour(%q, 1024)", how)))
			trips[how] = append(trips[how], browsertest.Value[float64](b, one, fmt.Sprintf("test.trips(%q, 500)", how)))
		}
	}
	median := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	ratio := func(of map[string][]float64) float64 {
		var all []float64
		for i, raw := range of["raw"] {
			all = append(all, of["wire"][i]/raw)
		}
		return median(all)
	}
	b.ReportMetric(ratio(rates), "rate/raw")
	b.ReportMetric(ratio(trips), "trip/raw")
	for _, how := range hows {
		b.ReportMetric(median(rates[how])/1e6, how+"-MB/s")
		b.ReportMetric(median(trips[how])*1000, how+"-µs")
	}
	b.ReportMetric(0, "ns/op")
}
