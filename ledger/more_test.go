package ledger

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

func TestAmount(t *testing.T) {
	tests := []struct {
		text string
		want Amount
		back string
		bad  bool
	}{
		{"0", 0, "0", false},
		{"12", 12_000_000, "12", false},
		{"0.25", 250_000, "0.25", false},
		{"1.500000", 1_500_000, "1.5", false},
		{"0.000001", 1, "0.000001", false},
		{"4611686018427.387903", maxAmount, "4611686018427.387903", false},
		{"4611686018427.387904", 0, "", true},
		{"99999999999999", 0, "", true},
		{"0.0000001", 0, "", true},
		{"1e3", 0, "", true}, {"-1", 0, "", true}, {"+1", 0, "", true}, {"", 0, "", true},
		{".", 0, "", true}, {"1.", 0, "", true}, {".5", 0, "", true}, {" 1", 0, "", true}, {"1,5", 0, "", true},
	}
	for _, test := range tests {
		got, err := ParseAmount(test.text)
		if (err != nil) != test.bad || got != test.want {
			t.Errorf("%q: got %d, %v, want %d", test.text, got, err, test.want)
		}
		if err == nil && got.String() != test.back {
			t.Errorf("%q: got %q, want %q", test.text, got, test.back)
		}
		if err != nil && !errors.Is(err, ErrAmount) {
			t.Errorf("%q: got %v, want %v", test.text, err, ErrAmount)
		}
	}
	for a, want := range map[Amount]string{-1: "-0.000001", -12_345_678: "-12.345678", -1 << 63: "-9223372036854.775808"} {
		if got := a.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(a), got, want)
		}
	}
}

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

func TestReserve(t *testing.T) {
	a, _ := openTest(t, keyOf(t, 1), Config{})
	b, _ := openTest(t, keyOf(t, 2), Config{})
	free, err := a.Reserve(b.self, 1000*Credit)
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
	if _, err := a.Pay(t.Context(), b.self, 4*Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	meet(t, a, b)
	h, err := a.Reserve(b.self, 5*Credit)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	_, err = a.Reserve(b.self, 2*Credit)
	var limit *LimitError
	if !errors.As(err, &limit) || !limit.Debtor || limit.Owes != 4*Credit || limit.Held != 5*Credit || limit.Limit != 10*Credit || limit.Wanted != 2*Credit {
		t.Errorf("got %v, want the facts", err)
	}
	if got := a.Holds(); len(got) != 1 || !got[0].Reserved || got[0].Most != 5*Credit || got[0].Peer != b.self {
		t.Errorf("got %+v, want one", got)
	}
}

// TestBudget shows what the strangers' budget counts.
func TestBudget(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{Strangers: 100})
	x, y := keyOf(t, 2), keyOf(t, 3)
	if _, err := l.Receive(t.Context(), x.Entity(), newChain(t, x, l.self).pay(nil, 60).push(0)); err != nil {
		t.Fatal(err)
	}
	if _, used := l.Strangers(); used != 60 {
		t.Errorf("used: got %v, want what one stranger owes", used)
	}
	_, err := l.Hold(y.Entity(), 41)
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "together may owe 0.0001 credits") {
		t.Errorf("got %v, want the shared limit", err)
	}
	if err := l.Grant(x.Entity(), 60, time.Time{}); err != nil { // no stranger any more
		t.Fatal(err)
	}
	if _, err := l.Hold(y.Entity(), 100); err != nil {
		t.Error(err)
	}
	if _, err := l.Hold(x.Entity(), 1); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want x at its own limit", err)
	}
	if _, err := l.Pay(t.Context(), x.Entity(), 60, NewRef()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Hold(x.Entity(), 60); err != nil {
		t.Errorf("what we owe each other is set off: %v", err)
	}
	if err := l.SetStrangers(-1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Hold(keyOf(t, 4).Entity(), 1); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want no credit for strangers", err)
	}
	if _, err := l.Hold(keyOf(t, 4).Entity(), 0); !errors.Is(err, ErrLimit) {
		t.Logf("nothing costs nothing: %v", err)
	}
	if err := l.SetStrangers(MaxStrangers + 1); !errors.Is(err, ErrAmount) {
		t.Errorf("got %v, want %v", err, ErrAmount)
	}
	if _, err := Open(t.TempDir()+"/x", x, Config{Strangers: MaxStrangers + 1}); !errors.Is(err, ErrAmount) {
		t.Errorf("got %v, want %v", err, ErrAmount)
	}
}

