package market

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market/spread"
)

// liveMap is a map that runs, in memory.
type liveMap struct {
	inputs []input
	pinned []identity.Hash
	stop   chan struct{}       // closed when the record has a Stop
	ended  chan *mapTry        // every try once
	items  map[int]*itemRecord // that were begun and have not ended, or whose jobs run on; drive's alone
	writes sync.WaitGroup      // records of items that have ended

	mu      sync.Mutex      // guards what follows
	tries   map[int]*mapTry // that run, by the plan's name; only drive writes
	rec     mapRecord
	plan    *spread.Plan
	isEnded []bool // and its record can be read
	tally   tally
	last    *Refused // what the last job that nobody would take said
	failure error    // of the disk
	changed chan struct{}
	stopped bool // the node goes offline; the map goes on another time
	driven  bool // drive has it
}

// mapTry is one job for one item.
type mapTry struct {
	id   int
	item int
	job  ID
	cap  ledger.Amount
	moot bool       // its item has ended by another
	rec  *jobRecord // once it has ended
	err  error      // why it could not be submitted or waited for
}

// touch tells those who watch. l.mu is held.
func (l *liveMap) touch() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// initMaps goes on with the maps that ran when the node ended.
func (m *Market) initMaps() error {
	k, err := openMaps(m.book)
	if err != nil {
		return err
	}
	m.maps = k
	for _, r := range k.all {
		if r.State != MapRunning {
			continue
		}
		l, err := m.openMap(*r)
		var no *Refused
		if errors.As(err, &no) { // its inputs are gone
			r.State, r.Reason, r.Error, r.Ended = MapStopped, no.Reason, clip(no.Text), time.Now().UnixMilli()
			if err := k.save(r); err != nil {
				return err
			}
			continue
		} else if err != nil {
			return err
		}
		k.live[r.ID] = l
	}
	return nil
}

// startMaps goes on with the maps that have not ended.
func (m *Market) startMaps() {
	m.maps.mu.Lock()
	defer m.maps.mu.Unlock()
	for _, l := range m.maps.live {
		m.spawn(func(ctx context.Context) { m.driveMap(ctx, l) })
	}
}

// endMaps tells those who watch that nothing more happens.
func (m *Market) endMaps() {
	m.maps.mu.Lock()
	defer m.maps.mu.Unlock()
	for _, l := range m.maps.live {
		l.mu.Lock()
		l.stopped = true
		l.touch()
		l.mu.Unlock()
	}
}

// openMap pins what a map needs and takes in what has come of it so far.
func (m *Market) openMap(r mapRecord) (*liveMap, error) {
	s := r.Spec
	l := &liveMap{
		rec: r, stop: make(chan struct{}), ended: make(chan *mapTry, MaxParallel), items: map[int]*itemRecord{}, tries: map[int]*mapTry{}, changed: make(chan struct{}),
	}
	pin := func(all ...compute.Blob) error {
		h := hashes(slices.DeleteFunc(all, func(b compute.Blob) bool { return b.Size == 0 }))
		if !m.blobs.Pin(h...) {
			return refuse(BadJob, "module or inputs of the map are not in this node's storage (any more); give them again")
		}
		l.pinned = append(l.pinned, h...)
		return nil
	}
	err := pin(append(jobBlobs(s.Spec.job(1)), s.Input)...)
	if err == nil {
		err = m.readMap(l)
	}
	if err == nil && s.Each == EachFile {
		files := make([]compute.Blob, len(l.inputs))
		for i, in := range l.inputs {
			files[i] = in.file.Blob()
		}
		err = pin(files...)
	}
	if err == nil {
		err = m.restoreMap(l)
	}
	if err != nil {
		m.blobs.Unpin(l.pinned...)
		return nil, err
	}
	if r.Stop {
		close(l.stop)
	}
	return l, nil
}

// readMap reads the list of a map's items.
func (m *Market) readMap(l *liveMap) (err error) {
	in := io.NopCloser(io.LimitReader(nil, 0))
	if l.rec.Spec.Each != EachNumber {
		if l.rec.Spec.Input.Size == 0 {
			return refuse(BadJob, "there are no items")
		}
		if in, err = m.blobs.Open(l.rec.Spec.Input.Hash); err != nil {
			return err
		}
	}
	l.inputs, err = l.rec.Spec.readInputs(in)
	return errors.Join(err, in.Close())
}

