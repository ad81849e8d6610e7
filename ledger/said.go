package ledger

import (
	"fmt"
	"slices"

	"github.com/peersea/sea/identity"
)

// lockOf returns a lock of the side's half-chain on the line with peer, and what
// was promised of it.
func (l *Ledger) lockOf(peer identity.Entity, side Side, id identity.Hash) (lock, evidence, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.standing[peer]
	t := s.other
	if side == SideOf(l.self, peer) {
		t = s.own
	}
	if s.state == StateFenced && side == SideOf(l.self, peer) || s.state == StateDisputed && side != SideOf(l.self, peer) {
		return lock{}, evidence{}, &StateError{Peer: peer, State: s.state}
	}
	k, ok := t.find(id)
	if !ok {
		return lock{}, evidence{}, fmt.Errorf("%w: %s", ErrLock, id.Short())
	}
	return k, l.said[id], nil
}

func (l *Ledger) saidOf(lock identity.Hash) evidence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said[lock]
}

// say takes in what was promised of a lock of w, unless more is known, and
// returns what is known then. It is written with the next commit.
func (l *Ledger) say(peer identity.Entity, w writer, id identity.Hash, e evidence) (evidence, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.standing[peer]
	t := s.other
	if w.side == SideOf(l.self, peer) {
		t = s.own
	}
	k, ok := t.find(id)
	if !ok {
		return evidence{}, fmt.Errorf("%w: %s", ErrLock, id.Short()) // closed meanwhile
	}
	before := l.said[id]
	if k.void && e.voucher != nil && w.side != SideOf(l.self, peer) && k.due(e) > k.due(before) {
		return evidence{}, fmt.Errorf("%w: the lock is void", ErrVoucher) // a release may be out already
	}
	if more := k.due(e) - k.due(before); more > 0 || before == (evidence{}) {
		l.said[id], l.unsaved[id] = e, unsaved{peer, w}
		mine := w.side == SideOf(l.self, peer)
		if mine {
			s.balance -= more
		} else {
			s.balance += more
		}
		l.place(peer, s)
		if !mine && more > 0 {
			l.pays(peer, k.ref, more)
		}
	}
	return l.said[id], nil
}

// unsaved is whose lock it is that more was promised of than is on the disk.
type unsaved struct {
	peer identity.Entity
	w    writer
}

// saying is what a commit writes of that.
type saying struct {
	unsaved
	lock identity.Hash
	e    evidence
}

// save starts a commit, unless one is about to start.
func (l *Ledger) save() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// sayings is what is not on the disk yet.
func (l *Ledger) sayings() []saying {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]saying, 0, len(l.unsaved))
	for id, u := range l.unsaved {
		all = append(all, saying{u, id, l.said[id]})
	}
	slices.SortFunc(all, func(a, b saying) int { return slices.Compare(a.lock[:], b.lock[:]) })
	return all
}

// saySaved writes all, but what is of locks that are closed.
func (p pen) saySaved(all []saying) error {
	for _, s := range all {
		key := s.w.refKey(s.lock)
		if p.get(bLock, key) == nil {
			continue
		}
		if err := p.put(bClaim, key, s.e.encode()); err != nil {
			return err
		}
	}
	return nil
}

// heard notes that all is on the disk. l.mu is held.
func (l *Ledger) heard(all []saying) {
	for _, s := range all {
		if l.said[s.lock] == s.e {
			delete(l.unsaved, s.lock)
		}
	}
}
