package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

const (
	// maxLive is how many jobs may be under way, waiting ones included.
	maxLive = 1000

	// maxTrading is how many of them are asked for, followed or paid at once.
	maxTrading = 64
)

// buyer is what the buying side keeps in memory.
type buyer struct {
	trading chan struct{} // one element for each job that is at work
	sellers directory
	dealt   *remembered
	maps    *mapBook

	orders struct {
		sync.Mutex
		trades map[identity.Hash]*trade // by order, while they are followed
		less   chan struct{}            // closed and made anew when one ends
		ended  time.Time                // when one last did
	}
}

func (m *Market) initBuyer() error {
	m.trading = make(chan struct{}, maxTrading)
	m.sellers = newDirectory()
	dealt, err := openRemembered(m.book.store)
	if err != nil {
		return err
	}
	m.dealt = dealt
	m.orders.trades = map[identity.Hash]*trade{}
	m.orders.less = make(chan struct{})

	all, err := m.book.unfinished()
	if err != nil {
		return err
	}
	for _, r := range all {
		j := newJob(*r, m.dir)
		j.resumed = true
		if err := m.refill(j, r); err != nil {
			return err
		}
		m.book.mu.Lock()
		m.book.live[r.ID] = j
		m.book.mu.Unlock()
		j.pinned = m.pinInputs(r)
	}
	return m.initMaps()
}

// startBuyer goes on with the jobs that have not ended.
func (m *Market) startBuyer() {
	m.book.mu.Lock()
	var all []*job
	for _, j := range m.book.live {
		all = append(all, j)
	}
	m.book.mu.Unlock()
	for _, j := range all {
		m.spawn(func(ctx context.Context) { m.drive(ctx, j) })
	}
	m.startMaps()
	m.spawn(m.sweepLocks)
}

// endBuyer tells those who watch that nothing more happens.
func (m *Market) endBuyer() {
	m.endMaps()
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	for _, j := range m.book.live {
		j.mu.Lock()
		j.stopped = true
		j.touch()
		j.mu.Unlock()
	}
}

// Submit takes a job: it is on disk when Submit returns, and is asked for at
// once, or when the market runs again. Module, stdin and files must have been
// put into the storage. The error is a *Refused when the spec is wrong, or the
// disk's.
func (m *Market) Submit(_ context.Context, s Spec) (Job, error) {
	return m.submit(jobRecord{Spec: s})
}

// submit is Submit of a job that may have been tried before.
func (m *Market) submit(rec jobRecord) (Job, error) {
	rec.Spec = rec.Spec.withDefaults()
	s := rec.Spec
	if r := s.check(); r != nil {
		return Job{}, r
	}
	part := rec.CheckOf != ID{}
	if rec.ID == (ID{}) { // else its job or its map has named it
		rec.ID = NewID()
	}
	rec.State, rec.Created = Queued, time.Now().UnixMilli()
	if !m.pinInputs(&rec) {
		return Job{}, refuse(BadJob, "module, stdin or an input file is not in this node's storage (any more)")
	}
	m.book.mu.Lock()
	full := len(m.book.live) >= maxLive && !part // their number is bounded by their jobs'
	m.book.mu.Unlock()
	if full {
		m.unpinInputs(&rec)
		return Job{}, refuse(Busy, "%d jobs are under way at this node", maxLive)
	}
	text := fmt.Sprintf("submitted %s", s)
	if rec.Of != (ID{}) {
		text += fmt.Sprintf(", a retry of job %s", rec.Of.Short())
		if n := len(rec.Avoid); n > 0 {
			text += fmt.Sprintf(" without %d sellers that failed it", n)
		}
		if rec.Spent > 0 {
			text += fmt.Sprintf("; %s of the %s credits that it may cost are spent", rec.Spent, s.MaxCredit)
		}
	}
	rec.event(eventRecord{Text: text})
	j := newJob(rec, m.dir)
	j.pinned = true
	if err := m.book.add(j); err != nil {
		return Job{}, err
	}
	// Asking commits to nothing, so it need not wait for the disk. The order
	// that may come of it is written after this record.
	wait := m.book.begin(j)
	m.spawn(func(ctx context.Context) { m.drive(ctx, j) })
	if err := wait(); err != nil {
		return Job{}, err // drive will meet the same
	}
	failpoint.Hit("market:job-persisted")
	return j.job(), nil
}

