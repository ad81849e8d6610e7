package ledger

import (
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// verify returns nil when p shows what it says it shows, by signatures alone:
// self is the ledger that keeps it.
func (p proof) verify(self identity.Entity) error {
	a := accountOf(self, p.peer)
	w, signer := a.theirs, p.peer
	if p.lost() {
		w, signer = a.mine, self
	}
	for _, r := range []*run{p.held, p.shown} {
		if r == nil {
			continue
		}
		if first := r.first(); first.Line != w.line || first.Side != w.side {
			return errors.New("a run in it is of another half-chain")
		}
		if err := r.head().Verify(signer); err != nil {
			return err
		}
	}
	for _, c := range p.pacts {
		if c.Line != w.line {
			return errors.New("a checkpoint in it is of another line")
		}
		if err := c.verify(signer, w.side); err != nil {
			return err
		}
	}
	if v := p.recovery; v != nil {
		if v.Line != w.line || v.Side != w.side {
			return errors.New("the recovery in it is of another half-chain")
		}
		if err := v.verify(signer, &p.peer); err != nil {
			return err
		}
	}
	proves := false
	switch p.kind {
	case proofLost:
		proves = p.held == nil && len(p.shown.entries) == 1
	case proofFork:
		proves = p.held != nil && p.held.forks(*p.shown)
	case proofSum:
		proves = p.shown.missums(p.held)
	case proofLock: // the rest is in the half-chain: see breaks
		proves = p.shown != nil && (p.held == nil || !p.held.forks(*p.shown))
	case proofBudget:
		if p.warrant.cert.Node != p.peer {
			return errors.New("its certificate is another node's")
		}
		_, over := p.warrant.breach(*p.shown)
		proves = p.held == nil && over
	case proofPacts:
		proves = p.held == nil && p.shown == nil && p.pacts[0].conflicts(p.pacts[1], w.side)
	case proofPactFork:
		proves = p.held == nil && p.pacts[0].departs(w.side, *p.shown)
	case proofLostPact, proofLostEpoch:
		proves = p.held == nil && p.shown == nil
	}
	if !proves {
		return errors.New("it proves nothing")
	}
	return nil
}

// shows names what the peer has shown of ours in a proof of loss.
func (p proof) shows() string {
	switch {
	case p.shown != nil:
		return fmt.Sprintf("our entry %d", p.shown.last().Seq)
	case p.recovery != nil:
		return fmt.Sprintf("our recovery to epoch %d after entry %d", p.recovery.Epoch, p.recovery.Seq)
	}
	return fmt.Sprintf("our checkpoint %d", p.pacts[0].N)
}

// breaks says whether a proofLock's run cannot follow t, where the half-chain
// stood when it came.
func (p proof) breaks(t tally) bool {
	first := p.shown.first().Seq
	if first > t.seq+1 || p.shown.last().Seq <= t.seq {
		return false
	}
	_, err := p.shown.from(int(t.seq + 1 - first)).follows(t)
	return err != nil
}

// forks says whether r and s cannot be parts of one half-chain: they have
// different entries under one number, or one does not name the other's entry as
// the one before its own.
func (r run) forks(s run) bool {
	if r.first().Epoch != s.first().Epoch {
		return false // between the two its writer was recovered, which the other side agreed to
	}
	tips := make(map[uint64]identity.Hash, 2*MaxRun) // number → hash, as r has it
	tips[r.first().Seq-1] = r.first().Prev
	for _, e := range r.entries {
		tips[e.Seq] = e.Hash()
	}
	differs := func(seq uint64, tip identity.Hash) bool {
		known, ok := tips[seq]
		return ok && known != tip
	}
	if differs(s.first().Seq-1, s.first().Prev) {
		return true
	}
	for _, e := range s.entries {
		if differs(e.Seq, e.Hash()) {
			return true
		}
	}
	return false
}

// missums says whether a sum in r is wrong: between its entries, or from held,
// the run before it in the same half-chain.
func (r run) missums(held *run) bool {
	before := make(map[uint64]Entry, 2*MaxRun)
	if held != nil {
		if held.forks(r) {
			return false
		}
		for _, e := range held.entries {
			before[e.Seq] = e
		}
	}
	for _, e := range r.entries {
		if last, ok := before[e.Seq-1]; ok && !e.steps(last.Cum, last.Held) {
			return true
		}
		before[e.Seq] = e
	}
	return false
}

// why is what the peer that sent the proof is told.
func (p proof) why() error {
	switch p.kind {
	case proofLock:
		return fmt.Errorf("%w: an entry up to %d breaks the rules of locks", ErrContradiction, p.shown.last().Seq)
	case proofBudget:
		return fmt.Errorf("%w: an entry up to %d is over the budget of the certificate", ErrContradiction, p.shown.last().Seq)
	case proofFork:
		return fmt.Errorf("%w: an entry up to %d is not the one that was signed before with its number", ErrContradiction, p.shown.last().Seq)
	case proofPacts:
		return fmt.Errorf("%w: checkpoint %d is not one with checkpoint %d", ErrContradiction, p.pacts[1].N, p.pacts[0].N)
	case proofPactFork:
		return fmt.Errorf("%w: checkpoint %d has another entry than was signed", ErrContradiction, p.pacts[0].N)
	}
	return fmt.Errorf("%w: the sums up to entry %d are wrong", ErrContradiction, p.shown.last().Seq)
}
