package market

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// TestPaidInParts has the buyer's ledger fold a part of what is vouched while
// the job runs. That is not the bill: the rest follows, and both sides count it.
func TestPaidInParts(t *testing.T) {
	t.Parallel()
	buyer, seller, bought, _ := vouching(t)
	to := seller.key.Entity()
	n := 0
	bought.set(func(step string) error {
		if step == "after a voucher" {
			n++
		}
		if step != "after a voucher" || n != 3 {
			return nil
		}
		return buyer.ledger.Fold(t.Context(), to, buyer.ledger.Locks(to)[0].Lock, nil)
	})
	paced(seller, testLimit)
	j := buyer.run(longJob(buyer))
	if j.State != Done || !j.Paid || n <= 3 {
		t.Errorf("%s, %s (%s), paid %v, %d vouchers", j.State, j.Reason, j.Error, j.Paid, n)
	}
	agree(t, buyer, seller, j.Cost)
	for seller.newest().State != SalePaid {
		<-time.After(time.Millisecond)
	}
}

// TestClocksApart has a job paid as it runs between ledgers whose clocks are two
// minutes apart, one way and the other. What the market itself stamps is compared with
// the clock of who wrote it only.
func TestClocksApart(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Minute, time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			buyer, seller, _, _ := vouching(t)
			buyer.ahead.Store(int64(ahead))
			seller.ahead.Store(int64(-ahead))
			paced(seller, testLimit)
			j := buyer.run(longJob(buyer))
			if j.State != Done || !j.Paid || j.Vouched == 0 {
				t.Errorf("%s, %s (%s), paid %v, vouched %s", j.State, j.Reason, j.Error, j.Paid, j.Vouched)
			}
			agree(t, buyer, seller, j.Cost)
		})
	}
}

// newest is the newest sale.
func (tr *trader) newest() Sale {
	tr.t.Helper()
	sales, err := tr.Sales(1)
	if err != nil || len(sales) == 0 {
		tr.t.Fatalf("%d sales, %v", len(sales), err)
	}
	return sales[0]
}

// TestVoidLockPaid has a lock expire and taken back while its job runs, of which
// a clock put forward is one way; then the seller may release it, or the buyer's
// process end. The guest ends for want of vouchers, and what it did is paid.
func TestVoidLockPaid(t *testing.T) {
	for _, then := range []string{"nothing", "released", "started again"} {
		t.Run(then, func(t *testing.T) { voidLock(t, then) })
	}
}

func voidLock(t *testing.T, then string) {
	t.Parallel()
	buyer, seller, bought, _ := vouching(t)
	to := seller.key.Entity()
	buyer.ahead.Store(int64(1000 * time.Hour))
	lost, gone := make(chan struct{}), make(chan struct{})
	var once sync.Once
	bought.set(func(step string) (err error) {
		if step != "after the lock" {
			return nil
		}
		once.Do(func() {
			err = buyer.ledger.Fold(t.Context(), to, buyer.ledger.Locks(to)[0].Lock, nil)
			if k := buyer.ledger.Locks(to); len(k) != 1 || !k[0].Void {
				err = errors.Join(err, errors.New("the lock is not void"))
			}
			for then == "released" && err == nil && len(buyer.ledger.Locks(to)) > 0 {
				var position []byte
				if position, err = seller.ledger.Position(buyer.key.Entity()); err == nil {
					err = buyer.ledger.Compare(t.Context(), to, position)
				}
			}
			if err != nil {
				t.Error(err)
			}
			close(lost)
			if then == "started again" {
				<-gone
				err = errors.New("the process has ended")
			}
		})
		return err
	})
	paced(seller, testLimit)
	id := buyer.submit(longJob(buyer))
	<-lost
	if then == "started again" {
		buyer.cut(bought, gone, false)
		buyer.start()
	}
	endPatience(seller, NoVoucher)
	j := buyer.wait(id)
	if j.State != Failed || j.Reason != NoVoucher || !j.Paid || j.Cost == 0 {
		t.Errorf("%s, %s (%s), paid %v, cost %s", j.State, j.Reason, j.Error, j.Paid, j.Cost)
	}
	agree(t, buyer, seller, j.Cost)
}

