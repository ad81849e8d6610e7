package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// Errors of what a peer sends.
var (
	// ErrStranger is returned for a message about a line that is not the one
	// with the peer that sent it, or in the name of the wrong side.
	ErrStranger = errors.New("not about the line with this peer")

	// ErrContradiction is returned when a peer's signed entries cannot all be
	// parts of one half-chain. The proof is kept and the line is disputed.
	ErrContradiction = errors.New("the entries contradict each other")

	// ErrGrant is returned when a peer shows two grants with one number.
	ErrGrant = errors.New("two grants with one number")
)

// Receive takes in what Next made at the peer's end, from a peer that the
// carrier knows by its key, and returns the acknowledgement to send back: how
// far the peer's half-chain is held here, on the disk. What is held already
// changes nothing; what comes after a gap is left, and the acknowledgement
// tells. Errors are ErrFormat, ErrVersion, ErrKind, ErrStranger, identity's for
// signatures, ErrContradiction, ErrGrant, ErrLines, *StateError on a disputed
// line, ErrReadOnly and ErrClosed.
func (l *Ledger) Receive(ctx context.Context, peer identity.Entity, message []byte) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("receive from %s: %w", peer.Short(), err)
	}
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	p, err := decodePush(message)
	if err != nil {
		return fail(err)
	}
	// Signatures before the queue: many callers, many cores.
	if err := p.verify(l.verifier, accountOf(l.self, peer).theirs, peer, l.self); err != nil {
		return fail(err)
	}
	failpoint.Hit(failReceiveVerified)
	if p.grant != nil {
		failpoint.Hit(failGrantReceived)
	}
	var answer ack
	var refused error
	err = l.submitOf(ctx, p.line, len(message), func(b *batch) (err error) {
		answer, refused, err = b.receive(peer, p)
		return err
	})
	if err == nil {
		err = refused // after what shows it is on the disk
	}
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failReceiveCommitted)
	if p.grant != nil {
		failpoint.Hit(failGrantReceivedCommit)
	}
	return answer.encode(), nil
}

// verify checks that w, which is peer, signed all that is in p, and self the
// releases in it.
func (p push) verify(v *identity.Verifier, w writer, peer, self identity.Entity) error {
	all := signatures{by: v}
	if p.line != w.line {
		return fmt.Errorf("%w: its line is %s", ErrStranger, p.line)
	}
	if g := p.grant; g != nil {
		if g.Creditor != peer {
			return fmt.Errorf("%w: the grant's creditor is %s", ErrStranger, g.Creditor.Short())
		}
		all.grant(*g)
	}
	for _, r := range p.runs {
		if r.first().Side != w.side {
			return fmt.Errorf("%w: entry %d is of the other side", ErrStranger, r.first().Seq)
		}
		all.head(peer, r.head())
		for _, x := range r.bodies {
			all.body(peer, self, x)
		}
	}
	_, err := all.verify()
	return err
}

// receive writes what is new in p, whose signatures are good. A refusal comes
// back apart from err when there is something to write for it.
func (b *batch) receive(peer identity.Entity, p push) (_ ack, refused, err error) {
	a, state, err := b.open(peer)
	if err != nil {
		return ack{}, nil, err
	}
	if lies, err := b.lied(p.line, state); err != nil {
		return ack{}, nil, err
	} else if lies {
		return ack{}, nil, &StateError{Peer: peer, State: StateDisputed, Why: "the peer's entries contradicted each other before"}
	}
	store := func(err error) (ack, error, error) { return ack{}, nil, fmt.Errorf("%w: %w", errStore, err) }

	fresh, tallies, bad, err := b.compare(a, p.runs)
	if errors.Is(err, errOldEpoch) {
		return ack{}, nil, err
	} else if err != nil {
		return store(err)
	}
	if bad == nil {
		if bad, err = b.overBudget(peer, fresh); err != nil {
			return store(err)
		}
	}
	if bad != nil { // whatever else is in the message
		bad.peer, bad.tick = peer, tickOf(b.l.cfg.Now())
		if !a.known {
			return ack{}, nil, bad.why() // a line that never was is not begun with a dispute
		}
		if err := b.addProof(p.line, *bad); err != nil {
			return store(err)
		}
		if state == StateOpen {
			state = StateDisputed
		}
		b.touched[peer], b.states[peer] = a, state
		return ack{}, bad.why(), nil
	}

	g, err := b.newer(a.other, p.grant)
	if errors.Is(err, ErrGrant) {
		return ack{}, nil, err
	} else if err != nil {
		return store(err)
	}
	if len(fresh) > 0 || g != nil {
		if err := errors.Join(b.checkRoom(a), b.checkLocks(a, tallies)); err != nil {
			return ack{}, nil, err
		}
		if g != nil {
			if err := b.appendGrant(&a, a.theirs, *g); err != nil {
				return store(err)
			}
		}
		for i, r := range fresh {
			if err := b.appendRun(&a, a.theirs, r, tallies[i]); err != nil {
				return store(err)
			}
			b.arrived = append(b.arrived, arrival{peer, r})
		}
		if err := b.keep(a, state); err != nil {
			return ack{}, nil, err
		}
		b.changes = append(b.changes, Change{Peer: peer, Incoming: true})
	}
	held, err := b.grantOf(a.other)
	if err != nil {
		return store(err)
	}
	out := ack{line: p.line, seq: a.other.seq, tip: a.other.tip}
	if held != nil {
		out.grant, out.terms = held.Seq, held.hash()
	}
	return out, nil, nil
}

