package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// maxAllLocks bounds the locks of all lines together, because they are kept in
// memory: beyond it a LOCK is refused, until others are closed, unless we gave
// its peer a grant or it has repaid before. Those have MaxLocks each. The last
// sparedLocks of them are for those who were told before that they may lock.
const (
	maxAllLocks = 1 << 16
	sparedLocks = maxAllLocks / 8
)

// clockTicks is by how much two honest clocks may differ for a lock by preimage to
// be safe: its payee claims it before its expiry, its payer takes it back so many
// ticks after it, each by its own clock. Nobody can tell a clock that is further
// ahead from a later time: what that costs the payee is that lock.
const clockTicks = 2

// Lock is a lock that is not closed for good, as a ledger shows it.
type Lock struct {
	Lock   identity.Hash `json:"lock"` // its name: the hash of its entry
	Mine   bool          `json:"mine"` // we are the payer
	Ref    identity.Hash `json:"ref"`
	Amount Amount        `json:"amount_micro"`

	// Folded is the part that was made part of the payer's cum, and Promised the
	// highest voucher known, or all by a preimage: what the payee has a claim to.
	Folded   Amount `json:"folded_micro"`
	Promised Amount `json:"promised_micro"`

	Terms LockTerms `json:"terms"`

	// Void tells that the payer took the rest back without the payee's word:
	// what was promised stays a claim.
	Void bool `json:"void,omitempty"`
}

// Locks lists the locks of the line with peer that are not closed for good, by
// name; at most MaxLocks of each side.
func (l *Ledger) Locks(peer identity.Entity) []Lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Lock
	s := l.standing[peer]
	for i, t := range []tally{s.own, s.other} {
		for _, k := range t.locks {
			all = append(all, Lock{
				Lock: k.id, Mine: i == 0, Ref: k.ref, Amount: k.amount, Folded: k.folded,
				Promised: k.folded + k.due(l.said[k.id]), Terms: k.terms, Void: k.void,
			})
		}
	}
	return all
}

// MayLock says whether to agree with peer that it locks: a LOCK that is not taken
// would have all that it signs after it stand still. A peer with MaxLocks that
// are not closed may not; nor may a newcomer while strangers have nearly all
// the locks there are for them.
func (l *Ledger) MayLock(peer identity.Entity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.standing[peer]
	known := s.granted || s.repaid >= repaidEnough
	return len(s.other.locks) < MaxLocks && (known || l.locks < maxAllLocks-sparedLocks)
}

// Lock sets amount aside for ref, the hash of an order, in what we promise peer:
// the most that vouchers, or the preimage that t names, can make us owe for it.
// It is no promise yet and counts in no limit. When it returns nil the LOCK is on
// the disk and will be delivered; its hash is the lock's name. While the lock of
// a ref is not closed, again returns the same entry, with ErrRef if the amount or
// the terms are others. Errors are those of Pay, ErrLocks and ErrFormat for an
// expiry that is no tick.
func (l *Ledger) Lock(ctx context.Context, peer identity.Entity, amount Amount, ref identity.Hash, t LockTerms) (Entry, error) {
	fail := func(err error) (Entry, error) { return Entry{}, fmt.Errorf("lock for %s: %w", peer.Short(), err) }
	if err := errors.Join(l.checkPeer(peer), amount.checkPayable()); err != nil {
		return fail(err)
	}
	if ref == (identity.Hash{}) {
		return fail(fmt.Errorf("%w: it is zero", ErrRef))
	}
	if _, err := DecodeLockTerms(t.Encode()); err != nil {
		return fail(err)
	}
	var e Entry
	err := l.submit(ctx, LineOf(l.self, peer), func(b *batch) (err error) {
		if e, err = b.lock(peer, amount, ref, t); err == nil {
			failpoint.Hit(failPayBeforeCommit)
		}
		return err
	})
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failPayCommitted)
	return e, nil
}

func (b *batch) lock(peer identity.Entity, amount Amount, ref identity.Hash, t LockTerms) (Entry, error) {
	d, err := b.begin(peer, 1)
	if err != nil {
		return Entry{}, err
	}
	for _, k := range d.t.locks {
		if k.ref != ref {
			continue
		}
		if k.void || k.amount != amount || k.terms != t {
			return Entry{}, fmt.Errorf("%w: %s credits are locked for it already, on other terms", ErrRef, k.amount)
		}
		for _, e := range d.run.entries {
			if e.Seq == k.seq {
				return e, nil
			}
		}
		e, _, err := b.entryAt(d.a.mine, d.t.epoch, k.seq)
		if err != nil {
			return Entry{}, fmt.Errorf("%w: %w", errStore, err)
		}
		return e, nil
	}
	if first, found, err := b.paidBy(d, ref); err != nil {
		return Entry{}, err
	} else if found {
		return Entry{}, fmt.Errorf("%w: %s credits were paid for it before", ErrRef, first.Amount)
	}
	return b.add(d, KindLock, amount, ref, t)
}

