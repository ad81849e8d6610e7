package market

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
)

// TestEightJobs runs eight at once and eight more: all are done, billed as ever,
// and at no moment may strangers owe more than their budget, or more run than
// there are slots.
func TestEightJobs(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.Slots = 2 })
	var now, most atomic.Int32
	scripted(seller, func(_ context.Context, job compute.Job, live compute.Live) compute.Result {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		strangers := seller.ledger.Strangers()
		budget, used := strangers.Budget, strangers.Used
		if used > budget {
			t.Errorf("strangers use %s of %s", used, budget)
		}
		write(t, live, job.Args[1])
		now.Add(-1)
		return compute.Result{End: compute.Exit, Stdout: []byte(job.Args[1]), Fuel: 1_000_000}
	})
	var all sync.WaitGroup
	var owes atomic.Int64
	for i := range 16 {
		s := primes(buyer, fmt.Sprint(i))
		if i%2 == 0 {
			s.MaxCredit = 2 * ledger.Credit // some share the budget, some take all of it
		}
		all.Go(func() {
			j := buyer.run(s)
			if j.State != Done || j.Cost != 1000 {
				t.Errorf("job %d: %s, %s (%s), cost %s", i, j.State, j.Reason, j.Error, j.Cost)
				return
			}
			owes.Add(int64(j.Cost))
			if got := buyer.log(j.ID, Stdout); got != fmt.Sprint(i) {
				t.Errorf("job %d: stdout %q", i, got)
			}
		})
	}
	all.Wait()
	agree(t, buyer, seller, ledger.Amount(owes.Load()))
	if most.Load() > 2 {
		t.Errorf("%d ran at once, want at most 2", most.Load())
	}
}

// TestBusy shows that a full seller says so, that the buyer waits, and that the
// job runs when there is room.
func TestBusy(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.Slots, p.Queue = 1, 0 })
	running, done := make(chan struct{}, 10), make(chan struct{})
	scripted(seller, func(context.Context, compute.Job, compute.Live) compute.Result {
		running <- struct{}{}
		<-done
		return compute.Result{End: compute.Exit, Fuel: 1}
	})
	s := primes(buyer, "1")
	s.MaxCredit = ledger.Credit
	first := buyer.submit(s)
	<-running
	second := buyer.submit(s)
	for u, err := range buyer.Watch(t.Context(), second, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(u.Events); n > 0 && u.Events[n-1].Reason == Busy {
			break
		}
	}
	close(done)
	for _, id := range []ID{first, second} {
		if j := buyer.wait(id); j.State != Done {
			t.Errorf("%s: %s", j, j.Error)
		}
	}
	agree(t, buyer, seller, 2)

	s.Timeout = 300 * time.Millisecond
	seller.sell(func(p *Policy) { p.PerBuyer, p.Slots = 1, 4 })
	blocked := make(chan struct{})
	defer close(blocked)
	scripted(seller, func(ctx context.Context, _ compute.Job, _ compute.Live) compute.Result {
		running <- struct{}{}
		select {
		case <-blocked:
		case <-ctx.Done():
		}
		return compute.Result{End: compute.Interrupted, Fuel: 1}
	})
	long := s
	long.Timeout = time.Minute
	other := buyer.submit(long)
	<-running
	<-running
	if j := buyer.run(s); j.Reason != Timeout || j.Cost != 0 {
		t.Errorf("above this buyer's share: %+v", j)
	}
	if err := buyer.Cancel(t.Context(), other); err != nil {
		t.Error(err)
	}
}

// TestStrangers shows that any number of strangers get no more than the one
// budget: holds and debts of all of them together stay within it.
func TestStrangers(t *testing.T) {
	const buyers = 3
	sea := nodetest.New(t, buyers+1)
	seller := newTrader(t, sea, buyers, &tricky{runs: make(chan struct{}, 100)}, nil)
	seller.sell(func(p *Policy) { p.Slots, p.Quantum = 8, 4*Gfuel }) // each is paid at once, and held in full
	running, done := make(chan struct{}, 10), make(chan struct{})
	scripted(seller, func(_ context.Context, job compute.Job, _ compute.Live) compute.Result {
		running <- struct{}{}
		<-done
		return compute.Result{End: compute.OutOfFuel, Fuel: job.Limits.Fuel}
	})
	var ids []ID
	var all []*trader
	for i := range buyers {
		b := newTrader(t, sea, i, &tricky{}, nil)
		s := primes(b, "1")
		s.Limits.Fuel = 2 * Gfuel // two credits each, five for all newcomers
		all = append(all, b)
		ids = append(ids, b.submit(s))
		if i < 2 {
			<-running
		}
	}
	if j := all[2].wait(ids[2]); j.Reason != RefusedCredit {
		t.Errorf("the third: %+v", j)
	}
	close(done)
	for i := range 2 {
		if j := all[i].wait(ids[i]); j.Reason != OutOfFuel || j.Cost != 2*ledger.Credit {
			t.Errorf("buyer %d: %+v", i, j)
		}
	}
	for i := range 2 { // both payments come and take the place of the holds
		agreeLine(t, all[i], seller, 2*ledger.Credit, 4*ledger.Credit)
	}
}

// TestUnpaid shows that a seller whose buyer never pays keeps the room held,
// also over a restart, and forgets the sale after a week.
func TestUnpaid(t *testing.T) {
	buyer, seller, wire := tapped(t)
	wire.set(func(scope string) error {
		if scope == "credit:push" {
			return errors.New("the buyer keeps its promise to itself")
		}
		return nil
	}, nil)
	s := primes(buyer, "100")
	j := buyer.run(s)
	if j.State != Done {
		t.Fatalf("%+v", j)
	}
	for range 2 {
		e, err := seller.Earnings()
		if used := seller.ledger.Strangers().Used; used != j.Cost || err != nil || e.Due != j.Cost || e.Paid != 0 {
			t.Errorf("strangers use %s, earnings %+v, %v", used, e, err)
		}
		seller.halt()
		seller.start()
	}
	if err := seller.forgetSales(time.Now().Add(saleAge + time.Minute)); err != nil {
		t.Fatal(err)
	}
	if used := seller.ledger.Strangers().Used; used != 0 {
		t.Errorf("strangers still use %s", used)
	}
	sales, err := seller.Sales(10)
	if err != nil || len(sales) != 1 || sales[0].State != SaleRefused || sales[0].Reason != NotPaid {
		t.Errorf("%+v, %v", sales, err)
	}
}
