package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
)

// lockTime is how long after the job's own time its lock stays open at least: what
// is vouched stays a claim for ever, and the rest nobody needs by then.
const lockTime = time.Hour

// lockAgain is the pause before a lock or a voucher that the ledger would not
// make is tried again.
const lockAgain = time.Second

// purse is what a buyer pays an order with while it runs. A lock is made when
// half of the first quantum is used, so that a job that ends before costs no
// lock; vouchers follow for each quantum that the seller shows, never for the
// last one: that is paid when the output was checked.
type purse struct {
	quantum uint64       // 0 pays on delivery
	most    uint64       // fuel; no voucher is for more
	hold    *ledger.Hold // of what may still come

	lock    identity.Hash // zero before it is made
	void    bool          // it expired and was taken back: it can be paid, and takes no vouchers
	newest  []byte        // voucher, encoded
	vouched ledger.Amount
	covered uint64 // the fuel that is for

	shown    uint64        // fuel, by the seller of this order
	began    time.Time     // when the guest was first seen to run
	pause    time.Duration // until a voucher that is due can be given; 0 is none
	told     bool          // that the ledger does not do it
	held     Reason        // what the seller said last
	released time.Time     // until when the seller's release is waited for
}

// reserve sets aside what the order of a quote may make us owe; the order's hash
// is zero until there is one. One that does not fit, were it alone, may run in
// parts.
func (m *Market) reserve(seller identity.Entity, q Quote, order identity.Hash) (*ledger.Hold, error) {
	hold, err := m.credit.Reserve(seller, q.Ceiling, order)
	var limit *ledger.LimitError
	if q.Quantum > 0 && errors.As(err, &limit) && limit.Held == 0 {
		return m.credit.Reserve(seller, q.part(0), order)
	}
	return hold, err
}

// openPurse begins, with the lock of an earlier run if there is one.
func (t *trade) openPurse(hold *ledger.Hold) {
	if t.quote.Quantum == 0 || t.work.Limits.Fuel <= t.quote.Quantum {
		return
	}
	t.purse = purse{quantum: t.quote.Quantum, most: t.work.Limits.Fuel - t.quote.Quantum, hold: hold}
	for _, k := range t.m.credit.Locks(t.r.Quote.By) {
		if k.Mine && k.Ref == t.hash {
			t.locked(k.Lock)
			t.purse.void = k.Void
		}
	}
}

// locked takes in that there is a lock.
func (t *trade) locked(lock identity.Hash) {
	t.purse.lock = lock
	t.j.update(func(r *jobRecord) { r.Lock = lock })
}

// isHeld takes in whether the guest is held, and says so when only somebody's
// help lets it go on.
func (t *trade) isHeld(why Reason) {
	if why == t.purse.held {
		return
	}
	t.purse.held = why
	text := map[Reason]string{
		CreditLimit:  "this node owes as much as it may there",
		Revoked:      "the entity that this node acted for has taken its certificate back",
		SellerPaused: "it has paused",
	}[why]
	if text != "" {
		t.j.update(func(r *jobRecord) {
			r.event(eventRecord{Text: "the seller holds the job: " + text, Reason: why, Seller: r.Quote.By})
		})
	}
}

// wait is how long an answer may take, in milliseconds.
func (p purse) wait() uint64 {
	if p.pause > 0 {
		return min(uint64(p.pause.Milliseconds())+1, followMillis)
	}
	return followMillis
}

// vouch gives the voucher that is due, if one is. It is for what the seller has
// shown, and not for more than the fastest machine can have done.
func (t *trade) vouch(ctx context.Context) {
	p := &t.purse
	p.pause = 0
	if p.quantum == 0 || !t.running || over(t.j.stop) {
		return
	}
	if p.began.IsZero() {
		p.began = time.Now()
	}
	if p.shown < p.quantum/2 {
		return
	}
	if err := t.pay(ctx, p.shown); err != nil && ctx.Err() == nil {
		p.pause = lockAgain
		if !p.told {
			p.told = true
			t.m.log.Warn("a job cannot be paid as it runs", "job", t.r.ID.Short(), "peer", t.r.Quote.By.Short(), "err", err)
			t.j.update(func(r *jobRecord) {
				r.event(eventRecord{Text: clip(fmt.Sprintf("no voucher can be given now, trying again: %v", err)), Reason: NoVoucher, Seller: r.Quote.By})
			})
		}
	}
}

// pay locks, and vouches for the fuel that is shown.
func (t *trade) pay(ctx context.Context, shown uint64) error {
	p, seller := &t.purse, t.r.Quote.By
	if p.lock == (identity.Hash{}) {
		e, err := t.m.credit.Lock(ctx, seller, t.quote.Ceiling, t.hash, ledger.LockTerms{
			Expiry: lockExpiry(time.UnixMilli(t.r.Created).Add(t.r.Spec.Timeout + lockTime)),
			Quote:  t.r.Quote.Hash(QuotePurpose),
		})
		if err != nil {
			return fmt.Errorf("lock %s credits: %w", t.quote.Ceiling, err)
		}
		t.locked(e.Hash())
		failpoint.Hit("market:locked")
	}
	if p.void {
		return errors.New("the lock had expired and was taken back")
	}
	due := min(shown, p.most)
	if due <= p.covered || shown-p.covered < p.quantum {
		return nil
	}
	if can := time.Duration(float64(due) / float64(t.m.fastest) * float64(time.Second)); time.Since(p.began) < can {
		p.pause = can - time.Since(p.began)
		return nil
	}
	cost, ok := t.quote.Cost(due)
	if !ok {
		return errors.New("it costs more than there is")
	}
	v, err := t.m.credit.SignVoucher(seller, p.lock, cost, due)
	if err != nil {
		return fmt.Errorf("sign a voucher: %w", err)
	}
	p.newest, p.vouched, p.covered = v.Encode(), cost, due
	p.hold.Lower(t.quote.part(cost))
	t.j.advance(progress{vouched: cost})
	failpoint.Hit("market:vouched")
	return nil
}

