package market

import (
	"context"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/peersea/sea/ledger"
)

// progress is how far a job has come that runs.
type progress struct {
	fuel            uint64 // used, as the seller says
	sent, input     uint64 // bytes of module and input that the seller has, of how many
	fetched, output uint64 // bytes of the output folder that are here, of how many
	vouched         ledger.Amount
}

// job is a job of this buyer that has not ended, in memory.
type job struct {
	out, err  *spool
	stop      chan struct{} // closed when the record has a Stop
	gathering sync.Mutex    // held while a quorum is
	saving    sync.Mutex    // held while the record gets its place in the store
	hold      *ledger.Hold  // of an order that is about to be followed; drive's alone
	refused   *Refused      // why its last order was not taken, if that may change soon; drive's alone
	pinned    bool          // its inputs are; set before drive has it
	resumed   bool          // it was on the disk when the node began; likewise

	mu      sync.Mutex // guards what follows
	rec     jobRecord
	gone    progress
	changed chan struct{}
	stopped bool // the node goes offline; the job goes on another time
	driven  bool // drive has it
}

func newJob(rec jobRecord, dir string) *job {
	j := &job{
		out: newSpool(dir), err: newSpool(dir), stop: make(chan struct{}),
		rec: rec, changed: make(chan struct{}),
	}
	if rec.Stop != "" {
		close(j.stop)
	}
	return j
}

// update changes the record under the lock and tells those who watch.
func (j *job) update(f func(*jobRecord)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.rec)
	j.touch()
}

// touch tells those who watch. It is called with mu held.
func (j *job) touch() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// copy gives the record as it is.
func (j *job) copy() *jobRecord {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.rec
	r.History = slices.Clone(r.History)
	r.Avoid = slices.Clone(r.Avoid)
	r.Tried = slices.Clone(r.Tried)
	r.Votes = slices.Clone(r.Votes)
	return &r
}

func (j *job) job() Job {
	r := j.copy()
	v := r.job()
	v.History = r.history()
	if r.Receipt == nil {
		v.Fuel = j.seen().fuel
	}
	v.Vouched = max(v.Vouched, j.seen().vouched)
	return v
}

func (j *job) final() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rec.State.Final()
}

func (j *job) spool(s Stream) *spool {
	if s == Stderr {
		return j.err
	}
	return j.out
}

// seen is how far it has come.
func (j *job) seen() progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gone
}

// advance takes in how far it has come; nothing ever goes back.
func (j *job) advance(p progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.gone
	j.gone = progress{
		max(p.fuel, old.fuel), max(p.sent, old.sent), max(p.input, old.input), max(p.fetched, old.fetched), max(p.output, old.output),
		max(p.vouched, old.vouched),
	}
	if j.gone != old {
		j.touch()
	}
}

// write takes in the next bytes of the streams.
func (j *job) write(out, err []byte) error {
	if _, e := j.out.Write(out); e != nil {
		return e
	}
	if _, e := j.err.Write(err); e != nil {
		return e
	}
	if len(out)+len(err) > 0 {
		j.mu.Lock()
		j.touch()
		j.mu.Unlock()
	}
	return nil
}

// updateBytes is the most of each stream in one Update.
const updateBytes = 256 << 10

// Watch yields what has happened to a job since from, and then what happens,
// until it has ended and all was shown: the last Update has Job set. A watcher
// that was cut off goes on with the Next of its last Update. An error, which is
// ErrNoJob, ctx's or the disk's, ends it.
func (m *Market) Watch(ctx context.Context, id ID, from Cursor) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		at, seen := from, progress{}
		for {
			m.book.mu.Lock()
			live := m.book.live[id]
			m.book.mu.Unlock()
			if live == nil {
				m.watchEnded(ctx, id, at, yield)
				return
			}
			live.mu.Lock()
			changed, stopped, final := live.changed, live.stopped, live.rec.State.Final()
			live.mu.Unlock()

			gone := live.seen()
			u, err := live.since(at, gone)
			if err != nil {
				yield(u, err)
				return
			}
			idle := u.Next == at && gone == seen
			at, seen = u.Next, gone
			if idle && final {
				j := live.job()
				u.Job = &j
				yield(u, nil)
				return
			}
			if !idle {
				if !yield(u, nil) {
					return
				}
				continue
			}
			if stopped {
				yield(Update{}, ErrStopped)
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(Update{}, ctx.Err())
				return
			}
		}
	}
}

