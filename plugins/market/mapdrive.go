package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market/spread"
)

// driveMap takes a map to its end, or to where ctx ends.
func (m *Market) driveMap(ctx context.Context, l *liveMap) {
	l.mu.Lock()
	again := l.driven // one that came while Run began is found twice
	l.driven = true
	l.mu.Unlock()
	if again {
		return
	}
	defer l.writes.Wait()
	for _, t := range l.tries {
		if t.moot {
			m.dropTry(ctx, l, t)
		}
		m.waitTry(l, t)
	}
	stop := l.stop
	for {
		for m.nextTry(ctx, l) {
		}
		l.mu.Lock()
		idle := l.plan.Idle()
		at, look := l.plan.Look(time.Now())
		l.mu.Unlock()
		if idle {
			m.endMap(l)
			return
		}
		var slow <-chan time.Time
		if look {
			slow = time.After(time.Until(at))
		}
		select {
		case t := <-l.ended:
			if ctx.Err() != nil {
				return // it goes on with the next start
			}
			m.endTry(ctx, l, t)
		case <-slow:
		case <-stop:
			stop = nil
			l.mu.Lock()
			l.plan.Halt()
			l.mu.Unlock()
			for _, t := range l.tries {
				m.dropTry(ctx, l, t)
			}
		case <-ctx.Done():
			return
		}
	}
}

// nextTry begins what the plan wants now; false when there is nothing.
func (m *Market) nextTry(ctx context.Context, l *liveMap) bool {
	if over(l.stop) || ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	s, ok := l.plan.Next(time.Now())
	l.mu.Unlock()
	if !ok {
		return false
	}
	t := &mapTry{id: s.Try, item: s.Item, job: NewID(), cap: s.Cap}
	var avoid []identity.Entity
	if s.Again {
		avoid = m.busyWith(l, s.Item)
	}
	l.mu.Lock()
	l.tries[t.id] = t
	l.mu.Unlock()
	if t.err = m.beginTry(l, t, avoid); t.err != nil {
		l.ended <- t
		return true
	}
	m.waitTry(l, t)
	return true
}

// busyWith are the sellers that an item's jobs are with.
func (m *Market) busyWith(l *liveMap, item int) (all []identity.Entity) {
	for _, t := range l.tries {
		if t.item != item {
			continue
		}
		if r, err := m.book.record(t.job); err == nil && r.Quote != nil {
			all = append(all, r.Quote.By)
		}
	}
	return all
}

// beginTry submits a job for an item. That the item has it is written before it.
func (m *Market) beginTry(l *liveMap, t *mapTry, avoid []identity.Entity) error {
	in := l.inputs[t.item]
	r := l.items[t.item]
	if r == nil {
		r = &itemRecord{State: Asking, Name: in.name()}
		l.items[t.item] = r
	}
	spec, err := l.rec.Spec.job(in, t.cap, m.blobs.PutBytes)
	if err != nil {
		return err
	}
	r.Open = append(r.Open, openTry{t.job, t.cap})
	r.Tries++
	m.maps.begin(l.rec.ID, t.item, r) // the job's own record, which is waited for, comes after it
	if r.Tries > 1 {
		l.mu.Lock()
		l.tally.again++
		l.mu.Unlock()
	}
	failpoint.Hit("market:map-item")
	_, err = m.submit(jobRecord{ID: t.job, Spec: spec, Avoid: avoid, mapped: true})
	return err
}

// waitTry has the try sent to ended when its job has ended.
func (m *Market) waitTry(l *liveMap, t *mapTry) {
	ok := m.spawn(func(ctx context.Context) {
		t.rec, t.err = m.book.waitRecord(ctx, t.job)
		l.ended <- t // there is a place for each
	})
	if !ok {
		t.err = ErrStopped
	}
}

