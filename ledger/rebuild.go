package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// Recall begins to rebuild our half-chain on the line with peer from what the
// peer holds of it. It returns a message for the peer's AnswerRecall, whose
// answer goes to TakeRecalled, which returns the next message, until that is
// nil: then the line is open again, in a new epoch that both have signed.
//
// It is for a fenced line, and for one on which nothing was signed here, as in a
// new file. Nothing is signed on a fenced line until it has ended. It may be
// begun again at any time. Errors are *StateError on another line, ErrSelf and
// ErrClosed.
func (l *Ledger) Recall(peer identity.Entity) ([]byte, error) {
	if err := l.checkPeer(peer); err != nil {
		return nil, fmt.Errorf("rebuild the line with %s: %w", peer.Short(), err)
	}
	var out []byte
	err := l.store.view(func(g getter) error {
		k := book{g}
		a, err := k.account(l.self, peer)
		if err != nil {
			return err
		}
		if err := k.mayRebuild(a); err != nil {
			return err
		}
		out = recall{line: a.mine.line, epoch: a.own.epoch, seq: a.own.seq, tip: a.own.tip}.encode()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rebuild the line with %s: %w", peer.Short(), err)
	}
	return out, nil
}

// mayRebuild returns a *StateError unless the line is one to rebuild.
func (k book) mayRebuild(a account) error {
	state, why, err := k.state(a.mine.line)
	if err != nil {
		return err
	}
	if state == StateFenced || state == StateOpen && a.own.seq == 0 && a.own.grantSeq == 0 {
		return nil
	}
	if why == "" {
		why = "there is nothing to rebuild"
	}
	return &StateError{Peer: a.peer, State: state, Why: why}
}

// AnswerRecall answers a peer that rebuilds its half-chain with what is held of
// it. If the peer has it all and asks for it, the recovery is signed, which is
// on the disk when AnswerRecall returns: from then on no other entry of the
// epochs before is taken. Errors are ErrFormat, ErrVersion, ErrStranger,
// identity's for signatures, ErrOutOfStep when the recovery is not of the newest
// entry, *StateError on a disputed line, ErrLines, ErrReadOnly and ErrClosed.
func (l *Ledger) AnswerRecall(ctx context.Context, peer identity.Entity, message []byte) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("rebuild for %s: %w", peer.Short(), err)
	}
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	m, err := decodeRecall(message)
	if err != nil {
		return fail(err)
	}
	w := accountOf(l.self, peer).theirs
	if m.line != w.line || m.with != nil && (m.with.Line != w.line || m.with.Side != w.side) {
		return fail(fmt.Errorf("%w: its line is %s", ErrStranger, m.line))
	}
	if m.with != nil {
		if err := m.with.verify(peer, nil); err != nil {
			return fail(err)
		}
		err := l.submit(ctx, m.line, func(b *batch) error { return b.consent(peer, *m.with) })
		if err != nil {
			return fail(err)
		}
		failpoint.Hit(failRecoverConsented)
	}
	var out recalled
	err = l.store.view(func(g getter) (err error) {
		out, err = book{g}.recalled(l.self, peer, m)
		return err
	})
	if err != nil {
		return fail(err)
	}
	return out.encode(), nil
}

// consent signs that nothing newer than v is held of its writer.
func (b *batch) consent(peer identity.Entity, v Recovery) error {
	a, state, err := b.open(peer)
	if err != nil {
		return err
	}
	if lies, err := b.lied(a.theirs.line, state); err != nil {
		return err
	} else if lies {
		return &StateError{Peer: peer, State: StateDisputed}
	}
	if before, found, err := b.recovery(a.theirs, v.Epoch); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	} else if found && before.same(v) {
		return nil // the answer was lost
	}
	if !v.begins(a.other) {
		return fmt.Errorf("%w: entry %d of epoch %d is held, not %d before epoch %d", ErrOutOfStep, a.other.seq, a.other.epoch, v.Seq, v.Epoch)
	}
	if err := b.checkRoom(a); err != nil {
		return err
	}
	said, err := b.l.signer.Sign(RecoveryPurpose, v.terms())
	if err != nil {
		return err
	}
	v.Consent = said.Sig
	if err := b.put(bRecovery, a.theirs.recoveryKey(v.Epoch), v.Encode()); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	a.other.epoch = v.Epoch
	return b.keep(a, state)
}

