package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
)

// Errors of writing.
var (
	// ErrSelf is returned for a line with oneself.
	ErrSelf = errors.New("a key has no line with itself")

	// ErrRef is returned when a payment names nothing, or when what it names
	// was paid or locked for before otherwise.
	ErrRef = errors.New("bad payment reference")

	// ErrLines is returned when a new peer would be one too many.
	ErrLines = errors.New("too many lines")

	// ErrLine is what every *StateError is.
	ErrLine = errors.New("line is not open")
)

// StateError is returned when a line's state forbids what was asked. It is
// ErrLine.
type StateError struct {
	Peer  identity.Entity
	State State
	Why   string // for people; may be empty
}

func (e *StateError) Error() string {
	text := fmt.Sprintf("the line with %s is %s", e.Peer.Short(), e.State)
	if e.Why != "" {
		text += ": " + e.Why
	}
	return text
}

// Is says that e is ErrLine.
func (e *StateError) Is(target error) bool { return target == ErrLine }

// NewRef returns a random reference, for a payment that is not for an order.
func NewRef() identity.Hash {
	var h identity.Hash
	rand.Read(h[:]) // never fails: it ends the process instead
	return h
}

// Pay promises amount to peer for ref, the hash of an order. When it returns
// nil the promise is on the disk and will be delivered; whether it has been,
// Line tells. For one peer and ref at most one payment is ever made: again
// returns the first entry, with ErrRef if the amount is another one. When ctx
// ends the payment may have been made; asking again tells.
//
// No limit is looked at: a promise that is signed counts, and who may owe what
// is decided before the work, by Hold. Errors are ErrAmount, ErrRef, ErrSelf,
// ErrLines, *StateError on a fenced line, ErrReadOnly and ErrClosed.
func (l *Ledger) Pay(ctx context.Context, peer identity.Entity, amount Amount, ref identity.Hash) (Entry, error) {
	fail := func(err error) (Entry, error) {
		return Entry{}, fmt.Errorf("pay %s: %w", peer.Short(), err)
	}
	if err := errors.Join(l.checkPeer(peer), amount.checkPayable()); err != nil {
		return fail(err)
	}
	if ref == (identity.Hash{}) {
		return fail(fmt.Errorf("%w: it is zero", ErrRef))
	}
	var e Entry
	err := l.submit(ctx, LineOf(l.self, peer), func(b *batch) (err error) {
		if e, err = b.pay(peer, amount, ref); err == nil {
			failpoint.Hit(failPayBeforeCommit)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrRef):
		return e, fmt.Errorf("pay %s: %w", peer.Short(), err)
	case err != nil:
		return fail(err) // and e is not ours to read if ctx ended
	}
	failpoint.Hit(failPayCommitted)
	return e, nil
}

// pay adds a payment to the run under way, or begins one.
func (b *batch) pay(peer identity.Entity, amount Amount, ref identity.Hash) (Entry, error) {
	d, err := b.begin(peer, 1)
	if err != nil {
		return Entry{}, err
	}
	first, found, err := b.paidBy(d, ref)
	switch {
	case err != nil:
		return Entry{}, err
	case found && first.Amount != amount:
		return first, fmt.Errorf("%w: %s credits were paid for it before, not %s", ErrRef, first.Amount, amount)
	case found:
		return first, nil
	}
	for _, k := range d.t.locks {
		if k.ref == ref {
			return Entry{}, fmt.Errorf("%w: %s credits are locked for it", ErrRef, k.amount)
		}
	}
	return b.add(d, KindPay, amount, ref, nil)
}

// paidBy returns our first payment for ref, the run under way included.
func (b *batch) paidBy(d *draft, ref identity.Hash) (Entry, bool, error) {
	first, found, err := b.paid(d.a.mine, ref)
	if err != nil {
		return Entry{}, false, fmt.Errorf("%w: %w", errStore, err)
	}
	if found {
		return first, true, nil
	}
	for i := range d.run.entries { // each is large
		if e := &d.run.entries[i]; e.Ref == ref && e.Kind.moves() {
			return *e, true, nil
		}
	}
	return Entry{}, false, nil
}

// PaidFor returns the first payment for ref on the line with peer: ours, or the
// peer's if we made none. Entry.Side tells whose it is.
func (l *Ledger) PaidFor(peer identity.Entity, ref identity.Hash) (Entry, bool, error) {
	var e Entry
	var found bool
	err := l.store.view(func(g getter) (err error) {
		a := accountOf(l.self, peer)
		if e, found, err = (book{g}).paid(a.mine, ref); found || err != nil {
			return err
		}
		e, found, err = (book{g}).paid(a.theirs, ref)
		return err
	})
	if err != nil {
		return Entry{}, false, fmt.Errorf("look for a payment: %w", err)
	}
	return e, found, nil
}

// Paid sums what was paid for ref on the line with peer, by us and by the peer,
// in how many parts it ever was: a lock's FOLDs, a payment. Of more than 64
// parts the first count.
func (l *Ledger) Paid(peer identity.Entity, ref identity.Hash) (ours, theirs Amount, err error) {
	err = l.store.view(func(g getter) (err error) {
		a := accountOf(l.self, peer)
		if ours, err = (book{g}).paidInAll(a.mine, ref); err != nil {
			return err
		}
		theirs, err = book{g}.paidInAll(a.theirs, ref)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("look for payments: %w", err)
	}
	return ours, theirs, nil
}

// Grant lets peer owe us up to limit until expiry; the zero time is for ever.
// Zero takes all credit back. It holds for new credit at once and unmakes no
// promise. It is on the disk when Grant returns and will be delivered. A grant
// that says what the newest says already changes nothing. Errors are those of
// Pay, and ErrAmount for a limit below zero or an expiry after the year 9999.
func (l *Ledger) Grant(peer identity.Entity, limit Amount, expiry time.Time) error {
	fail := func(err error) error { return fmt.Errorf("grant %s: %w", peer.Short(), err) }
	if err := l.checkPeer(peer); err != nil {
		return fail(err)
	}
	if limit < 0 || limit > maxAmount {
		return fail(fmt.Errorf("%w: a limit is 0 to 2^62 - 1 micro-credits", ErrAmount))
	}
	var until int64
	if !expiry.IsZero() {
		if until = expiry.Unix(); until < 1 || until > maxExpiry {
			return fail(fmt.Errorf("%w: a grant expires between 1970 and 9999", ErrAmount))
		}
	}
	err := l.submit(context.Background(), LineOf(l.self, peer), func(b *batch) error {
		return b.grant(peer, limit, until)
	})
	if err != nil {
		return fail(err)
	}
	failpoint.Hit(failGrantCommitted)
	return nil
}

func (b *batch) grant(peer identity.Entity, limit Amount, expiry int64) error {
	a, state, err := b.open(peer)
	if err != nil {
		return err
	}
	if state == StateFenced {
		return &StateError{Peer: peer, State: state}
	}
	if a.own.grantSeq > 0 && a.own.grantLimit == limit && a.own.grantExpiry == expiry {
		return nil
	}
	if err := b.checkRoom(a); err != nil {
		return err
	}
	if err := b.newGrant(a, state, limit, expiry); err != nil {
		return err
	}
	return b.beginGrowth(a, limit)
}

// newGrant signs the next grant and writes it.
func (b *batch) newGrant(a account, state State, limit Amount, expiry int64) error {
	g, err := Grant{
		Line: a.mine.line, Seq: a.own.grantSeq + 1, Creditor: b.l.self, Limit: limit, Expiry: expiry,
	}.sign(b.l.signer)
	if err != nil {
		return err
	}
	acked, more, err := b.unsentOf(a.mine.line)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if !more {
		acked.seq, acked.grant = a.own.seq, a.own.grantSeq
	}
	err = b.appendGrant(&a, a.mine, g)
	if err == nil {
		err = b.owe(a, acked.seq, acked.grant)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	b.changes = append(b.changes, Change{Peer: a.peer, Outgoing: true})
	failpoint.Hit(failGrantBeforeCommit)
	return b.keep(a, state)
}

func (l *Ledger) checkPeer(peer identity.Entity) error {
	if peer == l.self {
		return ErrSelf
	}
	l.mu.RLock()
	_, met := l.standing[peer] // its key was looked at when the line began
	l.mu.RUnlock()
	if met {
		return nil
	}
	return peer.Check()
}
