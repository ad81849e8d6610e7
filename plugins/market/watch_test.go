package market

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
)

// script is an engine that does what a test says, byte by byte.
type script struct {
	// run is the guest. What it returns is what came out; stdout is what it
	// wrote to live.
	run func(ctx context.Context, job compute.Job, live compute.Live) compute.Result
}

func (e script) Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error) {
	r := e.run(ctx, job, live)
	r.Job, r.Engine = job.Hash(), "script"
	return r, nil
}

// scripted gives the seller another engine.
func scripted(seller *trader, run func(ctx context.Context, job compute.Job, live compute.Live) compute.Result) {
	seller.engine.(*tricky).engine = script{run}
}

func write(t *testing.T, live compute.Live, s string) {
	t.Helper()
	if _, err := live.Stdout.Write([]byte(s)); err != nil {
		t.Error(err)
	}
}

// TestWatch shows that output and progress arrive while the guest runs, that a
// watcher can go on where another was cut off, and that one who comes after the
// end sees all of it.
func TestWatch(t *testing.T) {
	buyer, seller := testMarket(t)
	more := make(chan string)
	scripted(seller, func(_ context.Context, _ compute.Job, live compute.Live) compute.Result {
		var all []byte
		fuel := uint64(0)
		for s := range more {
			write(t, live, s)
			all = append(all, s...)
			fuel += 1000
			live.Progress(fuel)
		}
		return compute.Result{End: compute.Exit, Stdout: all, Fuel: fuel}
	})
	id := buyer.submit(primes(buyer, "1"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	// watch reads until stdout has been seen up to a text, or to the end.
	watch := func(from Cursor, until string) (Cursor, string, *Job) {
		t.Helper()
		var seen strings.Builder
		var fuel uint64
		for u, err := range buyer.Watch(ctx, id, from) {
			if err != nil {
				t.Fatal(err)
			}
			if u.Fuel != 0 && u.Fuel < fuel {
				t.Errorf("fuel fell from %d to %d", fuel, u.Fuel)
			}
			fuel = max(fuel, u.Fuel)
			seen.Write(u.Stdout)
			from = u.Next
			if u.Job != nil {
				return from, seen.String(), u.Job
			}
			if until != "" && strings.HasSuffix(seen.String(), until) {
				break
			}
		}
		return from, seen.String(), nil
	}
	more <- "one "
	at, got, _ := watch(Cursor{}, "one ")
	if got != "one " {
		t.Errorf("got %q", got)
	}
	more <- "two "
	more <- "three "
	at, got, _ = watch(at, "three ")
	if got != "two three " {
		t.Errorf("got %q", got)
	}
	big := strings.Repeat("x", 3*updateBytes+7) // past memory, inline and one answer
	more <- big
	close(more)
	_, got, j := watch(at, "")
	if got != big || j == nil || j.State != Done || j.Fuel != 4000 {
		t.Fatalf("got %d bytes, %v", len(got), j)
	}
	buyer.halt() // so that the job is only on disk
	buyer.start()
	if _, got, j := watch(Cursor{}, ""); got != "one two three "+big || j == nil || len(j.History) < 4 {
		t.Errorf("afterwards: %d bytes, %v", len(got), j)
	}
	if got := buyer.log(id, Stdout); got != "one two three "+big {
		t.Errorf("log: %d bytes", len(got))
	}
	for _, err := range buyer.Watch(ctx, NewID(), Cursor{}) {
		if !errors.Is(err, ErrNoJob) {
			t.Errorf("unknown job: %v", err)
		}
	}
}

// TestCancel ends a job that runs: it pays to the point reached.
func TestCancel(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.engine.(*tricky).engine = workers(t)
	running := make(chan struct{})
	seller.engine.(*tricky).before = func(context.Context) { close(running) }
	s := Spec{Module: buyer.put(endless)}
	id := buyer.submit(s)
	<-running
	for u, err := range buyer.Watch(t.Context(), id, Cursor{}) { // it really burns fuel
		if err != nil {
			t.Fatal(err)
		}
		if u.Fuel > 0 || u.Job != nil {
			break
		}
	}
	if err := buyer.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	j := buyer.wait(id)
	if j.State != CancelledBy || j.Reason != Cancelled || j.End != compute.Interrupted || j.Fuel == 0 || !j.Paid {
		t.Fatalf("%+v", j)
	}
	if want, _ := j.Price.Cost(j.Fuel); j.Cost != want || j.Cost >= j.Ceiling {
		t.Errorf("cost %s for %d fuel, ceiling %s", j.Cost, j.Fuel, j.Ceiling)
	}
	agree(t, buyer, seller, j.Cost)
	v, err := buyer.book.Verify(t.Context(), id, workers(t))
	if err != nil || !v.Match {
		t.Errorf("verify: %+v, %v", v, err)
	}
	if err := buyer.Cancel(t.Context(), id); !errors.Is(err, ErrFinal) {
		t.Errorf("again: %v, want %v", err, ErrFinal)
	}
	if err := buyer.Cancel(t.Context(), NewID()); !errors.Is(err, ErrNoJob) {
		t.Errorf("unknown: %v, want %v", err, ErrNoJob)
	}
}

// TestCancelBefore ends jobs that nobody has begun: nothing is paid.
func TestCancelBefore(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.Slots = 1 })
	running, done := make(chan struct{}), make(chan struct{})
	scripted(seller, func(context.Context, compute.Job, compute.Live) compute.Result {
		close(running)
		<-done
		return compute.Result{End: compute.Exit, Fuel: 1}
	})
	s := primes(buyer, "1")
	s.MaxCredit = ledger.Credit
	first := buyer.submit(s)
	<-running
	second := buyer.submit(s) // waits for the slot
	for u, err := range buyer.Watch(t.Context(), second, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n := len(u.Events); n > 0 && u.Events[n-1].State == Running {
			break
		}
	}
	if err := buyer.Cancel(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if j := buyer.wait(second); j.State != CancelledBy || j.Cost != 0 {
		t.Errorf("%+v", j)
	}
	close(done)
	if j := buyer.wait(first); j.State != Done {
		t.Errorf("%+v", j)
	}
	agree(t, buyer, seller, 1)
}

// TestTimeout ends jobs whose time is over, one that runs and one that waits.
func TestTimeout(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.Slots = 1 })
	scripted(seller, func(ctx context.Context, _ compute.Job, _ compute.Live) compute.Result {
		<-ctx.Done()
		return compute.Result{End: compute.Interrupted, Fuel: 1_000_000}
	})
	s := primes(buyer, "1")
	s.MaxCredit, s.Timeout = ledger.Credit, 2*time.Second
	runs := buyer.submit(s)
	<-seller.engine.(*tricky).runs // the other one comes after it
	s.Timeout = time.Second
	if j := buyer.run(s); j.State != Failed || j.Reason != Timeout || j.Cost != 0 {
		t.Errorf("it waited: %s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
	}
	if j := buyer.wait(runs); j.State != Failed || j.Reason != Timeout || j.End != compute.Interrupted || j.Cost != 1000 || !j.Paid {
		t.Errorf("it ran: %s, %s (%s), cost %s", j.State, j.Reason, j.Error, j.Cost)
	}
	agree(t, buyer, seller, 1000)
}

