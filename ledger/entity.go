package ledger

import "github.com/peersea/sea/identity"

// An entity's balance is the sum over its nodes that act for it, and its own
// line. What a node promised that acts for it no longer is not in it.

// sums adds up the lines of each entity that a peer acts for.
func sums(lines []Line) map[identity.Entity]Amount {
	all := map[identity.Entity]Amount{}
	for _, l := range lines {
		if l.Acting.holds() {
			all[l.Acting.Entity] = within(all[l.Acting.Entity] + l.Balance)
		}
	}
	for _, l := range lines {
		if _, acts := all[l.Peer]; acts {
			all[l.Peer] = within(all[l.Peer] + l.Balance)
		}
	}
	return all
}

// within keeps a sum of two in what a ledger counts: each is, so nothing wraps.
func within(sum Amount) Amount { return max(min(sum, maxAmount), -maxAmount) }

func (a *Acting) holds() bool { return a != nil && a.Standing == Holds }

// withSums has each of lines say the balance of its entity.
func withSums(lines []Line) []Line {
	all := sums(lines)
	for _, l := range lines {
		if l.Acting.holds() {
			l.Acting.Balance = all[l.Acting.Entity]
		}
	}
	return lines
}

// entityBalance is the sum for one entity.
func (l *Ledger) entityBalance(entity identity.Entity) Amount {
	now := l.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	balance := func(peer identity.Entity) Amount {
		s := l.standing[peer]
		return s.other.cum - s.own.cum
	}
	sum := balance(entity)
	for node := range l.certs.acting {
		is, revoked, _ := l.certs.of(node, now)
		if is.entity == entity && is.show(revoked, 0, now).Standing == Holds {
			sum = within(sum + balance(node))
		}
	}
	return sum
}
