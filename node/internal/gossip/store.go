package gossip

import (
	"time"

	"github.com/peersea/sea/node/internal/frame"
)

// The bounds of what a member keeps for others: its last messages, so many and
// so many bytes. The bytes are enough for MaxPast of the largest.
const (
	maxStored      = 512
	maxStoredBytes = frame.MaxPast * frame.MaxSigned
)

// Kept returns how many bytes of messages the Core keeps for who missed them.
func (c *Core) Kept() int { return c.store.bytes }

// Keep drops the oldest of them until there are at most so many bytes.
func (c *Core) Keep(most int) { c.store.shrink(most) }

// A store keeps the last messages, for whoever missed them.
type store struct {
	all   []stored // in the order in which they came
	by    map[frame.ID]*frame.Publish
	bytes int
}

type stored struct {
	id frame.ID
	at time.Time
}

func (s *store) add(now time.Time, id frame.ID, f *frame.Publish) {
	if s.by == nil {
		s.by = make(map[frame.ID]*frame.Publish)
	}
	if s.by[id] != nil {
		return
	}
	s.all = append(s.all, stored{id, now})
	s.by[id] = f
	s.bytes += len(f.Body)
	for len(s.all) > maxStored || s.bytes > maxStoredBytes {
		s.drop()
	}
}

// drop drops the oldest.
func (s *store) drop() {
	oldest := s.all[0].id
	s.all = s.all[1:]
	s.bytes -= len(s.by[oldest].Body)
	delete(s.by, oldest)
}

// shrink drops the oldest until there are at most so many bytes.
func (s *store) shrink(most int) {
	for s.bytes > most {
		s.drop()
	}
}

// since returns the ids of messages that came since a time, at most MaxIDs, the
// latest.
func (s *store) since(t time.Time) []frame.ID {
	var ids []frame.ID
	for i := len(s.all) - 1; i >= 0 && len(ids) < frame.MaxIDs && !s.all[i].at.Before(t); i-- {
		ids = append(ids, s.all[i].id)
	}
	return ids
}

// last returns the last n messages, the oldest first.
func (s *store) last(n int) []*frame.Publish {
	from := max(0, len(s.all)-n)
	var found []*frame.Publish
	for _, one := range s.all[from:] {
		found = append(found, s.by[one.id])
	}
	return found
}
