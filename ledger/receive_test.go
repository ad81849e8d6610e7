package ledger

import (
	"bytes"
	"errors"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestContradictions has a peer sign what cannot be one half-chain. Each is
// refused, kept as evidence, and closes the line for the peer.
func TestContradictions(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	base := newChain(t, payer, payee.Entity()).pay(nil, 10).pay(nil, 20, 30).pay(nil, 40)
	tests := []struct {
		name string
		then func() []byte
		want error
	}{
		{"another entry 4", func() []byte {
			other := newChain(t, payer, payee.Entity()).pay(nil, 10).pay(nil, 20, 30).pay(nil, 41)
			return other.push(2)
		}, ErrContradiction},
		{"another entry 2, long ago", func() []byte {
			return newChain(t, payer, payee.Entity()).pay(nil, 10).pay(nil, 21).push(1)
		}, ErrContradiction},
		{"another chain from entry 1 on, longer", func() []byte {
			return newChain(t, payer, payee.Entity()).pay(nil, 11).pay(nil, 1, 1, 1).pay(nil, 1).push(0)
		}, ErrContradiction},
		{"another entry inside a run", func() []byte {
			return newChain(t, payer, payee.Entity()).pay(nil, 10).pay(nil, 20, 31, 40).push(1)
		}, ErrContradiction},
		{"prev of an entry that was never shown", func() []byte {
			return base.clone().pay(func(e *Entry) { e.Prev[3] ^= 1 }, 50).push(3)
		}, ErrContradiction},
		{"a falling cum", func() []byte {
			return base.clone().pay(func(e *Entry) { e.Cum = 99; e.Amount = 1 }, 1).push(3)
		}, ErrContradiction},
		{"a cum that skips", func() []byte {
			return base.clone().pay(func(e *Entry) { e.Cum += 7 }, 5).push(3)
		}, ErrContradiction},
		{"held without a lock", func() []byte {
			return base.clone().pay(func(e *Entry) { e.Held = 1 }, 5).push(3)
		}, ErrContradiction},
		{"a sum that is wrong inside a run", func() []byte {
			return base.clone().pay(func(e *Entry) {
				if e.Seq == 6 {
					e.Cum--
				}
			}, 5, 5, 5).push(3)
		}, ErrContradiction},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, path := openTest(t, payee, Config{})
			if _, err := l.Receive(t.Context(), payer.Entity(), base.push(0)); err != nil {
				t.Fatal(err)
			}
			before := l.Line(payer.Entity())
			message := test.then()
			if _, err := l.Receive(t.Context(), payer.Entity(), message); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			after := l.Line(payer.Entity())
			if after.State != StateDisputed || after.Reason == "" || after.Theirs != before.Theirs {
				t.Errorf("got %+v, want disputed and else as before", after)
			}
			var state *StateError
			if _, err := l.Receive(t.Context(), payer.Entity(), base.clone().pay(nil, 1).push(3)); !errors.As(err, &state) {
				t.Errorf("more of theirs: got %v, want %T", err, state)
			}
			if _, err := l.Hold(payer.Entity(), 1); !errors.As(err, &state) {
				t.Errorf("credit: got %v, want %T", err, state)
			}
			if _, err := l.Pay(t.Context(), payer.Entity(), 3, NewRef()); err != nil {
				t.Errorf("what we owe cannot be paid: %v", err)
			}
			l.Close()
			rep, err := Check(path)
			if err != nil || rep.Proofs != 1 || rep.Disputed != 1 {
				t.Errorf("check: got %+v, %v, want one proof", rep, err)
			}
			l, err = Open(path, payee, Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if _, err := l.Hold(payer.Entity(), 1); !errors.As(err, &state) || state.State != StateDisputed {
				t.Errorf("credit after a restart: got %v, want %T", err, state)
			}
		})
	}
}

