package node

import (
	"slices"
	"time"
)

// clockWitnesses is how many links a node must have to judge its own clock by theirs.
const clockWitnesses = 3

// ClockAhead is how far this node's clock is ahead of its neighbours', by the middle one of
// what they showed when their links began: fewer than half of them may lie. ok is false
// while there are fewer than three.
func (n *Node) ClockAhead() (ahead time.Duration, ok bool) { return clockAhead(n.Links()) }

func clockAhead(links []Link) (ahead time.Duration, ok bool) {
	if len(links) < clockWitnesses {
		return 0, false
	}
	var all []time.Duration
	for _, l := range links {
		all = append(all, -l.Skew)
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	if low.Abs() < high.Abs() {
		return low, true
	}
	return high, true
}

// skew is how far ahead of ours the peer's clock is, as far as is known: as it was when the
// link began, less what ours was put forward since.
func (l *link) skew() time.Duration {
	passed := time.Since(l.since) // by a clock that nobody sets
	set := wall().Sub(l.since.Round(0)) - passed
	return l.proof.Skew - set.Round(time.Millisecond)
}
