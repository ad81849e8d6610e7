package market

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/state"
)

// among is a buyer among so many sellers.
func among(t *testing.T, n int) (buyer *trader, sellers []*trader) {
	t.Helper()
	sea := nodetest.New(t, n+1)
	e := testEngine(t)
	buyer = newTrader(t, sea, 0, e, nil)
	for i := 1; i <= n; i++ {
		s := newTrader(t, sea, i, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
		s.sell(nil)
		sellers = append(sellers, s)
	}
	return buyer, sellers
}

// addresses names the sellers, so that each of them is asked.
func addresses(sellers []*trader) (all []addr.Addr) {
	for _, s := range sellers {
		all = append(all, s.node.Addr())
	}
	return all
}

// flush waits until what was queued for the disk is there.
func (tr *trader) flush() {
	tr.t.Helper()
	var b state.Batch
	b.Delete(tr.book.jobs, []byte("nothing"))
	if err := tr.book.store.Commit(&b); err != nil {
		tr.t.Fatal(err)
	}
}

// TestWhy has five sellers refuse a job for four reasons: each is named with
// what would help, and what they signed is kept.
func TestWhy(t *testing.T) {
	t.Parallel()
	buyer, sellers := among(t, 5)
	sellers[0].sell(func(p *Policy) { p.PerGfuel = 2 * ledger.Credit })
	sellers[1].sell(func(p *Policy) { p.PerGfuel = 3 * ledger.Credit })
	sellers[2].sell(func(p *Policy) { p.Caps.MemoryPages = 4096 })
	sellers[3].sell(func(p *Policy) { p.Caps.Fuel = Gfuel / 2 })
	sellers[4].sell(nil)
	// The last one has offered, and pauses before it is asked.
	if _, err := buyer.Offers(t.Context(), addresses(sellers)...); err != nil {
		t.Fatal(err)
	}
	if err := sellers[4].SetShift(Shift{Mode: Draining}); err != nil {
		t.Fatal(err)
	}
	s := primes(buyer, "100")
	s.MaxPrice, s.Limits.Fuel, s.To = ledger.Credit, Gfuel, addresses(sellers)
	j := buyer.run(s)
	if j.State != Failed || j.Cost != 0 {
		t.Fatalf("%s (%s)", j.State, j.Error)
	}
	w, err := buyer.book.Why(j.ID)
	if err != nil || w.Asked != 5 || w.State != Failed || len(w.Why) != 4 {
		t.Fatalf("%+v, %v", w, err)
	}
	if n := w.Why[0]; n.Reason != RefusedPrice || len(n.Sellers) != 2 || len(n.Texts) != 2 || n.Try != "--max-price 2" && n.Try != "--max-price 3" {
		t.Errorf("most said %+v", n)
	}
	tries := map[Reason]string{Memory: "--memory 262144KiB", Fuel: "--fuel 500000000", NotSelling: NotSelling.Hint()}
	for _, n := range w.Why[1:] {
		if len(n.Sellers) != 1 || len(n.Texts) != 1 || n.Try != tries[n.Reason] {
			t.Errorf("one said %+v, want %q", n, tries[n.Reason])
		}
	}
	if _, err := buyer.book.Why(NewID()); !errors.Is(err, ErrNoJob) {
		t.Errorf("unknown: %v", err)
	}

	// What was signed: an ask and a refusal. The others were not even asked:
	// their offers said no.
	buyer.flush()
	all, err := buyer.book.Signed(j.ID)
	if err != nil || len(all) != 2 || all[0].What != "ask" || all[1].What != "refusal" {
		t.Fatalf("%+v, %v", all, err)
	}
	st, err := identity.DecodeStatement(all[1].Statement)
	if err != nil {
		t.Fatal(err)
	}
	no, err := OpenRefusal(st)
	if err != nil || no.Of != all[0].Hash || st.By != sellers[4].key.Entity() || no.Reason != NotSelling {
		t.Errorf("%+v by %s, %v", no, st.By.Short(), err)
	}
}

// TestPapers shows that all that was signed for a job is kept, the quotes that
// were not ordered by too, over a restart.
func TestPapers(t *testing.T) {
	t.Parallel()
	buyer, sellers := among(t, 3)
	s := primes(buyer, "100")
	s.To = addresses(sellers)
	j := buyer.run(s)
	if j.State != Done {
		t.Fatalf("%s (%s)", j.State, j.Error)
	}
	buyer.halt()
	buyer.start()
	all, err := buyer.book.Signed(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, p := range all {
		count[p.What]++
	}
	// A seller that is slow to answer is not waited for.
	if count["ask"] != count["quote"] || count["quote"] < 1 || count["order"] != 1 || count["receipt"] != 1 || count["delivery"] != 1 {
		t.Errorf("kept %v", count)
	}
	if last := all[len(all)-1]; last.What != "delivery" || last.By != j.Seller {
		t.Errorf("last %+v", last)
	}
}

// TestPapersBounded fills the ring of maps and a job's share of it. The jobs that were
// bought for themselves have one of their own.
func TestPapersBounded(t *testing.T) {
	t.Parallel()
	buyer, _ := among(t, 0)
	st, err := Cancel{}.Sign(buyer.key)
	if err != nil {
		t.Fatal(err)
	}
	alone := NewID()
	if err := buyer.book.papers.keep(alone, []paper{{"refusal", st}}); err != nil {
		t.Fatal(err)
	}
	p := buyer.book.mapPapers
	many := make([]paper, maxJobPapers+10)
	for i := range many {
		many[i] = paper{"refusal", st}
	}
	first := NewID()
	for id := first; ; id = NewID() {
		if err := p.keep(id, many); err != nil {
			t.Fatal(err)
		}
		if id == first {
			buyer.flush()
			if all, err := p.list(id); err != nil || len(all) != maxJobPapers {
				t.Fatalf("%d of one job are kept, %v", len(all), err)
			}
		}
		p.ended(id)
		if p.next > maxPapers+maxJobPapers {
			break
		}
	}
	if got := p.next - p.first; got != maxPapers {
		t.Errorf("%d are kept, want %d", got, maxPapers)
	}
	buyer.halt()
	buyer.start()
	if all, err := buyer.book.papers.list(alone); err != nil || len(all) != 1 {
		t.Errorf("%d of a job that was bought for itself are kept, %v", len(all), err)
	}
	again := buyer.book.mapPapers
	if again.next != p.next || again.first != p.first {
		t.Errorf("after a restart %d to %d, want %d to %d", again.first, again.next, p.first, p.next)
	}
	if all, err := again.list(first); err != nil || len(all) != 0 {
		t.Errorf("%d of the oldest job are kept, %v", len(all), err)
	}
}

// TestLostElsewhere has a seller go away in the middle of a job, which another
// one then does.
func TestLostElsewhere(t *testing.T) {
	t.Parallel()
	buyer, sellers := among(t, 2)
	gone := make(chan *trader, 1)
	var met atomic.Bool
	for _, s := range sellers {
		s.engine.(*tricky).before = func(ctx context.Context) {
			if met.CompareAndSwap(false, true) { // the first to be ordered from hangs
				gone <- s
				<-ctx.Done()
			}
		}
	}
	id := buyer.submit(primes(buyer, "100"))
	bad := <-gone
	bad.halt()
	j := buyer.wait(id)
	if j.State != Done || j.Seller == bad.key.Entity() || !j.Paid || j.Spent != 0 {
		t.Fatalf("%s (%s) by %s, spent %s", j.State, j.Error, j.Seller.Short(), j.Spent)
	}
	if got := buyer.log(id, Stdout); got != "25\n" {
		t.Errorf("stdout %q", got)
	}
	w, err := buyer.book.Why(id)
	if err != nil || len(w.Why) != 1 || w.Why[0].Reason != SellerLost || !w.Why[0].Failed || w.Why[0].Sellers[0] != bad.key.Entity() {
		t.Errorf("why %+v, %v", w, err)
	}
	orders, err := buyer.Orders()
	if err != nil || len(orders) != 2 {
		t.Errorf("%d orders are known, %v", len(orders), err)
	}
}

// TestRetry tries jobs again that failed: not with the seller that failed them,
// and not above the cap over all tries.
func TestRetry(t *testing.T) {
	t.Parallel()
	buyer, sellers := among(t, 1)
	bad := sellers[0]
	good := bad.engine.(*tricky).engine
	bad.engine.(*tricky).engine = failing{}
	j := buyer.run(primes(buyer, "100"))
	if j.State != Failed || j.Paid {
		t.Fatalf("%s (%s)", j.State, j.Error)
	}
	bad.engine.(*tricky).engine = good // too late
	again, err := buyer.Retry(t.Context(), j.ID, Change{})
	if err != nil || again.Of != j.ID || again.ID == j.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	if again = buyer.wait(again.ID); again.State != Failed || again.Reason != NoSeller {
		t.Errorf("%s, %s (%s), want no other seller", again.State, again.Reason, again.Error)
	}
	if _, err := buyer.Retry(t.Context(), NewID(), Change{}); !errors.Is(err, ErrNoJob) {
		t.Errorf("unknown: %v", err)
	}

	// What ran counts.
	s := Spec{Module: buyer.put(endless), MaxCredit: ledger.Credit, Limits: compute.Limits{Fuel: Gfuel / 2}}
	j = buyer.run(s)
	if j.Reason != OutOfFuel || j.Cost != ledger.Credit/2 {
		t.Fatalf("%s (%s), cost %s", j.Reason, j.Error, j.Cost)
	}
	over, err := buyer.Retry(t.Context(), j.ID, Change{Fuel: Gfuel})
	if err != nil || over.Spent != j.Cost {
		t.Fatalf("spent %s, %v", over.Spent, err)
	}
	if over = buyer.wait(over.ID); over.Reason != RefusedPrice || over.Cost != 0 {
		t.Errorf("above the cap: %s, %s (%s)", over.State, over.Reason, over.Error)
	}
	more, err := buyer.Retry(t.Context(), j.ID, Change{})
	if err != nil {
		t.Fatal(err)
	}
	if more = buyer.wait(more.ID); more.Reason != OutOfFuel || more.Cost != ledger.Credit/2 || more.Spent != ledger.Credit/2 {
		t.Errorf("the rest: %s (%s), cost %s, spent %s", more.Reason, more.Error, more.Cost, more.Spent)
	}
	var no *Refused
	if _, err = buyer.Retry(t.Context(), more.ID, Change{}); !errors.As(err, &no) || no.Reason != RefusedPrice || no.Try != "--max-credit above 1" {
		t.Errorf("all is spent: %v", err)
	}
	last, err := buyer.Retry(t.Context(), more.ID, Change{MaxCredit: 2 * ledger.Credit})
	if err != nil {
		t.Fatal(err)
	}
	if last = buyer.wait(last.ID); last.Cost != ledger.Credit/2 {
		t.Errorf("a higher cap: %s (%s), cost %s", last.Reason, last.Error, last.Cost)
	}
	done := buyer.run(primes(buyer, "10"))
	if _, err := buyer.Retry(t.Context(), done.ID, Change{}); done.State != Done || !errors.Is(err, ErrNotFailed) {
		t.Errorf("%s: %v", done.State, err)
	}
	agree(t, buyer, bad, 3*ledger.Credit/2+done.Cost)
}