// TestRefused has a peer send what proves nothing against it. It is refused and
// changes nothing.
func TestRefused(t *testing.T) {
	payer, payee, third := keyOf(t, 1), keyOf(t, 2), keyOf(t, 3)
	l, _ := openTest(t, payee, Config{})
	base := newChain(t, payer, payee.Entity()).pay(nil, 10)
	if _, err := l.Receive(t.Context(), payer.Entity(), base.push(0)); err != nil {
		t.Fatal(err)
	}
	next := func(edit func(*Entry)) []byte { return base.clone().pay(edit, 5).push(1) }
	grant := func(g Grant) []byte { return push{line: g.Line, grant: &g}.encode() }
	tests := []struct {
		name    string
		message []byte
		want    error
	}{
		{"zero", next(func(e *Entry) { e.Amount = 0 }), ErrFormat},
		{"negative", next(func(e *Entry) { e.Amount = -5 }), ErrFormat},
		{"2^62", next(func(e *Entry) { e.Cum = 1 << 62 }), ErrFormat},
		{"cum wraps", next(func(e *Entry) { e.Cum, e.Amount = 3, maxAmount }), ErrFormat},
		{"held without end", next(func(e *Entry) { e.Held = maxAmount }), ErrFormat},
		{"no ref", next(func(e *Entry) { e.Ref = identity.Hash{} }), ErrFormat},
		{"a body", next(func(e *Entry) { e.Body[0] = 1 }), ErrFormat},
		{"the next epoch", next(func(e *Entry) { e.Epoch = 2 }), ErrOutOfStep},
		{"a tick after the end of time", next(func(e *Entry) { e.Tick = 1 << 60 }), ErrFormat},
		{"seq zero", next(func(e *Entry) { e.Seq = 0 }), ErrFormat},
		{"LOCK without its body", next(func(e *Entry) { e.Kind = KindLock }), ErrFormat},
		{"RECOVER", next(func(e *Entry) { e.Kind = KindRecover }), ErrKind},
		{"CLOSE", next(func(e *Entry) { e.Kind = KindClose }), ErrKind},
		{"kind 0", next(func(e *Entry) { e.Kind = 0 }), ErrKind},
		{"kind 9", next(func(e *Entry) { e.Kind = 9 }), ErrKind},
		{"the other side", next(func(e *Entry) { e.Side ^= 1 }), ErrStranger},
		{"another line", next(func(e *Entry) { e.Line[0] ^= 1 }), ErrFormat},
		{"signed by a third", func() []byte {
			c := base.clone()
			c.key = third
			return c.pay(nil, 5).push(1)
		}(), identity.ErrBadSignature},
		{"another line all through", newChain(t, payer, third.Entity()).pay(nil, 5).push(0), ErrStranger},
		{"a grant of a third", grant(grantBy(t, third, payee.Entity(), 1, 5, 0)), ErrStranger},
		{"a grant of our own", grant(grantBy(t, payee, payer.Entity(), 1, 5, 0)), ErrStranger},
		{"an altered grant", func() []byte {
			g := grantBy(t, payer, payee.Entity(), 1, 5, 0)
			g.Limit++
			return grant(g)
		}(), identity.ErrBadSignature},
		{"a grant without number", grant(grantBy(t, payer, payee.Entity(), 0, 5, 0)), ErrFormat},
		{"a grant below zero", grant(grantBy(t, payer, payee.Entity(), 1, -5, 0)), ErrFormat},
		{"version 2", append([]byte{2}, next(nil)[1:]...), ErrVersion},
		{"an ack", ack{line: base.line}.encode(), ErrFormat},
		{"nothing", nil, ErrFormat},
		{"too much", append(next(nil), make([]byte, MaxPush)...), ErrFormat},
	}
	before := l.Line(payer.Entity())
	for _, test := range tests {
		if _, err := l.Receive(t.Context(), payer.Entity(), test.message); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if after := l.Line(payer.Entity()); after != before {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if got := len(l.Lines()); got != 1 {
		t.Errorf("%d lines, want 1", got)
	}
}

// TestReplay gives a ledger everything twice, then backwards, then cut and glued
// in other ways, and shows that nothing changes.
func TestReplay(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	l, _ := openTest(t, payee, Config{})
	c := newChain(t, payer, payee.Entity())
	var messages [][]byte
	for i := range 30 {
		c.pay(nil, 1+Amount(i)).pay(nil, 2, 3)
		messages = append(messages, c.push(2*i))
		g := grantBy(t, payer, payee.Entity(), uint64(i+1), Amount(i), 0)
		messages = append(messages, push{line: g.Line, grant: &g}.encode())
	}
	var answers [][]byte
	for _, m := range messages {
		a, err := l.Receive(t.Context(), payer.Entity(), m)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	want := l.Line(payer.Entity())
	if want.Balance != 30*31/2+30*5 || want.IMayOwe != 29 {
		t.Fatalf("got %+v", want)
	}
	last := answers[len(answers)-1]
	again := append([][]byte{c.push(0), c.push(17)}, messages...)
	for i := range messages {
		again = append(again, messages[len(messages)-1-i])
	}
	// The same entries under another head are the same entries.
	glued := newChain(t, payer, payee.Entity()).pay(nil, 1, 2, 3, 2, 2, 3, 3)
	again = append(again, glued.push(0))
	for i, m := range again {
		a, err := l.Receive(t.Context(), payer.Entity(), m)
		if err != nil || !bytes.Equal(a, last) {
			t.Fatalf("message %d: got %x, %v, want the last answer again", i, a, err)
		}
	}
	if got := l.Line(payer.Entity()); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestGap sends a later run first: it is not taken, and the answer tells.
func TestGap(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	l, _ := openTest(t, payee, Config{})
	c := newChain(t, payer, payee.Entity()).pay(nil, 1).pay(nil, 2).pay(nil, 3)
	b, err := l.Receive(t.Context(), payer.Entity(), c.push(1))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := decodeAck(b); err != nil || a.seq != 0 {
		t.Errorf("got %+v, %v, want nothing held", a, err)
	}
	if got := len(l.Lines()); got != 0 {
		t.Errorf("%d lines, want none", got)
	}
	if b, err = l.Receive(t.Context(), payer.Entity(), c.push(0)); err != nil {
		t.Fatal(err)
	}
	if a, err := decodeAck(b); err != nil || a.seq != 3 || a.tip != c.last.Hash() {
		t.Errorf("got %+v, %v, want all held", a, err)
	}
}

// TestTwoGrants shows two grants of one number to their debtor, and to their
// creditor, whose file is an old copy.
func TestTwoGrants(t *testing.T) {
	creditor, debtor := keyOf(t, 1), keyOf(t, 2)
	one := grantBy(t, creditor, debtor.Entity(), 1, 100, 0)
	two := grantBy(t, creditor, debtor.Entity(), 1, 200, 0)
	ld, _ := openTest(t, debtor, Config{})
	if _, err := ld.Receive(t.Context(), creditor.Entity(), push{line: one.Line, grant: &one}.encode()); err != nil {
		t.Fatal(err)
	}
	if _, err := ld.Receive(t.Context(), creditor.Entity(), push{line: two.Line, grant: &two}.encode()); !errors.Is(err, ErrGrant) {
		t.Errorf("debtor: got %v, want %v", err, ErrGrant)
	}
	lc, _ := openTest(t, creditor, Config{})
	adopt(t, lc, debtor.Entity(), nil, &two)
	meet(t, lc, ld)
	if c, d := lc.Line(debtor.Entity()), ld.Line(creditor.Entity()); c.TheyMayOwe != 100 || d.IMayOwe != 100 || c.Signed.Grant != 2 {
		t.Errorf("got %+v and %+v, want a second grant of the smaller limit", c, d)
	}

	// A creditor that lost its file takes its own grant back.
	lost, _ := openTest(t, creditor, Config{})
	meet(t, lost, ld)
	if got := lost.Line(debtor.Entity()); got.TheyMayOwe != 100 || got.Signed.Grant != 2 || got.State != StateOpen {
		t.Errorf("got %+v, want the grant that the debtor holds", got)
	}
}

// TestLines bounds how many peers can begin a line.
func TestLines(t *testing.T) {
	payee := keyOf(t, 200)
	l, _ := openTest(t, payee, Config{MaxLines: 3})
	for i := range 5 {
		payer := keyOf(t, byte(i+1))
		_, err := l.Receive(t.Context(), payer.Entity(), newChain(t, payer, payee.Entity()).pay(nil, 1).push(0))
		if (err == nil) != (i < 3) || err != nil && !errors.Is(err, ErrLines) {
			t.Errorf("peer %d: got %v", i, err)
		}
	}
	if _, err := l.Receive(t.Context(), keyOf(t, 1).Entity(), newChain(t, keyOf(t, 1), payee.Entity()).pay(nil, 1).pay(nil, 2).push(0)); err != nil {
		t.Errorf("a peer that is known: %v", err)
	}
}

// meet exchanges positions and delivers both outboxes.
func meet(t *testing.T, a, b *Ledger) {
	t.Helper()
	for _, p := range [][2]*Ledger{{a, b}, {b, a}} {
		position, err := p[0].Position(p[1].self)
		if err == nil {
			err = p[1].Compare(t.Context(), p[0].self, position)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	deliver(t, a, b)
	deliver(t, b, a)
}

// deliver carries all that from has signed for to.
func deliver(t *testing.T, from, to *Ledger) {
	t.Helper()
	for {
		message, err := from.Next(to.self)
		if err != nil {
			t.Fatal(err)
		}
		if message == nil {
			return
		}
		answer, err := to.Receive(t.Context(), from.self, message)
		if err == nil {
			err = from.Acked(t.Context(), to.self, answer)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
