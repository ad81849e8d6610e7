package compute

import (
	"runtime/debug"
	"sync"
)

// collector keeps Go's garbage collector from starting while guests run in this
// process. To stop the world it would wait for a guest that makes no calls, and
// with it would wait the goroutine that stops the guest.
var collector struct {
	mu      sync.Mutex
	guests  int
	percent int
}

// holdCollector returns when no collection is under way; none starts until as
// many guests have ended as began.
func holdCollector() {
	c := &collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.guests++; c.guests == 1 {
		// It also waits for a collection that has begun.
		c.percent = debug.SetGCPercent(-1)
	}
}

func releaseCollector() {
	c := &collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.guests--; c.guests == 0 {
		debug.SetGCPercent(c.percent)
	}
}
