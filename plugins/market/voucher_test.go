package market

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
)

// watched is a ledger whose part in the payment of a job can be met, before and
// after each of its steps, and refused.
type watched struct {
	credit
	noLocks    atomic.Bool // nobody may lock
	locksTaken atomic.Bool // anybody may, however many there are
	mayNotSell atomic.Bool // by its certificate
	one        sync.Mutex  // held while at runs
	mu         sync.Mutex
	at         func(step string) error // under mu; nil does nothing
}

func (c *watched) MayLock(peer identity.Entity) bool {
	return !c.noLocks.Load() && (c.locksTaken.Load() || c.credit.MayLock(peer))
}

func (c *watched) MaySell() bool { return !c.mayNotSell.Load() && c.credit.MaySell() }

func (c *watched) hit(step string) error {
	c.mu.Lock()
	at := c.at
	c.mu.Unlock()
	if at == nil {
		return nil
	}
	c.one.Lock()
	defer c.one.Unlock()
	return at(step)
}

func (c *watched) set(at func(step string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// allow does nothing from now on.
func (c *watched) allow() { c.set(nil) }

func (c *watched) Lock(ctx context.Context, peer identity.Entity, amount ledger.Amount, ref identity.Hash, t ledger.LockTerms) (ledger.Entry, error) {
	if err := c.hit("before the lock"); err != nil {
		return ledger.Entry{}, err
	}
	e, err := c.credit.Lock(ctx, peer, amount, ref, t)
	if err == nil {
		err = c.hit("after the lock")
	}
	return e, err
}

func (c *watched) SignVoucher(peer identity.Entity, lock identity.Hash, cum ledger.Amount, fuel uint64) (ledger.Voucher, error) {
	if err := c.hit("before a voucher"); err != nil {
		return ledger.Voucher{}, err
	}
	v, err := c.credit.SignVoucher(peer, lock, cum, fuel)
	if err == nil {
		err = c.hit("after a voucher")
	}
	return v, err
}

func (c *watched) TakeVoucher(ctx context.Context, peer identity.Entity, v ledger.Voucher) error {
	if err := c.hit("before it is taken"); err != nil {
		return err
	}
	err := c.credit.TakeVoucher(ctx, peer, v)
	if err == nil {
		err = c.hit("after it was taken")
	}
	return err
}

func (c *watched) Release(peer identity.Entity, lock identity.Hash, cum ledger.Amount) (ledger.Release, error) {
	if err := c.hit("before the release"); err != nil {
		return ledger.Release{}, err
	}
	r, err := c.credit.Release(peer, lock, cum)
	if err == nil {
		err = c.hit("after the release")
	}
	return r, err
}

func (c *watched) Fold(ctx context.Context, peer identity.Entity, lock identity.Hash, rel *ledger.Release) error {
	if err := c.hit("before the fold"); err != nil {
		return err
	}
	err := c.credit.Fold(ctx, peer, lock, rel)
	if err == nil {
		err = c.hit("after the fold")
	}
	return err
}

const (
	testQuantum = Gfuel / 4
	testLimit   = 4 * Gfuel
)

// paced makes the seller's guest use fuel in steps of a tenth of a quantum, as
// long as it is not held, until it is at used.
func paced(seller *trader, used uint64) { pacedAt(seller, used, func(uint64) {}) }

// pacedAt is paced, with at called after each step.
func pacedAt(seller *trader, used uint64, at func(fuel uint64)) {
	scripted(seller, func(ctx context.Context, job compute.Job, live compute.Live) compute.Result {
		s := seller.running(job)
		for fuel := uint64(0); fuel < used; {
			fuel += testQuantum / 10
			live.Progress(fuel)
			at(fuel)
			for {
				s.mu.Lock()
				changed, why := s.changed, s.tab.held
				s.mu.Unlock()
				if why == "" {
					break
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return compute.Result{End: compute.Interrupted, Fuel: fuel}
				}
			}
			if ctx.Err() != nil {
				return compute.Result{End: compute.Interrupted, Fuel: fuel}
			}
		}
		return compute.Result{End: compute.Exit, Fuel: used}
	})
}

// running is the sale of a job.
func (tr *trader) running(job compute.Job) *sale {
	for _, s := range tr.liveSales() {
		if s.work.Hash() == job.Hash() && s.copy().State == SaleRunning {
			return s
		}
	}
	return nil
}

// vouching is a buyer and a seller whose ledgers are watched, with quanta of
// testQuantum.
func vouching(t *testing.T) (buyer, seller *trader, bought, sold *watched) {
	t.Helper()
	sea := nodetest.New(t, 2)
	bought, sold = &watched{}, &watched{}
	buyer = newTrader(t, sea, 0, &tricky{}, func(tr *trader) {
		tr.swift = 1 << 62 // these guests are
		tr.lends = func(c credit) credit { bought.credit = c; return bought }
	})
	seller = newTrader(t, sea, 1, &tricky{}, func(tr *trader) {
		tr.cfg.InputPatience = time.Hour // see endPatience
		tr.lends = func(c credit) credit { sold.credit = c; return sold }
	})
	seller.sell(func(p *Policy) { p.Quantum = testQuantum })
	return buyer, seller, bought, sold
}

// endPatience has the seller end the guest that it holds for that reason. A
// voucher that is on its way may let it go on once more.
func endPatience(seller *trader, why Reason) {
	for ended := false; !ended; <-time.After(time.Millisecond) {
		for _, s := range seller.liveSales() {
			s.mu.Lock()
			if s.tab.held == why {
				s.tab.since = time.Now().Add(-2 * seller.Market.cfg.InputPatience)
				s.touch()
			}
			ended = ended || s.tab.stopped == why
			s.mu.Unlock()
		}
	}
}

// delivered waits for a sale that is, and whose room is settled.
func (tr *trader) delivered() Sale {
	tr.t.Helper()
	for {
		sales, err := tr.Sales(1)
		if err != nil {
			tr.t.Fatal(err)
		}
		if len(sales) == 1 && sales[0].State == SaleDelivered && tr.ledger.Strangers().Used == sales[0].Cost {
			return sales[0]
		}
		<-time.After(time.Millisecond)
	}
}

func longJob(tr *trader) Spec {
	s := primes(tr, "1")
	s.Limits.Fuel = testLimit
	return s
}

func price(fuel uint64) ledger.Amount {
	cost, _ := DefaultPolicy().Cost(fuel)
	return cost
}

// TestVouchers shows a job that is paid as it runs: what it may cost is locked
// once, vouchers follow the fuel, none covers the last quantum, and the bill
// closes the lock.
func TestVouchers(t *testing.T) {
	t.Parallel()
	buyer, seller, bought, _ := vouching(t)
	var mu sync.Mutex
	steps := map[string]int{}
	bought.set(func(step string) error {
		mu.Lock()
		defer mu.Unlock()
		steps[step]++
		return nil
	})
	paced(seller, testLimit)
	j := buyer.run(longJob(buyer))
	if j.State != Done || !j.Paid || j.Cost != price(testLimit) || j.Locked != price(testLimit) {
		t.Fatalf("%s (%s), %s: paid %v, cost %s, locked %s", j.State, j.Error, j.Reason, j.Paid, j.Cost, j.Locked)
	}
	if j.Vouched > price(testLimit-testQuantum) || j.Vouched < price(testLimit-2*testQuantum) {
		t.Errorf("vouched %s of %s", j.Vouched, j.Cost)
	}
	const quanta = testLimit / testQuantum
	if got := steps["after a voucher"]; steps["after the lock"] != 1 || steps["after the fold"] != 1 || got < quanta/2 || got > quanta {
		t.Errorf("steps %v", steps)
	}
	agree(t, buyer, seller, j.Cost)

	// One that ends within the quantum is paid at once, and locks nothing.
	clear(steps)
	paced(seller, testQuantum/4)
	small := buyer.run(longJob(buyer))
	if small.State != Done || !small.Paid || small.Locked != 0 || len(steps) != 0 {
		t.Errorf("%s (%s), locked %s, steps %v", small.State, small.Error, small.Locked, steps)
	}
	agree(t, buyer, seller, j.Cost+small.Cost)
}

// cut ends a trader in the middle of a step, which goes on when gone is closed.
// Nothing of it goes on after the step; a seller is in the middle of an answer,
// which its end waits for.
func (tr *trader) cut(at *watched, gone chan struct{}, answers bool) {
	at.allow()
	stopped := make(chan struct{})
	go func() { tr.halt(); close(stopped) }()
	for !answers && tr.spawn(func(context.Context) {}) {
		<-time.After(time.Millisecond)
	}
	close(gone)
	<-stopped
}

// TestNoVoucher shows that a seller whose buyer gives no voucher, from the
// first or from a later one on, loses no more than what it sets aside for one
// that runs, says why it stopped, and bills what ran.
func TestNoVoucher(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1, 5} {
		buyer, seller, bought, _ := vouching(t)
		refused := make(chan struct{})
		n := 0
		bought.set(func(step string) error {
			if step != "before a voucher" {
				return nil
			}
			if n++; n == after+1 {
				close(refused) // what was given before has been taken
			}
			if n > after {
				return ledger.ErrReadOnly
			}
			return nil
		})
		paced(seller, testLimit)
		id := buyer.submit(longJob(buyer))
		<-refused
		endPatience(seller, NoVoucher)
		sale := seller.delivered() // the buyer's ledger would not pay the bill either
		if rest := sale.Cost - sale.Vouched; rest > price(running(testQuantum)) || (sale.Vouched == 0) != (after == 0) {
			t.Errorf("after %d vouchers the seller is owed %s beyond the %s that are vouched", after, rest, sale.Vouched)
		}
		bought.allow()
		j := buyer.wait(id)
		if j.State != Failed || j.Reason != NoVoucher || !j.Paid || !strings.Contains(j.Hint, "within reach") {
			t.Errorf("after %d vouchers: %s, %s (%s)", after, j.State, j.Reason, j.Error)
		}
		agree(t, buyer, seller, j.Cost)
	}
}

// TestHeld holds a guest in a process of its own for want of a voucher, and ends
// it: what it used by then is the bill, and can be verified.
func TestHeld(t *testing.T) {
	t.Parallel()
	buyer, seller, bought, _ := vouching(t)
	seller.engine = workers(t)
	seller.halt()
	seller.start()
	bought.set(func(step string) error {
		if step == "before a voucher" {
			return ledger.ErrReadOnly
		}
		return nil
	})
	id := buyer.submit(Spec{Module: buyer.put(endless)})
	endPatience(seller, NoVoucher)
	seller.delivered()
	bought.allow()
	j := buyer.wait(id)
	if j.State != Failed || j.Reason != NoVoucher || j.End != compute.Interrupted || !j.Paid || j.Fuel < held(testQuantum) || j.Cost >= j.Ceiling {
		t.Fatalf("%s, %s (%s), %d fuel, cost %s", j.State, j.Reason, j.Error, j.Fuel, j.Cost)
	}
	v, err := buyer.book.Verify(t.Context(), j.ID, workers(t))
	if err != nil || !v.Match {
		t.Errorf("verify: %+v, %v", v, err)
	}
	agree(t, buyer, seller, j.Cost)
}

// TestBuyerGone shows what a seller loses whose buyer vanishes for good after
// any number of vouchers: the part that runs. What is vouched stays a claim and
// counts against the limit.
func TestBuyerGone(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1, 4} {
		buyer, seller, _, sold := vouching(t)
		full, gone := make(chan struct{}), make(chan struct{})
		var once sync.Once
		n := 0
		sold.set(func(step string) error {
			switch {
			case after == 0 && step == "before it is taken":
			case after > 0 && step == "after it was taken":
				n++
			default:
				return nil
			}
			if n == after {
				once.Do(func() { close(full) })
				<-gone // nothing more is taken
				if after == 0 {
					return errors.New("lost on its way")
				}
			}
			return nil
		})
		paced(seller, testLimit)
		buyer.submit(longJob(buyer))
		<-full
		buyer.halt()
		close(gone)
		endPatience(seller, NoVoucher)
		sale := seller.delivered()
		if rest := sale.Cost - sale.Vouched; rest > price(running(testQuantum)) || sale.Reason != NoVoucher || (sale.Vouched == 0) != (after == 0) {
			t.Errorf("after %d: %+v", after, sale)
		}
	}
}

