package compute

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// collector keeps Go's garbage collector from starting while guests run in this
// process. To stop the world it would wait for a guest that makes no calls, and
// with it would wait the goroutine that stops the guest.
var collector struct {
	mu      sync.Mutex
	guests  int
	percent int
	heap    []metrics.Sample // bytes in use, after the last collection, and when the next is due
}

// holdCollector returns when no collection is under way; none starts until as
// many guests have ended as began.
func holdCollector() {
	c := &collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.guests++; c.guests > 1 {
		return
	}
	if c.heap == nil {
		c.heap = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/goal:bytes"}}
	}
	metrics.Read(c.heap)
	// It also waits for a collection that has begun, but not for one that was
	// found due and has yet to begin: where that may be, ours comes before it.
	c.percent = debug.SetGCPercent(-1)
	used, live, goal := c.heap[0].Value.Uint64(), c.heap[1].Value.Uint64(), c.heap[2].Value.Uint64()
	if used > live+(goal-min(goal, live))/2 { // Go begins one later than that
		runtime.GC()
		// It returns before its last step, which asks every processor for a
		// moment, the guest's too, and keeps its own until all have answered.
		// With two of them nobody would be left to stop the guest. This waits.
		debug.SetGCPercent(-1)
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
