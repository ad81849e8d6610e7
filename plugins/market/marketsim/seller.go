package marketsim

import (
	"math"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/simtest"
	"github.com/peersea/sea/plugins/market/queue"
)

// What a seller is set to when its owner sets nothing, on a machine of two cores.
const (
	slots   = 2
	waiting = 256
)

// offer is what a seller shows.
type offer struct {
	price ledger.Amount
	free  int
}

// seller runs what is ordered, in the order of the production queue.
type seller struct {
	w     *World
	node  *simtest.Node
	price ledger.Amount
	liar  bool

	running int
	turns   queue.Queue
	work    map[*queue.Turn]func()

	near     []*simtest.Node // whom it tells
	told     time.Time
	saidFree bool
	round    int

	served int // runs
}

func newSeller(w *World, n *simtest.Node, price ledger.Amount, liar bool) *seller {
	return &seller{w: w, node: n, price: price, liar: liar, work: map[*queue.Turn]func(){}}
}

func (s *seller) offer() offer { return offer{s.price, max(0, slots-s.running-s.turns.Len())} }

// takes says whether one more order is taken.
func (s *seller) takes() bool { return s.running+s.turns.Len() < slots+waiting }

// order takes one, if it may. done is called with the claim when the run, which
// takes so long, has ended.
func (s *seller) order(by *buyer, takes time.Duration, done func(claim)) bool {
	if !s.takes() {
		return false
	}
	me := by.node.Entity()
	t := &queue.Turn{Party: me, Buyer: me}
	s.turns.Add(t)
	came := s.w.now()
	s.work[t] = func() {
		s.w.report.waits = append(s.w.report.waits, s.w.now().Sub(came))
		s.running++
		s.w.sea.After(takes, func() {
			s.running--
			s.turns.Done(t)
			s.served++
			done(s.claim())
			s.wake()
			s.retell()
		})
	}
	s.wake()
	s.retell()
	return true
}

func (s *seller) wake() {
	for s.running < slots {
		t := s.turns.Next(math.MaxUint64)
		if t == nil {
			return
		}
		begin := s.work[t]
		delete(s.work, t)
		begin()
	}
}

// claim is what a seller says that a job comes to: the truth is 0.
type claim uint64

func (s *seller) claim() claim {
	if s.liar && s.w.rand.Float64() < lieRate {
		return claim(1 + s.w.rand.Uint64N(math.MaxUint64)) // each lie is its own
	}
	return 0
}
