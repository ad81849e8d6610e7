package market

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market/pick"
)

// quotedRefusal is a seller's answer: no is its refusal, why it could not be
// asked, or nil.
type quotedRefusal struct {
	quoted
	no *Refused
}

// worst picks the refusal that says most about what to do.
func worst(all []quotedRefusal) *Refused {
	if len(all) == 0 {
		return refuse(NoSeller, "nobody within reach sells")
	}
	rank := []Reason{Busy, RefusedCredit, RefusedPrice, Fuel, Memory, Output, WallTime, ModuleSize, InputSize}
	at := func(f quotedRefusal) int {
		if i := slices.Index(rank, f.no.Reason); i >= 0 {
			return i
		}
		return len(rank)
	}
	best := slices.MinFunc(all, func(a, b quotedRefusal) int { return cmp.Compare(at(a), at(b)) }).no
	if n := len(all); n > 1 {
		return refuse(best.Reason, "%d sellers, none suitable; one said: %s", n, best.Text)
	}
	return best
}

// quotes asks the sellers that suit, at once, and returns what they quoted, the
// best first, and what the others said. When all of those say no whose offers
// came first it waits for the others, too.
func (m *Market) quotes(ctx context.Context, s Spec, avoid []identity.Entity) (all []quoted, refusals []quotedRefusal) {
	asked := map[addr.Addr]bool{}
	for _, patient := range []bool{false, true} {
		sellers, bad := m.find(ctx, s.To, patient)
		sellers = slices.DeleteFunc(sellers, func(k known) bool {
			return asked[k.At] || slices.Contains(avoid, k.Seller)
		})
		sellers, distrusted := m.trusted(sellers)
		refusals = append(refusals, distrusted...)
		sellers, others := s.labelled(sellers)
		refusals = append(refusals, others...)
		m.rank(s, sellers)
		sellers = sellers[:min(len(sellers), pick.MaxAsked)]
		for _, k := range sellers {
			asked[k.At] = true
		}
		quotes, no := m.askAll(ctx, s, sellers)
		all, refusals = append(all, quotes...), append(refusals, no...)
		if len(all) > 0 || len(s.To) > 0 || patient || ctx.Err() != nil {
			refusals = append(refusals, m.missing(bad, len(s.To) > 0, avoid)...)
			break
		}
	}
	s.sortQuotes(all)
	return all, refusals
}

// priceOf is what an offer makes of the job's memory.
func (s Spec) priceOf(o Offer) Price { return o.PriceOf(s.Limits.MemoryPages) }

// pick takes the best of the quotes, by what is known of the sellers' free slots
// now: others may have been ordered from since they were asked. It counts as an
// order there until the caller says otherwise.
func (d *directory) pick(s Spec, quotes []quoted) (best quoted, others []quoted) {
	sellers := make([]known, len(quotes))
	for i, q := range quotes {
		sellers[i] = q.known
	}
	i := d.Pick(sellers, func(place int) ledger.Amount { return s.weigh(quotes[place].Quote.Price) })
	best = quotes[i]
	return best, slices.Delete(quotes, i, i+1)
}

func (s Spec) sortQuotes(all []quoted) {
	now := time.Now()
	slices.SortStableFunc(all, func(a, b quoted) int {
		return pick.Prefer(a.known, b.known, s.weigh(a.Quote.Price), s.weigh(b.Quote.Price), now)
	})
}

// weigh is what a price makes of the fuel that the job may have, or of a Gfuel
// when that is open.
func (s Spec) weigh(p Price) ledger.Amount {
	cost, ok := p.Cost(cmp.Or(s.Limits.Fuel, Gfuel))
	if !ok {
		return maxAmount
	}
	return cost
}

// rank puts sellers in the order in which they are asked.
func (m *Market) rank(s Spec, sellers []known) {
	own := m.ownAddrs()
	for i := range sellers {
		k := &sellers[i]
		k.Own, k.Dealt = own[k.At], m.dealt.with(k.Seller)
	}
	pick.Rank(sellers, func(k known) ledger.Amount { return s.weigh(s.priceOf(k.Offer)) }, m.dealt.newcomer(), time.Now(), rand.Shuffle)
}

// missing is what there is to say of nodes that could not be asked: those that
// were named, and sellers with whom this node has dealt well.
func (m *Market) missing(bad []missed, named bool, avoid []identity.Entity) (all []quotedRefusal) {
	dealt := map[addr.Addr]pick.Worthy{}
	for _, w := range m.dealt.best() {
		dealt[w.At] = w
	}
	for _, b := range bad {
		var no *Refused
		w, worth := dealt[b.at]
		if !errors.As(b.err, &no) || !named && !worth || slices.Contains(avoid, w.Seller) {
			continue // others are not missed
		}
		k := known{At: b.at, Seller: w.Seller, Dealt: w.Dealings}
		if worth && no.Reason == Unreachable {
			no = refuse(Unreachable, "seller %s: no answer; its last job for this node was %v ago", w.Seller.Short(), ago(w.Last))
		}
		all = append(all, quotedRefusal{quoted{known: k}, no})
	}
	return all
}

// ago is how long it is since a time in milliseconds, in steps that people use.
func ago(ms int64) time.Duration {
	d := time.Since(time.UnixMilli(ms))
	if d < time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Minute)
}

// askAll asks all of these sellers at once. Once there is a quote the others are
// not waited for long.
func (m *Market) askAll(ctx context.Context, s Spec, sellers []known) (all []quoted, refusals []quotedRefusal) {
	answers := make(chan quotedRefusal, len(sellers))
	for _, k := range sellers {
		ok := m.spawn(func(run context.Context) {
			callCtx, cancel := context.WithTimeout(ctx, pick.AskWait)
			defer cancel()
			defer context.AfterFunc(run, cancel)()
			q, no := m.ask(callCtx, s, k)
			answers <- quotedRefusal{q, no}
		})
		if !ok {
			answers <- quotedRefusal{quoted{known: k}, refuse(Internal, "%v", ErrStopped)}
		}
	}
	var hurry <-chan time.Time
	for open := len(sellers); open > 0; open-- {
		select {
		case a := <-answers:
			if a.no != nil {
				refusals = append(refusals, a)
				continue
			}
			if all = append(all, a.quoted); len(all) == 1 {
				hurry = time.After(pick.FirstQuotes(sellers))
			}
		case <-hurry:
			return all, refusals
		}
	}
	return all, refusals
}
