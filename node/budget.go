package node

import (
	"errors"
	"sync/atomic"
)

// maxHeld is how many bytes that peers have sent a node keeps for them at most,
// all links together: frames that are being joined, requests that handlers work
// on, messages that nobody has taken, and what channels keep for who missed it.
// Each link and channel has bounds of its own below it; without this one they
// would add up.
const maxHeld = 256 << 20

// errNoRoom is why a link ends whose peer sends what cannot be kept.
var errNoRoom = errors.New("no memory left for what peers send")

// A budget counts bytes that are kept. Its zero value is empty.
type budget struct{ held atomic.Int64 }

// take reserves n bytes, or reports false.
func (b *budget) take(n int) bool {
	if b.held.Add(int64(n)) > maxHeld {
		b.held.Add(-int64(n))
		return false
	}
	return true
}

// give frees n bytes.
func (b *budget) give(n int) { b.held.Add(-int64(n)) }