// TestManyHolds bounds them.
func TestManyHolds(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	peer := keyOf(t, 2).Entity()
	for range maxHolds {
		if _, err := l.Reserve(peer, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Reserve(peer, 0); !errors.Is(err, ErrHolds) {
		t.Errorf("got %v, want %v", err, ErrHolds)
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

// TestFence shows a ledger its own newer half-chain, its own other one, and one
// where it has no line at all.
func TestFence(t *testing.T) {
	owner, peer := keyOf(t, 1), keyOf(t, 2)
	whole := newChain(t, owner, peer.Entity()).pay(nil, 10).pay(nil, 20).pay(nil, 30)
	other := newChain(t, owner, peer.Entity()).pay(nil, 10).pay(nil, 21)
	for name, c := range map[string]*chain{
		"newer": newChain(t, owner, peer.Entity()).pay(nil, 10),
		"other": other,
		"none":  nil,
	} {
		l, path := openTest(t, owner, Config{})
		if c != nil {
			adopt(t, l, peer.Entity(), c.runs, nil)
		}
		seq := 2
		if name == "other" {
			seq = 1
		}
		head := whole.runs[seq].head()
		show := position{line: whole.line, head: &head}.encode()
		var state *StateError
		for range 2 { // again says the same and keeps no second proof
			if err := l.Compare(t.Context(), peer.Entity(), show); !errors.As(err, &state) || state.State != StateFenced {
				t.Fatalf("%s: got %v, want fenced", name, err)
			}
		}
		if _, err := l.Pay(t.Context(), peer.Entity(), 1, NewRef()); !errors.As(err, &state) {
			t.Errorf("%s: pay: got %v, want %T", name, err, state)
		}
		if err := l.Grant(peer.Entity(), 1, time.Time{}); !errors.As(err, &state) {
			t.Errorf("%s: grant: got %v, want %T", name, err, state)
		}
		if m, err := l.Next(peer.Entity()); err != nil || m != nil {
			t.Errorf("%s: something leaves a fenced line: %x, %v", name, m, err)
		}
		if all, err := l.Pending(10); err != nil || len(all) != 0 {
			t.Errorf("%s: pending: got %v, %v", name, all, err)
		}
		if _, err := l.Receive(t.Context(), peer.Entity(), newChain(t, peer, owner.Entity()).pay(nil, 7).push(0)); err != nil {
			t.Errorf("%s: what comes is not taken: %v", name, err)
		}
		if got := l.Line(peer.Entity()); got.State != StateFenced || got.Theirs.Cum != 7 || !strings.Contains(got.Reason, "older copy") {
			t.Errorf("%s: got %+v", name, got)
		}
		l.Close()
		if rep, err := Check(path); err != nil || rep.Fenced != 1 || rep.Proofs != 1 {
			t.Errorf("%s: check: got %+v, %v", name, rep, err)
		}
	}

	// What somebody else signed fences nothing.
	l, _ := openTest(t, owner, Config{})
	forged := newChain(t, peer, owner.Entity()).pay(nil, 10).runs[0].head()
	forged.Entry.Side ^= 1
	if err := l.Compare(t.Context(), peer.Entity(), position{line: whole.line, head: &forged}.encode()); err == nil {
		t.Error("a forged head: no error")
	}
	if got := l.Line(peer.Entity()); got.State != StateOpen || got.Known() {
		t.Errorf("a forged head: got %+v", got)
	}
}

// TestDiskFails has a commit fail on the disk: nothing more is written, because
// nobody knows what the disk kept, until the file is opened again.
func TestDiskFails(t *testing.T) {
	m := newMachine([2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}, func(int) int { return 0 }, false)
	defer m.close()
	peer := m.peer(0)
	ref := m.ref(0, 1)
	m.disks[0].crash = 2
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, ref); !errors.Is(err, ErrReadOnly) || !errors.Is(err, errCrash) {
		t.Errorf("got %v, want %v", err, ErrReadOnly)
	}
	m.disks[0].crash = 0
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, m.ref(0, 2)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("afterwards: got %v, want %v", err, ErrReadOnly)
	}
	if _, err := m.ls[0].Hold(peer, 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a hold: got %v, want %v", err, ErrReadOnly)
	}
	if err := m.crash(0); err != nil {
		t.Fatal(err)
	}
	if e, found, err := m.ls[0].PaidFor(peer, ref); err != nil || !found || e.Amount != 5 {
		t.Errorf("what the disk kept: got %v, %v, %v", e, found, err)
	}
	if _, err := m.ls[0].Pay(t.Context(), peer, 5, m.ref(0, 2)); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}
