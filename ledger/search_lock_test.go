package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// Locks in the search: each side makes one at most. Vouchers and releases are
// messages as all others; what was signed and not committed is lost in a crash.

const (
	lockAmount  = 4
	voucherStep = 2 // the first voucher is over half of it, the second over all

	entriesOfLock = 4 // LOCK, two FOLDs, VOID
)

// secretOf is the preimage of side i's lock.
func secretOf(i int) [32]byte { return sha256.Sum256([]byte{byte(i)}) }

// mayLock says whether side i can do this with a lock.
func (s *search) mayLock(g global, i int, do act, arg int32) bool {
	c := s.contents[g.sees[i]]
	theirs := do == doRelease || do == doReveal
	n := 0
	if theirs {
		n = 1
	}
	k := c.locks[n][arg]
	said := c.said[k.id]
	promised := k.folded + k.due(said)
	switch {
	case k.byPreimage() != (do == doReveal || do == doSettle) && do != doVoid:
		return false
	case !theirs && c.line.State == StateFenced:
		return false
	case s.meets && !g.met[i]:
		return false // it has not met the other side, to which this goes
	}
	switch do {
	case doVouch:
		return promised < k.amount
	case doVouchLost:
		return promised < k.amount && g.ends < uint8(s.crashes) && g.disk[i] == g.sees[i]
	case doFold:
		return k.due(said) > 0
	case doVoid:
		return !k.void
	case doRelease:
		return !g.released[i]
	case doReveal:
		return k.due(said) == 0
	}
	return true
}

// lockAct has l do something with a lock, and returns the message that it sends.
func (s *search) lockAct(l *Ledger, peer identity.Entity, c call) (reply int, err error) {
	i, at := int(c.side), s.contents[c.at]
	switch c.do {
	case doLock:
		terms := LockTerms{Expiry: tickOf(testTime) + 10, Quote: testQuote}
		if s.secret {
			secret := secretOf(i)
			terms.Hash = sha256.Sum256(secret[:])
		}
		_, err = l.Lock(background, peer, lockAmount, identity.HashOf([]byte{byte(i), 'l', byte(c.arg)}), terms)
		return -1, err
	case doReveal:
		return -1, l.Reveal(background, peer, at.locks[1][c.arg].id, secretOf(1-i))
	case doRelease:
		k := at.locks[1][c.arg]
		r, err := l.Release(peer, k.id, k.folded+k.due(at.said[k.id]))
		if err != nil {
			return -1, err
		}
		return s.message(sent{to: 1 - i, kind: letterRelease, b: r.Encode()}), nil
	}
	switch k := at.locks[0][c.arg]; c.do {
	case doVouch, doVouchLost:
		v, err := l.SignVoucher(peer, k.id, k.folded+k.due(at.said[k.id])+voucherStep, 1)
		if err == nil && c.do == doVouch {
			err = flush(l)
		}
		if err != nil {
			return -1, err
		}
		return s.message(sent{to: 1 - i, kind: letterVoucher, b: v.Encode()}), nil
	case doFold:
		return -1, l.Fold(background, peer, k.id, nil)
	case doVoid: // what no honest ledger writes
		return -1, voidRaw(l, peer, k.id)
	case doSettle:
		return -1, l.Settle(background, peer, k.id, secretOf(i))
	}
	return -1, fmt.Errorf("%d is no act", c.do)
}

// takeLock has l take a voucher or a release.
func (s *search) takeLock(l *Ledger, peer identity.Entity, in sent) error {
	if in.kind == letterRelease {
		r, err := DecodeRelease(in.b)
		if err != nil {
			return err
		}
		k, known := l.standing[peer].own.find(r.Lock)
		switch err := l.Fold(background, peer, r.Lock, &r); {
		case !known && errors.Is(err, ErrLock):
			return nil // it is closed
		case known && errors.Is(err, ErrVoucher) && r.Cum > k.folded+k.due(l.saidOf(r.Lock)):
			return nil // a crash took its vouchers: the payee will show them
		default:
			return err
		}
	}
	v, err := DecodeVoucher(in.b)
	if err != nil {
		return err
	}
	k, known := l.standing[peer].other.find(v.Lock)
	switch err := l.TakeVoucher(background, peer, v); {
	case !known && errors.Is(err, ErrLock):
		return nil // it is not here yet, or closed
	case known && k.void && errors.Is(err, ErrVoucher):
		return nil // a release may be out
	case err != nil:
		return err
	}
	return flush(l)
}

// vouchers are the messages with the highest voucher of each of a side's locks.
func (s *search) vouchers(i int, at int32) (all []int) {
	c := s.contents[at]
	for _, k := range c.locks[0] {
		if v := c.said[k.id].voucher; v != nil {
			all = append(all, s.message(sent{to: 1 - i, kind: letterVoucher, b: v.Encode()}))
		}
	}
	return all
}

// sameHalf says whether two sides have a half-chain alike, but for vouchers that
// are under way or lost.
func sameHalf(a, b Half) bool {
	a.Claim, b.Claim = 0, 0
	return a == b
}

// byModel holds what is claimed to the rules of sim_model_test.go.
func (c *holding) byModel(k book, a account) error {
	for n, w := range []writer{a.mine, a.theirs} {
		h := []half{a.own, a.other}[n]
		line := []Half{c.line.Mine, c.line.Theirs}[n]
		var m chainModel
		if err := m.read(k, w, h); err != nil {
			return err
		}
		if err := m.forget(k, w); err != nil {
			return err
		}
		if line.Claim != m.claim() || line.Locked != m.held() {
			return fmt.Errorf("claim: %d is claimed and %d locked, by the entries and vouchers it is %d and %d",
				line.Claim, line.Locked, m.claim(), m.held())
		}
	}
	return nil
}
