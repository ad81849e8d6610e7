package ledger

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// agree has the low one of two ledgers propose until nothing is new.
func agree(t *testing.T, a, b *Ledger) {
	t.Helper()
	low, high := ordered(a, b)
	for {
		message, err := low.Checkpoint(t.Context(), high.self)
		if err != nil {
			t.Fatal(err)
		}
		if message == nil {
			return
		}
		answer, err := high.TakeCheckpoint(t.Context(), low.self, message)
		if err == nil {
			_, err = low.TakeCheckpoint(t.Context(), high.self, answer)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func ordered(a, b *Ledger) (low, high *Ledger) {
	if SideOf(a.self, b.self) == High {
		return b, a
	}
	return a, b
}

// pactOf is what l has of its checkpoints with peer.
func pactOf(t *testing.T, l *Ledger, peer identity.Entity) (p pact) {
	t.Helper()
	err := l.store.view(func(g getter) (err error) {
		p, err = book{g}.pact(LineOf(l.self, peer), peer)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lowAndHigh opens two ledgers, the low side of their line first.
func lowAndHigh(t *testing.T) (low, high *Ledger) {
	a, _ := openTest(t, keyOf(t, 1), Config{test: true})
	b, _ := openTest(t, keyOf(t, 2), Config{test: true})
	return ordered(a, b)
}

func paid(t *testing.T, from, to *Ledger, amounts ...Amount) {
	t.Helper()
	for _, a := range amounts {
		if _, err := from.Pay(t.Context(), to.self, a, NewRef()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckpoint has two sides agree, shows that both have the same bytes, and
// that nothing is proposed when nothing has changed.
func TestCheckpoint(t *testing.T) {
	low, high := lowAndHigh(t)
	agree(t, low, high) // an unknown line: nothing is said
	if p := pactOf(t, low, high.self); p.agreed != nil || p.proposed != nil {
		t.Fatalf("a line that is not there: got %+v", p)
	}
	for n := uint64(1); n <= 3; n++ {
		paid(t, low, high, 5, 6)
		paid(t, high, low, 7)
		if err := high.Grant(low.self, Amount(n), time.Time{}); err != nil {
			t.Fatal(err)
		}
		deliver(t, low, high)
		deliver(t, high, low)
		paid(t, low, high, 1) // not delivered: no part of it
		agree(t, low, high)
		a, b := pactOf(t, low, high.self), pactOf(t, high, low.self)
		if a.agreed == nil || b.agreed == nil || !bytes.Equal(a.agreed.Encode(), b.agreed.Encode()) || a.proposed != nil {
			t.Fatalf("got %+v and %+v", a, b)
		}
		c := a.agreed
		if err := c.Verify(low.self, high.self); err != nil {
			t.Error(err)
		}
		if c.N != n || c.Sides[Low].Seq != 3*n-1 || c.Sides[High].Seq != n || c.Sides[High].Grant != n || c.Sides[High].Limit != Amount(n) {
			t.Errorf("checkpoint %d: got %+v", n, c)
		}
		if got := high.Line(low.self).Agreed; got.N != n || got.Theirs.Cum != c.Sides[Low].Cum || got.Mine.Cum != c.Sides[High].Cum {
			t.Errorf("shown: got %+v", got)
		}
		if m, err := low.Checkpoint(t.Context(), high.self); m != nil || err != nil {
			t.Errorf("nothing has changed: got %x, %v", m, err)
		}
		if m, err := high.Checkpoint(t.Context(), low.self); m != nil || err != nil {
			t.Errorf("the high side: got %x, %v", m, err)
		}
		deliver(t, low, high)
	}
}

// TestCheckpointAnswerLost loses answers, and shows that the same proposal gets
// the same bytes, whatever was written meanwhile.
func TestCheckpointAnswerLost(t *testing.T) {
	low, high := lowAndHigh(t)
	paid(t, low, high, 5)
	deliver(t, low, high)
	agree(t, low, high)
	paid(t, low, high, 6)
	deliver(t, low, high)
	var messages, answers [][]byte
	for range 3 {
		m, err := low.Checkpoint(t.Context(), high.self)
		if err != nil {
			t.Fatal(err)
		}
		a, err := high.TakeCheckpoint(t.Context(), low.self, m)
		if err != nil {
			t.Fatal(err)
		}
		messages, answers = append(messages, m), append(answers, a)
		paid(t, low, high, 1)
		deliver(t, low, high)
	}
	for i := range messages {
		if !bytes.Equal(messages[i], messages[0]) || !bytes.Equal(answers[i], answers[0]) {
			t.Errorf("attempt %d differs", i)
		}
	}
	if _, err := low.TakeCheckpoint(t.Context(), high.self, answers[0]); err != nil {
		t.Fatal(err)
	}
	if got := low.Line(high.self).Agreed.N; got != 2 {
		t.Errorf("got checkpoint %d, want 2", got)
	}
	// An old message, and the answer to it again, change nothing.
	if _, err := high.TakeCheckpoint(t.Context(), low.self, messages[0]); err != nil {
		t.Error(err)
	}
	if _, err := low.TakeCheckpoint(t.Context(), high.self, answers[0]); err != nil {
		t.Error(err)
	}
	agree(t, low, high)
	if got := high.Line(low.self).Agreed; got.N != 3 || got.Theirs.Seq != 5 {
		t.Errorf("got %+v", got)
	}
}

// TestCheckpointLiars gives the high side proposals that are not true.
func TestCheckpointLiars(t *testing.T) {
	key, other := keyOf(t, 1), keyOf(t, 2)
	if SideOf(key.Entity(), other.Entity()) == High {
		key, other = other, key
	}
	line := LineOf(key.Entity(), other.Entity())
	chain := newChain(t, key, other.Entity()).pay(nil, 10).pay(nil, 20)
	at := func(i int) Reach {
		e := chain.runs[i].last()
		return Reach{Epoch: 1, Seq: e.Seq, Tip: e.Hash(), Cum: e.Cum}
	}
	second := Reach{Epoch: 1, Seq: 2, Tip: identity.HashOf([]byte("another")), Cum: 30}
	none := Reach{Epoch: 1}
	for name, test := range map[string]struct {
		edit  func(c *Checkpoint)
		want  error
		proof uint8
	}{
		"true":               {func(c *Checkpoint) {}, nil, 0},
		"another entry":      {func(c *Checkpoint) { c.Sides[Low] = second }, ErrContradiction, proofPactFork},
		"another cum":        {func(c *Checkpoint) { c.Sides[Low].Cum++ }, ErrContradiction, proofPactFork},
		"an entry to come":   {func(c *Checkpoint) { c.Sides[Low].Seq = 3 }, ErrOutOfStep, 0},
		"another of ours":    {func(c *Checkpoint) { c.Sides[High].Tip = second.Tip }, ErrContradiction, 0},
		"one of ours unmade": {func(c *Checkpoint) { c.Sides[High].Seq = 9 }, ErrOutOfStep, 0},
		"a grant unmade":     {func(c *Checkpoint) { c.Sides[High].Grant = 9 }, ErrOutOfStep, 0},
		"another limit":      {func(c *Checkpoint) { c.Sides[High].Limit = 9 }, ErrContradiction, 0},
		"locks":              {func(c *Checkpoint) { c.Locks = second.Tip }, ErrContradiction, 0},
		"a gap":              {func(c *Checkpoint) { c.N = 3 }, ErrOutOfStep, 0},
		"the same number":    {func(c *Checkpoint) { c.N, c.Prev = 1, identity.Hash{} }, ErrContradiction, proofPacts},
		"another before":     {func(c *Checkpoint) { c.Prev = second.Tip }, ErrContradiction, proofPacts},
		"a falling one":      {func(c *Checkpoint) { c.Sides[Low] = none }, ErrContradiction, proofPacts},
		"a changed one":      {func(c *Checkpoint) { c.Sides[High].Seq, c.Sides[High].Cum = 1, 1 }, ErrContradiction, proofPacts},
		"not signed":         {func(c *Checkpoint) { c.Tick = maxTick }, identity.ErrBadSignature, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l, path := openTest(t, other, Config{test: true})
			if _, err := l.Receive(t.Context(), key.Entity(), chain.push(0)); err != nil {
				t.Fatal(err)
			}
			var ours [2]Reach
			for i := range ours {
				e, err := l.Pay(t.Context(), key.Entity(), 1, identity.HashOf([]byte{byte(i)}))
				if err == nil {
					err = l.Grant(key.Entity(), Amount(7+i), time.Time{})
				}
				if err != nil {
					t.Fatal(err)
				}
				ours[i] = Reach{Epoch: 1, Seq: e.Seq, Tip: e.Hash(), Cum: e.Cum, Grant: e.Seq, Limit: Amount(7 + i)}
			}
			send := func(c Checkpoint) error {
				forged := c.Tick == maxTick
				if forged {
					c.Tick = 1
				}
				signed, err := c.sign(key, Low)
				if err != nil {
					t.Fatal(err)
				}
				if forged {
					signed.Tick = 2
				}
				_, err = l.TakeCheckpoint(t.Context(), key.Entity(), pactMessage{line: line, proposed: &signed}.encode())
				return err
			}
			first := Checkpoint{Line: line, N: 1, Sides: [2]Reach{at(0), ours[0]}}
			if err := send(first); err != nil {
				t.Fatal(err)
			}
			next := Checkpoint{Line: line, N: 2, Prev: first.Hash(), Sides: [2]Reach{at(1), ours[1]}}
			test.edit(&next)
			if err := send(next); !errors.Is(err, test.want) || err == nil && test.want != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
			state := StateOpen
			if test.proof != 0 {
				state = StateDisputed
			}
			got := l.Line(key.Entity())
			if got.State != state || test.want != nil && got.Agreed.N != 1 {
				t.Errorf("got %+v, want it %s", got, state)
			}
			if _, m, err := l.Prove(key.Entity()); (err == nil) != (test.proof != 0) || err == nil && m.By != key.Entity() {
				t.Errorf("proved %+v, %v", m, err)
			}
			l.Close()
			rep, err := Check(path)
			if err != nil || rep.Agreed != 1 || (rep.Proofs == 1) != (test.proof != 0) {
				t.Errorf("check: got %+v, %v", rep, err)
			}
		})
	}
}

// TestCheckpointOldCopy puts an older file back at either side and shows that
// it learns of the checkpoints that it signed, before it could sign others with
// their numbers; and that it is fenced by one of entries that it does not have.
func TestCheckpointOldCopy(t *testing.T) {
	for name, test := range map[string]struct {
		side    Side
		entries bool // the side that is put back has signed entries since
	}{
		"low": {Low, false}, "high": {High, false}, "low with entries": {Low, true}, "high with entries": {High, true},
	} {
		t.Run(name, func(t *testing.T) {
			low, high := lowAndHigh(t)
			both := [2]*Ledger{low, high}
			l, peer := both[test.side], both[test.side.other()]
			paid(t, low, high, 1)
			paid(t, high, low, 1)
			meet(t, low, high)
			agree(t, low, high)
			old := t.TempDir() + "/old.db"
			if err := l.Snapshot(old); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if test.entries {
					paid(t, l, peer, 2)
				}
				paid(t, peer, l, 3)
				deliver(t, l, peer)
				deliver(t, peer, l)
				agree(t, low, high)
			}
			newest := *pactOf(t, l, peer.self).agreed
			again, err := Open(old, l.signer, Config{test: true, Now: func() time.Time { return testTime }})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			both[test.side] = again
			low, high = both[Low], both[High]
			if test.entries { // and the two have not told each other where they are
				clear(low.met) // its process is a new one
			} else {
				meet(t, low, high)
				paid(t, peer, again, 4)
				deliver(t, peer, again)
			}
			message, err := low.Checkpoint(t.Context(), high.self)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := high.TakeCheckpoint(t.Context(), low.self, message)
			if err == nil {
				_, err = low.TakeCheckpoint(t.Context(), high.self, answer)
			}
			if test.entries != errors.Is(err, ErrLine) || !test.entries && err != nil {
				t.Fatalf("got %v", err)
			}
			if test.entries {
				if got := again.Line(peer.self); got.State != StateFenced {
					t.Errorf("got %+v, want it fenced", got)
				}
			} else {
				if got := pactOf(t, again, peer.self).agreed; got == nil || got.N < newest.N {
					t.Errorf("got %+v, want at least %d", got, newest.N)
				}
				agree(t, low, high)
				if a, b := low.Line(high.self).Agreed, high.Line(low.self).Agreed; a.N != newest.N+1 || a.Hash != b.Hash {
					t.Errorf("got %+v and %+v", a, b)
				}
			}
			again.Close()
			if _, err := Check(old); err != nil {
				t.Error(err)
			}
		})
	}
}
