package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// ErrOutOfStep is returned when a peer acknowledges something else than what
// was sent. Exchange positions with it and go on.
var ErrOutOfStep = errors.New("out of step")

// Position returns the message that tells peer what is held here of its
// half-chain and which of its grants, with its own signatures, and what is claimed
// here of its locks: the highest voucher, a preimage, or for a lock that it made
// void and of which nothing is claimed a release; and the recoveries, of which a
// copy that was put back may know nothing. Each side sends
// one before anything else after it has started or found the other again; the
// other gives it to Compare. Errors are ErrReadOnly and ErrClosed: a ledger that
// does not know what its disk holds does not say.
func (l *Ledger) Position(peer identity.Entity) ([]byte, error) {
	var out []byte
	// After a commit that failed the disk may hold more than can be read here. A
	// peer whose file was put back would take that for all it had signed.
	if err := l.Writable(); err != nil {
		return nil, fmt.Errorf("position on the line with %s: %w", peer.Short(), err)
	}
	claims, err := l.claims(peer)
	if err != nil {
		return nil, fmt.Errorf("position on the line with %s: %w", peer.Short(), err)
	}
	err = l.store.view(func(g getter) error {
		k := book{g}
		a, err := k.account(l.self, peer)
		if err != nil {
			return err
		}
		p := position{line: a.mine.line, shown: claims}
		recoveries, err := k.maybeLost(a)
		if err != nil {
			return err
		}
		p.shown = append(p.shown, recoveries...)
		if a.other.seq > 0 {
			_, r, err := k.entryAt(a.theirs, a.other.epoch, a.other.seq)
			if err != nil {
				return err
			}
			head := r.head()
			p.head = &head
		}
		if p.grant, err = k.grantOf(a.other); err != nil {
			return err
		}
		out = p.encode()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("position on the line with %s: %w", peer.Short(), err)
	}
	return out, nil
}

// Compare takes in a peer's Position. What the peer has is no longer in the
// outbox, what it lacks is there again. If it shows an entry of ours that we do
// not have, this ledger is older than it should be: the line is fenced, which
// is a *StateError from now on. A grant of ours that we do not have is taken
// back in. A voucher of ours that we do not have is too, and is folded if we are
// through with its lock; a preimage settles its lock; a release closes it. A recovery
// that begins where a half-chain stands here is taken back in; if something was signed
// here after it, of the epoch before, that is ErrFork, and the line is fenced, too. Errors are ErrFormat, ErrVersion, ErrKind, ErrStranger, identity's
// for signatures, *StateError, ErrReadOnly and ErrClosed.
func (l *Ledger) Compare(ctx context.Context, peer identity.Entity, message []byte) error {
	fail := func(err error) error { return fmt.Errorf("compare with %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	p, err := decodePosition(message)
	if err != nil {
		return fail(err)
	}
	if err := p.verify(accountOf(l.self, peer).mine, l.self); err != nil {
		return fail(err)
	}
	// Most comparisons find nothing to write, and peers ask for them.
	if err := l.restored(ctx, peer, p.shown); err != nil {
		return fail(err)
	}
	same := false
	err = l.store.view(func(g getter) error {
		a, err := book{g}.account(l.self, peer)
		if err != nil {
			return err
		}
		_, more, err := book{g}.unsentOf(p.line)
		same = !more && p.seq() == a.own.seq && p.grantSeq() == a.own.grantSeq &&
			(p.head == nil || p.head.Entry.Hash() == a.own.tip) &&
			(p.grant == nil || p.grant.Limit == a.own.grantLimit && p.grant.Expiry == a.own.grantExpiry)
		return err
	})
	if err != nil {
		return fail(err)
	}
	if !same {
		var refused error
		err := l.submit(ctx, p.line, func(b *batch) (err error) {
			refused, err = b.compareOwn(peer, p)
			return err
		})
		if err == nil { // else refused is not ours to read if ctx ended
			err = refused
		}
		if err != nil {
			return fail(err)
		}
	}
	if err := l.answer(ctx, peer, p.shown); err != nil {
		return fail(err)
	}
	return nil
}

func (p position) seq() uint64 {
	if p.head == nil {
		return 0
	}
	return p.head.Entry.Seq
}

func (p position) grantSeq() uint64 {
	if p.grant == nil {
		return 0
	}
	return p.grant.Seq
}

// verify checks that w, which is this ledger's own key, signed what p shows.
func (p position) verify(w writer, self identity.Entity) error {
	if p.line != w.line {
		return fmt.Errorf("%w: its line is %s", ErrStranger, p.line)
	}
	if p.head != nil {
		if p.head.Entry.Side != w.side {
			return fmt.Errorf("%w: the head is of the other side", ErrStranger)
		}
		if err := p.head.Verify(self); err != nil {
			return err
		}
	}
	if p.grant != nil {
		if p.grant.Creditor != self {
			return fmt.Errorf("%w: the grant's creditor is %s", ErrStranger, p.grant.Creditor.Short())
		}
		if err := p.grant.Verify(); err != nil {
			return err
		}
	}
	return nil
}

// compareOwn puts the outbox right, or fences the line.
func (b *batch) compareOwn(peer identity.Entity, p position) (refused, err error) {
	a, state, err := b.open(peer)
	if err != nil {
		return nil, err
	}
	store := func(err error) (error, error) { return nil, fmt.Errorf("%w: %w", errStore, err) }

	if p.head != nil && p.head.Entry.Epoch < a.own.epoch {
		if held, err := b.holds(a.mine, a.own, p.head.Entry.reach()); err != nil {
			return store(err)
		} else if held != isHeld {
			return nil, fmt.Errorf("%w: it shows our entry %d of epoch %d, and signed that it held none such",
				ErrContradiction, p.seq(), p.head.Entry.Epoch)
		}
	}
	lost := p.seq() > a.own.seq
	if p.head != nil && !lost {
		held, _, err := b.entryAt(a.mine, a.own.epoch, p.seq())
		if err != nil {
			return store(err)
		}
		lost = held.Hash() != p.head.Entry.Hash()
	}
	if lost {
		if state == StateFenced {
			return &StateError{Peer: peer, State: state, Why: "it was restored from an older copy"}, nil
		}
		return b.fence(a, proof{kind: proofLost, shown: &run{entries: []Entry{p.head.Entry}, sig: p.head.Sig}})
	}
	if state == StateFenced {
		return &StateError{Peer: peer, State: state}, nil
	}

	if g := p.grant; g != nil && g.Seq >= a.own.grantSeq &&
		(g.Seq > a.own.grantSeq || g.Limit != a.own.grantLimit || g.Expiry != a.own.grantExpiry) {
		if g.Seq == a.own.grantSeq { // two with one number: only a third one settles it
			g = &Grant{Line: p.line, Seq: g.Seq + 1, Creditor: b.l.self, Limit: min(g.Limit, a.own.grantLimit), Expiry: a.own.grantExpiry}
			signed, err := g.sign(b.l.signer)
			if err != nil {
				return nil, err
			}
			g = &signed
		}
		if err := b.appendGrant(&a, a.mine, *g); err != nil {
			return store(err)
		}
		if err := b.keep(a, state); err != nil {
			return nil, err
		}
	}
	before, more, err := b.unsentOf(p.line)
	if err != nil {
		return store(err)
	}
	now := Mark{p.seq(), p.grantSeq()}
	done := now.Reaches(Mark{a.own.seq, a.own.grantSeq})
	if done != more && (done || now == Mark{before.seq, before.grant}) {
		return nil, nil // as it was: whoever asks for the same again wakes nobody
	}
	if err := b.owe(a, now.Entry, now.Grant); err != nil {
		return store(err)
	}
	b.changes = append(b.changes, Change{Peer: peer, Outgoing: !done, Delivered: done})
	return nil, nil
}

// Next returns the next message of the outbox for peer, nil when there is none.
// It is the same bytes until the peer acknowledges or more is signed. On a
// fenced line there is none.
func (l *Ledger) Next(peer identity.Entity) ([]byte, error) {
	message, _, err := l.Outbox(peer, Mark{}, MaxMessage)
	return message, err
}

// Outbox is Next for what comes after a place up to which was sent already, and
// for messages of up to room bytes, MaxMessage to MaxPush. end is up to where
// the message goes.
func (l *Ledger) Outbox(peer identity.Entity, after Mark, room int) (message []byte, end Mark, err error) {
	end = after
	err = l.store.view(func(g getter) error {
		k := book{g}
		a := accountOf(l.self, peer)
		done, more, err := k.unsentOf(a.mine.line)
		if err != nil || !more {
			return err
		}
		if a, err = k.account(l.self, peer); err != nil {
			return err
		}
		if state, _, err := k.state(a.mine.line); err != nil || state == StateFenced {
			return err
		}
		end = Mark{max(done.seq, after.Entry), max(done.grant, after.Grant)}
		if end.Reaches(Mark{a.own.seq, a.own.grantSeq}) {
			return nil
		}
		p := push{line: a.mine.line}
		if a.own.grantSeq > end.Grant {
			if p.grant, err = k.grantOf(a.own); err != nil {
				return err
			}
			end.Grant = a.own.grantSeq
		}
		size := pushBase
		for end.Entry < a.own.seq && len(p.runs) < maxPushRuns {
			r, _, found, err := k.runFrom(a.mine, a.own.epoch, end.Entry+1)
			if err != nil {
				return err
			}
			if !found {
				return damage(k, bHead, a.mine.headKey(a.own.epoch, end.Entry+1), nil, "it is missing")
			}
			if size += r.size(); size > room {
				break
			}
			p.runs = append(p.runs, r)
			end.Entry = r.last().Seq
		}
		message = p.encode()
		return nil
	})
	if err != nil {
		return nil, after, fmt.Errorf("outbox for %s: %w", peer.Short(), err)
	}
	return message, end, nil
}

// Acked takes in the answer of the peer's Receive to what Next made. It is
// ErrOutOfStep when the peer holds something else than what was sent, or no
// more than before; other errors are ErrFormat, ErrVersion, ErrStranger,
// ErrReadOnly and ErrClosed.
func (l *Ledger) Acked(ctx context.Context, peer identity.Entity, message []byte) error {
	fail := func(err error) error { return fmt.Errorf("acknowledged by %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	a, err := decodeAck(message)
	if err != nil {
		return fail(err)
	}
	if a.line != LineOf(l.self, peer) {
		return fail(fmt.Errorf("%w: its line is %s", ErrStranger, a.line))
	}
	failpoint.Hit(failAckReceived)
	// If a crash forgets it, the peer says it again at the next meeting.
	err = l.submitLater(ctx, a.line, func(b *batch) error { return b.acked(peer, a) })
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failAckCommitted)
	return nil
}

func (b *batch) acked(peer identity.Entity, got ack) error {
	a, state, err := b.open(peer)
	if err != nil {
		return err
	}
	before, more, err := b.unsentOf(got.line)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if !more {
		return nil // an old answer
	}
	if got.seq > a.own.seq || got.grant > a.own.grantSeq {
		return fmt.Errorf("%w: the peer holds entry %d and grant %d, here are %d and %d",
			ErrOutOfStep, got.seq, got.grant, a.own.seq, a.own.grantSeq)
	}
	if got.grant < a.own.grantSeq {
		got.grant = min(got.grant, before.grant) // of one that is no longer the newest nothing is known
	} else if held, err := b.grantOf(a.own); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	} else if held != nil && held.hash() != got.terms {
		return fmt.Errorf("%w: the peer holds another grant %d", ErrOutOfStep, got.grant)
	}
	if got.seq < before.seq || got.grant < before.grant || got.seq == before.seq && got.grant == before.grant {
		return fmt.Errorf("%w: the peer holds entry %d and grant %d, no more than before", ErrOutOfStep, got.seq, got.grant)
	}
	if got.seq > 0 {
		held, _, err := b.entryAt(a.mine, a.own.epoch, got.seq)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		if held.Hash() != got.tip {
			return fmt.Errorf("%w: the peer holds another entry %d", ErrOutOfStep, got.seq)
		}
	}
	if err := b.owe(a, got.seq, got.grant); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	b.touched[peer], b.states[peer] = a, state
	if got.seq == a.own.seq && got.grant == a.own.grantSeq {
		b.changes = append(b.changes, Change{Peer: peer, Delivered: true})
	}
	return nil
}

// Pending lists the peers that have not acknowledged everything, at most max of
// them, those on fenced lines left out.
func (l *Ledger) Pending(max int) ([]identity.Entity, error) {
	var all []identity.Entity
	err := l.store.view(func(g getter) error {
		k := book{g}
		return k.scan(bOut, nil, func(key, value []byte) (bool, error) {
			payload, err := unseal(k, bOut, key, value)
			if err != nil {
				return false, err
			}
			u, err := decodeUnsent(payload)
			if err != nil {
				return false, damage(k, bOut, key, value, err.Error())
			}
			if state, _, err := k.state(LineID(key)); err != nil {
				return false, err
			} else if state != StateFenced {
				all = append(all, u.peer)
			}
			return len(all) < max, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return all, nil
}
