package market

import (
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market/pick"
	"github.com/peersea/sea/plugins/state"
)

const (
	dealingsVersion = 1

	// dealingEvery is how often the dealings with one seller are written, when
	// nothing went wrong.
	dealingEvery = 10 * time.Second
)

// Dealings are what this node has had to do with a seller.
type Dealings = pick.Dealings

// dealing is a seller that is remembered, on disk.
type dealing struct {
	V uint64 `cbor:"v"`
	pick.Dealing
}

// remembered are the sellers that this node has dealt with.
type remembered struct {
	store *state.Store
	table *state.Table // by entity

	mu      sync.Mutex // guards what follows
	memory  pick.Memory
	written map[identity.Entity]time.Time // of those that were since the start
}

func openRemembered(st *state.Store) (*remembered, error) {
	table, err := st.Table("market/sellers", dealingsVersion)
	if err != nil {
		return nil, err
	}
	m := &remembered{store: st, table: table, written: map[identity.Entity]time.Time{}}
	var bad error
	err = table.Scan(nil, func(key, raw []byte) bool {
		var d dealing
		if bad = decodeRecord(raw, dealingsVersion, &d); bad != nil {
			return false
		}
		if len(key) == len(identity.Entity{}) {
			m.memory.Put(identity.Entity(key), d.Dealing)
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
	d, gone := m.memory.Did(seller, at, well, now)
	var b state.Batch
	for _, e := range gone {
		delete(m.written, e)
		b.Delete(m.table, slices.Clone(e[:]))
	}
	if well && now.Sub(m.written[seller]) < dealingEvery {
		return nil
	}
	m.written[seller] = now
	raw, err := cbor.Marshal(dealing{dealingsVersion, d})
	if err != nil {
		return err
	}
	b.Put(m.table, seller[:], raw)
	return m.store.Queue(&b)
}

// with are the dealings with a seller, zero when it is not known.
func (m *remembered) with(seller identity.Entity) Dealings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.With(seller, time.Now())
}

// newcomer says that the next job is for a seller with whom this node has not
// dealt.
func (m *remembered) newcomer() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.Newcomer()
}

// best are those that are tried first, the best first.
func (m *remembered) best() []pick.Worthy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.Best(time.Now())
}

// did takes in that the seller of a job's order did it, or failed it.
func (m *Market) did(r *jobRecord, well bool) {
	if err := m.dealt.did(r.Quote.By, r.At, well); err != nil {
		m.log.Warn("cannot remember a seller", "peer", r.Quote.By.Short(), "err", err)
	}
}
