package ledger

import (
	"context"
	"errors"

	"github.com/peersea/sea/identity"
)

// exhibit is what is shown with a position: a payee's claim of a lock, or that it
// has none to a void lock; and a recovery of either half-chain.
type exhibit struct {
	voucher  *Voucher // one of the four
	release  *Release
	lock     identity.Hash // with preimage
	preimage *[32]byte
	recovery *Recovery
}

const (
	shownVoucher  = 1
	shownRelease  = 2
	shownPreimage = 3
	shownRecovery = 4

	// maxShown is how much a position shows: of each lock one thing, and the
	// recoveries of two half-chains as far as a message has room for them.
	maxShown = MaxLocks + 2*maxRecoveries
)

func (x exhibit) append(b []byte) []byte {
	switch {
	case x.voucher != nil:
		return x.voucher.append(append(b, shownVoucher))
	case x.release != nil:
		return append(append(b, shownRelease), x.release.Encode()...)
	case x.recovery != nil:
		return append(append(b, shownRecovery), x.recovery.Encode()...)
	}
	b = append(b, shownPreimage)
	b = append(b, x.lock[:]...)
	return append(b, x.preimage[:]...)
}

// exhibit reads what exhibit.append wrote.
func (r *reader) exhibit(line LineID) exhibit {
	var x exhibit
	of := line
	switch kind := r.u8(); kind {
	case shownVoucher:
		v := r.voucher()
		x.voucher, of = &v, v.Line
	case shownRelease:
		rel := r.release()
		x.release, of = &rel, rel.Line
	case shownPreimage:
		x.lock = r.hash()
		preimage := [32]byte(r.hash())
		x.preimage = &preimage
	case shownRecovery:
		v := r.recovery()
		x.recovery, of = &v, v.Line
	default:
		r.fail(ErrFormat, "it shows %d, not 1 to 4", kind)
	}
	if of != line {
		r.fail(ErrFormat, "it shows what is of another line")
	}
	return x
}

// claims is what a position shows of the peer's locks.
func (l *Ledger) claims(peer identity.Entity) ([]exhibit, error) {
	l.mu.Lock()
	s := l.standing[peer]
	said := make([]evidence, len(s.other.locks))
	for i, k := range s.other.locks {
		said[i] = l.said[k.id]
	}
	l.mu.Unlock()
	w := accountOf(l.self, peer).theirs
	var all []exhibit
	for i, k := range s.other.locks {
		switch e := said[i]; {
		case k.due(e) > 0 && e.voucher != nil:
			all = append(all, exhibit{voucher: e.voucher})
		case k.due(e) > 0:
			all = append(all, exhibit{lock: k.id, preimage: e.preimage})
		case k.void && !k.byPreimage() && l.signer != nil && s.state == StateOpen:
			x, err := Release{Line: w.line, Side: w.side, Lock: k.id, Cum: k.folded}.sign(l.signer)
			if err != nil {
				return nil, err
			}
			all = append(all, exhibit{release: &x})
		}
	}
	return all, nil
}

// answer takes in what peer claims of our locks: vouchers that we signed and may
// have forgotten, preimages, releases. What is due of a lock that we are through
// with is folded, a preimage settles, a release closes what is void.
func (l *Ledger) answer(ctx context.Context, peer identity.Entity, all []exhibit) error {
	w := accountOf(l.self, peer).mine
	for _, x := range all {
		var err error
		switch {
		case x.recovery != nil: // see restored
		case x.voucher != nil:
			err = l.answerVoucher(ctx, peer, w, *x.voucher)
		case x.preimage != nil:
			err = l.Settle(ctx, peer, x.lock, *x.preimage)
		default:
			err = l.Fold(ctx, peer, x.release.Lock, x.release)
		}
		if err != nil && !errors.Is(err, ErrLock) { // one that is closed meanwhile
			return err
		}
	}
	return nil
}

func (l *Ledger) answerVoucher(ctx context.Context, peer identity.Entity, w writer, v Voucher) error {
	k, said, err := l.lockOf(peer, w.side, v.Lock)
	if err != nil {
		return err
	}
	if v.Side != w.side || !v.fits(k) {
		return ErrVoucher
	}
	if said.voucher == nil || said.voucher.Cum < v.Cum {
		if err := v.Verify(l.self); err != nil {
			return err
		}
		if _, err := l.say(peer, w, v.Lock, evidence{voucher: &v}); err != nil {
			return err
		}
	}
	if k.void || k.folded > 0 {
		return l.Fold(ctx, peer, v.Lock, nil)
	}
	return nil
}