// Fold makes the highest voucher that we signed of our lock part of our cum, and
// takes the rest of the lock back: with the payee's release, or without once the
// lock has expired by our clock, one by preimage 20 s later. Without either the rest stays locked. All of it
// is one transaction, and what is done already is not done again. Errors are
// ErrLock, ErrVoucher for a release that is not of this lock or wants more than
// we signed, identity's for its signature, *StateError on a fenced line,
// ErrReadOnly and ErrClosed.
func (l *Ledger) Fold(ctx context.Context, peer identity.Entity, lock identity.Hash, rel *Release) error {
	fail := func(err error) error { return fmt.Errorf("fold for %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	if rel != nil {
		a := accountOf(l.self, peer)
		if rel.Line != a.mine.line || rel.Side != a.mine.side || rel.Lock != lock {
			return fail(fmt.Errorf("%w: the release is of another", ErrVoucher))
		}
		if err := rel.Verify(peer); err != nil {
			return fail(err)
		}
	}
	err := l.submit(ctx, LineOf(l.self, peer), func(b *batch) error {
		err := b.fold(peer, lock, rel)
		if err == nil {
			failpoint.Hit(failPayBeforeCommit)
		}
		return err
	})
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failPayCommitted)
	return nil
}

func (b *batch) fold(peer identity.Entity, lock identity.Hash, rel *Release) error {
	d, err := b.begin(peer, 2)
	if err != nil {
		return err
	}
	k, ok := d.t.find(lock)
	if !ok {
		return fmt.Errorf("%w: %s", ErrLock, lock.Short())
	}
	said := b.l.saidOf(lock)
	due := k.due(said)
	if k.byPreimage() {
		due = 0
	}
	if rel != nil && rel.Cum > k.folded+due {
		return fmt.Errorf("%w: the release is at %s credits, and %s were promised", ErrVoucher, rel.Cum, k.folded+due)
	}
	if due > 0 {
		if _, err := b.add(d, KindFold, due, k.ref, *said.voucher); err != nil {
			return err
		}
	}
	k, ok = d.t.find(lock)
	over := k.terms.Expiry
	if k.byPreimage() {
		over += clockTicks
	}
	if ok && (rel != nil || !k.void && tickOf(b.l.cfg.Now()) >= over) {
		_, err = b.add(d, KindVoid, k.rest(), k.ref, voiding{lock, rel})
	}
	return err
}

// Settle pays our lock out, whole, by its preimage. Errors are ErrLock,
// ErrVoucher for another preimage, *StateError on a fenced line, ErrReadOnly and
// ErrClosed.
func (l *Ledger) Settle(ctx context.Context, peer identity.Entity, lock identity.Hash, preimage [32]byte) error {
	fail := func(err error) error { return fmt.Errorf("settle with %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	err := l.submit(ctx, LineOf(l.self, peer), func(b *batch) error {
		d, err := b.begin(peer, 1)
		if err != nil {
			return err
		}
		k, ok := d.t.find(lock)
		if !ok {
			return fmt.Errorf("%w: %s", ErrLock, lock.Short())
		}
		if !(settlement{lock, preimage}).fits(k) {
			return fmt.Errorf("%w: it is not the preimage", ErrVoucher)
		}
		if _, err = b.add(d, KindSettle, k.amount, k.ref, settlement{lock, preimage}); err == nil {
			failpoint.Hit(failPayBeforeCommit)
		}
		return err
	})
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failPayCommitted)
	return nil
}

// SignVoucher promises cum of our lock to peer, for fuel of work in all. Nothing
// is synced: that is why vouchers are cheap. It is written with the next commit;
// after a crash before that we may fold less, until the payee shows what it
// holds. A cum that is not above what was signed before returns the voucher of
// then. Errors are ErrLock, ErrAmount above the lock's amount or for zero,
// ErrVoucher for a lock by preimage, *StateError on a fenced line, ErrReadOnly
// and ErrClosed.
func (l *Ledger) SignVoucher(peer identity.Entity, lock identity.Hash, cum Amount, fuel uint64) (Voucher, error) {
	fail := func(err error) (Voucher, error) {
		return Voucher{}, fmt.Errorf("voucher for %s: %w", peer.Short(), err)
	}
	if err := errors.Join(l.Writable(), cum.checkPayable()); err != nil {
		return fail(err)
	}
	w := accountOf(l.self, peer).mine
	k, said, err := l.lockOf(peer, w.side, lock)
	switch {
	case err != nil:
		return fail(err)
	case k.byPreimage():
		return fail(fmt.Errorf("%w: it is paid out by a preimage", ErrVoucher))
	case cum > k.amount:
		return fail(fmt.Errorf("%w: %s credits are locked, %s are promised", ErrAmount, k.amount, cum))
	case said.voucher != nil && said.voucher.Cum >= cum:
		return *said.voucher, nil
	}
	v, err := Voucher{Line: w.line, Side: w.side, Lock: lock, Cum: cum, Fuel: fuel, Quote: k.terms.Quote}.sign(l.signer)
	if err != nil {
		return fail(err)
	}
	said, err = l.say(peer, w, lock, evidence{voucher: &v})
	if err != nil {
		return fail(err)
	}
	return *said.voucher, nil // another caller may have gone further
}

