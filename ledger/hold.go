package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
)

// ErrLimit is what every *LimitError is.
var ErrLimit = errors.New("credit limit")

// ErrHolds is returned when more holds are open than a ledger keeps.
var ErrHolds = errors.New("too many open holds")

// maxHolds bounds the holds of a process.
const maxHolds = 10_000

// LimitError is returned when a hold does not fit into what may be owed. The
// sums are those at the time of asking. It is ErrLimit.
type LimitError struct {
	Peer   identity.Entity
	Debtor bool // we would owe the peer, not the peer us
	Shared bool // the limit is the budget that all strangers share,
	// or, with Newcomers, the part of it for those who have repaid nothing before.
	Newcomers bool
	Limit     Amount // what may be owed in all
	Owes      Amount // what is owed now: by all strangers if Shared
	Held      Amount // what is set aside already, likewise
	Wanted    Amount
}

func (e *LimitError) Error() string {
	who := "peer " + e.Peer.Short()
	switch {
	case e.Debtor:
		return fmt.Sprintf("%s: we may owe %s %s credits, owe %s, have reserved %s, and would reserve %s more",
			ErrLimit, who, e.Limit, e.Owes, e.Held, e.Wanted)
	case e.Newcomers:
		return fmt.Sprintf("%s: %s has no grant and has repaid nothing before, and all such peers together may owe %s credits, owe %s, have %s held, and would have %s more",
			ErrLimit, who, e.Limit, e.Owes, e.Held, e.Wanted)
	case e.Shared:
		return fmt.Sprintf("%s: %s has no grant, and all such peers together may owe %s credits, owe %s, have %s held, and would have %s more",
			ErrLimit, who, e.Limit, e.Owes, e.Held, e.Wanted)
	}
	return fmt.Sprintf("%s: %s may owe %s credits, owes %s, has %s held, and would have %s more",
		ErrLimit, who, e.Limit, e.Owes, e.Held, e.Wanted)
}

// Is says that e is ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// Hold is room set aside in what one side may owe the other, for as long as the
// process runs or until Release. After a restart whoever made a hold makes it
// again, from its own records of what is unpaid.
type Hold struct {
	l      *Ledger
	peer   identity.Entity
	debtor bool
	since  time.Time
	most   Amount        // under l.mu
	ref    identity.Hash // under l.mu; zero is for no payment in particular
}

// standing is what is kept in memory of each line, to answer Hold.
type standing struct {
	balance Amount // what we may claim less what the peer may
	own     tally
	other   tally
	repaid  Amount // of what the peer promised, what it owes no more
	granted bool   // we gave a grant, expired or not
	limit   Amount
	expiry  int64
	theirs  bool // the peer gave one
	credit  Amount
	until   int64
	state   State
}

// owed is what the line counts for in the strangers' budget.
func (s standing) owed() Amount {
	if s.granted {
		return 0
	}
	return min(max(s.balance, 0), MaxStrangers) // MaxLines of these do not overflow
}

// stand takes in where a line stands now. It is called at the start and after
// each commit; l.mu is held.
func (l *Ledger) stand(a account, state State) {
	s := standing{
		own: a.own.tally(), other: a.other.tally(), repaid: a.repaid(), state: state,
		granted: a.own.grantSeq > 0, limit: a.own.grantLimit, expiry: a.own.grantExpiry,
		theirs: a.other.grantSeq > 0, credit: a.other.grantLimit, until: a.other.grantExpiry,
	}
	before := l.standing[a.peer]
	for was, now := range map[*tally]*tally{&before.own: &s.own, &before.other: &s.other} {
		for _, k := range was.locks {
			if _, ok := now.find(k.id); !ok {
				delete(l.said, k.id)
				delete(l.unsaved, k.id)
			}
		}
		l.locks += len(now.locks) - len(was.locks)
	}
	l.restand(a.peer, s)
}

// restand is place, with the claims as they are now. l.mu is held.
func (l *Ledger) restand(peer identity.Entity, s standing) {
	said := func(lock identity.Hash) evidence { return l.said[lock] }
	s.balance = s.other.claim(said) - s.own.claim(said)
	l.place(peer, s)
}

// place puts s in the place of what is known of the peer. l.mu is held.
func (l *Ledger) place(peer identity.Entity, s standing) {
	old := l.standing[peer]
	l.owes[old.pool()] -= old.owed()
	l.owes[s.pool()] += s.owed()
	l.standing[peer] = s
}

// Hold sets most aside in what peer may owe us, before work for it starts. The
// room is that of our grant to the peer; without one, of the budget that all
// strangers share. Zero is allowed. Errors are *LimitError, with the facts,
// *StateError, ErrAmount and ErrHolds.
func (l *Ledger) Hold(peer identity.Entity, most Amount) (*Hold, error) {
	return l.hold(peer, most, false, identity.Hash{})
}

// Reserve sets most aside in what we may owe peer, before we order. If the peer
// gave us a grant it has to have room; without one the peer decides by its
// quote. The hash of an order that is made already says which of our locks is for
// the same: under a certified budget the two count once. Zero is for none. Errors
// are those of Hold, and ErrBudget.
func (l *Ledger) Reserve(peer identity.Entity, most Amount, order identity.Hash) (*Hold, error) {
	return l.hold(peer, most, true, order)
}

