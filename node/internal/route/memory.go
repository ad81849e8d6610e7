package route

import "time"

// The bounds of a memory.
const (
	seenFor = 60 * time.Second
	maxSeen = 32768
)

// A memory remembers keys for 60 to 120 s in two generations. When one holds
// maxSeen keys it is turned over early; loops are impossible without it too.
type memory struct {
	young, old map[Key]struct{}
	born       time.Time // of young
}

func (m *memory) has(now time.Time, k Key) bool {
	m.turn(now)
	if _, ok := m.young[k]; ok {
		return true
	}
	_, ok := m.old[k]
	return ok
}

func (m *memory) add(now time.Time, k Key) {
	m.turn(now)
	m.young[k] = struct{}{}
}

func (m *memory) turn(now time.Time) {
	switch age := now.Sub(m.born); {
	case m.young == nil || age >= 2*seenFor:
		m.young, m.old, m.born = make(map[Key]struct{}), nil, now
	case age >= seenFor || len(m.young) >= maxSeen:
		m.young, m.old, m.born = make(map[Key]struct{}), m.young, now
	}
}