// lacksRelease says whether to ask again for a seller's release of the lock: the
// lock is on another way than the order.
func (t *trade) lacksRelease(ctx context.Context, f follow) (again bool, err error) {
	if t.purse.lock == (identity.Hash{}) || len(f.Release) > 0 {
		return false, nil
	}
	if t.purse.released.IsZero() {
		t.purse.released = time.Now().Add(t.m.cfg.Patience)
	}
	if time.Now().After(t.purse.released) {
		return false, nil
	}
	select {
	case <-time.After(firstPause):
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// giveUp closes the lock of an order that came to nothing.
func (t *trade) giveUp(ctx context.Context, release []byte) {
	if t.purse.lock == (identity.Hash{}) || len(release) == 0 {
		return
	}
	if err := t.m.fold(ctx, t.r.Quote.By, t.purse.lock, release); err != nil {
		t.m.log.Warn("a lock stays open until it expires", "job", t.r.ID.Short(), "peer", t.r.Quote.By.Short(), "err", err)
	}
}

// payOnce pays a delivery, out of its lock or by itself when there is none, and
// says how much was paid for it in all.
func (m *Market) payOnce(ctx context.Context, r *jobRecord, d Delivery, fuel uint64) (ledger.Amount, error) {
	seller := r.Quote.By
	paid, _, err := m.credit.Paid(seller, d.Order)
	if err != nil {
		return 0, err
	}
	if !m.hasLock(seller, r.Lock) {
		if paid >= d.Cost {
			return paid, nil
		}
		// One that was closed before anything came of it is as good as none.
		_, err := m.credit.Pay(ctx, seller, d.Cost, d.Order)
		return d.Cost, err
	}
	// The ledger folds the highest voucher: that is the bill, or more if the
	// seller ran the job further before and showed that.
	if paid < d.Cost {
		if _, err := m.credit.SignVoucher(seller, r.Lock, d.Cost, fuel); err != nil {
			return paid, err
		}
	}
	if err := m.fold(ctx, seller, r.Lock, r.Release); err != nil {
		return paid, err
	}
	paid, _, err = m.credit.Paid(seller, d.Order)
	if err == nil && paid < d.Cost {
		err = fmt.Errorf("%s credits of %s are paid", paid, d.Cost)
	}
	return paid, err
}

// hasLock says whether a lock of ours is not closed for good.
func (m *Market) hasLock(seller identity.Entity, lock identity.Hash) bool {
	return slices.ContainsFunc(m.credit.Locks(seller), func(k ledger.Lock) bool { return k.Mine && k.Lock == lock })
}

// locksWith counts our locks with a seller that are not closed for good.
func (m *Market) locksWith(seller identity.Entity) (n int) {
	for _, k := range m.credit.Locks(seller) {
		if k.Mine {
			n++
		}
	}
	return n
}

// fold pays what is vouched and closes the lock, if its seller released it.
func (m *Market) fold(ctx context.Context, seller identity.Entity, lock identity.Hash, release []byte) error {
	var rel *ledger.Release
	if len(release) > 0 {
		r, err := ledger.DecodeRelease(release)
		if err != nil {
			return err
		}
		rel = &r
	}
	return m.credit.Fold(ctx, seller, lock, rel)
}

// sweepLocks closes old locks, now and then. The first time is not at the start:
// the jobs that go on then have to be found first, with what they still owe.
func (m *Market) sweepLocks(ctx context.Context) {
	tick := time.NewTicker(lockTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.closeLocks(ctx, time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// closeLocks takes back what is left in locks of ours that have expired: of
// orders whose seller vanished, or was not paid. What is vouched stays a claim.
// A job that has not ended keeps its lock: it may still be paid by it.
func (m *Market) closeLocks(ctx context.Context, now time.Time) {
	open := m.book.orders()
	for _, line := range m.credit.Lines() {
		if line.Mine.Locked == 0 {
			continue
		}
		for _, k := range m.credit.Locks(line.Peer) {
			if _, ok := open[k.Ref]; ok || !k.Mine || k.Void || k.Terms.Expiry >= lockExpiry(now) {
				continue
			}
			if err := m.fold(ctx, line.Peer, k.Lock, nil); err != nil && ctx.Err() == nil {
				m.log.Warn("a lock that has expired stays open", "peer", line.Peer.Short(), "err", err)
			}
		}
	}
}

// lockExpiry is the ledger's tick at a time.
func lockExpiry(at time.Time) uint64 { return uint64(at.Unix()) / 10 }