func (l *Ledger) hold(peer identity.Entity, most Amount, debtor bool, ref identity.Hash) (*Hold, error) {
	if err := l.checkPeer(peer); err != nil {
		return nil, err
	}
	if most < 0 || most > maxAmount {
		return nil, fmt.Errorf("%w: a hold of %s credits", ErrAmount, most)
	}
	if err := l.Writable(); err != nil {
		return nil, err // what comes of the hold could not be written down
	}
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) >= maxHolds {
		return nil, fmt.Errorf("%w: %d", ErrHolds, maxHolds)
	}
	s := l.standing[peer]
	if s.state != "" && s.state != StateOpen {
		return nil, &StateError{Peer: peer, State: s.state}
	}
	var refused error
	if debtor {
		refused = l.affords(peer, most, ref)
	} else {
		refused = l.disowned(peer)
	}
	if refused != nil {
		return nil, refused
	}
	if e := l.room(peer, s, debtor, now); e != nil && !e.fits(most) {
		e.Wanted = most
		return nil, e
	}
	h := &Hold{l: l, peer: peer, debtor: debtor, since: now, most: most, ref: ref}
	l.holds[h] = struct{}{}
	return h, nil
}

// room says how much of which limit is used, nil when there is no limit here.
// l.mu is held.
func (l *Ledger) room(peer identity.Entity, s standing, debtor bool, now time.Time) *LimitError {
	e := &LimitError{Peer: peer, Debtor: debtor}
	switch {
	case debtor && !s.theirs:
		return nil
	case debtor:
		e.Limit = Grant{Limit: s.credit, Expiry: s.until}.limitAt(now)
		e.Owes = max(-s.balance, 0)
	case s.granted:
		e.Limit = Grant{Limit: s.limit, Expiry: s.expiry}.limitAt(now)
		e.Owes = max(s.balance, 0)
	default:
		return l.strangersRoom(peer, s)
	}
	for h := range l.holds {
		if h.debtor == debtor && h.peer == peer {
			e.Held = min(e.Held+h.most, maxAmount) // each is at most that, so no sum wraps
		}
	}
	return e
}

// fits says whether most more stays within the limit: that is exposure.
func (e *LimitError) fits(most Amount) bool {
	used, err := e.Owes.add(e.Held)
	if err != nil {
		return false
	}
	used, err = used.add(most)
	return err == nil && used <= e.Limit
}

// For says what the peer will pay with. As soon as its payment or its voucher for
// ref is booked the hold is smaller by as much, at the same moment: what was held is
// owed then, and never counts twice. Of what we reserve ourselves it says which
// order that is for, see Reserve. On nil it does nothing.
func (h *Hold) For(ref identity.Hash) {
	if h == nil {
		return
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if _, open := h.l.holds[h]; !open {
		return
	}
	if h.ref = ref; !h.debtor {
		h.l.due[ref] = h
	}
}

// pays takes amount, which the peer has promised for ref, out of the hold that was
// for it. l.mu is held.
func (l *Ledger) pays(peer identity.Entity, ref identity.Hash, amount Amount) {
	h := l.due[ref]
	if h == nil || h.peer != peer || h.debtor {
		return
	}
	if h.most -= min(h.most, amount); h.most == 0 {
		l.drop(h)
	}
}

// drop forgets a hold. l.mu is held.
func (l *Ledger) drop(h *Hold) {
	delete(l.holds, h)
	if l.due[h.ref] == h {
		delete(l.due, h.ref)
	}
}

// Lower makes the hold smaller, when less turns out to be needed. More than
// there is, less than zero and a released hold change nothing.
func (h *Hold) Lower(most Amount) {
	if h == nil {
		return
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if most >= 0 && most < h.most {
		h.most = most
	}
}

// Release gives the room back. Again, and on nil, it does nothing.
func (h *Hold) Release() {
	if h == nil {
		return
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.l.drop(h)
}

// Held is a hold as it is shown.
type Held struct {
	Peer     identity.Entity `json:"peer"`
	Reserved bool            `json:"reserved"` // by Reserve, not Hold
	Most     Amount          `json:"most_micro"`
	Since    time.Time       `json:"since"`
}

// Holds lists what is set aside at this moment, in no order.
func (l *Ledger) Holds() []Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Held, 0, len(l.holds))
	for h := range l.holds {
		all = append(all, Held{h.peer, h.debtor, h.most, h.since})
	}
	return all
}

// Granted says whether we ever gave peer a grant, expired or not: what it owes
// counts for that one then, and not for the strangers' budget.
func (l *Ledger) Granted(peer identity.Entity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing[peer].granted
}

// SetStrangers changes the budget for this process: negative is none. It lowers
// new credit only. More than MaxStrangers is ErrAmount.
func (l *Ledger) SetStrangers(budget Amount) error {
	if budget > MaxStrangers {
		return fmt.Errorf("%w: strangers may owe %s credits at most", ErrAmount, MaxStrangers)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strangers = max(budget, 0)
	return nil
}
