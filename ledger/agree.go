package ledger

import (
	"context"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// Checkpoint returns the next message about checkpoints for peer, nil when
// there is none: this is the high side, which only answers, or nothing has
// changed since the newest checkpoint. It is the same bytes until the peer has
// answered. The answer, the peer's TakeCheckpoint, goes to this side's; then
// Checkpoint says whether there is more.
//
// The first message of a process asks, and proposes only what was signed
// before: so a ledger that was restored from a copy learns of the checkpoints
// it has signed before it could sign another one with the same number. Errors
// are ErrSelf, ErrReadOnly and ErrClosed.
func (l *Ledger) Checkpoint(ctx context.Context, peer identity.Entity) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("checkpoint with %s: %w", peer.Short(), err)
	}
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	if SideOf(l.self, peer) == High {
		return nil, nil
	}
	met := l.hasMet(peer)
	var out *pactMessage
	news := false
	err := l.store.view(func(g getter) (err error) {
		out, news, err = book{g}.nextPact(l.self, peer, met)
		return err
	})
	if err != nil {
		return fail(err)
	}
	if news {
		err := l.submit(ctx, LineOf(l.self, peer), func(b *batch) (err error) {
			out, err = b.propose(peer)
			return err
		})
		if err != nil {
			return fail(err)
		}
		failpoint.Hit(failCheckpointProposed)
	}
	if out == nil {
		return nil, nil
	}
	return out.encode(), nil
}

func (l *Ledger) hasMet(peer identity.Entity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, met := l.met[peer]
	return met
}

// nextPact returns what is to be sent about checkpoints, if that is signed
// already; news says that there is something to sign.
func (k book) nextPact(self, peer identity.Entity, met bool) (_ *pactMessage, news bool, err error) {
	a, err := k.account(self, peer)
	if err != nil || !a.known {
		return nil, false, err
	}
	if state, _, err := k.state(a.mine.line); err != nil || state != StateOpen {
		return nil, false, err
	}
	p, err := k.pact(a.mine.line, peer)
	if err != nil {
		return nil, false, err
	}
	if met && p.proposed == nil {
		next, err := k.reached(a, p.agreed)
		return nil, err == nil && p.differs(next), err
	}
	return &pactMessage{line: a.mine.line, agreed: p.agreed, proposed: p.proposed}, false, nil
}

// differs says whether sides is news after the newest checkpoint.
func (p pact) differs(sides [2]Reach) bool {
	if p.agreed == nil {
		return sides != [2]Reach{{Epoch: firstEpoch}, {Epoch: firstEpoch}}
	}
	return sides != p.agreed.Sides
}

// reached is where the line stands in what both sides are known to have: all
// that the peer signed and is held here, and what it has acknowledged of ours.
func (k book) reached(a account, agreed *Checkpoint) (sides [2]Reach, err error) {
	sides[a.theirs.side], sides[a.mine.side] = a.other.reach(), a.own.reach()
	acked, more, err := k.unsentOf(a.mine.line)
	if err != nil || !more {
		return sides, err
	}
	own, before := &sides[a.mine.side], Reach{Epoch: firstEpoch}
	if agreed != nil {
		before = agreed.Sides[a.mine.side]
	}
	if acked.grant < own.Grant {
		own.Grant, own.Limit = before.Grant, before.Limit
	}
	switch {
	case acked.seq >= own.Seq:
	case acked.seq <= before.Seq:
		own.Epoch, own.Seq, own.Tip, own.Cum = before.Epoch, before.Seq, before.Tip, before.Cum
	default:
		e, _, err := k.entryAt(a.mine, a.own.epoch, acked.seq)
		if err != nil {
			return sides, err
		}
		r := e.reach()
		own.Epoch, own.Seq, own.Tip, own.Cum = r.Epoch, r.Seq, r.Tip, r.Cum
	}
	return sides, nil
}

func (h half) reach() Reach {
	return Reach{Epoch: h.epoch, Seq: h.seq, Tip: h.tip, Cum: h.cum, Grant: h.grantSeq, Limit: h.grantLimit}
}

func (e Entry) reach() Reach { return Reach{Epoch: e.Epoch, Seq: e.Seq, Tip: e.Hash(), Cum: e.Cum} }

