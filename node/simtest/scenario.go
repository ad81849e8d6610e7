package simtest

import (
	"math"
	"time"
)

// Grow lets size nodes in, rate a second, each joining at once, and returns when
// the last has begun.
func (s *Sea) Grow(size, rate int) {
	for i := range size {
		s.After(time.Duration(i)*time.Second/time.Duration(rate), func() { s.Add().Join() })
	}
	s.Run(time.Duration(size) * time.Second / time.Duration(rate))
}

// Churn gives every node but the bootstraps, and each that comes in its place, a
// session that lasts mean on average (exponentially), for the time d. Half of
// them leave with a notice; the others crash.
func (s *Sea) Churn(mean, d time.Duration) {
	end := s.world.Now().Add(d)
	var live func(n *Node)
	live = func(n *Node) {
		s.After(time.Duration(s.rand.ExpFloat64()*float64(mean)), func() {
			if s.world.Now().After(end) || n.gone {
				return
			}
			if s.rand.IntN(2) == 0 {
				n.Leave()
			} else {
				n.Crash()
			}
			next := s.Add()
			next.Join()
			live(next)
		})
	}
	for _, n := range s.nodes[min(s.cfg.Bootstraps, len(s.nodes)):] {
		if !n.gone {
			live(n)
		}
	}
}

// Ask makes rate look-ups of random addresses and rate calls between random
// nodes a second, for the time d, and returns what came of them. Those who ask
// and are asked have been online for Settling.
func (s *Sea) Ask(rate int, d time.Duration) Calls {
	before := s.Calls
	for i := range int(d.Seconds() * float64(rate)) {
		s.After(time.Duration(i)*time.Second/time.Duration(rate), func() {
			if from := s.settledNode(); from != nil {
				s.Look(from, s.Random())
			}
			if from, to := s.settledNode(), s.settledNode(); from != nil && to != nil && from != to {
				s.Call(from, to)
			}
		})
	}
	s.Run(d + callFor)
	return s.Calls.minus(before)
}

func (s *Sea) settledNode() *Node {
	for range 100 {
		if n := s.Any(); s.world.Now().Sub(n.began) >= Settling {
			return n
		}
	}
	return nil
}

func (c Calls) minus(b Calls) Calls {
	return Calls{
		Made: c.Made - b.Made, Answered: c.Answered - b.Answered, Exact: c.Exact - b.Exact, Looked: c.Looked - b.Looked,
		Hops: c.Hops - b.Hops, Most: c.Most, Retried: c.Retried - b.Retried,
	}
}

// AnsweredShare is the share of the calls that were answered, ExactShare that of
// the look-ups' answers that were exact. MeanHops is of the answered.
func (c Calls) AnsweredShare() float64 { return share(c.Answered, c.Made) }

// ExactShare is the share of the answered look-ups that ended at the nearest
// node of all.
func (c Calls) ExactShare() float64 { return share(c.Exact, c.Looked) }

// MeanHops is the mean number of hops of what was answered.
func (c Calls) MeanHops() float64 { return share(c.Hops, c.Answered) }

func share(part, whole int) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return float64(part) / float64(whole)
}

// A Load is what the nodes sent, per node and second.
type Load struct{ Messages, Bytes float64 }

// Load lets d pass and measures what the nodes send meanwhile.
func (s *Sea) Load(d time.Duration) Load {
	m, b := s.Messages()
	s.Run(d)
	m2, b2 := s.Messages()
	per := d.Seconds() * float64(len(s.live))
	return Load{float64(m2-m) / per, float64(b2-b) / per}
}
