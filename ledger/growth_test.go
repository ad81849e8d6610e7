package ledger

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestGrowth lets a grant grow by a tenth of what is repaid, in steps, to twice
// what was granted; each step is a grant that the peer takes.
func TestGrowth(t *testing.T) {
	key := keyOf(t, 1)
	path := t.TempDir() + "/ledger.db"
	open := func() *Ledger {
		l, err := Open(path, key, Config{Now: func() time.Time { return testTime }})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	defer func() {
		l.Close()
		if _, err := Check(path); err != nil {
			t.Error(err)
		}
	}()
	x, _ := openTest(t, keyOf(t, 2), Config{})
	grow := func(want Amount) {
		t.Helper()
		if by, err := l.Grow(t.Context(), x.self); err != nil || by != want {
			t.Errorf("grew by %v, %v, want %v", by, err, want)
		}
		if by, err := l.Grow(t.Context(), x.self); err != nil || by != 0 {
			t.Errorf("asked again: grew by %v, %v", by, err)
		}
		meet(t, l, x)
	}
	both := func(amount Amount) { // x owes us, and repays
		t.Helper()
		for _, pair := range [][2]*Ledger{{x, l}, {l, x}} {
			if _, err := pair[0].Pay(t.Context(), pair[1].self, amount, NewRef()); err != nil {
				t.Fatal(err)
			}
		}
		meet(t, l, x)
	}
	both(50 * Credit)
	grow(0) // no grant
	if err := l.Grant(x.self, 100*Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	both(49 * Credit)
	grow(0) // less than a step; what was repaid before the grant is in it
	both(2 * Credit)
	grow(51 * Credit / 10)
	line := l.Line(x.self)
	want := Growth{By: 51 * Credit / 10, Repaid: 51 * Credit, Most: 200 * Credit}
	if line.Growth != want || line.TheyMayOwe != 100*Credit+want.By || x.Line(l.self).IMayOwe != line.TheyMayOwe {
		t.Errorf("got %+v, want %+v, and the peer knows", line, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	if got := l.Line(x.self).Growth; got != want {
		t.Errorf("after a restart: got %+v, want %+v", got, want)
	}
	both(10_000 * Credit)
	grow(100*Credit - want.By)
	both(10_000 * Credit)
	grow(0)
	if err := l.Grant(x.self, 20*Credit, testTime.Add(time.Hour)); err != nil { // the owner's word
		t.Fatal(err)
	}
	grow(0)
	if got := l.Line(x.self); got.Growth != (Growth{}) || got.TheyMayOwe != 20*Credit {
		t.Errorf("got %+v, want what the owner said", got)
	}
	both(100 * Credit)
	grow(10 * Credit)
	if got := l.Line(x.self).TheyMayUntil; !got.Equal(testTime.Add(time.Hour)) {
		t.Errorf("it grew until %v, want its expiry kept", got)
	}
	if err := l.Grant(x.self, 0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	both(100 * Credit)
	grow(0) // nothing grows from nothing
}

// TestWarnings shows what a line warns of, and when.
func TestWarnings(t *testing.T) {
	now := testTime
	l, _ := openTest(t, keyOf(t, 1), Config{Now: func() time.Time { return now }})
	x, _ := openTest(t, keyOf(t, 2), Config{})
	warns := func(l, peer *Ledger, want string) {
		t.Helper()
		if got := l.Line(peer.self).Warning; got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := l.Grant(x.self, 10*Credit, now.Add(8*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Pay(t.Context(), l.self, 5*Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	meet(t, l, x)
	warns(l, x, "")
	warns(x, l, "")
	h, err := l.Hold(x.self, 3*Credit)
	if err != nil {
		t.Fatal(err)
	}
	warns(l, x, "80 % or more of what they may owe is used")
	h.Release()
	warns(l, x, "")
	if _, err := x.Pay(t.Context(), l.self, 3*Credit, NewRef()); err != nil {
		t.Fatal(err)
	}
	warns(x, l, "80 % or more of what this node may owe is used")
	now = now.Add(24 * time.Hour)
	warns(l, x, "what they may owe ends on 2025-10-17")
	now = now.Add(7 * 24 * time.Hour)
	warns(l, x, "what they may owe ended on 2025-10-17")
	if _, err := l.Hold(x.self, 1); err == nil {
		t.Error("work is taken after the grant has ended")
	}
	for _, test := range []struct {
		used, limit Amount
		want        bool
	}{{0, 0, false}, {79, 100, false}, {80, 100, true}, {7, 9, true}, {maxAmount, maxAmount, true}, {maxAmount / 2, maxAmount, false}} {
		if got := nearly(test.used, test.limit); got != test.want {
			t.Errorf("%d of %d: got %v", test.used, test.limit, got)
		}
	}
}

func FuzzGrowth(f *testing.F) {
	f.Add(growth{peer: keyOf(f, 2).Entity(), seq: 3, base: 5, since: 6, until: 7}.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if g, err := decodeGrowth(raw); err == nil && !bytes.Equal(g.encode(), raw) {
			t.Errorf("read %x, wrote %x", raw, g.encode())
		}
	})
}
