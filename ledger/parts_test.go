package ledger

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// TestPaidInParts folds a lock in three parts, of which a restart parts two, and
// pays a fourth part by itself: all of them are what was paid for the reference,
// on both sides, and nothing else is.
func TestPaidInParts(t *testing.T) {
	x := newTrade(t, identity.Hash{})
	want := func(sum Amount) {
		t.Helper()
		x.deliver()
		ours, theirs, err := x.payer.Paid(x.payee.self, x.ref)
		if err != nil || ours != sum || theirs != 0 {
			t.Errorf("the payer: got %d and %d, %v, want %d", ours, theirs, err, sum)
		}
		ours, theirs, err = x.payee.Paid(x.payer.self, x.ref)
		if err != nil || ours != 0 || theirs != sum {
			t.Errorf("the payee: got %d and %d, %v, want %d", ours, theirs, err, sum)
		}
	}
	want(0)
	x.voucher(30, false)
	x.fold(nil)
	want(30)
	x.must(pay(x.payer, x.payee.self, 7))
	x.voucher(50, false)
	x.fold(nil)
	want(50)
	x.payer.Close()
	x.crash(0, x.paths[0])
	x.voucher(60, false)
	x.fold(x.release(60))
	want(60)
	if e, found, err := x.payee.PaidFor(x.payer.self, x.ref); err != nil || !found || e.Amount != 30 {
		t.Errorf("the first part: got %+v, %v, %v", e, found, err)
	}
	x.payer.Close()
	x.payee.Close()
	for _, path := range x.paths {
		if rep, err := Check(path); err != nil || rep.Payments != 4 {
			t.Errorf("check: got %+v, %v", rep, err)
		}
	}
}

// TestManyParts has a peer pay for one reference more often than anybody looks:
// what comes after so many parts counts for none.
func TestManyParts(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	l, _ := openTest(t, payee, Config{})
	ref := identity.HashOf([]byte("order"))
	c := newChain(t, payer, payee.Entity())
	amounts := make([]Amount, MaxRun)
	for i := range amounts {
		amounts[i] = 1
	}
	for i := 0; i*MaxRun < maxParts+MaxRun; i++ {
		c.pay(func(e *Entry) { e.Ref = ref }, amounts...)
		if _, err := l.Receive(t.Context(), payer.Entity(), c.push(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, got, err := l.Paid(payer.Entity(), ref); err != nil || got != maxParts {
		t.Errorf("got %d, %v, want %d", got, err, maxParts)
	}
}

// TestFencedLiar has a peer break a rule of locks on a line that is fenced, and
// then go on as if it had not: it is taken no more, and the file checks.
func TestFencedLiar(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	l, _ := openTest(t, payee, Config{})
	base := newChain(t, payer, payee.Entity()).lock(100, LockTerms{Expiry: 99, Quote: testQuote})
	if _, err := l.Receive(t.Context(), payer.Entity(), base.push(0)); err != nil {
		t.Fatal(err)
	}
	lost := newChain(t, payee, payer.Entity()).pay(nil, 5)
	head := lost.runs[0].head()
	if err := l.Compare(t.Context(), payer.Entity(), position{line: lost.line, head: &head}.encode()); !errors.Is(err, ErrLine) {
		t.Fatalf("got %v, want it fenced", err)
	}
	lie := base.clone().say(KindVoid, 50, 50, 0, base.last.Ref, voiding{lock: base.last.Hash()})
	if _, err := l.Receive(t.Context(), payer.Entity(), lie.push(1)); !errors.Is(err, ErrContradiction) {
		t.Fatalf("a lie: got %v", err)
	}
	good := base.clone().pay(func(e *Entry) { e.Held = 100 }, 5)
	if _, err := l.Receive(t.Context(), payer.Entity(), good.push(1)); !errors.Is(err, ErrLine) {
		t.Errorf("after a lie: got %v, want %v", err, ErrLine)
	}
	v := Recovery{Line: base.line, Side: base.side, Epoch: 2, Seq: 1, Tip: base.last.Hash()}
	said, err := payer.Sign(RecoveryPurpose, v.terms())
	if err != nil {
		t.Fatal(err)
	}
	v.Sig = said.Sig
	ask := recall{line: v.Line, epoch: 1, seq: 1, tip: v.Tip, with: &v}
	if _, err := l.AnswerRecall(t.Context(), payer.Entity(), ask.encode()); !errors.Is(err, ErrLine) {
		t.Errorf("a recovery after a lie: got %v, want %v", err, ErrLine)
	}
}

// TestBatchBytes shows that messages that wait for the disk share transactions
// only so far that nobody waits long for theirs.
func TestBatchBytes(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	var mu sync.Mutex
	sizes := map[*batch]int{}
	held, begun := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = l.submit(background, LineID{}, func(*batch) error { close(begun); <-held; return nil })
	})
	<-begun
	const many = 3 * maxBatchBytes / MaxMessage
	for range many {
		all.Go(func() {
			_ = l.submitOf(background, LineID{}, MaxMessage, func(b *batch) error {
				mu.Lock()
				defer mu.Unlock()
				sizes[b] += MaxMessage
				return nil
			})
		})
	}
	wait(t, func() bool { return len(l.queue) == many })
	close(held)
	all.Wait()
	total := 0
	for _, size := range sizes {
		if total += size; size >= maxBatchBytes+MaxMessage {
			t.Errorf("a batch of %d bytes", size)
		}
	}
	if total != many*MaxMessage {
		t.Errorf("%d bytes in all", total)
	}
}

// TestLocksInOneBatch has many strangers lock at the same moment: they get no
// more than there is, as if they had come one after the other.
func TestLocksInOneBatch(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 99), Config{})
	l.mu.Lock()
	l.locks += maxAllLocks - 2
	l.mu.Unlock()
	held, begun := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = l.submit(background, LineID{}, func(*batch) error { close(begun); <-held; return nil })
	})
	<-begun
	var mu sync.Mutex
	taken := 0
	const many = 5
	for i := range many {
		key := keyOf(t, byte(i+1))
		c := newChain(t, key, l.self).lock(1, LockTerms{Expiry: 99, Quote: testQuote})
		all.Go(func() {
			_, err := l.Receive(background, key.Entity(), c.push(0))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				taken++
			case !errors.Is(err, ErrLocks):
				t.Errorf("got %v", err)
			}
		})
	}
	wait(t, func() bool { return len(l.queue) == many })
	close(held)
	all.Wait()
	if taken != 2 {
		t.Errorf("%d were taken, want 2", taken)
	}
	l.mu.Lock()
	l.locks -= maxAllLocks - 2
	l.mu.Unlock()
}

// wait returns when it is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("it never was")
		}
	}
}
