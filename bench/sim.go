package main

import (
	"context"
	"fmt"
	"time"

	"github.com/peersea/sea/node/simtest"
	"github.com/peersea/sea/node/simtest/town"
)

// simSuite plays seas and a channel in simulated time with the production cores of
// routing, upkeep and gossip. Its figures do not depend on the machine.
func simSuite(ctx context.Context, report func(figure)) error {
	if err := static100k(report); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	churn5k(report)
	if err := ctx.Err(); err != nil {
		return err
	}
	publish10k(report)
	return nil
}

// publish10k has a channel of 10,000 members, which is whole at first; then three
// of ten fall silent at once, and a message follows on the spot.
func publish10k(report func(figure)) {
	const size, messages = 10_000, 20
	to := town.New(1)
	to.Grow(size, 100*time.Second)
	reach := 1.0
	copies, first := to.Copies()
	for range messages {
		said := to.Any().Say(4 << 10)
		to.Run(3 * time.Second)
		reach = min(reach, to.Reach(said))
	}
	copies2, first2 := to.Copies()
	report(figure{Name: "publish_10k_reach", Value: 100 * reach, Unit: "%", Against: fmt.Sprintf("the least of %d messages of 4 KiB", messages)})
	report(figure{Name: "publish_copies_large", Value: float64(copies2-copies) / float64(first2-first), Unit: "copies", Against: "of 4 KiB, a member"})
	to.Kill(0.3)
	small, large := to.Any().Say(500), to.Any().Say(4<<10)
	to.Run(3 * time.Second)
	smallAt3, largeAt3 := 100*to.Reach(small), 100*to.Reach(large)
	to.Run(time.Second)
	report(figure{Name: "publish_10k_reach_30dead", Value: smallAt3, Unit: "%", Against: fmt.Sprintf("500 bytes after 3 s; 4 KiB after 3 s: %.2f %%, after 4 s: %.2f %%", largeAt3, 100*to.Reach(large))})
	to.Run(6 * time.Second)
	report(figure{Name: "publish_10k_reach_30dead_10s", Value: 100 * min(to.Reach(small), to.Reach(large)), Unit: "%", Against: "the lesser of the two"})
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
