// Package queue deals a seller's slots out to those who wait for one, so that
// many orders of one buyer do not keep the others waiting.
package queue

import (
	"cmp"
	"slices"

	"github.com/peersea/sea/identity"
)

// A Turn is one who waits for a slot, or has it.
type Turn struct {
	// Party is who shares: turns go round the parties, and within one round its
	// buyers. A buyer of its own standing is a party; all strangers together are one,
	// because keys cost nothing.
	Party, Buyer identity.Entity
	// First goes before all that is not.
	First bool
	// Size is how much of the room it needs, see Next.
	Size uint64
	// Ready is closed by the caller of Next when the turn has come.
	Ready chan struct{}

	came uint64
}

// share is what a party or a buyer has had.
type share struct {
	running, waiting int
	served           uint64 // when it was last given a slot; 0 is not since it came
}

// who is a party, or a buyer in one.
type who struct{ party, buyer identity.Entity }

// Queue is those who wait. It remembers a buyer for as long as it has something
// in it, so its size is bounded by the turns that the caller lets in. Not for use
// at once. The zero value is empty.
type Queue struct {
	waiting []*Turn // the oldest first
	shares  map[who]share
	clock   uint64
}

// Len is how many wait.
func (q *Queue) Len() int { return len(q.waiting) }

// Add has t wait.
func (q *Queue) Add(t *Turn) {
	q.clock++
	t.came = q.clock
	q.waiting = append(q.waiting, t)
	q.change(t, func(s *share) { s.waiting++ })
}

// Remove takes out one that waits; it says no when t does not.
func (q *Queue) Remove(t *Turn) bool {
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.take(i)
	return true
}

func (q *Queue) take(i int) *Turn {
	t := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.change(t, func(s *share) { s.waiting-- })
	return t
}

// Next gives the slot to one that waits: to a First one before all others, to the
// party with the fewest slots, of those to the one that was served longest ago,
// in a party to its buyer by the same rule, and of a buyer's to the oldest. It is
// nil when nobody waits, or when the one whose turn it is needs more than room: then
// all wait, so that what is large comes to its turn, too. The caller says Done for
// it.
func (q *Queue) Next(room uint64) *Turn {
	if len(q.waiting) == 0 {
		return nil
	}
	best := 0
	for i := range q.waiting {
		if q.compare(q.waiting[i], q.waiting[best]) < 0 {
			best = i
		}
	}
	if q.waiting[best].Size > room {
		return nil
	}
	t := q.take(best)
	q.Start(t)
	return t
}

// Start counts a slot that t has without having waited.
func (q *Queue) Start(t *Turn) {
	q.clock++
	q.change(t, func(s *share) { s.running, s.served = s.running+1, q.clock })
}

// Done gives t's slot back.
func (q *Queue) Done(t *Turn) { q.change(t, func(s *share) { s.running-- }) }

func (q *Queue) compare(a, b *Turn) int {
	if a.First != b.First {
		if a.First {
			return -1
		}
		return 1
	}
	pa, pb := q.shares[who{party: a.Party}], q.shares[who{party: b.Party}]
	ba, bb := q.shares[who{a.Party, a.Buyer}], q.shares[who{b.Party, b.Buyer}]
	return cmp.Or(
		cmp.Compare(pa.running, pb.running), cmp.Compare(pa.served, pb.served),
		cmp.Compare(ba.running, bb.running), cmp.Compare(ba.served, bb.served),
		cmp.Compare(a.came, b.came),
	)
}

// change counts for the party and for the buyer in it. A party's own share has
// no buyer, and no buyer's key is zero.
func (q *Queue) change(t *Turn, f func(*share)) {
	if q.shares == nil {
		q.shares = map[who]share{}
	}
	for _, k := range []who{{party: t.Party}, {t.Party, t.Buyer}} {
		s := q.shares[k]
		if f(&s); s.running == 0 && s.waiting == 0 {
			delete(q.shares, k)
		} else {
			q.shares[k] = s
		}
	}
}
