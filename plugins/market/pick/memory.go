package pick

import (
	"cmp"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

const (
	// MaxDealings is how many sellers are remembered, RememberAge for how long
	// after the last job.
	MaxDealings = 256
	RememberAge = 90 * 24 * time.Hour

	// badAge is for how long a seller that failed is asked behind all others.
	badAge = time.Hour

	// triedFirst is how many of the remembered are looked for first.
	triedFirst = 16

	// Each newcomerEvery-th job goes to a seller that the buyer does not know,
	// if it is no dearer.
	newcomerEvery = 8
)

// Dealings are what a buyer has had to do with a seller.
type Dealings struct {
	// Done are the jobs that it did and was paid for, Failed those that it
	// failed, Row how many it has done since.
	Done   uint64 `cbor:"done" json:"done"`
	Failed uint64 `cbor:"failed" json:"failed"`
	Row    uint64 `cbor:"row" json:"in_a_row"`
	// Last is when it last did one, Missed when it last failed one, in
	// milliseconds of Unix time; 0 is never.
	Last   int64 `cbor:"last" json:"last_ms"`
	Missed int64 `cbor:"missed" json:"last_failed_ms"`
}

// Good says whether it is worth asking first.
func (d Dealings) Good() bool { return d.Row > 0 }

// Bad says whether it is asked behind all others, for an hour after it failed.
func (d Dealings) Bad(now time.Time) bool {
	return d.Row == 0 && d.Failed > 0 && now.Sub(time.UnixMilli(d.Missed)) < badAge
}

// better orders dealings, the best first: those that did not fail last, then
// who did most in a row, then the newest.
func better(a, b Dealings) int {
	return cmp.Or(cmp.Compare(b.Row, a.Row), cmp.Compare(a.Failed, b.Failed), cmp.Compare(b.Last, a.Last))
}

// A Dealing is a seller that is remembered.
type Dealing struct {
	At addr.Addr `cbor:"at"`
	Dealings
	Seen int64 `cbor:"seen"` // when it last did or failed a job, in milliseconds of Unix time
}

// Memory is the sellers that a buyer has dealt with, at most MaxDealings. Not for use at once. The zero value is empty.
type Memory struct {
	all map[identity.Entity]Dealing
}

// Put takes in what was remembered before.
func (m *Memory) Put(seller identity.Entity, d Dealing) {
	if m.all == nil {
		m.all = map[identity.Entity]Dealing{}
	}
	m.all[seller] = d
}

// Len is how many are remembered.
func (m *Memory) Len() int { return len(m.all) }

// Did takes in that a seller did a job, or failed it. It returns what is
// remembered of it now, and those that are forgotten for it.
func (m *Memory) Did(seller identity.Entity, at addr.Addr, well bool, now time.Time) (d Dealing, gone []identity.Entity) {
	d, known := m.all[seller]
	if !known {
		gone = m.makeRoom(now)
	}
	d.At, d.Seen = at, now.UnixMilli()
	if well {
		d.Done++
		d.Row++
		d.Last = d.Seen
	} else {
		d.Failed++
		d.Row, d.Missed = 0, d.Seen
	}
	m.Put(seller, d)
	return d, gone
}

// makeRoom forgets those that are too old, and if there are too many the one of
// whom was heard longest ago.
func (m *Memory) makeRoom(now time.Time) (gone []identity.Entity) {
	var oldest identity.Entity
	for e, d := range m.all {
		if old(d, now) {
			gone = append(gone, e)
			delete(m.all, e)
		} else if o, is := m.all[oldest]; !is || d.Seen < o.Seen || d.Seen == o.Seen && slices.Compare(e[:], oldest[:]) < 0 {
			oldest = e
		}
	}
	if len(m.all) >= MaxDealings {
		gone = append(gone, oldest)
		delete(m.all, oldest)
	}
	return gone
}

func old(d Dealing, now time.Time) bool { return now.Sub(time.UnixMilli(d.Seen)) > RememberAge }

// With are the dealings with a seller, zero when it is not known.
func (m *Memory) With(seller identity.Entity, now time.Time) Dealings {
	d, known := m.all[seller]
	if !known || old(d, now) {
		return Dealings{}
	}
	return d.Dealings
}

// Newcomer says that the next job is for a seller with whom the buyer has not
// dealt: each eighth.
func (m *Memory) Newcomer() bool {
	var jobs uint64
	for _, d := range m.all {
		jobs += d.Done + d.Failed
	}
	return jobs%newcomerEvery == newcomerEvery-1
}

// Worthy is a seller that is worth looking for.
type Worthy struct {
	Seller identity.Entity
	At     addr.Addr
	Dealings
}

// Best are those that are tried first, the best first.
func (m *Memory) Best(now time.Time) []Worthy {
	var all []Worthy
	for e, d := range m.all {
		if d.Good() && !old(d, now) {
			all = append(all, Worthy{e, d.At, d.Dealings})
		}
	}
	slices.SortFunc(all, func(a, b Worthy) int {
		return cmp.Or(better(a.Dealings, b.Dealings), slices.Compare(a.Seller[:], b.Seller[:]))
	})
	return all[:min(len(all), triedFirst)]
}
