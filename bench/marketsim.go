package main

import (
	"context"
	"fmt"
	"time"

	"github.com/peersea/sea/plugins/market/marketsim"
)

// marketsimSuite plays markets in simulated time, with the production cores of
// routing, of picking sellers, of trust and of the seller's queue. Its figures do
// not depend on the machine.
func marketsimSuite(ctx context.Context, report func(figure)) error {
	large := marketsim.Config{Seed: 1, Nodes: 10_000, Buyers: 1000, Sellers: 9000, Jobs: 20}
	r := marketsim.New(large).Run()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	each := func(n int) float64 { return float64(n) / float64(r.Jobs) }
	spread := func(q func(float64) time.Duration) string { return fmt.Sprintf("p99 %.0f ms", ms(q(0.99))) }
	report(figure{Name: "find_first_ms", Value: ms(r.First(0.5)), Unit: "ms", Against: spread(r.First)})
	report(figure{Name: "find_ms", Value: ms(r.Later(0.5)), Unit: "ms", Against: spread(r.Later)})
	report(figure{Name: "msgs_per_job", Value: float64(r.Messages) / float64(r.Jobs), Unit: "msgs", Against: fmt.Sprintf("%.1f look-ups, %.1f offers, %.1f asks, %.1f notices", each(r.Lookups), each(r.Offers), each(r.Asks), each(r.Notices))})
	served := func(name string, r marketsim.Report) {
		report(figure{Name: name, Value: 100 * float64(r.Served) / float64(r.Sellers), Unit: "%", Against: fmt.Sprintf("%d jobs, %d sellers; the busiest had %d", r.Jobs, r.Sellers, r.Most)})
	}
	served("sellers_served", r)
	if err := ctx.Err(); err != nil {
		return err
	}

	// More jobs for each seller, in a sea that is smaller for it.
	small := marketsim.Config{Seed: 1, Nodes: 1000, Buyers: 100, Sellers: 900, Jobs: 200}
	served("sellers_served_long", marketsim.New(small).Run())
	if err := ctx.Err(); err != nil {
		return err
	}
	small.Spread = 4
	served("sellers_served_long_prices", marketsim.New(small).Run())
	if err := ctx.Err(); err != nil {
		return err
	}

	busy := marketsim.Config{Seed: 1, Nodes: 1000, Buyers: 500, Sellers: 100, Jobs: 20, Spread: 4}
	r = marketsim.New(busy).Run()
	report(figure{Name: "busy_wait_ms", Value: ms(r.Wait(0.5)), Unit: "ms", Against: spread(r.Wait)})
	if err := ctx.Err(); err != nil {
		return err
	}

	small.Spread, small.Audit, small.Liars = 1, true, 0.1
	r = marketsim.New(small).Run()
	report(figure{Name: "liar_jobs", Value: float64(r.OutJobs) / float64(r.Out), Unit: "jobs", Against: fmt.Sprintf("that it did for a buyer until that was done with it; %d times", r.Out)})
	report(figure{Name: "liar_believed", Value: float64(r.OutBelieved) / float64(r.Out), Unit: "lies", Against: "among those jobs that were accepted"})
	report(figure{Name: "wrong_accepted", Value: 100 * float64(r.Wrong) / float64(r.Jobs), Unit: "%", Against: fmt.Sprintf("%d of %d jobs", r.Wrong, r.Jobs)})
	report(figure{Name: "audit_runs", Value: float64(r.Runs+r.Own) / float64(r.Jobs), Unit: "runs", Against: fmt.Sprintf("a job; %.2f of them by sellers", each(r.Runs))})
	return nil
}