// TestSellerTakesVouchers shows what a buyer loses whose seller vanishes or
// lies: no more than what it vouched for, which is never all of the ceiling, and
// nothing for fuel that no machine can have used.
func TestSellerTakesVouchers(t *testing.T) {
	t.Parallel()
	buyer, seller, _, _ := vouching(t)
	buyer.Market.cfg.Patience = 5 * time.Second
	shown := make(chan struct{})
	scripted(seller, func(ctx context.Context, _ compute.Job, live compute.Live) compute.Result {
		live.Progress(testLimit) // a lie
		close(shown)
		<-ctx.Done()
		return compute.Result{End: compute.Interrupted, Fuel: testLimit}
	})
	id := buyer.submit(longJob(buyer))
	for u, err := range buyer.Watch(t.Context(), id, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Vouched > 0 {
			break
		}
	}
	seller.halt()
	j := buyer.wait(id)
	if j.State != Failed || j.Reason != SellerLost || j.Paid || j.Vouched != price(testLimit-testQuantum) || j.Locked != j.Ceiling {
		t.Errorf("%s, %s (%s): vouched %s of %s", j.State, j.Reason, j.Error, j.Vouched, j.Ceiling)
	}
	if strings.Contains(j.Hint, "nothing was paid") {
		t.Errorf("the hint is %q", j.Hint)
	}
	// What is left in the lock is the buyer's again when it has expired.
	buyer.closeLocks(t.Context(), time.Now())
	if n := len(buyer.ledger.Locks(seller.key.Entity())); n != 1 {
		t.Errorf("%d locks are open before they expire", n)
	}

	buyer, seller, _, _ = vouching(t)
	buyer.fastest = 1 // fuel a second
	paced(seller, testLimit)
	id = buyer.submit(longJob(buyer))
	endPatience(seller, NoVoucher)
	j = buyer.wait(id)
	if j.Reason != NoVoucher || j.Vouched != 0 || j.Cost > price(running(testQuantum)) {
		t.Errorf("too fast: %s (%s), vouched %s, cost %s", j.Reason, j.Error, j.Vouched, j.Cost)
	}
}

