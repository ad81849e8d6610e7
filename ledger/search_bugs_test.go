package ledger

import (
	"errors"

	"github.com/peersea/sea/identity"
)

// What is wrong on purpose: each is done after the operation that it spoils.

// forgetVoids drops what is claimed of a lock once that is void.
func forgetVoids(l *Ledger, peer identity.Entity, _ act, _ *sent) error {
	a := accountOf(l.self, peer)
	return l.submit(background, a.mine.line, func(b *batch) error {
		for n, t := range []tally{l.standing[peer].own, l.standing[peer].other} {
			for _, k := range t.locks {
				if !k.void {
					continue
				}
				l.mu.Lock()
				delete(l.said, k.id)
				delete(l.unsaved, k.id)
				l.restand(peer, l.standing[peer])
				l.mu.Unlock()
				if err := b.remove(bClaim, []writer{a.mine, a.theirs}[n].refKey(k.id)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// takeLower keeps the voucher that came last, not the highest.
func takeLower(l *Ledger, peer identity.Entity, _ act, in *sent) error {
	if in == nil || in.kind != letterVoucher {
		return nil
	}
	v, err := DecodeVoucher(in.b)
	if err != nil {
		return err
	}
	l.mu.Lock()
	s := l.standing[peer]
	if _, ok := s.other.find(v.Lock); ok {
		l.said[v.Lock], l.unsaved[v.Lock] = evidence{voucher: &v}, unsaved{peer, accountOf(l.self, peer).theirs}
		l.restand(peer, s)
	}
	l.mu.Unlock()
	return flush(l)
}

// closeFolded takes a lock for closed when the first of it is folded.
func closeFolded(l *Ledger, peer identity.Entity, do act, _ *sent) error {
	if do != doFold {
		return nil
	}
	return l.submit(background, LineOf(l.self, peer), func(b *batch) error {
		a, state, err := b.open(peer)
		if err != nil {
			return err
		}
		t := a.own.tally()
		for _, k := range t.locks {
			t = t.without(k.id)
		}
		if err := b.putLocks(a.mine, a.own.tally(), t); err != nil {
			return err
		}
		a.own.locks = nil
		return b.keep(a, state)
	})
}

// releaseTwice writes one more VOID for a release that closed its lock.
func releaseTwice(l *Ledger, peer identity.Entity, _ act, in *sent) error {
	if in == nil || in.kind != letterRelease {
		return nil
	}
	x, err := DecodeRelease(in.b)
	if err != nil {
		return err
	}
	return l.submit(background, LineOf(l.self, peer), func(b *batch) error {
		a, state, err := b.open(peer)
		if _, open := a.own.tally().find(x.Lock); err != nil || open || a.own.seq == 0 {
			return err
		}
		e, _, err := b.entryAt(a.mine, a.own.epoch, a.own.seq)
		if err != nil || e.Kind != KindVoid {
			return err
		}
		e.Seq, e.Prev = e.Seq+1, e.Hash()
		head, err := signHead(b.l.signer, e)
		if err != nil {
			return err
		}
		r := run{sig: head.Sig}
		r.add(e, voiding{x.Lock, &x})
		if err := errors.Join(write(b, &a, r), b.owe(a, e.Seq-1, a.own.grantSeq)); err != nil {
			return err
		}
		return b.keep(a, state)
	})
}

// sameEpoch opens a line that is lost where it stands, in the epoch that it has.
func sameEpoch(l *Ledger, peer identity.Entity, do act, _ *sent) error {
	if do != doRecall {
		return nil
	}
	return l.submit(background, LineOf(l.self, peer), func(b *batch) error {
		if a, _, err := b.open(peer); err != nil || a.own.seq == 0 {
			return err
		}
		return unfenced(b, peer)
	})
}

// anyEpoch forgets which epoch the other side was asked to agree to.
func anyEpoch(l *Ledger, peer identity.Entity, _ act, _ *sent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.recalled, peer)
	return nil
}
