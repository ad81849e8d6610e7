package ledger

import "github.com/peersea/sea/identity"

// Change says that something about a line is new and on the disk.
type Change struct {
	Peer identity.Entity

	// Outgoing: there is something to deliver to the peer.
	Outgoing bool

	// Incoming: the peer's entries or grant came. PaidFor and Line tell more.
	Incoming bool

	// Promised: a voucher of the peer's, or a preimage of a lock of its, is kept.
	Promised bool

	// Delivered: the peer has acknowledged all we signed.
	Delivered bool
}

type watcher struct{ f func(Change) }

// Watch has f called after each change, until stop is called; f may run once
// more while stop does. Calls come one at a time, in the order of the changes,
// while nothing else is written: f must return at once and not wait for the
// ledger.
func (l *Ledger) Watch(f func(Change)) (stop func()) {
	w := &watcher{f}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[w] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, w)
	}
}

func (l *Ledger) tell(c Change) {
	l.mu.Lock()
	all := make([]*watcher, 0, len(l.watchers))
	for w := range l.watchers {
		all = append(all, w)
	}
	l.mu.Unlock()
	for _, w := range all {
		w.f(c)
	}
}