// propose signs the next checkpoint of a line whose low side this is, unless
// one is under way.
func (b *batch) propose(peer identity.Entity) (*pactMessage, error) {
	a, _, err := b.open(peer)
	if err != nil {
		return nil, err
	}
	store := func(err error) (*pactMessage, error) { return nil, fmt.Errorf("%w: %w", errStore, err) }
	out, news, err := b.nextPact(b.l.self, peer, b.l.hasMet(peer))
	if err != nil {
		return store(err)
	}
	if !news { // another caller was faster, or the line was closed
		return out, nil
	}
	p, err := b.pact(a.mine.line, peer)
	if err != nil {
		return store(err)
	}
	next := Checkpoint{Line: a.mine.line, N: p.n() + 1, Tick: tickOf(b.l.cfg.Now())}
	if p.agreed != nil {
		next.Prev = p.agreed.Hash()
	}
	if next.Sides, err = b.reached(a, p.agreed); err != nil {
		return store(err)
	}
	if next.Locks, err = b.rootAt(a, next.Sides); err != nil {
		return store(err)
	}
	if next, err = next.sign(b.l.signer, Low); err != nil {
		return nil, err
	}
	p.proposed = &next
	failpoint.Hit(failCheckpointBeforeCommit)
	if err := b.keepPact(a.mine.line, p); err != nil {
		return nil, err
	}
	return &pactMessage{line: a.mine.line, agreed: p.agreed, proposed: p.proposed}, nil
}

// TakeCheckpoint takes in what the peer's Checkpoint or TakeCheckpoint
// returned. On the high side a proposal that is true is signed, which is on the
// disk when TakeCheckpoint returns, and answer is the newest checkpoint; the
// same proposal again gets the same bytes. On the low side answer is nil.
//
// Two checkpoints of the peer that contradict each other, or one that is not a
// prefix of its half-chain, are kept as proof: the line is disputed. One that
// this side signed and that names entries of ours that are not here fences it.
// Errors are ErrFormat, ErrVersion, ErrStranger, identity's for signatures,
// ErrContradiction, ErrOutOfStep when it names what is not here yet or nothing
// new, *StateError, ErrReadOnly and ErrClosed.
func (l *Ledger) TakeCheckpoint(ctx context.Context, peer identity.Entity, message []byte) (answer []byte, err error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("checkpoint with %s: %w", peer.Short(), err)
	}
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	if err := l.Writable(); err != nil {
		return fail(err) // as in Position: the disk may hold more than can be read here
	}
	m, err := decodePactMessage(message)
	if err != nil {
		return fail(err)
	}
	if err := m.verify(l.verifier, l.self, peer); err != nil {
		return fail(err)
	}
	failpoint.Hit(failCheckpointVerified)
	out, same, err := l.sameAgain(peer, m)
	if err != nil {
		return fail(err)
	}
	if !same {
		found, err := l.findRoots(peer, m)
		if err != nil {
			return fail(err)
		}
		var refused error
		err = l.submit(ctx, m.line, func(b *batch) (err error) {
			out, refused, err = b.takePact(peer, m, found)
			return err
		})
		if err == nil { // else they are not ours to read if ctx ended
			err = refused
		}
		if err != nil {
			return fail(err)
		}
		failpoint.Hit(failCheckpointCommitted)
	}
	if SideOf(l.self, peer) == Low {
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, known := l.standing[peer]; known {
			l.met[peer] = struct{}{}
		}
		return nil, nil
	}
	return pactMessage{line: m.line, agreed: out}.encode(), nil
}

// verify checks the line and every signature in m: of an agreed checkpoint both,
// of a proposal the low side's, which must be the sender.
func (m pactMessage) verify(v *identity.Verifier, self, peer identity.Entity) error {
	low, high := self, peer
	if SideOf(self, peer) == High {
		low, high = peer, self
	}
	if m.line != LineOf(self, peer) {
		return fmt.Errorf("%w: its line is %s", ErrStranger, m.line)
	}
	if m.proposed != nil && peer != low {
		return fmt.Errorf("%w: only the low side proposes", ErrStranger)
	}
	all := signatures{by: v}
	if m.agreed != nil {
		all.checkpoint(low, *m.agreed, Low)
		all.checkpoint(high, *m.agreed, High)
	}
	if m.proposed != nil {
		all.checkpoint(low, *m.proposed, Low)
	}
	_, err := all.verify()
	return err
}