// swept is a ledger with locks of ours that have expired.
type swept struct {
	credit
	locks  []ledger.Lock
	folded []identity.Hash
}

func (c *swept) Lines() []ledger.Line {
	return []ledger.Line{{Mine: ledger.Half{Locked: 1}}}
}

func (c *swept) Locks(identity.Entity) []ledger.Lock { return c.locks }

func (c *swept) Fold(_ context.Context, _ identity.Entity, lock identity.Hash, _ *ledger.Release) error {
	c.folded = append(c.folded, lock)
	return nil
}

// TestSweepLeavesLiveJobs shows that a lock that has expired is not taken back
// while its job may still be paid by it, also when nobody follows the order.
func TestSweepLeavesLiveJobs(t *testing.T) {
	order := identity.Statement{By: identity.Entity{1}, Body: []byte("order")}
	lives := newJob(jobRecord{ID: NewID(), Order: &order}, t.TempDir())
	asks := newJob(jobRecord{ID: NewID()}, t.TempDir())
	c := &swept{locks: []ledger.Lock{
		{Mine: true, Lock: identity.Hash{1}, Ref: order.Hash(OrderPurpose)},
		{Mine: true, Lock: identity.Hash{2}, Ref: identity.Hash{2}},
		{Mine: true, Lock: identity.Hash{3}, Ref: identity.Hash{3}, Void: true},
		{Lock: identity.Hash{4}},
	}}
	m := &Market{credit: c, book: &Book{live: map[ID]*job{lives.rec.ID: lives, asks.rec.ID: asks}}}
	m.closeLocks(t.Context(), time.Now())
	if len(c.folded) != 1 || c.folded[0] != (identity.Hash{2}) {
		t.Errorf("taken back: %v", c.folded)
	}
}

// TestLocksNotReleased fills a buyer's locks with a seller that releases none: no
// long job is ordered there any more, which would end for want of vouchers. One
// without a lock is.
func TestLocksNotReleased(t *testing.T) {
	t.Parallel()
	buyer, seller, _, sold := vouching(t)
	sold.locksTaken.Store(true) // else the seller would not ask for vouchers
	to := seller.key.Entity()
	for range ledger.MaxLocks {
		terms := ledger.LockTerms{Expiry: 1, Quote: ledger.NewRef()}
		if _, err := buyer.ledger.Lock(t.Context(), to, 1, ledger.NewRef(), terms); err != nil {
			t.Fatal(err)
		}
	}
	paced(seller, testLimit)
	j := buyer.run(longJob(buyer))
	if j.State != Failed || j.Reason != RefusedCredit || j.Order != (identity.Hash{}) || !strings.Contains(j.Error, "released") {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
	paced(seller, testQuantum/4)
	short := longJob(buyer)
	short.Limits.Fuel = testQuantum
	if j := buyer.run(short); j.State != Done || !j.Paid {
		t.Errorf("a short one: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
}

// TestNoRoomForLocks shows that a seller whose ledger would not take a newcomer's
// lock does not ask for one: the job is paid on delivery.
func TestNoRoomForLocks(t *testing.T) {
	t.Parallel()
	buyer, seller, _, sold := vouching(t)
	sold.noLocks.Store(true)
	paced(seller, testLimit)
	j := buyer.run(longJob(buyer))
	if j.State != Done || !j.Paid || j.Locked != 0 || j.Vouched != 0 {
		t.Errorf("%s, %s (%s), locked %s, vouched %s", j.State, j.Reason, j.Error, j.Locked, j.Vouched)
	}
	agree(t, buyer, seller, j.Cost)
	s := longJob(buyer)
	s.Limits.Fuel, s.MaxCredit = 12*Gfuel, 12*ledger.Credit
	if j := buyer.run(s); j.Reason != RefusedCredit {
		t.Errorf("one that may cost more than a newcomer may owe: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
}
