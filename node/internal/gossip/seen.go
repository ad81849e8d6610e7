package gossip

import (
	"time"

	"github.com/peersea/sea/node/internal/frame"
)

// The bounds of what a member remembers of messages it has had.
const (
	seenFor = MaxAge + MaxAhead
	maxSeen = 16384
)

// A seen remembers ids for seenFor to twice that in two generations. When one
// is full it is turned over early.
type seen struct {
	young, old map[frame.ID]struct{}
	born       time.Time // of young
}

func (s *seen) has(id frame.ID) bool {
	if _, ok := s.young[id]; ok {
		return true
	}
	_, ok := s.old[id]
	return ok
}

func (s *seen) add(now time.Time, id frame.ID) {
	switch age := now.Sub(s.born); {
	case s.young == nil || age >= 2*seenFor:
		s.young, s.old, s.born = make(map[frame.ID]struct{}), nil, now
	case age >= seenFor || len(s.young) >= maxSeen:
		s.young, s.old, s.born = make(map[frame.ID]struct{}), s.young, now
	}
	s.young[id] = struct{}{}
}