// Cancel ends a job early: what ran is paid, once the seller has said how much
// that was. It returns when the wish is on disk. Errors are ErrNoJob, ErrFinal
// and the disk's.
func (m *Market) Cancel(ctx context.Context, id ID) error {
	m.book.mu.Lock()
	j := m.book.live[id]
	m.book.mu.Unlock()
	if j == nil {
		if _, err := m.book.record(id); err != nil {
			return err
		}
		return ErrFinal
	}
	return m.wantStop(j, Cancelled, "cancelled by this node")
}

// wantStop writes down that the job should end early.
func (m *Market) wantStop(j *job, why Reason, text string) error {
	var err error
	j.update(func(r *jobRecord) {
		switch {
		case r.State.Final():
			err = ErrFinal
		case r.Stop == "":
			r.Stop = why
			close(j.stop)
			r.event(eventRecord{Text: text, Reason: why})
		}
	})
	if err != nil {
		return err
	}
	return m.book.save(j)
}

// drive takes a job to its end, or to where ctx ends.
func (m *Market) drive(ctx context.Context, j *job) {
	j.mu.Lock()
	again := j.driven // a job that came while Run began is found twice
	j.driven = true
	j.mu.Unlock()
	if again {
		return
	}
	if j.copy().CheckOf == (ID{}) { // a job that checks another has that one's turn
		select {
		case m.trading <- struct{}{}:
			defer func() { <-m.trading }()
		case <-ctx.Done():
			return
		}
	}
	for {
		r := j.copy()
		var err error
		switch {
		case r.Delivery != nil:
			err = m.settle(ctx, j, r)
		case r.Order != nil:
			err = m.followOrder(ctx, j, r)
		case r.Stop != "":
			err = &Refused{Reason: r.Stop, Text: "it ended before it was ordered"}
		default:
			err = m.buy(ctx, j, r)
			var no *Refused
			if errors.As(err, &no) {
				err = r.lastWord(no)
			}
		}
		if ctx.Err() != nil && !j.final() {
			return // goes on with the next start
		}
		var no *Refused
		if errors.As(err, &no) {
			if r.Order != nil && r.Delivery == nil && slices.Contains(elsewhere, no.Reason) {
				m.did(r, false)
			}
			if again, failed := m.another(j, no); failed != nil {
				err = failed
			} else if again {
				continue
			}
		}
		switch {
		case err == nil && j.final():
			m.finish(j)
			return
		case err == nil:
		case errors.As(err, &no):
			m.fail(j, no)
			m.finish(j)
			return
		default:
			m.log.Error("a job failed here", "job", r.ID.Short(), "err", err)
			m.fail(j, refuse(Internal, "%v", err))
			m.finish(j)
			return
		}
	}
}

// fail ends the job in memory.
func (m *Market) fail(j *job, no *Refused) {
	j.update(func(r *jobRecord) {
		r.State, r.Reason, r.Error = Failed, no.Reason, clip(no.Text)
		if no.Reason == Cancelled {
			r.State = CancelledBy
		}
		r.Ended, r.Vouched = time.Now().UnixMilli(), max(r.Vouched, j.gone.vouched)
		r.event(eventRecord{Text: r.Error, Reason: no.Reason})
	})
}

// finish keeps what arrived of the output, unless that was done before it was
// paid, and writes the job's last record.
func (m *Market) finish(j *job) {
	r := j.copy()
	if r.Delivery == nil {
		out, err1 := m.keep(j.out)
		serr, err2 := m.keep(j.err)
		if err := errors.Join(err1, err2); err != nil {
			m.log.Error("cannot keep a job's output", "job", r.ID.Short(), "err", err)
		}
		j.update(func(r *jobRecord) { r.Out, r.Err = out, serr })
	}
	if err := m.book.save(j); err != nil {
		m.log.Error("cannot write a job's end", "job", r.ID.Short(), "err", err)
		return // it stays among the live ones and is taken up after a restart
	}
	if j.pinned {
		m.unpinInputs(r)
	}
	m.book.settle(r.ID)
	if err := errors.Join(j.out.Reset(), j.err.Reset()); err != nil {
		m.log.Warn("cannot remove a spool", "err", err)
	}
}

// pinInputs keeps the job's inputs in the storage; it says whether all are
// there.
func (m *Market) pinInputs(r *jobRecord) bool {
	return m.blobs.Pin(hashes(jobBlobs(r.Spec.job(1)))...)
}

func (m *Market) unpinInputs(r *jobRecord) {
	m.blobs.Unpin(hashes(jobBlobs(r.Spec.job(1)))...)
}
