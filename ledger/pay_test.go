package ledger

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// TestAmountsRefused shows that no sum is zero, negative or wraps: I7.
func TestAmountsRefused(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	peer := keyOf(t, 2).Entity()
	for _, a := range []Amount{0, -1, -1 << 63, 1 << 62, 1<<63 - 1} {
		if _, err := l.Pay(t.Context(), peer, a, NewRef()); !errors.Is(err, ErrAmount) {
			t.Errorf("pay %d: got %v, want %v", a, err, ErrAmount)
		}
	}
	for _, a := range []Amount{-1, 1 << 62} {
		if err := l.Grant(peer, a, time.Time{}); !errors.Is(err, ErrAmount) {
			t.Errorf("grant %d: got %v, want %v", a, err, ErrAmount)
		}
		if _, err := l.Hold(peer, a); !errors.Is(err, ErrAmount) {
			t.Errorf("hold %d: got %v, want %v", a, err, ErrAmount)
		}
	}
	if err := l.Grant(peer, 1, time.Unix(-5, 0)); !errors.Is(err, ErrAmount) {
		t.Errorf("a grant of the past century: got %v, want %v", err, ErrAmount)
	}
	if _, err := l.Pay(t.Context(), peer, maxAmount-1, NewRef()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Pay(t.Context(), peer, 2, NewRef()); !errors.Is(err, ErrAmount) {
		t.Errorf("a sum of 2^62: got %v, want %v", err, ErrAmount)
	}
	if _, err := l.Pay(t.Context(), peer, 1, NewRef()); err != nil {
		t.Errorf("up to the brim: %v", err)
	}
	if err := l.Grant(peer, maxAmount, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Hold(peer, maxAmount); err != nil {
		t.Errorf("hold all: %v", err)
	}
	if _, err := l.Hold(peer, maxAmount); !errors.Is(err, ErrLimit) {
		t.Errorf("hold it twice: got %v, want %v", err, ErrLimit)
	}
	if _, err := l.Pay(t.Context(), l.self, 1, NewRef()); !errors.Is(err, ErrSelf) {
		t.Errorf("pay oneself: got %v, want %v", err, ErrSelf)
	}
	if _, err := l.Pay(t.Context(), peer, 1, [32]byte{}); !errors.Is(err, ErrRef) {
		t.Errorf("pay for nothing: got %v, want %v", err, ErrRef)
	}
}

// TestPayOnce has many ask for the same payments at once.
func TestPayOnce(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	peers := []byte{2, 3, 4}
	var changes sync.Map
	defer l.Watch(func(c Change) { changes.Store(c.Peer, c.Outgoing) })()
	refs := make([][32]byte, 80)
	for i := range refs {
		refs[i] = NewRef()
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, ref := range refs {
				if _, err := l.Pay(t.Context(), keyOf(t, peers[i%3]).Entity(), 2, ref); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var sum Amount
	for _, line := range l.Lines() {
		sum += line.Balance
		if out, ok := changes.Load(line.Peer); !ok || out != true {
			t.Errorf("nobody was told of %s", line.Peer.Short())
		}
	}
	if sum != -160 {
		t.Errorf("paid %v, want 160 micro-credits", -sum)
	}
	if all, err := l.Pending(2); err != nil || len(all) != 2 {
		t.Errorf("pending: got %v, %v, want two", all, err)
	}
}

// TestLongRuns pays so much at once that runs and messages are full.
func TestLongRuns(t *testing.T) {
	a, _ := openTest(t, keyOf(t, 1), Config{})
	b, _ := openTest(t, keyOf(t, 2), Config{})
	var wg sync.WaitGroup
	for range 900 {
		wg.Go(func() {
			if _, err := a.Pay(t.Context(), b.self, 3, NewRef()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := a.Next(b.self)
	if err != nil || len(m) > MaxMessage || len(m) < MaxMessage/2 {
		t.Errorf("got a message of %d bytes, %v, want nearly %d", len(m), err, MaxMessage)
	}
	meet(t, a, b)
	if got := b.Line(a.self); got.Balance != 2700 || got.Theirs.Seq != 900 {
		t.Errorf("got %+v, want 900 payments", got)
	}
}

// TestPayOnceInOneCommit: a reference that was paid earlier in the same
// transaction, in a run that is written already, is not paid again.
func TestPayOnceInOneCommit(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{test: true})
	peer := keyOf(t, 2).Entity()
	err := l.submit(t.Context(), LineOf(l.self, peer), func(b *batch) error {
		ref := NewRef()
		first, err := b.pay(peer, 5, ref)
		if err != nil {
			return err
		}
		for range 3 * MaxRun {
			if _, err := b.pay(peer, 1, NewRef()); err != nil {
				return err
			}
		}
		if again, err := b.pay(peer, 5, ref); err != nil || again != first {
			t.Errorf("again: got entry %d and %v, want %d", again.Seq, err, first.Seq)
		}
		if _, err := b.pay(peer, 6, ref); !errors.Is(err, ErrRef) {
			t.Errorf("another amount: got %v, want %v", err, ErrRef)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Line(peer); got.Balance != -5-3*MaxRun {
		t.Errorf("the balance is %s", got.Balance)
	}
}
