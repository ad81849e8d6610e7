package ledger_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
)

func TestPay(t *testing.T) {
	a, b := ledgertest.New(t, ledger.Config{}), ledgertest.New(t, ledger.Config{})
	ref := ledger.NewRef()
	first, err := a.Pay(t.Context(), b.Entity(), 5*ledger.Credit, ref)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.Pay(t.Context(), b.Entity(), 5*ledger.Credit, ref)
	if err != nil || again != first {
		t.Errorf("paid again: got %v, %v, want the first entry", again, err)
	}
	if again, err = a.Pay(t.Context(), b.Entity(), 6*ledger.Credit, ref); !errors.Is(err, ledger.ErrRef) || again != first {
		t.Errorf("paid another amount: got %v, %v, want the first entry and %v", again, err, ledger.ErrRef)
	}
	if !a.Line(b.Entity()).Undelivered {
		t.Error("not in the outbox")
	}
	ledgertest.Meet(t, a, b)
	la, lb := a.Line(b.Entity()), b.Line(a.Entity())
	if la.Balance != -5*ledger.Credit || lb.Balance != 5*ledger.Credit || la.Undelivered {
		t.Errorf("got %+v and %+v, want five credits", la, lb)
	}
	if la.Mine != lb.Theirs || la.Theirs != lb.Mine {
		t.Errorf("the two sides differ: %+v and %+v", la, lb)
	}
	if e, found, err := b.PaidFor(a.Entity(), ref); err != nil || !found || e != first {
		t.Errorf("paid for: got %v, %v, %v", e, found, err)
	}
}

func TestGrant(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	a, b := ledgertest.New(t, ledger.Config{Now: clock}), ledgertest.New(t, ledger.Config{Now: clock})
	if err := a.Grant(b.Entity(), 20*ledger.Credit, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ledgertest.Meet(t, a, b)
	if got := b.Line(a.Entity()).IMayOwe; got != 20*ledger.Credit {
		t.Errorf("got %v, want 20", got)
	}
	h, err := a.Hold(b.Entity(), 15*ledger.Credit)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Hold(b.Entity(), 6*ledger.Credit)
	var limit *ledger.LimitError
	if !errors.As(err, &limit) || limit.Held != 15*ledger.Credit || limit.Shared {
		t.Errorf("got %v, want a limit error with 15 held", err)
	}
	h.Lower(14 * ledger.Credit)
	if _, err = a.Hold(b.Entity(), 6*ledger.Credit); err != nil {
		t.Error(err)
	}
	h.Release()
	h.Release()
	now = now.Add(time.Hour)
	if _, err = a.Hold(b.Entity(), 1); !errors.As(err, &limit) || limit.Limit != 0 {
		t.Errorf("after the expiry: got %v, want a limit of 0", err)
	}
	if got := b.Line(a.Entity()).IMayOwe; got != 0 {
		t.Errorf("after the expiry: got %v, want 0", got)
	}
}

func TestStrangers(t *testing.T) {
	l := ledgertest.New(t, ledger.Config{})
	var holds []*ledger.Hold
	for range 5 { // newcomers have half
		h, err := l.Hold(ledgertest.Key(t).Entity(), ledger.Credit)
		if err != nil {
			t.Fatal(err)
		}
		holds = append(holds, h)
	}
	_, err := l.Hold(ledgertest.Key(t).Entity(), 1)
	var limit *ledger.LimitError
	if !errors.As(err, &limit) || !limit.Shared || !limit.Newcomers || limit.Held != 5*ledger.Credit {
		t.Errorf("the sixth stranger: got %v", err)
	}
	if s := l.Strangers(); s.Budget != 10*ledger.Credit || s.NewcomersUsed != s.Newcomers || s.Used != s.Newcomers {
		t.Errorf("got %+v", s)
	}
	holds[3].Release()
	if _, err := l.Hold(ledgertest.Key(t).Entity(), ledger.Credit); err != nil {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	key, b := ledgertest.Key(t), ledgertest.New(t, ledger.Config{})
	a := ledgertest.Open(t, path, key, ledger.Config{})
	ref := identity.HashOf([]byte("order"))
	if _, err := a.Pay(t.Context(), b.Entity(), 7, ref); err != nil {
		t.Fatal(err)
	}
	message, _ := a.Next(b.Entity())
	if _, err := ledger.Open(path, key, ledger.Config{Timeout: time.Millisecond}); !errors.Is(err, ledger.ErrInUse) {
		t.Errorf("a second process: got %v, want %v", err, ledger.ErrInUse)
	}
	a.Close()
	if _, err := ledger.Open(path, ledgertest.Key(t), ledger.Config{}); !errors.Is(err, ledger.ErrOwner) {
		t.Errorf("another key: got %v, want %v", err, ledger.ErrOwner)
	}
	a = ledgertest.Open(t, path, key, ledger.Config{})
	if again, _ := a.Next(b.Entity()); string(again) != string(message) {
		t.Error("other bytes after reopening")
	}
	ledgertest.Meet(t, a, b)
	if got := b.Line(a.Entity()).Balance; got != 7 {
		t.Errorf("got %v, want 7 micro-credits", got)
	}
}
