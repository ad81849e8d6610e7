package ledger

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"pgregory.net/rapid"
)

// TestBudget shows what the strangers' budget counts.
func TestBudget(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{Strangers: 200})
	x, y := keyOf(t, 2), keyOf(t, 3)
	if _, err := l.Receive(t.Context(), x.Entity(), newChain(t, x, l.self).pay(nil, 60).push(0)); err != nil {
		t.Fatal(err)
	}
	want := Strangers{Budget: 200, Used: 60, Newcomers: 100, NewcomersUsed: 60, Daily: 20}
	if got := l.Strangers(); got != want || got.Room() != 40 || l.Line(x.Entity()).TheyMayOwe != 100 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, err := l.Hold(y.Entity(), 41)
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "together may owe 0.0001 credits") {
		t.Errorf("got %v, want the newcomers' limit", err)
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
	if err := l.SetStrangers(MaxStrangers + 1); !errors.Is(err, ErrAmount) {
		t.Errorf("got %v, want %v", err, ErrAmount)
	}
	if _, err := Open(t.TempDir()+"/x", x, Config{Strangers: MaxStrangers + 1}); !errors.Is(err, ErrAmount) {
		t.Errorf("got %v, want %v", err, ErrAmount)
	}
}

// owe has a key promise amount, which nobody asked it for.
func owe(t *testing.T, l *Ledger, key identity.Signer, amount Amount) {
	t.Helper()
	if _, err := l.Receive(t.Context(), key.Entity(), newChain(t, key, l.self).pay(nil, amount).push(0)); err != nil {
		t.Fatal(err)
	}
}

// TestNewcomers shows that a hundred new keys get no more than one, and that
// they lock out nobody who has repaid before, whatever they promise.
func TestNewcomers(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	known := keyOf(t, 2)
	owe(t, l, known, Credit)
	if _, err := l.Pay(t.Context(), known.Entity(), Credit, NewRef()); err != nil { // it has worked for us
		t.Fatal(err)
	}
	if got := l.Line(known.Entity()); got.Repaid != Credit || got.TheyMayOwe != 10*Credit {
		t.Errorf("got %+v, want the whole budget for who has repaid", got)
	}
	var got Amount
	for i := range byte(100) {
		peer := keyOf(t, 100+i).Entity()
		if _, err := l.Hold(peer, Credit/4); err == nil {
			got += Credit / 4
		} else if !errors.Is(err, ErrLimit) {
			t.Fatal(err)
		}
	}
	if got != 5*Credit {
		t.Errorf("newcomers got %v credits, want half of the budget", got)
	}
	owe(t, l, keyOf(t, 90), 1000*Credit) // unasked
	if s := l.Strangers(); s.Room() != 0 || s.Used != 5*Credit {
		t.Errorf("got %+v, want half of it used", s)
	}
	h, err := l.Hold(known.Entity(), 5*Credit)
	if err != nil {
		t.Fatalf("one who has repaid is locked out: %v", err)
	}
	defer h.Release()
	if _, err := l.Hold(known.Entity(), 1); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want the budget used up", err)
	}
}

// TestUnaskedRegular has one who has repaid before promise more than the whole
// budget, which nobody asked for: other strangers get nothing until some of it
// comes back, or until its owner gives it a limit of its own, which may be zero.
func TestUnaskedRegular(t *testing.T) {
	now := testTime
	l, _ := openTest(t, keyOf(t, 1), Config{Now: func() time.Time { return now }})
	rude, other := keyOf(t, 2), keyOf(t, 3).Entity()
	owe(t, l, rude, 1000*Credit)
	if _, err := l.Pay(t.Context(), rude.Entity(), Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	may := func(want Amount) {
		t.Helper()
		h, err := l.Hold(other, want)
		if err != nil {
			t.Errorf("a newcomer may not owe %s: %v", want, err)
		}
		h.Release()
		if _, err := l.Hold(other, want+1); !errors.Is(err, ErrLimit) {
			t.Errorf("a newcomer may owe more than %s: %v", want, err)
		}
	}
	may(0)
	now = now.Add(24 * time.Hour)
	may(Credit / 2)
	if err := l.Grant(rude.Entity(), 0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	may(5 * Credit)
	if s := l.Strangers(); s.Used != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestRefill shows that a tenth of the budget comes back each day, that a
// restart brings nothing, and that what is repaid is not forgiven twice.
func TestRefill(t *testing.T) {
	now := testTime
	cfg := Config{Now: func() time.Time { return now }}
	path := filepath.Join(t.TempDir(), "ledger.db")
	var l *Ledger
	reopen := func() {
		t.Helper()
		if l != nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Check(path); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if l, err = Open(path, keyOf(t, 1), cfg); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	defer func() { l.Close() }()
	used := func(want Amount) {
		t.Helper()
		for range 2 {
			if got := l.Strangers(); got.NewcomersUsed != want || l.Line(keyOf(t, 2).Entity()).Balance != 7*Credit {
				t.Errorf("got %+v, want %v used and all of it owed", got, want)
			}
			reopen()
		}
	}
	owe(t, l, keyOf(t, 2), 7*Credit)
	used(5 * Credit)
	now = now.Add(24 * time.Hour)
	used(5*Credit - Credit/2)
	now = now.Add(3 * 24 * time.Hour)
	used(3 * Credit)
	owe(t, l, keyOf(t, 3), Credit) // the first transaction since
	used(4 * Credit)
	if _, err := l.Pay(t.Context(), keyOf(t, 3).Entity(), Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	used(3 * Credit)
	now = now.Add(-30 * 24 * time.Hour) // a clock that was put back refills nothing
	used(3 * Credit)
	now = now.Add(90 * 24 * time.Hour)
	used(0)
	owe(t, l, keyOf(t, 4), 5*Credit)
	used(5 * Credit) // what came back before it was owed is not saved up
}

// TestBudgetModel holds the budget to a plain model, a bucket for each pool, and
// has it forgotten and read again at every step.
func TestBudgetModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Amount(rapid.IntRange(20, 1000).Draw(t, "limit"))
		var owes, counts [pools]Amount
		b, today := budget{day: 5}, uint64(5)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			days := uint64(rapid.SampledFrom([]int{0, 0, 1, 2, 30}).Draw(t, "days"))
			today += days
			for p := range pools {
				if days > 0 {
					counts[p] = max(min(counts[p], p.limit(limit))-Amount(min(days, 2*refillShare))*limit/(2*refillShare), 0)
				}
			}
			again, err := decodeBudget(b.at(owes, limit, today).encode())
			if err != nil {
				t.Fatal(err)
			}
			b = again // then the transaction
			p := rapid.SampledFrom([]pool{newcomers, regulars}).Draw(t, "pool")
			change := max(Amount(rapid.IntRange(-300, 300).Draw(t, "change")), -owes[p])
			owes[p] += change
			counts[p] = max(counts[p]+change, 0)
			now := b.at(owes, limit, today)
			for p := range pools {
				if got := owes[p] - now.lost[p]; got != counts[p] {
					t.Fatalf("pool %d counts %d, want %d", p, got, counts[p])
				}
			}
		}
	})
}

func FuzzBudget(f *testing.F) {
	f.Add(budget{day: 20_000, lost: [pools]Amount{1, 2 * Credit}}.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if b, err := decodeBudget(raw); err == nil && !bytes.Equal(b.encode(), raw) {
			t.Errorf("read %x, wrote %x", raw, b.encode())
		}
	})
}
