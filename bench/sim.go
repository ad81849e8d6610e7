package main

import (
	"context"
	"fmt"
	"time"

	"github.com/peersea/sea/node/simtest"
)

// simSuite plays seas in simulated time with the production cores of routing and
// upkeep. Its figures do not depend on the machine.
func simSuite(ctx context.Context, report func(figure)) error {
	if err := static100k(report); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	churn5k(report)
	return nil
}

func static100k(report func(figure)) error {
	const size = 100_000
	s := simtest.NewStatic(simtest.Config{Seed: 1}, size)
	c, d := s.Calls(10_000), s.Degrees()
	if c.Exact != c.Looked {
		return fmt.Errorf("%d of %d look-ups ended at the nearest node", c.Exact, c.Looked)
	}
	report(figure{Name: "static_100k_delivered", Value: 100 * c.AnsweredShare(), Unit: "%", Against: fmt.Sprintf("%d calls and look-ups", c.Made)})
	report(figure{Name: "static_100k_hops", Value: c.MeanHops(), Unit: "hops", Against: fmt.Sprintf("most: %d", c.Most)})
	report(figure{Name: "static_100k_degree_p99", Value: float64(d[len(d)*99/100]), Unit: "links", Against: fmt.Sprintf("median: %d", d[len(d)/2])})
	return nil
}

// churn5k has 5,000 nodes with sessions of 10 minutes, 30 % of them behind hard
// NAT, and before that the same nodes at rest.
func churn5k(report func(figure)) {
	s := simtest.New(simtest.Config{Seed: 1, HardNAT: 0.3, Failing: 0.03})
	s.Grow(5000, 50)
	s.Run(2 * time.Minute)
	quiet := s.Load(time.Minute)
	report(figure{Name: "maintenance_msgs_per_s", Value: quiet.Messages, Unit: "msg/s", Against: fmt.Sprintf("%.0f bytes/s, a node of 5,000 at rest", quiet.Bytes)})
	s.Churn(10*time.Minute, time.Hour)
	s.Run(5 * time.Minute)
	busy := s.Load(time.Minute)
	report(figure{Name: "churn_5k_msgs_per_s", Value: busy.Messages, Unit: "msg/s", Against: fmt.Sprintf("%.0f bytes/s", busy.Bytes)})
	c := s.Ask(50, 4*time.Minute)
	report(figure{Name: "churn_5k_answered", Value: 100 * c.AnsweredShare(), Unit: "%", Against: fmt.Sprintf("%d calls and look-ups, %d retried", c.Made, c.Retried)})
	report(figure{Name: "churn_5k_exact", Value: 100 * c.ExactShare(), Unit: "%", Against: fmt.Sprintf("%d look-ups, %.2f hops", c.Looked, c.MeanHops())})
}