// TakeVoucher keeps a voucher that peer signed, if it is the highest of its lock,
// and counts it as a claim at once. It starts a commit and does not wait for it:
// a crash before that loses the vouchers of a commit or two. The payer has them
// still, and an honest one folds the highest; of one that is not, that is the
// loss. Errors are ErrStranger, ErrLock, ErrVoucher, identity's for the
// signature, *StateError on a disputed line, ErrReadOnly and ErrClosed.
func (l *Ledger) TakeVoucher(_ context.Context, peer identity.Entity, v Voucher) error {
	fail := func(err error) error { return fmt.Errorf("voucher of %s: %w", peer.Short(), err) }
	if err := l.Writable(); err != nil {
		return fail(err)
	}
	w := accountOf(l.self, peer).theirs
	if v.Line != w.line || v.Side != w.side {
		return fail(ErrStranger)
	}
	k, said, err := l.lockOf(peer, w.side, v.Lock)
	switch {
	case err != nil:
		return fail(err)
	case !v.fits(k):
		return fail(fmt.Errorf("%w: %s credits of %s", ErrVoucher, v.Cum, k.amount))
	case said.voucher != nil && said.voucher.Cum >= v.Cum:
		return nil
	}
	err = l.crowd.verify(identity.Signed{By: peer, Purpose: VoucherPurpose, Body: v.terms(), Sig: v.Sig[:]})
	if err != nil {
		return fail(fmt.Errorf("voucher over %s: %w", v.Cum, err))
	}
	if _, err := l.say(peer, w, v.Lock, evidence{voucher: &v}); err != nil {
		return fail(err)
	}
	l.save()
	return nil
}

// Reveal keeps the preimage of peer's lock: from then on the lock is a claim. It
// is on the disk when Reveal returns nil, and shown to the peer with the next
// Position. Errors are those of TakeVoucher, ErrVoucher also once the lock has
// expired by our clock: its payer may be taking it back.
func (l *Ledger) Reveal(ctx context.Context, peer identity.Entity, lock identity.Hash, preimage [32]byte) error {
	fail := func(err error) error { return fmt.Errorf("reveal to %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	w := accountOf(l.self, peer).theirs
	k, said, err := l.lockOf(peer, w.side, lock)
	if err != nil {
		return fail(err)
	}
	if !(settlement{lock, preimage}).fits(k) {
		return fail(fmt.Errorf("%w: it is not the preimage", ErrVoucher))
	}
	if said.preimage == nil && tickOf(l.cfg.Now()) >= k.terms.Expiry {
		return fail(fmt.Errorf("%w: the lock has expired", ErrVoucher))
	}
	if said.preimage == nil {
		if _, err := l.say(peer, w, lock, evidence{preimage: &preimage}); err != nil {
			return fail(err)
		}
	}
	// Whatever commits next writes it first.
	if err := l.submit(ctx, w.line, func(*batch) error { return nil }); err != nil {
		return fail(err)
	}
	return nil
}

// Release signs that peer may close its lock once cum of it is folded. It is
// ErrVoucher below what we hold of it: that would give it away. Other errors are
// ErrLock, ErrAmount above the lock, *StateError, ErrReadOnly and ErrClosed.
func (l *Ledger) Release(peer identity.Entity, lock identity.Hash, cum Amount) (Release, error) {
	fail := func(err error) (Release, error) {
		return Release{}, fmt.Errorf("release to %s: %w", peer.Short(), err)
	}
	if err := l.Writable(); err != nil {
		return fail(err)
	}
	w := accountOf(l.self, peer).theirs
	k, said, err := l.lockOf(peer, w.side, lock)
	switch {
	case err != nil:
		return fail(err)
	case cum < 0 || cum > k.amount:
		return fail(fmt.Errorf("%w: %s credits of %s", ErrAmount, cum, k.amount))
	case cum < k.folded+k.due(said):
		return fail(fmt.Errorf("%w: %s credits are promised, and %s would be released", ErrVoucher, k.folded+k.due(said), cum))
	}
	x, err := Release{Line: w.line, Side: w.side, Lock: lock, Cum: cum}.sign(l.signer)
	if err != nil {
		return fail(err)
	}
	return x, nil
}
