package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// postings collects what History yields.
func postings(t *testing.T, l *Ledger, f Filter) []Posting {
	t.Helper()
	var all []Posting
	for p, err := range l.History(f) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// TestHistory holds the history of some thousand promises in both directions,
// over several chunks, to plain sums and to the lines.
func TestHistory(t *testing.T) {
	a, _ := openTest(t, keyOf(t, 1), Config{})
	type want struct {
		peer    identity.Entity
		ours    bool
		balance Amount
		ref     identity.Hash
	}
	var wants []want
	var peers []identity.Entity
	ticks := uint64(176_000_000) // of testTime, which ours have
	for i := range 3 {
		key := keyOf(t, byte(i+2))
		peer := key.Entity()
		peers = append(peers, peer)
		if err := a.Grant(peer, Credit, time.Time{}); err != nil { // a record that is no posting
			t.Fatal(err)
		}
		theirs := newChain(t, key, a.self)
		var sum Amount
		for n := range 8 {
			amounts := make([]Amount, 60)
			for j := range amounts {
				amounts[j] = Amount(j%7 + 1)
			}
			theirs.pay(func(e *Entry) {
				ticks++
				e.Tick, e.Ref = ticks, NewRef()
				sum += e.Amount
				wants = append(wants, want{peer, false, sum, e.Ref})
			}, amounts...)
			if _, err := a.Receive(t.Context(), peer, theirs.push(n)); err != nil {
				t.Fatal(err)
			}
			ref := NewRef()
			if _, err := a.Pay(t.Context(), peer, 11, ref); err != nil {
				t.Fatal(err)
			}
			sum -= 11
			wants = append(wants, want{peer, true, sum, ref})
		}
	}
	if len(wants) <= historyChunk {
		t.Fatalf("%d promises fit into one chunk of %d", len(wants), historyChunk)
	}
	all := postings(t, a, Filter{})
	if len(all) != len(wants) {
		t.Fatalf("%d postings, want %d", len(all), len(wants))
	}
	for i, p := range all {
		if got := (want{p.Peer, p.Ours, p.Balance, p.Ref}); got != wants[i] {
			t.Fatalf("posting %d: %+v, want %+v", i, got, wants[i])
		}
		if i > 0 && p.Number <= all[i-1].Number {
			t.Fatalf("posting %d has number %d after %d", i, p.Number, all[i-1].Number)
		}
	}
	for _, peer := range peers {
		mine := postings(t, a, Filter{Peer: peer})
		if len(mine) != len(all)/len(peers) || mine[len(mine)-1].Balance != a.Line(peer).Balance {
			t.Errorf("%s: %d postings, or the last one's balance is not the line's", peer.Short(), len(mine))
		}
	}
	mid := all[600]
	if got := postings(t, a, Filter{Ref: mid.Ref}); len(got) != 1 || got[0] != mid {
		t.Errorf("by reference: %+v, want %+v", got, mid)
	}
	before, after := postings(t, a, Filter{To: mid.Time}), postings(t, a, Filter{From: mid.Time})
	for _, p := range before {
		if !p.Time.Before(mid.Time) {
			t.Errorf("%v is not before %v", p.Time, mid.Time)
		}
	}
	if len(before)+len(after) != len(all) || len(before) == 0 || len(after) == 0 || !slices.Contains(after, mid) {
		t.Errorf("%d before and %d from then on, of %d", len(before), len(after), len(all))
	}
	for range a.History(Filter{}) {
		break // nothing is left behind
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range a.History(Filter{}) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
}

// TestHistoryOfAnOddClock shows a peer's time that no format of text has.
func TestHistoryOfAnOddClock(t *testing.T) {
	l, _ := openTest(t, keyOf(t, 1), Config{})
	x := keyOf(t, 2)
	c := newChain(t, x, l.self).pay(func(e *Entry) { e.Tick = maxTick - 1 }, 7)
	if _, err := l.Receive(t.Context(), x.Entity(), c.push(0)); err != nil {
		t.Fatal(err)
	}
	if got := postings(t, l, Filter{}); len(got) != 1 || got[0].Time.Year() != 9999 {
		t.Errorf("got %+v, want the year 9999", got)
	}
}