// sameAgain says whether m changes nothing, and what answers it then: it asks,
// or an answer was lost.
func (l *Ledger) sameAgain(peer identity.Entity, m pactMessage) (out *Checkpoint, same bool, err error) {
	err = l.store.view(func(g getter) error {
		k := book{g}
		p, err := k.pact(m.line, peer)
		if err != nil {
			return err
		}
		known := func(c *Checkpoint) bool {
			return c == nil || p.agreed != nil && p.agreed.N == c.N && p.agreed.Hash() == c.Hash()
		}
		before := m.agreed == nil || p.agreed != nil && m.agreed.N+1 == p.agreed.N && m.agreed.Hash() == p.agreed.Prev
		out, same = p.agreed, known(m.proposed) && (known(m.agreed) || before)
		return nil
	})
	return out, same, err
}

// takePact takes in m, whose signatures are good, and returns the newest
// checkpoint. A refusal comes back apart from err when there is something to
// write for it.
func (b *batch) takePact(peer identity.Entity, m pactMessage, found roots) (out *Checkpoint, refused, err error) {
	a, state, err := b.open(peer)
	if err != nil {
		return nil, nil, err
	}
	if state != StateOpen {
		return nil, nil, &StateError{Peer: peer, State: state}
	}
	p, err := b.pact(m.line, peer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if m.agreed != nil {
		if p, refused, err = b.adopt(a, p, *m.agreed, found); refused != nil || err != nil {
			return nil, refused, err
		}
	}
	if m.proposed != nil {
		if p, refused, err = b.countersign(a, p, *m.proposed, found); refused != nil || err != nil {
			return nil, refused, err
		}
	}
	return p.agreed, nil, nil
}

// adopt takes in a checkpoint that both sides signed.
func (b *batch) adopt(a account, p pact, c Checkpoint, found roots) (_ pact, refused, err error) {
	// Both bear both signatures, and only the low side proposes: two that
	// contradict each other are its doing, whoever shows them.
	conflict := p.agreed != nil && c.conflicts(*p.agreed, Low)
	switch {
	case conflict && a.mine.side == High:
		refused, err := b.dispute(a, proof{kind: proofPacts, pacts: []Checkpoint{*p.agreed, c}})
		return p, refused, err
	case conflict && a.own.epoch == c.Sides[Low].Epoch: // this file was put back, and c was hidden from it
		refused, err := b.fence(a, proof{kind: proofLostPact, pacts: []Checkpoint{c}})
		return p, refused, err
	case conflict: // what was lost is recovered since: c is the one to go on from
	case c.N <= p.n():
		return p, nil, nil
	}
	refused, err = b.prefix(a, c, found, true)
	if refused != nil || err != nil {
		return p, refused, err
	}
	p.agreed = &c
	if p.proposed != nil && p.proposed.N <= c.N {
		p.proposed = nil
	}
	return p, nil, b.keepPact(c.Line, p)
}

// countersign signs a proposal of the low side, if it is true and new.
func (b *batch) countersign(a account, p pact, c Checkpoint, found roots) (_ pact, refused, err error) {
	switch {
	case p.agreed != nil && c.conflicts(*p.agreed, a.theirs.side):
		refused, err := b.dispute(a, proof{kind: proofPacts, pacts: []Checkpoint{*p.agreed, c}})
		return p, refused, err
	case c.N <= p.n():
		return p, nil, nil
	case c.N > p.n()+1 || p.agreed != nil && c.Prev != p.agreed.Hash():
		return p, nil, fmt.Errorf("%w: checkpoint %d does not follow checkpoint %d", ErrOutOfStep, c.N, p.n())
	case !p.differs(c.Sides):
		return p, nil, fmt.Errorf("%w: checkpoint %d says nothing new", ErrOutOfStep, c.N)
	}
	refused, err = b.prefix(a, c, found, false)
	if refused != nil || err != nil {
		return p, refused, err
	}
	if c, err = c.sign(b.l.signer, High); err != nil {
		return p, nil, err
	}
	p.agreed = &c
	failpoint.Hit(failCheckpointSigned)
	return p, nil, b.keepPact(c.Line, p)
}

// prefix returns why c does not fit what is held of the line, whose roots were
// found. signed tells that c bears our own signature.
func (b *batch) prefix(a account, c Checkpoint, found roots, signed bool) (refused, err error) {
	own, other := c.Sides[a.mine.side], c.Sides[a.theirs.side]
	if held, err := b.holds(a.mine, a.own, own); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	} else if held != isHeld && signed && own.Epoch >= a.own.epoch {
		return b.fence(a, proof{kind: proofLostPact, pacts: []Checkpoint{c}})
	} else if held == isOther {
		return nil, fmt.Errorf("%w: checkpoint %d has another entry %d of ours", ErrContradiction, c.N, own.Seq)
	} else if held == isAhead {
		return nil, fmt.Errorf("%w: checkpoint %d has our entry %d, here are %d", ErrOutOfStep, c.N, own.Seq, a.own.seq)
	}
	if held, err := b.holds(a.theirs, a.other, other); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	} else if held == isAhead {
		return nil, fmt.Errorf("%w: checkpoint %d has entry %d, here are %d", ErrOutOfStep, c.N, other.Seq, a.other.seq)
	} else if held == isOther {
		_, r, err := b.entryAt(a.theirs, a.other.epoch, other.Seq)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
		if pr := (proof{kind: proofPactFork, shown: &r, pacts: []Checkpoint{c}}); c.departs(a.theirs.side, r) {
			return b.dispute(a, pr)
		}
		return nil, fmt.Errorf("%w: checkpoint %d has another entry %d", ErrContradiction, c.N, other.Seq)
	}
	for _, s := range []struct {
		held half
		says Reach
	}{{a.own, own}, {a.other, other}} {
		// Of a grant that was replaced since, the number is enough: it binds nobody.
		switch {
		case s.says.Grant > s.held.grantSeq:
			return nil, fmt.Errorf("%w: checkpoint %d has grant %d, here are %d", ErrOutOfStep, c.N, s.says.Grant, s.held.grantSeq)
		case s.says.Grant == s.held.grantSeq && s.says.Limit != s.held.grantLimit:
			return nil, fmt.Errorf("%w: checkpoint %d has another limit in grant %d", ErrContradiction, c.N, s.says.Grant)
		}
	}
	return nil, found.check(c)
}

