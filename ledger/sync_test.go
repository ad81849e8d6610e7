package ledger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

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

// TestCompareGivenUp is for the race detector: a caller that has gone reads
// nothing that the committer still writes.
func TestCompareGivenUp(t *testing.T) {
	owner, peer := keyOf(t, 1), keyOf(t, 2)
	whole := newChain(t, owner, peer.Entity()).pay(nil, 10)
	l, _ := openTest(t, owner, Config{})
	head := whole.runs[0].head()
	show := position{line: whole.line, head: &head}.encode()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := l.Compare(ctx, peer.Entity(), show); err == nil {
			t.Fatal("the line is not fenced")
		}
	}
}
