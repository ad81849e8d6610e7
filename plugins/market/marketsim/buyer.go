package marketsim

import (
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/simtest"
	"github.com/peersea/sea/plugins/market/pick"
	"github.com/peersea/sea/plugins/market/trust"
)

// askAgain is the pause before sellers are asked again when none took a job.
const askAgain = time.Second

// buyer buys one job after the other.
type buyer struct {
	w      *World
	node   *simtest.Node
	known  *pick.Directory[offer]
	asking map[addr.Addr][]func([]known) // whose offer is on its way
	memory pick.Memory
	trust  map[identity.Entity]trust.Record
	served map[identity.Entity]*dealt // by liar
}

// dealt is what a liar did for one buyer.
type dealt struct{ jobs, believed int }

func newBuyer(w *World, n *simtest.Node) *buyer {
	return &buyer{
		w: w, node: n, known: pick.NewDirectory[offer](w.now), asking: map[addr.Addr][]func([]known){},
		trust: map[identity.Entity]trust.Record{}, served: map[identity.Entity]*dealt{},
	}
}

// pause waits before the next of left jobs.
func (b *buyer) pause(left int) {
	if left == 0 {
		return
	}
	b.w.sea.After(b.w.expo(meanPause), func() {
		j := &job{b: b, takes: b.w.expo(meanRun), began: b.w.now(), first: left == b.w.cfg.Jobs}
		j.end = func() { b.pause(left - 1) }
		j.buy()
	})
}

// job is one that is being bought.
type job struct {
	b     *buyer
	takes time.Duration
	began time.Time
	first bool // the buyer's
	found bool
	avoid []addr.Addr // sellers that lied
	end   func()
}

func (j *job) buy() {
	j.b.quotes(slices.Clone(j.avoid), false, func(quotes []known) { j.orderOne(quotes) })
}

// orderOne orders from the best that takes it.
func (j *job) orderOne(quotes []known) {
	b := j.b
	if len(quotes) == 0 {
		b.w.report.Again++
		b.w.sea.After(askAgain, func() {
			b.known.Forgive()
			j.buy()
		})
		return
	}
	i := b.known.Pick(quotes, func(i int) ledger.Amount { return quotes[i].Offer.price })
	k := quotes[i]
	taken := func() {
		if !j.found {
			j.found = true
			b.w.report.found(b.w.now().Sub(j.began), j.first)
		}
	}
	b.trade(k, j.takes, taken, func(said claim, ok bool) {
		if !ok {
			j.orderOne(slices.Delete(quotes, i, i+1))
			return
		}
		j.delivered(k, said)
	})
}

// trade orders from a seller and waits for the delivery; Pick has counted the
// order. taken, when not nil, is called when the seller has said yes; ok is false
// when it has said no.
func (b *buyer) trade(k known, takes time.Duration, taken func(), end func(said claim, ok bool)) {
	s := b.w.sellers[k.At]
	over := func(said claim, ok bool) {
		b.known.Ordered(k.At, -1)
		b.w.sea.Unlink(b.node, s.node)
		end(said, ok)
	}
	b.w.sea.Link(b.node, s.node, func(linked bool) {
		if !linked {
			b.known.Ordered(k.At, -1)
			end(0, false)
			return
		}
		accepted := false
		delivered := func(said claim) {
			s.node.Ask(b.node, orderSize, func() {
				b.w.report.Runs++
				over(said, true)
			}, func(bool) {})
		}
		b.node.Ask(s.node, orderSize, func() { accepted = s.order(b, takes, delivered) }, func(answered bool) {
			switch {
			case !answered || !accepted:
				over(0, false)
			case taken != nil:
				taken()
			}
		})
	})
}

// delivered checks what was delivered, if the lot falls on it, and pays.
func (j *job) delivered(k known, said claim) {
	b := j.b
	if b.w.sellers[k.At].liar {
		if b.served[k.Seller] == nil {
			b.served[k.Seller] = new(dealt)
		}
		b.served[k.Seller].jobs++
	}
	if !b.w.cfg.Audit {
		j.pay(k, said)
		return
	}
	_, lot := trust.Draw(b.w, identity.Hash{}, identity.Hash{})
	var rule trust.Rule
	rec := b.trust[k.Seller]
	if !lot.Falls(rule.OneIn(rec.Straight)) {
		b.trust[k.Seller] = rec.Accepted()
		j.pay(k, said)
		return
	}
	b.auditor(lot, k, func(a known, ok bool) {
		if !ok {
			j.settle(k, said)
			return
		}
		b.known.Ordered(a.At, 1)
		b.trade(a, j.takes, nil, func(theirs claim, ok bool) {
			switch {
			case ok && theirs == said:
				b.payFor(a)
				j.matched(k, said)
			case ok:
				b.payFor(a)
				if theirs != 0 {
					b.lied(a)
				}
				j.settle(k, said)
			default:
				j.settle(k, said)
			}
		})
	})
}

// auditor is the seller that the lot names.
func (b *buyer) auditor(lot trust.Lot, of known, end func(known, bool)) {
	b.find(true, func(found []known) {
		var able []trust.Candidate
		var rule trust.Rule
		for _, k := range found {
			if rule.Audits(b.trust[k.Seller]) {
				able = append(able, trust.Candidate{At: k.At, Key: k.Seller, Entity: k.Seller})
			}
		}
		best, ok := lot.Auditor(able, trust.Candidate{At: of.At, Key: of.Seller, Entity: of.Seller})
		i := slices.IndexFunc(found, func(k known) bool { return k.At == best.At })
		if !ok || i < 0 {
			end(known{}, false)
			return
		}
		end(found[i], true)
	})
}

// settle has the buyer run the job itself, which says who lied.
func (j *job) settle(k known, said claim) {
	j.b.w.sea.After(j.takes, func() {
		j.b.w.report.Own++
		if said == 0 {
			j.matched(k, said)
			return
		}
		j.b.lied(k)
		j.b.memory.Did(k.Seller, k.At, false, j.b.w.now())
		j.avoid = append(j.avoid, k.At)
		j.buy()
	})
}

func (j *job) matched(k known, said claim) {
	j.b.trust[k.Seller] = j.b.trust[k.Seller].Matched()
	j.pay(k, said)
}

// lied takes in that a seller was found out.
func (b *buyer) lied(k known) {
	b.known.Forget(k.At)
	b.trust[k.Seller] = b.trust[k.Seller].Differed(true)
	if d := b.served[k.Seller]; d != nil {
		b.w.report.out(d)
	}
}

// pay accepts a delivery.
func (j *job) pay(k known, said claim) {
	b := j.b
	b.memory.Did(k.Seller, k.At, true, b.w.now())
	b.payFor(k)
	b.w.report.Jobs++
	if said != 0 {
		b.w.report.Wrong++
		b.served[k.Seller].believed++
	}
	b.w.left--
	j.end()
}

func (b *buyer) payFor(k known) {
	b.node.Ask(b.w.nodes[k.At], paySize, func() {}, func(bool) {})
}
