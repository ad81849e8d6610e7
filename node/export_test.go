package node

import "time"

// FillMemory takes all that is left of n's budget for what peers send, until
// free is called.
func FillMemory(n *Node) (free func()) {
	b := &n.session.memory
	left := maxHeld - b.held.Load()
	b.held.Add(left)
	return func() { b.held.Add(-left) }
}

// HeldMemory returns how much of the budget is taken.
func HeldMemory(n *Node) int64 { return n.session.memory.held.Load() }

// Emit tells n's listeners of an event.
func Emit(n *Node, e Event) { n.events.emit(e) }

// SetSeekEvery has n look for direct ways more or less often.
func SetSeekEvery(n *Node, d time.Duration) { n.seekEvery = d }