// waitRecord returns a job's record when the last one is written.
func (b *Book) waitRecord(ctx context.Context, id ID) (*jobRecord, error) {
	var last *job
	for {
		b.mu.Lock()
		live := b.live[id]
		b.mu.Unlock()
		if live == nil && last != nil {
			return last.copy(), nil // as it was written last
		} else if live == nil {
			return b.record(id)
		}
		last = live
		live.mu.Lock()
		changed := live.changed
		live.mu.Unlock()
		b.mu.Lock()
		gone := b.live[id] == nil // before changed was read
		b.mu.Unlock()
		if gone {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dropTry cancels a job that is for nothing.
func (m *Market) dropTry(ctx context.Context, l *liveMap, t *mapTry) {
	l.mu.Lock()
	t.moot = true
	l.mu.Unlock()
	if err := m.Cancel(ctx, t.job); err != nil && !errors.Is(err, ErrFinal) && !errors.Is(err, ErrNoJob) {
		m.log.Warn("cannot cancel a job of a map", "job", t.job.Short(), "err", err)
	}
}

// endTry takes in what has come of a job.
func (m *Market) endTry(ctx context.Context, l *liveMap, t *mapTry) {
	var cost ledger.Amount
	if t.rec != nil {
		cost = m.outlay(t.rec)
	}
	end := m.endOf(l, t)
	l.mu.Lock()
	delete(l.tries, t.id)
	settles, others := l.plan.Ended(t.id, cost, end, time.Now())
	l.mu.Unlock()

	r := l.items[t.item]
	r.Open = slices.DeleteFunc(r.Open, func(o openTry) bool { return o.Job == t.job })
	r.Cost += cost
	if settles {
		r.settle(t, end == spread.Done)
	}
	if r.final() && len(r.Open) == 0 {
		delete(l.items, t.item)
	}
	m.writeItem(l, t.item, *r, settles)
	for _, id := range others {
		m.dropTry(ctx, l, l.tries[id])
	}
}

// settle takes in the job by which the item has come to its end.
func (r *itemRecord) settle(t *mapTry, done bool) {
	r.State = Failed
	if done {
		r.State = Done
	}
	if t.rec == nil {
		r.Reason, r.Error = reasonOf(t.err), clip(t.err.Error())
		return
	}
	r.take(t.rec)
}

// writeItem writes an item's record, and shows when it has ended that it has.
func (m *Market) writeItem(l *liveMap, n int, r itemRecord, settles bool) {
	failpoint.Hit("market:map-item-ended")
	wait := m.maps.begin(l.rec.ID, n, &r)
	l.writes.Go(func() {
		err := wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.failure = err
			l.plan.Halt()
		}
		if settles && err == nil {
			l.isEnded[n] = true
			l.tally.add(&r)
			l.tally.again -= max(0, r.Tries-1) // they were counted as they began
		}
		l.touch()
	})
}

// reasonOf is the reason in an error.
func reasonOf(err error) Reason {
	var no *Refused
	if errors.As(err, &no) {
		return no.Reason
	}
	return Internal
}

// Reasons for which a job fails before it is ordered, and the next one of its
// map may not.
var itsOwn = []Reason{BadJob, InputSize, InputsMissing, ModuleInvalid}

// endOf says what a job's end is to the plan.
func (m *Market) endOf(l *liveMap, t *mapTry) spread.End {
	no := &Refused{Reason: reasonOf(t.err)}
	if t.rec == nil {
		no.Text = t.err.Error()
	} else {
		no.Reason, no.Text = t.rec.Reason, t.rec.Error
		switch {
		case t.rec.State == Done:
			return spread.Done
		case t.moot:
			return spread.Stopped
		case no.Reason == OutOfFuel && t.rec.cappedByCredit():
			return spread.Short
		case t.rec.Order != nil || len(t.rec.Tried) > 0, no.Reason == Cancelled:
			return spread.Failed
		}
	}
	if slices.Contains(itsOwn, no.Reason) {
		return spread.Failed
	}
	l.mu.Lock()
	l.last = no
	l.mu.Unlock()
	if no.Reason == RefusedPrice {
		return spread.Short
	}
	return spread.Refused
}

// cappedByCredit says that the job had no more fuel because its cap covered none.
func (r *jobRecord) cappedByCredit() bool {
	j := r.job()
	return r.Spec.Limits.Fuel == 0 && j.FuelLimit >= j.Price.Covers(r.mainSpec().MaxCredit, compute.MaxFuel)
}

// endMap writes down how a map has ended.
func (m *Market) endMap(l *liveMap) {
	l.writes.Wait()
	l.mu.Lock()
	r := l.rec
	r.State, r.Ended = MapDone, time.Now().UnixMilli()
	if l.plan.Left() > 0 {
		r.State = MapStopped
		switch {
		case l.failure != nil:
			r.Reason, r.Error = Internal, clip(l.failure.Error())
		case r.Stop:
			r.Reason, r.Error = Cancelled, "stopped by this node"
		case l.plan.Exceeded() && l.last == nil:
			r.Reason = RefusedPrice
			r.Error = fmt.Sprintf("%s of the %s credits that it may cost are spent: the rest does not cover the next item", l.plan.Spent(), r.Spec.MaxCredit)
		case l.last != nil:
			r.Reason, r.Error = l.last.Reason, clip(l.last.Text)
		}
	}
	r.Stop = false
	l.rec = r
	l.mu.Unlock()

	k := m.maps
	err := k.save(&r)
	if err != nil {
		m.log.Error("cannot write a map's end", "map", r.ID.Short(), "err", err)
	}
	m.blobs.Unpin(l.pinned...)
	k.mu.Lock()
	for i, old := range k.all {
		if old.ID == r.ID {
			*k.all[i] = r
		}
	}
	delete(k.live, r.ID)
	k.mu.Unlock()
	l.mu.Lock()
	l.touch()
	l.mu.Unlock()
}
