package marketsim

import (
	"slices"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/simtest"
	"github.com/peersea/sea/plugins/market/pick"
)

// The sizes of the market's calls, in bytes, with a signed statement each.
const (
	offerSize = 120
	askSize   = 480
	orderSize = 900
	paySize   = 400
)

type known = pick.Known[offer]

// find is the market's find: those that did well, the neighbours, those that were
// seen, and now and then whom the sea names.
func (b *buyer) find(patient bool, end func([]known)) {
	var where []addr.Addr
	for _, w := range b.memory.Best(b.w.now()) {
		where = append(where, w.At)
	}
	for _, n := range b.node.Neighbours() {
		where = append(where, n.Addr())
	}
	where = append(where, b.known.Seen()...)
	for at := range b.asking {
		where = append(where, at)
	}
	slices.SortFunc(where, compare)
	all := func(found []known) {
		slices.SortFunc(found, func(a, b known) int { return compare(a.At, b.At) })
		end(slices.CompactFunc(found, func(a, b known) bool { return a.At == b.At }))
	}
	b.offersOf(slices.Compact(where), patient, func(found []known) {
		if patient || len(found) > 0 && !b.known.Looking() {
			all(found)
			return
		}
		b.lookAround(func(where []addr.Addr) {
			b.offersOf(where, false, func(more []known) { all(append(found, more...)) })
		})
	})
}

func compare(a, b addr.Addr) int { return slices.Compare(a[:], b[:]) }

// lookAround asks the sea for nodes near to this one and near to random
// addresses.
func (b *buyer) lookAround(end func([]addr.Addr)) {
	targets := []addr.Addr{b.node.Addr()}
	for range pick.Lookups {
		targets = append(targets, b.w.sea.Random())
	}
	g := &gather[addr.Addr]{open: len(targets), end: func(all []addr.Addr) {
		slices.SortFunc(all, compare)
		end(slices.Compact(all))
	}}
	for _, t := range targets {
		b.w.report.Lookups++
		b.node.Find(t, func(n *simtest.Node) {
			if n == nil {
				g.none()
				return
			}
			g.take(n.Addr())
		})
	}
	b.w.sea.After(pick.OfferWait, g.finish)
}

// offersOf gets the offers of the nodes at where, from memory or from them, all
// at once. Unless it is patient it does not wait long for the others once there
// is an offer.
func (b *buyer) offersOf(where []addr.Addr, patient bool, end func([]known)) {
	g := &gather[known]{open: 1, end: end}
	if !patient {
		g.hurry = func() { b.w.sea.After(pick.FirstOffers, g.finish) }
	}
	for _, at := range where {
		if k, ok := b.known.Get(at); ok {
			if k.Sells {
				g.open++
				g.take(k)
			}
			continue
		}
		if at == b.node.Addr() {
			continue
		}
		g.open++
		b.askOffer(at, func(k known) {
			if k.Sells {
				g.take(k)
			} else {
				g.none()
			}
		})
	}
	g.none()
}

// askOffer asks a node for its offer, once for all who want it now.
func (b *buyer) askOffer(at addr.Addr, end func(known)) {
	if waiting := b.asking[at]; waiting != nil {
		b.asking[at] = append(waiting, end)
		return
	}
	b.asking[at] = []func(known){end}
	b.w.report.Offers++
	k := known{At: at, Why: "it does not sell"}
	served := func() {
		if s := b.w.sellers[at]; s != nil {
			k.Seller, k.Sells, k.Offer, k.Slots, k.Why = s.node.Entity(), true, s.offer(), s.offer().free, ""
		}
	}
	b.node.Ask(b.w.nodes[at], offerSize, served, func(answered bool) {
		waiting := b.asking[at]
		delete(b.asking, at)
		if answered {
			k.Expires = b.w.now().Add(pick.OfferAge)
			b.known.Put(k)
		} else {
			b.known.Fail(at)
			k.Sells = false
		}
		for _, end := range waiting {
			end(k)
		}
	})
}

// quotes asks the sellers that suit, at once, and gives those that would do it.
// When all of those say no whose offers came first it waits for the others, too.
func (b *buyer) quotes(avoid []addr.Addr, patient bool, end func([]known)) {
	b.find(patient, func(found []known) {
		now := b.w.now()
		found = slices.DeleteFunc(found, func(k known) bool {
			return slices.Contains(avoid, k.At) || b.trust[k.Seller].Excluded()
		})
		for i := range found {
			found[i].Dealt = b.memory.With(found[i].Seller, now)
		}
		pick.Rank(found, price, b.memory.Newcomer(), now, b.w.rand.Shuffle)
		found = found[:min(len(found), pick.MaxAsked)]
		b.askAll(found, func(all []known) {
			if len(all) > 0 || patient {
				end(all)
				return
			}
			for _, k := range found {
				avoid = append(avoid, k.At)
			}
			b.quotes(avoid, true, end)
		})
	})
}

func price(k known) ledger.Amount { return k.Offer.price }

// askAll asks all of these at once. Once there is a quote the others are not
// waited for long.
func (b *buyer) askAll(sellers []known, end func([]known)) {
	g := &gather[known]{open: len(sellers), end: end}
	g.hurry = func() { b.w.sea.After(pick.FirstQuotes, g.finish) }
	if len(sellers) == 0 {
		g.finish()
	}
	for _, k := range sellers {
		b.w.report.Asks++
		s, takes := b.w.sellers[k.At], false
		b.node.Ask(s.node, askSize, func() { takes = s.takes() }, func(answered bool) {
			if answered && takes {
				g.take(k)
			} else {
				g.none()
			}
		})
	}
}

// gather waits for answers: for all that are open, or until finish.
type gather[T any] struct {
	open  int
	hurry func() // called once, when the first has come; nil is not
	end   func([]T)

	all  []T
	over bool
}

func (g *gather[T]) take(t T) {
	if g.over {
		return
	}
	if g.all = append(g.all, t); len(g.all) == 1 && g.hurry != nil {
		g.hurry()
	}
	g.none()
}

func (g *gather[T]) none() {
	if g.open--; g.open == 0 {
		g.finish()
	}
}

func (g *gather[T]) finish() {
	if !g.over {
		g.over = true
		g.end(g.all)
	}
}
