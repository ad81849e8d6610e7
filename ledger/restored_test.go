package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// recover has l go back to an old copy and rebuild its half-chain with peer, so
// that it is in a new epoch, at the entry that it had.
func recovered(t *testing.T, l, peer *Ledger) *Ledger {
	t.Helper()
	again := copyOf(t, l)
	paid(t, l, peer, 2)
	deliver(t, l, peer)
	l = again()
	position, err := peer.Position(l.self)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Compare(t.Context(), peer.self, position); !errors.Is(err, ErrLine) {
		t.Fatalf("got %v, want it fenced", err)
	}
	if _, err := rebuild(t, l, peer); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCopyFromBeforeRecovery puts a copy back from just before a recovery, with
// the same newest entry: it takes the recovery back in when the two meet, and
// goes on.
func TestCopyFromBeforeRecovery(t *testing.T) {
	for _, times := range []int{1, 3} { // so many recoveries with one newest entry
		l, peer := lowAndHigh(t)
		paid(t, l, peer, 1)
		paid(t, peer, l, 1)
		meet(t, l, peer)
		again := copyOf(t, l)
		l = recovered(t, l, peer) // at entry 2, which the copy does not have
		before := copyOf(t, l)
		for range times - 1 {
			recoverAgain(t, l, peer)
		}
		epoch := l.Line(peer.self).Mine
		for _, back := range []func() *Ledger{before, again} {
			old := back()
			position, err := peer.Position(old.self)
			if err != nil {
				t.Fatal(err)
			}
			err = old.Compare(t.Context(), peer.self, position)
			if old.Line(peer.self).Mine.Seq < epoch.Seq {
				if !errors.Is(err, ErrLine) {
					t.Fatalf("older: got %v, want it fenced", err)
				}
				if _, err := rebuild(t, old, peer); err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			paid(t, old, peer, 5)
			meet(t, old, peer)
			agree(t, old, peer)
			sameLine(t, old, peer)
			epoch = old.Line(peer.self).Mine
		}
	}
}

// recoverAgain signs one more recovery of l's half-chain where it stands, as a
// rebuild does whose line was fenced once more.
func recoverAgain(t *testing.T, l, peer *Ledger) {
	t.Helper()
	err := l.submit(t.Context(), LineOf(l.self, peer.self), func(b *batch) error {
		a, state, err := b.open(peer.self)
		if err != nil {
			return err
		}
		next, err := b.nextRecall(a, true)
		if err != nil {
			return err
		}
		m, err := decodeRecall(next)
		if err != nil {
			return err
		}
		if _, err := peer.AnswerRecall(t.Context(), l.self, next); err != nil {
			return err
		}
		v := *m.with
		err = peer.store.view(func(g getter) (err error) {
			v, _, err = book{g}.recovery(a.mine, v.Epoch)
			return err
		})
		if err != nil {
			return err
		}
		a.own.epoch = v.Epoch
		if err := b.put(bRecovery, a.mine.recoveryKey(v.Epoch), v.Encode()); err != nil {
			return err
		}
		return b.keep(a, state)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSignedBeforeRecovery has such a copy sign something before it meets: that
// is of an old epoch, it is told, and nothing more is signed on the line.
func TestSignedBeforeRecovery(t *testing.T) {
	l, peer := lowAndHigh(t)
	paid(t, l, peer, 1)
	deliver(t, l, peer)
	l = recovered(t, l, peer)
	before := copyOf(t, l)
	recoverAgain(t, l, peer)
	old := before()
	paid(t, old, peer, 5)
	position, err := peer.Position(old.self)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Compare(t.Context(), peer.self, position); !errors.Is(err, ErrFork) {
		t.Errorf("got %v, want %v", err, ErrFork)
	}
	if line := old.Line(peer.self); line.State != StateFenced || !strings.Contains(line.Reason, "our recovery to epoch 3 after entry 2") {
		t.Errorf("the line is %s: %s", line.State, line.Reason)
	}
	if err := pay(old, peer.self, 1); !errors.Is(err, ErrLine) {
		t.Errorf("it pays: %v", err)
	}
	if err := old.Compare(t.Context(), peer.self, position); !errors.Is(err, ErrLine) { // and again changes nothing
		t.Errorf("got %v, want %v", err, ErrLine)
	}
	// A recovery of nobody counts for nothing.
	p, err := decodePosition(position)
	if err != nil {
		t.Fatal(err)
	}
	fresh := before()
	for i := range p.shown {
		if v := p.shown[i].recovery; v != nil {
			v.Consent[0] ^= 1
		}
	}
	if err := fresh.Compare(t.Context(), peer.self, p.encode()); err == nil {
		t.Error("a recovery that the peer did not sign was taken")
	}
	if got := fresh.Line(peer.self).Mine; got != l.Line(peer.self).Mine {
		t.Errorf("got %+v", got)
	}
}

// TestTwoGrantsRebuilt has a copy grant under a number that it has used before, and
// then rebuild its line: a rebuild carries no grants, so the two still differ when
// all entries are the same, and the next meeting settles them.
func TestTwoGrantsRebuilt(t *testing.T) {
	l, peer := lowAndHigh(t)
	again := copyOf(t, l)
	grant := func(l *Ledger, limit Amount) {
		t.Helper()
		if err := l.Grant(peer.self, limit, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	grant(l, 100)
	paid(t, l, peer, 1)
	deliver(t, l, peer)
	old := again()
	grant(old, 200)
	position, err := peer.Position(old.self)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Compare(t.Context(), peer.self, position); !errors.Is(err, ErrLine) {
		t.Fatalf("got %v, want it fenced", err)
	}
	if _, err := rebuild(t, old, peer); err != nil {
		t.Fatal(err)
	}
	meet(t, old, peer)
	if mine, theirs := old.Line(peer.self), peer.Line(old.self); mine.TheyMayOwe != 100 || theirs.IMayOwe != 100 || mine.Signed.Grant != 2 {
		t.Errorf("got %+v and %+v, want a second grant of the smaller limit", mine, theirs)
	}
	sameLine(t, old, peer)
}

// TestBothRestored puts both files back, the second from before it agreed to the
// recovery of the first, with and without entries of its own since: both sides
// come to the same line, in which nothing is lost that one of them had.
func TestBothRestored(t *testing.T) {
	for _, lost := range []string{"the recovery", "entries before it", "its own entries too"} {
		t.Run(lost, func(t *testing.T) {
			l, peer := lowAndHigh(t)
			paid(t, l, peer, 1)
			paid(t, peer, l, 1)
			meet(t, l, peer)
			again := copyOf(t, peer)
			if lost != "the recovery" {
				paid(t, l, peer, 3)
				meet(t, l, peer)
			}
			if lost == "its own entries too" {
				paid(t, peer, l, 4)
				meet(t, l, peer)
			}
			if lost == "the recovery" {
				again = copyOf(t, peer)
				recoverAgain(t, l, peer)
			} else {
				l = recovered(t, l, peer)
			}
			paid(t, l, peer, 5)
			deliver(t, l, peer)
			want := l.Line(peer.self)

			peer = again()
			for range 3 { // as the carriers do: meet, push, and meet again when that is refused
				for _, p := range [][2]*Ledger{{l, peer}, {peer, l}} {
					position, err := p[0].Position(p[1].self)
					if err != nil {
						t.Fatal(err)
					}
					if err := p[1].Compare(t.Context(), p[0].self, position); err != nil && !errors.Is(err, ErrLine) {
						t.Fatal(err)
					}
				}
				if peer.Line(l.self).State == StateFenced {
					if _, err := rebuild(t, peer, l); err != nil {
						t.Fatal(err)
					}
				}
				for {
					message, err := l.Next(peer.self)
					if err != nil {
						t.Fatal(err)
					}
					if message == nil {
						break
					}
					answer, err := peer.Receive(t.Context(), l.self, message)
					if errors.Is(err, ErrOutOfStep) {
						break
					}
					if err == nil {
						err = l.Acked(t.Context(), peer.self, answer)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			meet(t, l, peer)
			agree(t, l, peer)
			sameLine(t, l, peer)
			if got := peer.Line(l.self); got.Theirs != want.Mine || got.Mine != want.Theirs {
				t.Errorf("got %+v, want %+v", got, want)
			}
			paid(t, l, peer, 6)
			paid(t, peer, l, 7)
			meet(t, l, peer)
			sameLine(t, l, peer)
		})
	}
}

// TestOwnCheckpoints has a low side that was put back sign a second checkpoint
// of one number, with a high side that hid the first, and shows it that one: it
// has both signatures of its own, so it blames nobody and is fenced, until it
// has recovered.
func TestOwnCheckpoints(t *testing.T) {
	low, high := lowAndHigh(t)
	paid(t, low, high, 1)
	deliver(t, low, high)
	lowAgain, highAgain := copyOf(t, low), copyOf(t, high)
	agree(t, low, high)
	first := pactOf(t, high, low.self).agreed

	low, high = lowAgain(), highAgain()
	if err := high.Grant(low.self, 7, testTime.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	meet(t, low, high)
	agree(t, low, high)
	second := pactOf(t, low, high.self).agreed
	if first == nil || second == nil || first.N != second.N || first.Hash() == second.Hash() {
		t.Fatalf("got %+v and %+v", first, second)
	}
	show := pactMessage{line: first.Line, agreed: first}.encode()
	if _, err := low.TakeCheckpoint(t.Context(), high.self, show); !errors.Is(err, ErrLine) {
		t.Errorf("got %v, want %v", err, ErrLine)
	}
	if got := low.Line(high.self).State; got != StateFenced {
		t.Errorf("the line is %s, want it fenced", got)
	}
	if _, m, err := low.Prove(high.self); !errors.Is(err, ErrNoProof) {
		t.Errorf("proved %+v, %v", m, err)
	}
	blame := proof{kind: proofPacts, peer: high.self, pacts: []Checkpoint{*first, *second}}
	if m, err := CheckProof(append(append([]byte(proofMark), low.self[:]...), blame.encode()...)); !errors.Is(err, ErrProof) {
		t.Errorf("the high side alone: %+v, %v", m, err)
	}
	blame.peer = low.self
	if m, err := CheckProof(append(append([]byte(proofMark), high.self[:]...), blame.encode()...)); err != nil || m.By != low.self {
		t.Errorf("the low side: %+v, %v", m, err)
	}
	if _, err := rebuild(t, low, high); err != nil {
		t.Fatal(err)
	}
	if _, err := low.TakeCheckpoint(t.Context(), high.self, show); err != nil {
		t.Errorf("after the recovery: %v", err)
	}
	if got := low.Line(high.self); got.State != StateOpen || got.Agreed.Hash != first.Hash() {
		t.Errorf("got %+v", got)
	}
}
