package trust

import (
	"fmt"
	"sync"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/state"
)

// maxRecords is how many sellers are remembered. The one that nothing was heard
// of for longest goes first, and those that have lied last.
const maxRecords = 10_000

// Book keeps the records, by the key that signs a seller's receipts. Its methods
// may be called at once.
type Book struct {
	store *state.Store
	table *state.Table

	mu      sync.Mutex // guards what follows, and orders what is written
	records map[identity.Entity]Record
}

// OpenBook reads the book in st, which stays the caller's. A record that cannot
// be read is an error.
func OpenBook(st *state.Store) (*Book, error) {
	table, err := st.Table("market/trust", recordVersion)
	if err != nil {
		return nil, err
	}
	b := &Book{store: st, table: table, records: map[identity.Entity]Record{}}
	var bad error
	err = table.Scan(nil, func(key, value []byte) bool {
		var r Record
		if len(key) != len(identity.Entity{}) {
			bad = fmt.Errorf("a trust record of a key of %d bytes", len(key))
		} else if r, bad = decodeRecord(value); bad == nil {
			b.records[identity.Entity(key)] = r
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Of returns what is known of a seller; the zero Record is nothing.
func (b *Book) Of(seller identity.Entity) Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records[seller]
}

// Update changes a seller's record and returns when that is on disk. change is
// called once, with the book locked, and must not use it.
func (b *Book) Update(seller identity.Entity, change func(Record) Record) error {
	b.mu.Lock()
	r := change(b.records[seller])
	r.Last = now()
	raw, err := r.encode()
	if err != nil {
		b.mu.Unlock()
		return err
	}
	var batch state.Batch
	if _, known := b.records[seller]; !known && len(b.records) >= maxRecords {
		old := b.oldest()
		delete(b.records, old)
		batch.Delete(b.table, old[:])
	}
	b.records[seller] = r
	batch.Put(b.table, seller[:], raw)
	wait := b.store.Begin(&batch)
	b.mu.Unlock()
	return wait()
}

// oldest is whom to forget. The lock is held, and there is one.
func (b *Book) oldest() (found identity.Entity) {
	first := true
	for e, r := range b.records {
		best := b.records[found]
		if first || r.Excluded() != best.Excluded() && best.Excluded() || r.Excluded() == best.Excluded() && r.Last < best.Last {
			found, first = e, false
		}
	}
	return found
}

// All lists the records, in no order.
func (b *Book) All() []Seller {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Seller, 0, len(b.records))
	for e, r := range b.records {
		all = append(all, Seller{e, r})
	}
	return all
}