// restoreMap makes the plan, with what has come of the items so far.
func (m *Market) restoreMap(l *liveMap) error {
	s := l.rec.Spec
	l.rec.Items = len(l.inputs)
	l.plan = spread.New(len(l.inputs), s.Parallel, s.MaxCredit)
	l.isEnded = make([]bool, len(l.inputs))
	now := time.Now()
	return m.maps.scan(l.rec.ID, 0, func(n int, r *itemRecord) bool {
		if n >= len(l.inputs) {
			return false
		}
		l.tally.add(r)
		l.isEnded[n] = r.final()
		l.plan.Restore(n, r.Cost, r.final())
		if !r.final() {
			l.items[n] = r
		}
		for _, t := range r.Open { // those whose jobs were not written cost nothing
			if _, err := m.book.record(t.Job); err == nil {
				id := l.plan.Resume(n, t.Cap, now)
				l.tries[id] = &mapTry{id: id, item: n, job: t.Job, cap: t.Cap, moot: r.final()}
				l.items[n] = r
			}
		}
		return true
	})
}

// SubmitMap takes a map, or goes on with the one that asks for the same work and
// has not come to its end, on the terms of s: resumed tells. It is on disk when
// SubmitMap returns. What Submit needs in the storage must be there, and Input and
// the files that it lists. Errors are *Refused, and the disk's.
func (m *Market) SubmitMap(_ context.Context, s MapSpec, anew bool) (id ID, resumed bool, err error) {
	s = s.withDefaults()
	if no := s.check(); no != nil {
		return ID{}, false, no
	}
	k := m.maps
	k.mu.Lock()
	defer k.mu.Unlock()
	if !anew {
		for _, r := range slices.Backward(k.all) {
			if r.State != MapDone && r.Spec.same(s) {
				return r.ID, true, m.runMap(r, s, false)
			}
		}
	}
	r := &mapRecord{ID: NewID(), Spec: s, Created: time.Now().UnixMilli()}
	return r.ID, false, m.runMap(r, s, false)
}

// runMap lets a map run, on the terms of s; again takes its items that failed
// for not ended. k.mu is held.
func (m *Market) runMap(old *mapRecord, s MapSpec, again bool) error {
	k := m.maps
	if k.live[old.ID] != nil {
		return nil // it does
	}
	if len(k.live) >= maxLiveMaps {
		return refuse(Busy, "%d maps are under way at this node", maxLiveMaps)
	}
	if again {
		if err := k.reopen(old); err != nil {
			return err
		}
	}
	r := *old
	r.Spec, r.State, r.Stop, r.Reason, r.Error, r.Ended = s, MapRunning, false, "", "", 0
	l, err := m.openMap(r)
	if err != nil {
		return err
	}
	known := slices.Contains(k.all, old)
	if !known {
		err = k.room(len(l.inputs))
	}
	if err == nil {
		r = l.rec
		err = k.save(&r)
	}
	if err != nil {
		m.blobs.Unpin(l.pinned...)
		return err
	}
	*old = r
	if !known {
		k.all = append(k.all, old)
	}
	k.live[r.ID] = l
	failpoint.Hit("market:map-persisted")
	m.spawn(func(ctx context.Context) { m.driveMap(ctx, l) })
	return nil
}

// A MapChange is what a map has otherwise when it goes on; zero fields are as
// they were.
type MapChange struct {
	MaxCredit ledger.Amount `json:"max_credit_micro"`
	MaxPrice  ledger.Amount `json:"max_price_micro"`
	Parallel  int           `json:"parallel"`
	// Failed has the items tried again that failed.
	Failed bool `json:"failed"`
}

// ResumeMap goes on with a map that was stopped, or with the items that failed.
// Errors are ErrNoMap, *Refused and the disk's.
func (m *Market) ResumeMap(_ context.Context, prefix string, c MapChange) (ID, error) {
	k := m.maps
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.find(prefix)
	if err != nil {
		return ID{}, err
	}
	s := r.Spec
	if c.MaxCredit != 0 {
		s.MaxCredit = c.MaxCredit
	}
	if c.MaxPrice != 0 {
		s.MaxPrice = c.MaxPrice
	}
	if c.Parallel != 0 {
		s.Parallel = c.Parallel
	}
	if no := s.check(); no != nil {
		return ID{}, no
	}
	if r.State == MapDone && !c.Failed {
		return r.ID, nil
	}
	return r.ID, m.runMap(r, s, c.Failed)
}

// StopMap begins nothing more of a map, and cancels what runs of it. It returns
// when the wish is on disk. Errors are ErrNoMap, ErrFinal and the disk's.
func (m *Market) StopMap(_ context.Context, prefix string) error {
	k := m.maps
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.find(prefix)
	if err != nil {
		return err
	}
	l := k.live[r.ID]
	if l == nil {
		return ErrFinal
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rec.Stop {
		return nil
	}
	l.rec.Stop = true
	if err := k.save(&l.rec); err != nil {
		return err
	}
	close(l.stop)
	return nil
}
