package market

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"
)

// Maps lists the maps that are kept, the newest first.
func (m *Market) Maps() ([]Map, error) {
	m.maps.mu.Lock()
	ids := make([]ID, 0, len(m.maps.all))
	for _, r := range slices.Backward(m.maps.all) {
		ids = append(ids, r.ID)
	}
	m.maps.mu.Unlock()
	all := make([]Map, 0, len(ids))
	for _, id := range ids {
		v, err := m.Map(id.String())
		if errors.Is(err, ErrNoMap) {
			continue // forgotten meanwhile
		} else if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Map returns the map whose id begins with prefix. Errors are ErrNoMap,
// ErrAmbiguous and the disk's.
func (m *Market) Map(prefix string) (Map, error) {
	k := m.maps
	k.mu.Lock()
	r, err := k.find(prefix)
	if err != nil {
		k.mu.Unlock()
		return Map{}, err
	}
	rec, l := *r, k.live[r.ID]
	k.mu.Unlock()
	if l != nil {
		return m.viewMap(l), nil
	}
	return k.sum(&rec)
}

// Item returns an item, counted from 0. Errors are ErrNoMap, ErrAmbiguous, and
// ErrGone when it was not begun.
func (m *Market) Item(prefix string, item int) (MapItem, error) {
	r, err := m.itemRecord(prefix, item)
	if err != nil {
		return MapItem{}, err
	}
	return r.item(item), nil
}

func (m *Market) itemRecord(prefix string, item int) (*itemRecord, error) {
	m.maps.mu.Lock()
	found, err := m.maps.find(prefix)
	var r mapRecord
	if err == nil {
		r = *found
	}
	m.maps.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if item < 0 || item >= r.Items {
		return nil, fmt.Errorf("%w: map %s has items 0 to %d", ErrGone, r.ID.Short(), r.Items-1)
	}
	return m.maps.item(r.ID, item)
}

// ItemLog opens a stream of an item that has ended. The caller closes it. Errors
// are those of Item, and ErrGone when it is not kept any more.
func (m *Market) ItemLog(prefix string, item int, s Stream) (io.ReadCloser, error) {
	r, err := m.itemRecord(prefix, item)
	if err != nil {
		return nil, err
	}
	if s == Stderr {
		return m.book.open(r.Err)
	}
	return m.book.open(r.Out)
}

// A MapUpdate is what has happened to a map: items that have ended, in order,
// and where all stands, without its spec before the last. Next is the item to go
// on from.
type MapUpdate struct {
	Items []MapItem `json:"items,omitempty"`
	Map   Map       `json:"map"`
	Next  int       `json:"next"`
	// Final is set in the last one.
	Final bool `json:"final"`
}

const (
	// mapUpdateItems is the most items in one MapUpdate, mapUpdateEvery how often
	// there is one when nothing ends.
	mapUpdateItems = 64
	mapUpdateEvery = time.Second
)

// WatchMap yields what comes of a map's items in their order, from an item on,
// until the map ends. Of a map that was stopped those are left out that have not
// ended. An error, which is ErrNoMap, ErrStopped, ctx's or the disk's, ends it.
func (m *Market) WatchMap(ctx context.Context, id ID, from int) iter.Seq2[MapUpdate, error] {
	return func(yield func(MapUpdate, error) bool) {
		k := m.maps
		for {
			k.mu.Lock()
			l := k.live[id]
			k.mu.Unlock()
			if l == nil {
				m.watchStopped(id, from, yield)
				return
			}
			l.mu.Lock()
			changed, stopped := l.changed, l.stopped
			to := from
			for to < len(l.isEnded) && l.isEnded[to] && to < from+mapUpdateItems {
				to++
			}
			l.mu.Unlock()
			u := MapUpdate{Next: to}
			for n := from; n < to; n++ {
				r, err := k.item(id, n)
				if err != nil {
					yield(u, err)
					return
				}
				u.Items = append(u.Items, r.item(n))
			}
			from, u.Map = to, m.viewMap(l)
			u.Map.Spec = MapSpec{}
			if !yield(u, nil) {
				return
			}
			if len(u.Items) > 0 {
				continue
			}
			if stopped {
				yield(u, ErrStopped)
				return
			}
			select {
			case <-changed:
			case <-time.After(mapUpdateEvery):
			case <-ctx.Done():
				yield(u, ctx.Err())
				return
			}
		}
	}
}

// watchStopped shows a map that does not run.
func (m *Market) watchStopped(id ID, from int, yield func(MapUpdate, error) bool) {
	v, err := m.Map(id.String())
	if err != nil {
		yield(MapUpdate{}, err)
		return
	}
	for {
		u := MapUpdate{Map: v, Next: from}
		err := m.maps.scan(id, from, func(n int, r *itemRecord) bool {
			if r.final() {
				u.Items = append(u.Items, r.item(n))
			}
			u.Next = n + 1
			return len(u.Items) < mapUpdateItems
		})
		from = u.Next
		u.Final = err == nil && len(u.Items) < mapUpdateItems
		if !yield(u, err) || u.Final || err != nil {
			return
		}
	}
}

// view is the map as it stands.
func (m *Market) viewMap(l *liveMap) Map {
	l.mu.Lock()
	v := l.rec.view(&l.tally, l.plan.Spent())
	v.Running = len(l.tries)
	jobs := make([]ID, 0, v.Running)
	for _, t := range l.tries {
		if !t.moot {
			jobs = append(jobs, t.job)
		}
	}
	l.mu.Unlock()
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	for _, id := range jobs {
		if j := m.book.live[id]; j != nil {
			v.Fuel += j.seen().fuel
		}
	}
	return v
}