// recalled is the answer to m.
func (k book) recalled(self, peer identity.Entity, m recall) (recalled, error) {
	a, err := k.account(self, peer)
	if err != nil {
		return recalled{}, err
	}
	h := a.other
	out := recalled{line: m.line, newest: h.seq, epoch: h.epoch, known: m.seq <= h.seq}
	if m.seq > 0 && out.known {
		e, _, err := k.entryAt(a.theirs, h.epoch, m.seq)
		if err != nil {
			return recalled{}, err
		}
		out.known = e.Hash() == m.tip
	}
	if !out.known {
		return out, nil
	}
	if out.recoveries, err = k.recoveries(a.theirs, min(m.epoch, h.epoch), h.epoch); err != nil {
		return recalled{}, err
	}
	if m.with != nil {
		v, found, err := k.recovery(a.theirs, m.with.Epoch)
		if err != nil {
			return recalled{}, err
		}
		out.agreed = found && v.same(*m.with)
	}
	size := recalledBase
	for seq := m.seq; seq < h.seq && len(out.runs) < maxRuns; {
		r, _, found, err := k.runFrom(a.theirs, h.epoch, seq+1)
		if err != nil {
			return recalled{}, err
		}
		if !found {
			return recalled{}, damage(k, bHead, a.theirs.headKey(h.epoch, seq+1), nil, "it is missing")
		}
		if r.first().Seq <= seq { // the asker has the first part of it
			r = r.from(int(seq + 1 - r.first().Seq))
		}
		if size += r.size(); size > MaxMessage {
			break
		}
		out.runs = append(out.runs, r)
		seq = r.last().Seq
	}
	return out, nil
}

// TakeRecalled takes in a peer's answer to Recall or to the message that
// TakeRecalled returned before, and returns the next message, nil when the line
// is rebuilt. What it takes in is our own signed entries, on the disk when it
// returns. Errors are ErrFork, ErrOutOfStep when the peer holds less than is
// here, ErrFormat, ErrVersion, ErrStranger, identity's for signatures,
// ErrContradiction, *StateError, ErrReadOnly and ErrClosed.
func (l *Ledger) TakeRecalled(ctx context.Context, peer identity.Entity, message []byte) (next []byte, err error) {
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("rebuild the line with %s: %w", peer.Short(), err)
	}
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	m, err := decodeRecalled(message)
	if err != nil {
		return fail(err)
	}
	a := accountOf(l.self, peer)
	if err := m.verify(l, a); err != nil {
		return fail(err)
	}
	if !m.known {
		return fail(ErrFork)
	}
	err = l.submit(ctx, m.line, func(b *batch) (err error) {
		next, err = b.takeRecalled(peer, m)
		return err
	})
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failRecoverTaken)
	return next, nil
}

// verify checks that all in m is ours: signed by our key, and the recoveries by
// the peer too.
func (m recalled) verify(l *Ledger, a account) error {
	all := signatures{by: l.verifier}
	if m.line != a.mine.line {
		return fmt.Errorf("%w: its line is %s", ErrStranger, m.line)
	}
	for _, r := range m.runs {
		if first := r.first(); first.Line != m.line || first.Side != a.mine.side {
			return fmt.Errorf("%w: entry %d is not ours", ErrStranger, first.Seq)
		}
		all.head(l.self, r.head())
	}
	for _, v := range m.recoveries {
		if v.Line != m.line || v.Side != a.mine.side {
			return fmt.Errorf("%w: a recovery is not ours", ErrStranger)
		}
		if err := v.verify(l.self, &a.peer); err != nil {
			return err
		}
	}
	_, err := all.verify()
	return err
}