// TestTooSlow ends a job that is below its quote's slowest rate: it is paid to
// that point, says why, and can be verified. A seller that does so without a
// rate in its quote is not paid.
func TestTooSlow(t *testing.T) {
	const rate = 5 * Gfuel
	buyer, seller := testMarket(t)
	e := workers(t)
	asked := make(chan uint64, 10)
	seller.engine.(*tricky).engine = slow{e, asked}
	seller.sell(func(p *Policy) { p.Slowest = rate })
	quotes, err := buyer.Quotes(t.Context(), primes(buyer, "1"))
	if err != nil || len(quotes) != 1 || quotes[0].Slowest != rate || quotes[0].Offer.Slowest != rate {
		t.Fatalf("quotes %+v, %v", quotes, err)
	}
	j := buyer.run(Spec{Module: buyer.put(endless)})
	if j.State != Failed || j.Reason != TooSlow || j.End != compute.Interrupted || j.Fuel == 0 || !j.Paid || !strings.Contains(j.Hint, "its seller's word; try another with --to") || !strings.Contains(j.Error, fmt.Sprint(rate)) {
		t.Fatalf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
	if got := <-asked; got != rate {
		t.Errorf("the engine was told of a rate of %d", got)
	}
	if want, _ := j.Price.Cost(j.Fuel); j.Cost != want || j.Cost >= j.Ceiling {
		t.Errorf("cost %s for %d fuel, ceiling %s", j.Cost, j.Fuel, j.Ceiling)
	}
	agree(t, buyer, seller, j.Cost)
	v, err := buyer.book.Verify(t.Context(), j.ID, workers(t))
	if err != nil || !v.Match {
		t.Errorf("verify: %+v, %v", v, err)
	}
	sales, err := seller.Sales(1)
	if err != nil || len(sales) != 1 || sales[0].Reason != TooSlow {
		t.Errorf("sales %+v, %v", sales, err)
	}
	seller.sell(func(p *Policy) { p.Slowest = 0 })
	j = buyer.run(Spec{Module: buyer.put(endless)})
	if j.State != Failed || j.Reason != BadReceipt || j.Paid {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
}

// slow is an engine that finds every guest too slow.
type slow struct {
	engine
	asked chan<- uint64
}

func (e slow) Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error) {
	if live.Control == nil || live.Tenant == "" {
		return compute.Result{}, errors.New("nobody steers the job, or nobody knows whose it is")
	}
	e.asked <- live.Slowest
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	live.Progress = func(fuel uint64) {
		if fuel > 0 {
			cancel()
		}
	}
	r, err := e.engine.Run(ctx, job, blobs, live)
	r.Cause = "slower than it should be"
	return r, err
}

// TestWrongOutput shows that a seller's stream that is not what it signed is not
// paid, and is kept for the buyer to look at.
func TestWrongOutput(t *testing.T) {
	buyer, seller := testMarket(t)
	scripted(seller, func(_ context.Context, _ compute.Job, live compute.Live) compute.Result {
		write(t, live, "something else")
		return compute.Result{End: compute.Exit, Stdout: []byte("what is signed"), Fuel: 5}
	})
	j := buyer.run(primes(buyer, "1"))
	// It depends on when it is asked whether the stream or the kept bytes come.
	if j.State == Done && buyer.log(j.ID, Stdout) != "what is signed" {
		t.Errorf("paid for %q", buyer.log(j.ID, Stdout))
	}
	if j.State != Done && (j.Reason != BadOutput || j.Paid) {
		t.Errorf("%+v", j)
	}
}

// TestFree trades for nothing: output is delivered, nothing is written to the
// ledger.
func TestFree(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.Price = Price{} })
	j := buyer.run(Spec{Module: buyer.put(mandelbrotModule), Args: []string{"m", "32", "24"}})
	if j.State != Done || j.Cost != 0 || len(j.Files) != 1 {
		t.Fatalf("%s: %s", j, j.Error)
	}
	agree(t, buyer, seller, 0)
	if !bytes.HasPrefix(readBlob(t, buyer, j.Files[0].Blob), []byte("\x89PNG")) {
		t.Error("no picture")
	}
}

func readBlob(t *testing.T, tr *trader, b compute.Blob) []byte {
	t.Helper()
	raw, err := tr.readAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