// TestSteps shows a job that may cost more than its buyer may owe: it is held
// at the limit, goes on when there is room, and ends there when none comes.
func TestSteps(t *testing.T) {
	t.Parallel()
	buyer, seller, _, _ := vouching(t)
	s := longJob(buyer)
	s.Limits.Fuel, s.MaxCredit = 12*Gfuel, 12*ledger.Credit
	paced(seller, 12*Gfuel)
	id := buyer.submit(s)
	for u, err := range buyer.Watch(t.Context(), id, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Job != nil {
			t.Fatalf("it ended: %+v", u.Job)
		}
		if slices.ContainsFunc(u.Events, func(e Event) bool { return e.Reason == CreditLimit }) {
			break
		}
	}
	if all := seller.ledger.Strangers(); all.Used > all.Newcomers+price(testQuantum) {
		t.Errorf("strangers use %s of %s", all.Used, all.Newcomers)
	}
	if err := seller.ledger.Grant(buyer.key.Entity(), 20*ledger.Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	j := buyer.wait(id)
	if j.State != Done || j.Cost != 12*ledger.Credit {
		t.Fatalf("%s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
	}

	buyer, seller, _, _ = vouching(t)
	paced(seller, 12*Gfuel)
	s.Module = longJob(buyer).Module
	id = buyer.submit(s)
	endPatience(seller, CreditLimit)
	j = buyer.wait(id)
	if j.State != Failed || j.Reason != CreditLimit || !j.Paid || j.Cost > 6*ledger.Credit || !strings.Contains(j.Hint, "grant") {
		t.Errorf("%s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
	}
	agree(t, buyer, seller, j.Cost)
}

// TestQuantum shows that quanta are short where the room is small, never so
// short that signatures cost more than a hundredth of the work, and that small
// jobs have none.
func TestQuantum(t *testing.T) {
	m := &Market{}
	p := Policy{Price: Price{PerGfuel: ledger.Credit}}
	for _, known := range []time.Duration{0, time.Hour, 3 * time.Second, time.Second / 2, ratedFor} { // of 8 Gfuel
		m.rate.saw(8*Gfuel, known)
		for _, room := range []ledger.Amount{0, 1, ledger.Credit, 1000 * ledger.Credit} {
			q := m.quantum(p, compute.MaxFuel, room)
			if work := time.Duration(float64(q) / fastestRate * float64(time.Second)); work < 100*signing() {
				t.Errorf("at %d fuel a second, with room for %s, the fastest guest does a quantum in %v; a voucher takes %v", m.rate.in(time.Second), room, work, signing())
			}
		}
	}
	m = &Market{}
	least := max(m.rate.in(4*lookTime), signedQuantum())
	tests := []struct {
		name  string
		limit uint64
		room  ledger.Amount
		want  uint64
	}{
		{"wide", 100 * Gfuel, 1000 * ledger.Credit, max(4*Gfuel, least)},
		{"strangers", 100 * Gfuel, 10 * ledger.Credit, max(2_500_000_000/3*2, least)},
		{"small", 6 * Gfuel, 1000 * ledger.Credit, 0},
		{"no room", 100 * Gfuel, 0, least},
	}
	for _, tt := range tests {
		if got := m.quantum(p, tt.limit, tt.room); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if got := m.quantum(Policy{Price: Price{Fee: 5}}, 1000*Gfuel, 0); got != 0 {
		t.Errorf("of a job that costs no fuel: %d", got)
	}
	m.rate.saw(8*Gfuel, time.Second)
	if got := m.quantum(p, 100*Gfuel, 1000*ledger.Credit); got != 8*Gfuel {
		t.Errorf("at 8 Gfuel a second: %d", got)
	}
	if got, want := m.quantum(p, 100*Gfuel, 0), max(m.rate.in(4*lookTime), signedQuantum()); got != want {
		t.Errorf("at 8 Gfuel a second, without room: %d, want %d", got, want)
	}
	m.rate.saw(Gfuel, time.Millisecond) // too short to tell
	m.rate.saw(1, time.Hour)            // slower than is reckoned with
	if got := m.rate.in(time.Second); got != 8*Gfuel-(8*Gfuel-slowestUsual)/4 {
		t.Errorf("the rate is %d", got)
	}
}