// takeRecalled appends what is new in m to our half-chain. When that is all, it
// signs the recovery; when that came back with the consent, the line is open.
func (b *batch) takeRecalled(peer identity.Entity, m recalled) (next []byte, err error) {
	a, _, err := b.open(peer)
	if err != nil {
		return nil, err
	}
	if err := b.mayRebuild(a); err != nil {
		if errors.As(err, new(*StateError)) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	// Everything is checked before anything is written.
	h := a.own
	type step struct {
		t        tally // after run
		run      *run
		recovery *Recovery
	}
	var steps []step
	recover := func() {
		for _, v := range m.recoveries {
			if v.begins(h) {
				h.epoch = v.Epoch
				steps = append(steps, step{recovery: &v})
			}
		}
	}
	recover()
	for _, r := range m.runs {
		if r.last().Seq <= h.seq {
			continue // an answer that came twice
		}
		if r.first().Seq != h.seq+1 || r.first().Epoch != h.epoch {
			return nil, fmt.Errorf("%w: entry %d of epoch %d after entry %d of epoch %d", ErrOutOfStep,
				r.first().Seq, r.first().Epoch, h.seq, h.epoch)
		}
		t, err := r.follows(h.tally())
		if err != nil {
			return nil, fmt.Errorf("%w: our own entries: %w", ErrContradiction, err)
		}
		h.stand(t, h.at)
		steps = append(steps, step{run: &r, t: t})
		recover()
	}
	switch {
	case m.newest < h.seq:
		return nil, fmt.Errorf("%w: the peer holds our entry %d, here are %d", ErrOutOfStep, m.newest, h.seq)
	case m.newest > h.seq && len(steps) == 0:
		return nil, fmt.Errorf("%w: the peer shows nothing after our entry %d of %d", ErrOutOfStep, h.seq, m.newest)
	}
	if len(steps) > 0 {
		if err := b.checkRoom(a); err != nil {
			return nil, err
		}
	}
	for _, s := range steps {
		if s.recovery != nil {
			a.own.epoch = s.recovery.Epoch
			err = b.put(bRecovery, a.mine.recoveryKey(a.own.epoch), s.recovery.Encode())
		} else {
			err = b.appendRun(&a, a.mine, *s.run, s.t)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
	}
	state, _, err := b.state(a.mine.line)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if state == StateOpen && m.newest == 0 && m.epoch == a.own.epoch {
		if len(steps) == 0 {
			return nil, nil
		}
		return nil, b.keep(a, state) // nothing was ever promised: there is nothing to recover, and nothing is signed
	}
	if state == StateOpen && len(m.runs) > 0 && len(steps) > 0 { // until all is here, and agreed on
		last := m.runs[len(m.runs)-1]
		pr := proof{kind: proofLost, peer: peer, tick: tickOf(b.l.cfg.Now()), shown: &run{entries: []Entry{last.last()}, sig: last.sig}}
		if err := b.addProof(m.line, pr); err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
		state = StateFenced
	}
	// A peer that was asked for a later epoch may have agreed to it meanwhile, and
	// take nothing of this one.
	if m.agreed && m.epoch == a.own.epoch && m.newest == a.own.seq && a.own.epoch >= b.l.askedEpoch(peer) {
		if state, err = b.unfence(a); err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
	} else {
		if next, err = b.nextRecall(a, m.newest == a.own.seq); err != nil {
			return nil, err
		}
	}
	if len(steps) == 0 && next != nil {
		return next, nil
	}
	return next, b.keep(a, state)
}

// askedEpoch is the latest epoch that this process asked peer to agree to. It may
// end with the process: an answer that agrees is to a question of this one, and
// the next asks anew, for an epoch after all that are on the disk.
func (l *Ledger) askedEpoch(peer identity.Entity) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recalled[peer]
}

// nextRecall asks for more, or for the peer's consent when all is here.
func (b *batch) nextRecall(a account, all bool) ([]byte, error) {
	h := a.own
	m := recall{line: a.mine.line, epoch: h.epoch, seq: h.seq, tip: h.tip}
	if all {
		if h.epoch >= maxEpoch {
			return nil, fmt.Errorf("%w: the half-chain was recovered %d times", ErrOutOfStep, maxEpoch-1)
		}
		v := Recovery{Line: m.line, Side: a.mine.side, Epoch: h.epoch + 1, Seq: h.seq, Tip: h.tip, Cum: h.cum}
		said, err := b.l.signer.Sign(RecoveryPurpose, v.terms())
		if err != nil {
			return nil, err
		}
		v.Sig = said.Sig
		m.with = &v
		b.l.mu.Lock()
		b.l.recalled[a.peer] = max(b.l.recalled[a.peer], v.Epoch)
		b.l.mu.Unlock()
	}
	return m.encode(), nil
}

// unfence takes away what shows that the line was lost, and says that the peer
// holds all of ours.
func (b *batch) unfence(a account) (State, error) {
	all, err := b.proofs(a.mine.line)
	if err != nil {
		return "", err
	}
	for i := range all {
		if err := b.remove(bProof, append(a.mine.line.bytes(), number(uint64(i+1))...)); err != nil {
			return "", err
		}
	}
	for _, p := range all {
		if p.lost() {
			continue
		}
		if err := b.addProof(a.mine.line, p); err != nil {
			return "", err
		}
	}
	if err := b.owe(a, a.own.seq, a.own.grantSeq); err != nil {
		return "", err
	}
	b.l.log.Info("the line is rebuilt", "peer", a.peer, "epoch", a.own.epoch, "entries", a.own.seq)
	state, _, err := b.state(a.mine.line)
	b.changes = append(b.changes, Change{Peer: a.peer, Outgoing: true})
	return state, err
}
