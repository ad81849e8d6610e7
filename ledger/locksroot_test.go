package ledger

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"github.com/peersea/sea/identity"
)

// TestLocksRoot compares the locks that are found by going back from the newest
// entry with those that going forward from the first makes, at every entry.
func TestLocksRoot(t *testing.T) {
	payer, payee := keyOf(t, 1), keyOf(t, 2)
	l, _ := openTest(t, payee, Config{test: true})
	c := newChain(t, payer, payee.Entity())
	ref, preimage := identity.HashOf([]byte("order")), [32]byte{7}
	terms := func(h identity.Hash) LockTerms { return LockTerms{Expiry: 100, Quote: testQuote, Hash: h} }
	voucher := func(lock identity.Hash, cum Amount) Voucher {
		v, err := Voucher{Line: c.line, Side: c.side, Lock: lock, Cum: cum, Fuel: 1, Quote: testQuote}.sign(payer)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c.say(KindLock, 100, 100, 0, ref, terms(identity.Hash{}))
	first := c.last.Hash()
	c.say(KindLock, 50, 150, 0, ref, terms(sha256.Sum256(preimage[:])))
	second := c.last.Hash()
	c.say(KindLock, 10, 160, 0, ref, terms(identity.Hash{}))
	third := c.last.Hash()
	c.say(KindFold, 40, 120, 40, ref, voucher(first, 40))
	c.say(KindVoid, 60, 60, 40, ref, voiding{lock: first})
	c.say(KindFold, 60, 60, 100, ref, voucher(first, 100)) // closes it
	c.say(KindSettle, 50, 10, 150, ref, settlement{second, preimage})
	release, err := Release{Line: c.line, Side: c.side, Lock: third}.sign(payee)
	if err != nil {
		t.Fatal(err)
	}
	c.say(KindVoid, 10, 0, 150, ref, voiding{third, &release})
	c.say(KindLock, 5, 5, 150, ref, terms(identity.Hash{}))
	if _, err := l.Receive(t.Context(), payer.Entity(), c.push(0)); err != nil {
		t.Fatal(err)
	}

	var k book
	err = l.store.view(func(g getter) error {
		k = book{g}
		a, err := k.account(l.self, payer.Entity())
		if err != nil {
			return err
		}
		tally := newHalf(payer.Entity()).tally()
		for seq := uint64(0); ; seq++ {
			var want []identity.Hash
			for _, one := range tally.locks {
				want = append(want, one.id)
			}
			if got, err := k.locksAt(a.theirs, a.other, seq); err != nil || !slices.Equal(got, want) {
				t.Errorf("after entry %d: got %v, %v, want %v", seq, got, err, want)
			}
			if int(seq) == len(c.runs) {
				return nil
			}
			if tally, err = c.runs[seq].follows(tally); err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckpointLocks has two sides agree while both have locks that are not
// closed, also where one has gone on since.
func TestCheckpointLocks(t *testing.T) {
	low, high := lowAndHigh(t)
	lock := func(from, to *Ledger) identity.Hash {
		e, err := from.Lock(t.Context(), to.self, 10, NewRef(), LockTerms{Expiry: tickOf(testTime) + 60, Quote: testQuote})
		if err != nil {
			t.Fatal(err)
		}
		return e.Hash()
	}
	sorted := func(ids ...identity.Hash) []identity.Hash {
		slices.SortFunc(ids, func(a, b identity.Hash) int { return slices.Compare(a[:], b[:]) })
		return ids
	}
	want := func(n uint64, root identity.Hash) {
		t.Helper()
		a, b := pactOf(t, low, high.self).agreed, pactOf(t, high, low.self).agreed
		if a == nil || b == nil || a.N != n || a.Hash() != b.Hash() || a.Locks != root {
			t.Fatalf("got %+v and %+v, want checkpoint %d with root %s", a, b, n, root)
		}
	}
	paid(t, low, high, 1)
	deliver(t, low, high)
	agree(t, low, high)
	want(1, locksRoot(nil, nil))

	mine, theirs := lock(low, high), lock(high, low)
	deliver(t, low, high)
	deliver(t, high, low)
	second := lock(low, high) // not delivered: not in it
	agree(t, low, high)
	want(2, locksRoot([]identity.Hash{mine}, []identity.Hash{theirs}))

	deliver(t, low, high)
	message, err := low.Checkpoint(t.Context(), high.self)
	if err != nil {
		t.Fatal(err)
	}
	third := lock(high, low) // what high has now is more than what it is asked to sign
	lock(low, high)
	deliver(t, low, high)
	answer, err := high.TakeCheckpoint(t.Context(), low.self, message)
	if err == nil {
		_, err = low.TakeCheckpoint(t.Context(), high.self, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	want(3, locksRoot(sorted(mine, second), []identity.Hash{theirs}))

	// One of a program that knew no roots is signed too; a wrong root is not.
	deliver(t, high, low)
	next := pactOf(t, low, high.self).agreed
	for i, root := range []identity.Hash{locksRoot([]identity.Hash{mine}, []identity.Hash{theirs, third}), {}} {
		c := Checkpoint{Line: next.Line, N: 4, Prev: next.Hash(), Sides: next.Sides, Locks: root}
		err := high.store.view(func(g getter) error {
			a, err := book{g}.account(high.self, low.self)
			c.Sides[Low], c.Sides[High] = a.other.reach(), a.own.reach()
			return err
		})
		if err == nil {
			c, err = c.sign(low.signer, Low)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = high.TakeCheckpoint(t.Context(), low.self, pactMessage{line: c.Line, proposed: &c}.encode())
		if (i == 0) != errors.Is(err, ErrContradiction) || i == 1 && err != nil {
			t.Errorf("root %s: got %v", root, err)
		}
	}
}
