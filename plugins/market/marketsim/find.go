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

// find is the market's find: those that did well, those that were seen, a few
// neighbours and what is near them, and whom the sea names, mostly for the next job.
func (b *buyer) find(patient bool, end func([]known)) {
	var where []addr.Addr
	for _, w := range b.memory.Best(b.w.now()) {
		where = append(where, w.At)
	}
	where = append(where, b.known.Seen()...)
	for at := range b.asking {
		where = append(where, at)
	}
	slices.SortFunc(where, compare)
	var links []addr.Addr
	for _, n := range b.node.Neighbours() {
		links = append(links, n.Addr())
	}
	b.w.rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	first := min(len(links), pick.Carriers)
	if patient {
		first = len(links)
	}
	b.offersOf(slices.Compact(where), links[:first], patient, func(found []known) {
		switch {
		case patient:
			end(found)
		case len(found) < pick.MaxAsked && first < len(links):
			b.offersOf(nil, links[first:], false, func(more []known) { b.lookOn(unite(found, more), end) })
		default:
			b.lookOn(found, end)
		}
	})
}

// lookOn looks around when there are few sellers, or for the next job.
func (b *buyer) lookOn(found []known, end func([]known)) {
	switch {
	case len(found) == 0 || len(found) < pick.MaxAsked && b.known.Looking():
		b.lookAround(pick.Lookups, func(where []addr.Addr) {
			b.offersOf(nil, where, false, func(more []known) { end(unite(found, more)) })
		})
		return
	case b.known.Looking():
		b.lookAround(pick.FewLookups, func(where []addr.Addr) {
			b.offersOf(nil, where, true, func([]known) {})
		})
	}
	end(found)
}

// unite puts sellers together, each of them once: with its own answer rather than
// its notice.
func unite(all ...[]known) []known {
	found := slices.Concat(all...)
	slices.SortStableFunc(found, func(a, b known) int {
		if c := compare(a.At, b.At); c != 0 || a.Hint == b.Hint {
			return c
		} else if a.Hint {
			return 1
		}
		return -1
	})
	return slices.CompactFunc(found, func(a, b known) bool { return a.At == b.At })
}

func compare(a, b addr.Addr) int { return slices.Compare(a[:], b[:]) }

// lookAround asks the sea for nodes near to so many random addresses, and near to
// this one when that is not few.
func (b *buyer) lookAround(lookups int, end func([]addr.Addr)) {
	var targets []addr.Addr
	for range lookups {
		targets = append(targets, b.w.sea.Random())
	}
	if lookups > pick.FewLookups {
		targets = append(targets, b.node.Addr())
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

// offersOf gets the offers of the nodes at where, and of carriers also what is near
// them, from memory or from them, all at once. Unless it is patient it does not wait
// long for the others once there is an offer.
func (b *buyer) offersOf(where, carriers []addr.Addr, patient bool, end func([]known)) {
	g := &gather[[]known]{open: 1, end: func(all [][]known) { end(unite(all...)) }}
	if !patient {
		g.hurry = func() { b.w.sea.After(pick.FirstOffers, g.finish) }
	}
	asked := map[addr.Addr]bool{b.node.Addr(): true}
	for i, at := range slices.Concat(carriers, where) {
		if asked[at] {
			continue
		}
		asked[at] = true
		carrier := i < len(carriers)
		if k, ok := b.known.Get(at); ok && !(k.Hint && carrier) {
			if k.Sells {
				g.open++
				g.take([]known{k})
			}
			continue
		}
		g.open++
		b.askOffer(at, carrier, func(all []known) {
			if len(all) > 0 {
				g.take(all)
			} else {
				g.none()
			}
		})
	}
	g.none()
}

// askOffer asks a node for its offer, and a carrier for what is near it, once for all
// who want it now.
func (b *buyer) askOffer(at addr.Addr, carrier bool, end func([]known)) {
	if waiting := b.asking[at]; waiting != nil {
		b.asking[at] = append(waiting, end)
		return
	}
	b.asking[at] = []func([]known){end}
	b.w.report.Offers++
	var all []known
	k := known{At: at, Why: "it does not sell"}
	served := func() {
		if carrier {
			all = b.w.shown(at, b.node.Addr())
		}
		if s := b.w.sellers[at]; s != nil {
			k.Seller, k.Sells, k.Offer, k.Slots, k.Why = s.node.Entity(), true, s.offer(), s.offer().free, ""
		}
	}
	b.node.Ask(b.w.nodes[at], offerSize, served, func(answered bool) {
		waiting := b.asking[at]
		delete(b.asking, at)
		if answered {
			for _, near := range all {
				b.known.Hint(near)
			}
			k.Expires = b.w.now().Add(pick.OfferAge)
			b.known.Put(k)
			if k.Sells {
				all = append(all, k)
			}
		} else {
			b.known.Fail(at)
			all = nil
		}
		for _, end := range waiting {
			end(all)
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
	g.hurry = func() { b.w.sea.After(pick.FirstQuotes(sellers), g.finish) }
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
