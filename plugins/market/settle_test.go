package market

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// reluctant is a ledger that does not pay at first.
type reluctant struct {
	credit
	mu   sync.Mutex // guards errs
	errs []error    // of the next payments
}

func (c *reluctant) Pay(ctx context.Context, peer identity.Entity, amount ledger.Amount, ref identity.Hash) (ledger.Entry, error) {
	c.mu.Lock()
	var err error
	if len(c.errs) > 0 {
		err, c.errs = c.errs[0], c.errs[1:]
	}
	c.mu.Unlock()
	if err != nil {
		return ledger.Entry{}, fmt.Errorf("pay: %w", err)
	}
	return c.credit.Pay(ctx, peer, amount, ref)
}

// TestPayAgain shows that a payment is tried until the ledger can make it, and
// that one that can never be made ends the job.
func TestPayAgain(t *testing.T) {
	sea := nodetest.New(t, 2)
	e := testEngine(t)
	var purse *reluctant
	buyer := newTrader(t, sea, 0, e, func(tr *trader) {
		tr.lends = func(c credit) credit {
			purse = &reluctant{credit: c, errs: []error{ledger.ErrReadOnly, &ledger.StateError{State: ledger.StateFenced}}}
			return purse
		}
	})
	seller := newTrader(t, sea, 1, e, nil)
	seller.sell(nil)
	j := buyer.run(primes(buyer, "100"))
	told := 0
	for _, ev := range j.History {
		if ev.Reason == NotPaid && strings.Contains(ev.Text, "trying again") {
			told++
		}
	}
	if j.State != Done || !j.Paid || told != 1 {
		t.Errorf("%s (%s), paid %v, told %d times", j.State, j.Error, j.Paid, told)
	}
	agree(t, buyer, seller, j.Cost)

	purse.mu.Lock()
	purse.errs = []error{ledger.ErrLines}
	purse.mu.Unlock()
	if j := buyer.run(primes(buyer, "101")); j.State != Failed || j.Reason != NotPaid || j.Paid {
		t.Errorf("%s, %s (%s), paid %v", j.State, j.Reason, j.Error, j.Paid)
	}
}

// TestTrickle shows that a peer that sends a little now and then does not keep
// a fetch alive when the job's time is over.
func TestTrickle(t *testing.T) {
	buyer, seller, wire := tapped(t)
	big := seller.put(bytes.Repeat([]byte("x"), 64*256<<10))
	seller.blobs.Share(buyer.key.Entity(), big.Hash)
	buyer.Market.leastRate = 1 << 40
	buyer.Market.cfg.Patience = time.Second
	var mu sync.Mutex
	calls := 0
	wire.set(func(scope string) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%2 == 0 { // the first of each fetch gets through
			return rpc.Errorf(rpc.Unavailable, "later")
		}
		return nil
	}, nil)
	tr := &trade{
		m: buyer.Market, poke: make(chan struct{}), j: newJob(jobRecord{ID: NewID()}, t.TempDir()),
		r: &jobRecord{At: seller.node.Addr(), Quote: &identity.Statement{By: seller.key.Entity()}},
	}
	err := tr.fetchOutput(t.Context(), compute.Outcome{Files: []compute.OutFile{{Path: "x", Blob: big}}})
	var no *Refused
	if !errors.As(err, &no) || no.Reason != SellerLost || !strings.Contains(no.Text, errSlow.Error()) {
		t.Errorf("got %v", err)
	}
	if got := (&Market{leastRate: leastRate}).transferTime(time.Minute, 1<<20); got != time.Minute+64*time.Second {
		t.Errorf("a MiB may take %v", got)
	}
}

// TestCancelByAnother shows that only the buyer itself can bring its cancel.
func TestCancelByAnother(t *testing.T) {
	sea := nodetest.New(t, 3)
	e := &tricky{engine: testEngine(t)}
	buyer, other := newTrader(t, sea, 0, e, nil), newTrader(t, sea, 2, e, nil)
	seller := newTrader(t, sea, 1, &tricky{}, nil)
	seller.sell(nil)
	running, done := make(chan struct{}), make(chan struct{})
	scripted(seller, func(ctx context.Context, _ compute.Job, _ compute.Live) compute.Result {
		close(running)
		select {
		case <-done:
			return compute.Result{End: compute.Exit, Fuel: 1}
		case <-ctx.Done():
			return compute.Result{End: compute.Interrupted, Fuel: 1}
		}
	})
	id := buyer.submit(primes(buyer, "1"))
	<-running
	p, err := buyer.book.Papers(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []*trader{buyer, other} { // signed by, and brought by the other
		st, err := Cancel{Order: p.Order.Hash(OrderPurpose)}.Sign(by.key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cancelMethod.Call(t.Context(), other.node, seller.node.Addr(), cancelRequest{st}); err == nil {
			t.Errorf("a cancel by %s was taken from another", by.key.Entity().Short())
		}
	}
	close(done)
	if j := buyer.wait(id); j.State != Done {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
}