// since gives what has happened since at.
func (j *job) since(at Cursor, p progress) (u Update, err error) {
	r := j.copy()
	u = Update{
		Fuel: p.fuel, Cost: r.costOf(p.fuel), Vouched: max(p.vouched, r.Vouched), Sent: p.sent, Input: p.input, Fetched: p.fetched, Output: p.output, Next: at,
	}
	if work, err := r.work(); err == nil && r.Order != nil {
		u.FuelLimit = work.Limits.Fuel
	}
	for _, e := range r.history() {
		if e.Seq >= at.Event {
			u.Events = append(u.Events, e)
			u.Next.Event = e.Seq + 1
		}
	}
	if r.withheld() {
		return u, nil
	}
	if u.Stdout, err = part(j.out, j.out.Size(), at.Stdout, updateBytes); err != nil {
		return u, err
	}
	if u.Stderr, err = part(j.err, j.err.Size(), at.Stderr, updateBytes); err != nil {
		return u, err
	}
	u.Next.Stdout += uint64(len(u.Stdout))
	u.Next.Stderr += uint64(len(u.Stderr))
	return u, nil
}

// costOf is what that much fuel costs by the order's quote.
func (r *jobRecord) costOf(fuel uint64) ledger.Amount {
	if r.Quote == nil {
		return 0
	}
	q, err := readQuote(r.Quote.Body)
	if err != nil {
		return 0
	}
	cost, _ := q.Cost(fuel)
	return cost
}

// watchEnded shows a job that has ended from what is on the disk.
func (m *Market) watchEnded(ctx context.Context, id ID, at Cursor, yield func(Update, error) bool) {
	j, err := m.book.Job(id)
	if err != nil {
		yield(Update{}, err)
		return
	}
	u := Update{Fuel: j.Fuel, FuelLimit: j.FuelLimit, Cost: j.Cost, Vouched: j.Vouched, Next: at}
	for _, e := range j.History {
		if e.Seq >= at.Event {
			u.Events = append(u.Events, e)
			u.Next.Event = e.Seq + 1
		}
	}
	if len(u.Events) > 0 && !yield(u, nil) {
		return
	}
	at = u.Next
	for _, s := range []Stream{Stderr, Stdout} {
		next, ok := m.watchLog(ctx, id, s, at, yield)
		if !ok {
			return
		}
		at = next
	}
	yield(Update{Fuel: j.Fuel, FuelLimit: j.FuelLimit, Cost: j.Cost, Vouched: j.Vouched, Next: at, Job: &j}, nil)
}

// watchLog shows a stream that has ended, as far as it is kept.
func (m *Market) watchLog(ctx context.Context, id ID, s Stream, at Cursor, yield func(Update, error) bool) (Cursor, bool) {
	rc, err := m.book.Log(id, s)
	if err != nil {
		return at, true // kept for a while only: what is left is shown
	}
	defer rc.Close()
	off := &at.Stdout
	if s == Stderr {
		off = &at.Stderr
	}
	if _, err := io.CopyN(io.Discard, rc, int64(*off)); err != nil {
		return at, true
	}
	buf := make([]byte, updateBytes)
	for ctx.Err() == nil {
		n, err := io.ReadFull(rc, buf)
		if n > 0 {
			*off += uint64(n)
			u := Update{Next: at}
			if s == Stderr {
				u.Stderr = slices.Clone(buf[:n])
			} else {
				u.Stdout = slices.Clone(buf[:n])
			}
			if !yield(u, nil) {
				return at, false
			}
		}
		if err != nil {
			return at, true
		}
	}
	yield(Update{}, ctx.Err())
	return at, false
}

// Wait returns the job when it has ended. Errors are those of Watch.
func (m *Market) Wait(ctx context.Context, id ID) (Job, error) {
	for {
		m.book.mu.Lock()
		live := m.book.live[id]
		m.book.mu.Unlock()
		if live == nil {
			return m.book.Job(id)
		}
		live.mu.Lock()
		changed, stopped, final := live.changed, live.stopped, live.rec.State.Final()
		live.mu.Unlock()
		if final {
			return live.job(), nil
		}
		if stopped {
			return Job{}, ErrStopped
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Job{}, ctx.Err()
		}
	}
}
