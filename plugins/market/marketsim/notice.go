package marketsim

import (
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/simtest"
	"github.com/peersea/sea/plugins/market/pick"
)

// noticeSize is that of a notice and its envelope, in bytes.
const noticeSize = 450

// notice is what a seller has told a neighbour.
type notice struct {
	offer offer
	at    time.Time
}

// board is what one node carries, by seller.
type board map[addr.Addr]notice

// announce has a seller tell its neighbours what it offers, as the market's
// announce does. They were told once before the market began.
func (s *seller) announce() {
	near := s.node.Neighbours()
	slices.SortFunc(near, func(a, b *simtest.Node) int { return addr.Compare(s.node.Addr(), a.Addr(), b.Addr()) })
	s.near = near[:min(len(near), pick.NoticeTo)]
	for _, n := range s.near {
		s.w.carry(n, s)
	}
	s.told, s.saidFree = s.w.now(), true
	s.again(time.Duration(s.w.rand.Int64N(int64(pick.NoticeEvery))))
}

// again has them told after a while.
func (s *seller) again(after time.Duration) {
	s.round++
	round := s.round
	s.w.sea.After(after, func() {
		if s.round == round && s.w.left > 0 {
			s.tell()
		}
	})
}

func (s *seller) tell() {
	s.told, s.saidFree = s.w.now(), s.offer().free > 0
	for _, n := range s.near {
		s.w.report.Notices++
		s.node.Ask(n, noticeSize, func() { s.w.carry(n, s) }, func(bool) {})
	}
	s.again(pick.NoticeEvery*4/5 + time.Duration(s.w.rand.Int64N(int64(pick.NoticeEvery*2/5))))
}

// retell has them told soon when a slot is free again, or none is any more.
func (s *seller) retell() {
	if free := s.offer().free > 0; free != s.saidFree {
		s.saidFree = free
		s.again(max(0, s.told.Add(pick.NoticeRest).Sub(s.w.now())))
	}
}

func (w *World) carry(n *simtest.Node, s *seller) {
	if w.boards[n.Addr()] == nil {
		w.boards[n.Addr()] = board{}
	}
	w.boards[n.Addr()][s.node.Addr()] = notice{s.offer(), w.now()}
}

// shown are at most pick.MaxNear of the notices at a node, but who asks' own.
func (w *World) shown(at, asks addr.Addr) (all []known) {
	for seller, n := range w.boards[at] {
		if seller != asks && w.now().Sub(n.at) < pick.NoticeLife {
			all = append(all, known{
				At: seller, Seller: w.nodes[seller].Entity(), Offer: n.offer, Slots: n.offer.free, Sells: true, Hint: true,
				Expires: w.now().Add(pick.HintAge),
			})
		}
	}
	slices.SortFunc(all, func(a, b known) int { return compare(a.At, b.At) })
	w.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), pick.MaxNear)]
}
