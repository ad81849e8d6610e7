package market

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
)

// shifted waits until the seller's mode is the one.
func (tr *trader) shifted(mode Mode) {
	tr.t.Helper()
	late := time.After(time.Minute)
	for {
		tr.selling.Lock()
		is, changed := tr.selling.shift.Mode, tr.selling.shifted
		tr.selling.Unlock()
		if is == mode {
			return
		}
		select {
		case <-changed:
		case <-late:
			tr.t.Fatalf("the seller is %s, want %s", is, mode)
		}
	}
}

func (tr *trader) shift(mode Mode, until time.Time) {
	tr.t.Helper()
	s := Shift{Mode: mode}
	if !until.IsZero() {
		s.Until = until.UnixMilli()
	}
	if err := tr.SetShift(s); err != nil {
		tr.t.Fatal(err)
	}
}

// heldFor waits until the buyer knows that its job is held.
func (tr *trader) heldFor(id ID, why Reason) {
	tr.t.Helper()
	late := time.After(time.Minute)
	for {
		tr.book.mu.Lock()
		live := tr.book.live[id]
		tr.book.mu.Unlock()
		live.mu.Lock()
		changed := live.changed
		live.mu.Unlock()
		if strings.Contains(fmt.Sprint(live.job().History), string(why)) {
			return
		}
		select {
		case <-changed:
		case <-late:
			tr.t.Fatalf("the job is not held: %+v", live.job())
		}
	}
}

// TestShift drains, pauses and opens a seller while it has a guest, also over a
// restart. What was taken ends well, and nothing else is taken.
func TestShift(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 2)
	buyer, seller := newTrader(t, sea, 0, &tricky{}, nil), newTrader(t, sea, 1, &tricky{}, nil)
	seller.sell(nil)
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	scripted(seller, func(ctx context.Context, job compute.Job, live compute.Live) compute.Result {
		begun <- struct{}{}
		select {
		case <-finish:
			return compute.Result{End: compute.Exit, Fuel: Gfuel / 100}
		case <-ctx.Done():
			return compute.Result{End: compute.Interrupted}
		}
	})
	task := func() Task {
		t.Helper()
		all := seller.Tasks()
		if len(all) != 1 {
			t.Fatalf("tasks %+v, want one", all)
		}
		return all[0]
	}
	small := func(arg string) Spec { // so that there is room for two
		s := primes(buyer, arg)
		s.Limits.Fuel = Gfuel
		return s
	}
	refused := func(text string) {
		t.Helper()
		if j := buyer.run(small(text)); j.State != Failed || !strings.Contains(fmt.Sprint(j.History), text) {
			t.Errorf("an order was %s: %s, %+v", j.State, j.Error, j.History)
		}
	}
	id := buyer.submit(small("1"))
	<-begun

	seller.shift(Draining, time.Time{})
	refused("takes no more")
	if got := task(); got.State != SaleRunning || got.Held != "" || got.Buyer != buyer.key.Entity() {
		t.Errorf("draining: %+v", got)
	}
	seller.shift(Paused, time.Now().Add(time.Hour))
	if got := task(); got.Held != SellerPaused {
		t.Errorf("paused: %+v", got)
	}
	buyer.heldFor(id, SellerPaused)
	refused("has paused until")

	seller.halt()
	seller.start()
	if s := seller.Shift(); s.Mode != Paused || s.Until == 0 {
		t.Errorf("after a restart: %+v", s)
	}
	if got := task(); got.State != SaleTaken || got.Held != SellerPaused { // the guest of before is gone, and no slot is given
		t.Errorf("after a restart: %+v", got)
	}
	seller.shift(Paused, time.Now().Add(20*time.Millisecond)) // and opens by itself
	seller.shifted(Open)
	close(finish)
	j := buyer.wait(id)
	if j.State != Done || !j.Paid {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, seller, j.Cost)
	for _, s := range []Shift{{}, {Mode: "closed"}, {Mode: Open, Until: 1}, {Mode: Paused, Until: -1}} {
		if err := seller.SetShift(s); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}

// TestPauseStops holds the process of a guest that runs, and lets it go on.
func TestPauseStops(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 2)
	e := workers(t)
	buyer, seller := newTrader(t, sea, 0, e, nil), newTrader(t, sea, 1, e, nil)
	seller.sell(func(p *Policy) { p.Quantum = Gfuel / 10 })
	spec := Spec{Module: buyer.put(endless)}
	spec.Limits.Fuel = Gfuel
	id := buyer.submit(spec)
	for len(seller.Tasks()) == 0 || seller.Tasks()[0].Vouched == 0 { // it runs, and is paid as it does
		<-time.After(time.Millisecond)
	}
	seller.shift(Paused, time.Time{})
	if tasks := seller.Tasks(); len(tasks) == 1 { // else it was through
		buyer.heldFor(id, SellerPaused)
	}
	seller.shift(Open, time.Time{})
	if j := buyer.wait(id); j.Reason != OutOfFuel || !j.Paid || j.Fuel != spec.Limits.Fuel {
		t.Errorf("%s, %s (%s), %d fuel, paid %v", j.State, j.Reason, j.Error, j.Fuel, j.Paid)
	}
}