// lied says whether a proof against the peer is held, also on a line that shows
// as fenced.
func (b *batch) lied(line LineID, state State) (bool, error) {
	if state != StateFenced {
		return state == StateDisputed, nil
	}
	all, err := b.proofs(line)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errStore, err)
	}
	return slices.ContainsFunc(all, func(p proof) bool { return !p.lost() }), nil
}

// compare returns the runs that continue what is held of the peer's half-chain,
// cut where they overlap it, and where it stands after each. bad tells that they, or they and what is held,
// cannot be one half-chain.
func (b *batch) compare(a account, runs []run) (fresh []run, tallies []tally, bad *proof, err error) {
	h := a.other
	for _, r := range runs {
		if r.first().Seq > h.seq+1 {
			break // a gap: the acknowledgement tells the sender
		}
		// What is held already must be the same. It is, if the newest entry of
		// both is: each names the one before.
		if common := min(r.last().Seq, h.seq); common > 0 && common >= r.first().Seq {
			e := r.entries[common-r.first().Seq]
			held, heldRun, err := b.heldAt(a, h, fresh, common)
			if err != nil {
				return nil, nil, nil, err
			}
			if kept := heldRun.entries[common-heldRun.first().Seq]; kept.Epoch != e.Epoch {
				return nil, nil, nil, errOldEpoch // it was on its way when its writer lost it
			}
			if held != e.Hash() {
				return nil, nil, &proof{kind: proofFork, held: heldRun, shown: &r}, nil
			}
			if r.last().Seq == common {
				continue
			}
		}
		// The part that is new. Its signature still covers it.
		rest := r.from(int(h.seq + 1 - r.first().Seq))
		if rest.first().Epoch != h.epoch {
			if len(fresh) > 0 {
				break // what comes before it is kept, and a position shows the recovery
			}
			return nil, nil, nil, errOldEpoch
		}
		t, wrong := rest.follows(h.tally())
		if wrong != nil {
			bad = &proof{kind: proofSum, shown: &r}
			if h.seq > 0 {
				if _, bad.held, err = b.heldAt(a, h, fresh, h.seq); err != nil {
					return nil, nil, nil, err
				}
				if bad.held.last().Epoch != h.epoch {
					return nil, nil, nil, errOldEpoch // not what both signed to go on from
				}
				if rest.first().Prev != h.tip {
					bad.kind = proofFork
				}
			}
			if bad.kind == proofSum && !r.missums(bad.held) {
				if len(fresh) > 0 {
					return fresh, tallies, nil, nil // what comes before it is kept first: it proves the rest
				}
				bad.kind = proofLock
			}
			return nil, nil, bad, nil
		}
		h.stand(t, h.at)
		fresh, tallies = append(fresh, rest), append(tallies, t)
	}
	return fresh, tallies, nil, nil
}

// checkLocks refuses locks that would be more than are kept in all, of peers
// whom we gave nothing and who have repaid nothing: keys cost little.
func (b *batch) checkLocks(a account, tallies []tally) error {
	if len(tallies) == 0 {
		return nil
	}
	more := len(tallies[len(tallies)-1].locks) - len(a.other.locks)
	b.l.mu.Lock()
	defer b.l.mu.Unlock()
	known := a.own.grantSeq > 0 || a.repaid() >= repaidEnough
	if more > 0 && !known && b.l.locks+b.locks+more > maxAllLocks {
		return fmt.Errorf("%w: %d on all lines", ErrLocks, maxAllLocks)
	}
	b.locks += max(more, 0)
	return nil
}

// heldAt returns the hash of the peer's entry seq and the run it is in, from
// the file or from the runs that are about to be written.
func (b *batch) heldAt(a account, h half, fresh []run, seq uint64) (identity.Hash, *run, error) {
	for _, r := range fresh {
		if seq >= r.first().Seq && seq <= r.last().Seq {
			return r.entries[seq-r.first().Seq].Hash(), &r, nil
		}
	}
	e, r, err := b.entryAt(a.theirs, h.epoch, seq)
	if err != nil {
		return identity.Hash{}, nil, err
	}
	return e.Hash(), &r, nil
}

// newer returns g if it comes after what is held, nil if it does not.
func (b *batch) newer(h half, g *Grant) (*Grant, error) {
	if g == nil || g.Seq < h.grantSeq {
		return nil, nil
	}
	if g.Seq > h.grantSeq {
		return g, nil
	}
	if g.Limit != h.grantLimit || g.Expiry != h.grantExpiry {
		return nil, fmt.Errorf("%w: grant %d is held with a limit of %s credits, and came with %s", ErrGrant, g.Seq, h.grantLimit, g.Limit)
	}
	return nil, nil
}