// isHeld, isAhead and isOther say how what a peer says of a half-chain is to
// what is here.
const (
	isHeld = iota
	isAhead
	isOther
)

// holds compares s with w's half-chain.
func (k book) holds(w writer, h half, s Reach) (int, error) {
	switch {
	case s.Seq > h.seq || s.Epoch > h.epoch:
		return isAhead, nil
	case s.Seq == 0:
		return isHeld, nil
	}
	e, _, err := k.entryAt(w, h.epoch, s.Seq)
	if err == nil && (e.Hash() != s.Tip || e.Cum != s.Cum || e.Epoch > s.Epoch) {
		return isOther, nil
	}
	return isHeld, err
}

// dispute keeps pr, which shows that the peer signed two things that cannot
// both be.
func (b *batch) dispute(a account, pr proof) (refused, err error) {
	pr.peer, pr.tick = a.peer, tickOf(b.l.cfg.Now())
	if err := b.addProof(a.mine.line, pr); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	b.touched[a.peer], b.states[a.peer] = a, StateDisputed
	return pr.why(), nil
}

// fence keeps pr, which shows that this ledger is older than what it signed, and
// returns what to say about it.
func (b *batch) fence(a account, pr proof) (refused, err error) {
	pr.peer, pr.tick = a.peer, tickOf(b.l.cfg.Now())
	if !a.known { // the whole line was lost, and is begun for the fence
		if err := b.checkRoom(a); err != nil {
			return nil, err
		}
		if err := b.save(a); err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
	}
	if err := b.addProof(a.mine.line, pr); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	b.touched[a.peer], b.states[a.peer] = a, StateFenced
	b.l.log.Error("the peer holds what we signed and is not here: this ledger is an old copy, the line is fenced",
		"peer", a.peer, "held", pr.shows(), "here", a.own.seq)
	return &StateError{Peer: a.peer, State: StateFenced,
		Why: fmt.Sprintf("it holds %s, this ledger is an older copy that ends at entry %d", pr.shows(), a.own.seq)}, nil
}
