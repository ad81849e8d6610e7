package pick

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

const (
	// Lookups is how many random addresses the sea is asked for who is near, by
	// a buyer that knows no more than MaxAsked sellers; FewLookups by one that
	// does. Each answer brings the sellers near to it.
	Lookups    = 20
	FewLookups = 3

	// OfferWait is how long one node may take to show its offer, FirstOffers
	// how long others are waited for once there is one.
	OfferWait   = 5 * time.Second
	FirstOffers = 300 * time.Millisecond

	// MaxAsked is how many sellers are asked for one job; firstPlaces is how
	// many of these places are first for those that are remembered.
	MaxAsked    = 8
	firstPlaces = 4

	// busyFactor is how many times the cheapest's cost a job may cost so that it
	// need not wait for a slot.
	busyFactor = 2

	// AskWait is how long a seller may take to answer, firstQuotes how long
	// others are waited for once there is a quote, newcomersQuote the same when a
	// newcomer has its turn: who is not linked takes longer to answer.
	AskWait        = 10 * time.Second
	firstQuotes    = 200 * time.Millisecond
	newcomersQuote = 600 * time.Millisecond
)

// FirstQuotes is how long the others of those who are asked are waited for once
// there is a quote.
func FirstQuotes[O any](asked []Known[O]) time.Duration {
	if slices.ContainsFunc(asked, func(k Known[O]) bool { return k.turn }) {
		return newcomersQuote
	}
	return firstQuotes
}

// Prefer orders sellers: own machines, then by what the job would cost, which counts
// busyFactor times where no slot is free, those that failed lately behind all
// others; at one price those with a free
// slot, then a newcomer whose turn it is, then those who did well, then those with
// more free slots.
func Prefer[O any](a, b Known[O], costA, costB ledger.Amount, now time.Time) int {
	return cmp.Or(
		byTruth(a.Own, b.Own), byTruth(!a.Dealt.Bad(now), !b.Dealt.Bad(now)), cmp.Compare(weigh(a, costA), weigh(b, costB)),
		byTruth(a.Free() > 0, b.Free() > 0), byTruth(a.turn, b.turn), byTruth(a.Dealt.Good(), b.Dealt.Good()), cmp.Compare(b.Free(), a.Free()),
	)
}

// weigh is what a seller's cost counts.
func weigh[O any](k Known[O], cost ledger.Amount) ledger.Amount {
	if k.Free() > 0 {
		return cost
	}
	return busyFactor * min(cost, math.MaxInt64/busyFactor)
}

// byTruth orders what is true first.
func byTruth(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Rank puts sellers in the order in which they are asked: own machines, then
// the cheapest firstPlaces with whom the buyer has dealt well, then the others,
// the cheapest first. Among those that are alike chance decides, so that each of
// them gets work; shuffle is that of a rand.Rand. When it is a newcomer's turn, see
// Memory.Newcomer, the cheapest with a free slot with whom the buyer has not dealt
// is asked before those of the first places, and ordered from if it is no dearer
// than others.
func Rank[O any](all []Known[O], cost func(Known[O]) ledger.Amount, newcomer bool, now time.Time, shuffle func(n int, swap func(i, j int))) {
	shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b Known[O]) int { return Prefer(a, b, cost(a), cost(b), now) })
	if newcomer {
		if i := slices.IndexFunc(all, func(k Known[O]) bool { return k.Dealt == Dealings{} && k.Free() > 0 && !k.Own }); i >= 0 {
			all[i].turn = true
		}
	}
	places := firstPlaces
	first := map[addr.Addr]bool{}
	for _, k := range all {
		if k.Dealt.Good() && !k.Own && places > 0 {
			first[k.At] = true
			places--
		}
	}
	slices.SortStableFunc(all, func(a, b Known[O]) int {
		return cmp.Or(byTruth(a.Own, b.Own), byTruth(a.turn, b.turn), byTruth(first[a.At], first[b.At]))
	})
}
