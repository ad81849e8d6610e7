package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

func TestReserve(t *testing.T) {
	a, _ := openTest(t, keyOf(t, 1), Config{})
	b, _ := openTest(t, keyOf(t, 2), Config{})
	free, err := a.Reserve(b.self, 1000*Credit, identity.Hash{})
	if err != nil {
		t.Fatalf("without a grant the peer decides: %v", err)
	}
	if got := a.Line(b.self); got.Held != 1000*Credit || got.Reserved != got.Held || got.Known() {
		t.Errorf("got %+v, want it reserved", got)
	}
	free.Release()
	if err := b.Grant(a.self, 10*Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if !b.Granted(a.self) || a.Granted(b.self) {
		t.Error("who gave a grant to whom is wrong")
	}
	if _, err := a.Pay(t.Context(), b.self, 4*Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	meet(t, a, b)
	h, err := a.Reserve(b.self, 5*Credit, identity.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	_, err = a.Reserve(b.self, 2*Credit, identity.Hash{})
	var limit *LimitError
	if !errors.As(err, &limit) || !limit.Debtor || limit.Owes != 4*Credit || limit.Held != 5*Credit || limit.Limit != 10*Credit || limit.Wanted != 2*Credit {
		t.Errorf("got %v, want the facts", err)
	}
	if got := a.Holds(); len(got) != 1 || !got[0].Reserved || got[0].Most != 5*Credit || got[0].Peer != b.self {
		t.Errorf("got %+v, want one", got)
	}
}

// TestHoldFor shows that a payment takes the place of the hold that waits for
// it: at no moment is the room of both gone.
func TestHoldFor(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{Strangers: 200})
	x, y := keyOf(t, 2), keyOf(t, 3)
	chain := newChain(t, x, l.self).pay(nil, 60).pay(nil, 30)
	first, second := chain.runs[0].first().Ref, chain.runs[1].first().Ref
	hold := func(peer identity.Entity, most Amount, ref identity.Hash) *Hold {
		h, err := l.Hold(peer, most)
		if err != nil {
			t.Fatal(err)
		}
		h.For(ref)
		return h
	}
	hold(x.Entity(), 60, first)
	h := hold(x.Entity(), 40, second)
	other := hold(y.Entity(), 0, NewRef())
	told := make(chan Amount, 1)
	stop := l.Watch(func(Change) {
		told <- l.Strangers().Used
	})
	defer stop()
	if _, err := l.Receive(t.Context(), x.Entity(), chain.push(0)); err != nil {
		t.Fatal(err)
	}
	if used := <-told; used != 100 {
		t.Errorf("used %v, want 90 owed and the 10 held that were not paid", used)
	}
	if got := l.Holds(); len(got) != 2 {
		t.Errorf("got %+v, want the two with something left or nothing to begin with", got)
	}
	h.Release()
	h.For(first) // too late: nothing to wait for
	other.Release()
	if used := l.Strangers().Used; used != 90 || len(l.due) != 0 || len(l.holds) != 0 {
		t.Errorf("used %v, %d due, %d holds", used, len(l.due), len(l.holds))
	}
}

// TestManyHolds bounds them.
func TestManyHolds(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	peer := keyOf(t, 2).Entity()
	for range maxHolds {
		if _, err := l.Reserve(peer, 0, identity.Hash{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Reserve(peer, 0, identity.Hash{}); !errors.Is(err, ErrHolds) {
		t.Errorf("got %v, want %v", err, ErrHolds)
	}
}
