package market

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/state"
)

// ErrNoMap is returned when no map has the id, or the beginning of an id.
var ErrNoMap = errors.New("no such map")

const (
	// maxMaps is how many maps are kept and maxAllItems how many items they have
	// together: the oldest that do not run are forgotten, with their items.
	maxMaps     = 256
	maxAllItems = 2 * MaxItems

	// maxLiveMaps is how many may run at once.
	maxLiveMaps = 8
)

// mapBook is the durable side of maps.
type mapBook struct {
	store       *state.Store
	maps, items *state.Table

	mu   sync.Mutex // guards what follows
	all  []*mapRecord
	live map[ID]*liveMap
}

func openMaps(b *Book) (*mapBook, error) {
	maps, err := b.store.Table("market/maps", mapsVersion)
	if err != nil {
		return nil, err
	}
	items, err := b.store.Table("market/map items", mapsVersion)
	if err != nil {
		return nil, err
	}
	k := &mapBook{store: b.store, maps: maps, items: items, live: map[ID]*liveMap{}}
	var bad error
	err = maps.Scan(nil, func(_, raw []byte) bool {
		r, err := decodeMap(raw)
		if err != nil {
			bad = errors.Join(bad, err)
		} else {
			k.all = append(k.all, r)
		}
		return true
	})
	return k, errors.Join(err, bad)
}

// find returns the record of the map whose id begins with prefix. k.mu is held.
func (k *mapBook) find(prefix string) (*mapRecord, error) {
	var found *mapRecord
	for _, r := range k.all {
		switch {
		case prefix == "" || !strings.HasPrefix(r.ID.String(), prefix):
		case found != nil:
			return nil, fmt.Errorf("%w: %.40q", ErrAmbiguous, prefix)
		default:
			found = r
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %.40q", ErrNoMap, prefix)
	}
	return found, nil
}

// save writes a map's record.
func (k *mapBook) save(r *mapRecord) error {
	raw, err := r.encode()
	if err != nil {
		return err
	}
	var b state.Batch
	b.Put(k.maps, r.key(), raw)
	return k.store.Commit(&b)
}

// begin gives an item's record its place before all that is written later; wait
// returns when it is durable, and can be read.
func (k *mapBook) begin(id ID, n int, r *itemRecord) (wait func() error) {
	raw, err := r.encode()
	if err != nil {
		return func() error { return err }
	}
	var b state.Batch
	b.Put(k.items, itemKey(id, n), raw)
	return k.store.Begin(&b)
}

// scan calls f with a map's items that were begun, from the first that is not
// below from, until f returns false.
func (k *mapBook) scan(id ID, from int, f func(n int, r *itemRecord) bool) error {
	var bad error
	err := k.items.Scan(itemKey(id, from), func(key, raw []byte) bool {
		if !bytes.HasPrefix(key, id[:]) || len(key) != len(id)+4 {
			return false
		}
		r, err := decodeItem(raw)
		if err != nil {
			bad = err
			return false
		}
		n := int(key[len(id)])<<24 | int(key[len(id)+1])<<16 | int(key[len(id)+2])<<8 | int(key[len(id)+3])
		return f(n, r)
	})
	return errors.Join(err, bad)
}

// item reads one item; ErrGone when it was not begun.
func (k *mapBook) item(id ID, n int) (*itemRecord, error) {
	raw, err := k.items.Get(itemKey(id, n))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, ErrGone
	}
	return decodeItem(raw)
}

// room forgets old maps so that there is room for one more, with that many
// items. k.mu is held.
func (k *mapBook) room(items int) error {
	total := items
	for _, r := range k.all {
		total += r.Items
	}
	for len(k.all) >= maxMaps || total > maxAllItems {
		i := slices.IndexFunc(k.all, func(r *mapRecord) bool { return k.live[r.ID] == nil })
		if i < 0 {
			return refuse(Busy, "the maps that run have %d items, at most %d are kept", total-items, maxAllItems)
		}
		if err := k.forget(k.all[i]); err != nil {
			return err
		}
		total -= k.all[i].Items
		k.all = slices.Delete(k.all, i, i+1)
	}
	return nil
}

// itemsAtOnce is how many items are written or deleted in one batch.
const itemsAtOnce = 1000

// reopen takes the items of a map that failed for not ended.
func (k *mapBook) reopen(r *mapRecord) error {
	for from := 0; from < r.Items; from += itemsAtOnce {
		var b state.Batch
		var bad error
		err := k.scan(r.ID, from, func(n int, i *itemRecord) bool {
			if n >= from+itemsAtOnce {
				return false
			}
			if i.final() && !i.item(n).OK() {
				i.State = Asking
				raw, err := i.encode()
				b.Put(k.items, itemKey(r.ID, n), raw)
				bad = errors.Join(bad, err)
			}
			return true
		})
		if err = errors.Join(err, bad); err == nil && b.Len() > 0 {
			err = k.store.Commit(&b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a map, its items first.
func (k *mapBook) forget(r *mapRecord) error {
	for from := 0; from < r.Items; from += itemsAtOnce {
		var b state.Batch
		for n := from; n < min(from+itemsAtOnce, r.Items); n++ {
			b.Delete(k.items, itemKey(r.ID, n))
		}
		if err := k.store.Queue(&b); err != nil {
			return err
		}
	}
	var b state.Batch
	b.Delete(k.maps, r.key())
	return k.store.Queue(&b)
}

// sum reads what is known of a map that does not run.
func (k *mapBook) sum(r *mapRecord) (Map, error) {
	var t tally
	var cost ledger.Amount
	err := k.scan(r.ID, 0, func(_ int, i *itemRecord) bool {
		t.add(i)
		cost += i.Cost
		return true
	})
	return r.view(&t, cost), err
}

// sortSellers puts the busiest first, and what has no key last.
func sortSellers(all []MapSeller) {
	keyless := func(s MapSeller) int {
		if s.Seller == (identity.Entity{}) {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b MapSeller) int {
		return cmp.Or(
			cmp.Compare(keyless(a), keyless(b)), cmp.Compare(b.Items, a.Items),
			bytes.Compare(a.Seller[:], b.Seller[:]),
		)
	})
}
