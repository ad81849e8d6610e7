package market

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/state"
)

const (
	dealingsVersion = 1

	// maxDealings is how many sellers are remembered, on disk; rememberAge for
	// how long after the last job.
	maxDealings = 256
	rememberAge = 90 * 24 * time.Hour

	// badAge is for how long a seller that failed is asked behind all others.
	badAge = time.Hour

	// triedFirst is how many of the remembered are looked for first, and
	// firstPlaces how many of the maxAsked places they have before others.
	triedFirst  = 16
	firstPlaces = 4

	// dealingEvery is how often the dealings with one seller are written, when
	// nothing went wrong.
	dealingEvery = 10 * time.Second
)

// Dealings are what this node has had to do with a seller.
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

// good says whether it is worth asking first.
func (d Dealings) good() bool { return d.Row > 0 }

// bad says whether it is asked behind all others, for badAge.
func (d Dealings) bad() bool {
	return d.Row == 0 && d.Failed > 0 && time.Since(time.UnixMilli(d.Missed)) < badAge
}

// better orders dealings, the best first: those that did not fail last, then
// who did most in a row, then the newest.
func better(a, b Dealings) int {
	return cmp.Or(cmp.Compare(b.Row, a.Row), cmp.Compare(a.Failed, b.Failed), cmp.Compare(b.Last, a.Last))
}

// dealing is a seller that is remembered.
type dealing struct {
	V  uint64    `cbor:"v"`
	At addr.Addr `cbor:"at"`
	Dealings
	Seen int64 `cbor:"seen"` // when it last did or failed one

	written time.Time
}

// remembered are the sellers that this node has dealt with.
type remembered struct {
	store *state.Store
	table *state.Table // by entity

	mu  sync.Mutex // guards what follows
	all map[identity.Entity]*dealing
}

func openRemembered(st *state.Store) (*remembered, error) {
	table, err := st.Table("market/sellers", dealingsVersion)
	if err != nil {
		return nil, err
	}
	m := &remembered{store: st, table: table, all: map[identity.Entity]*dealing{}}
	var bad error
	err = table.Scan(nil, func(key, raw []byte) bool {
		d := new(dealing)
		if bad = decodeRecord(raw, dealingsVersion, d); bad != nil {
			return false
		}
		if len(key) == len(identity.Entity{}) {
			m.all[identity.Entity(key)] = d
		}
		return true
	})
	if err == nil {
		err = bad
	}
	return m, err
}

// did takes in that a seller did a job, or failed it.
func (m *remembered) did(seller identity.Entity, at addr.Addr, well bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	d := m.all[seller]
	var b state.Batch
	if d == nil {
		d = &dealing{V: dealingsVersion}
		m.makeRoom(&b, now)
		m.all[seller] = d
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
	if well && now.Sub(d.written) < dealingEvery {
		return nil
	}
	d.written = now
	raw, err := cbor.Marshal(*d)
	if err != nil {
		return err
	}
	b.Put(m.table, seller[:], raw)
	return m.store.Queue(&b)
}

// makeRoom forgets those that are too old, and if there are too many the one of
// whom was heard longest ago. It is called with mu held.
func (m *remembered) makeRoom(b *state.Batch, now time.Time) {
	var oldest identity.Entity
	for e, d := range m.all {
		if now.Sub(time.UnixMilli(d.Seen)) > rememberAge {
			delete(m.all, e)
			b.Delete(m.table, slices.Clone(e[:]))
		} else if o := m.all[oldest]; o == nil || d.Seen < o.Seen {
			oldest = e
		}
	}
	if len(m.all) >= maxDealings {
		delete(m.all, oldest)
		b.Delete(m.table, oldest[:])
	}
}

// with are the dealings with a seller, zero when it is not known.
func (m *remembered) with(seller identity.Entity) Dealings {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.all[seller]
	if d == nil || time.Since(time.UnixMilli(d.Seen)) > rememberAge {
		return Dealings{}
	}
	return d.Dealings
}

// worthy is a seller that is worth looking for.
type worthy struct {
	seller identity.Entity
	at     addr.Addr
	Dealings
}

// best are those that are tried first, the best first.
func (m *remembered) best() []worthy {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []worthy
	for e, d := range m.all {
		if d.good() && time.Since(time.UnixMilli(d.Seen)) <= rememberAge {
			all = append(all, worthy{e, d.At, d.Dealings})
		}
	}
	slices.SortFunc(all, func(a, b worthy) int {
		return cmp.Or(better(a.Dealings, b.Dealings), slices.Compare(a.seller[:], b.seller[:]))
	})
	return all[:min(len(all), triedFirst)]
}

// did takes in that the seller of a job's order did it, or failed it.
func (m *Market) did(r *jobRecord, well bool) {
	if err := m.dealt.did(r.Quote.By, r.At, well); err != nil {
		m.log.Warn("cannot remember a seller", "peer", r.Quote.By.Short(), "err", err)
	}
}
