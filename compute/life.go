package compute

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// life is how long a worker may go on, beside what its engine says.
type life struct {
	jobs int           // that it has had
	look bool          // after the last of them
	ran  time.Duration // of all its guests
	base uint64        // bytes the process had before the first
	seen uint64        // bytes allocated until the last collection
	read []metrics.Sample
}

const (
	// maxRan is what a worker's guests may run together before it ends: within
	// the 30 s of processor time that limitMemory adds to a job's own.
	maxRan = 15 * slowdown * time.Second
	// maxGrown is how much memory may be left behind, of memorySlack.
	maxGrown = memorySlack / 2
	// maxGarbage is what jobs leave between two collections.
	maxGarbage = 8 << 20
)

// begin notes how large the process is before the first guest.
func (l *life) begin() {
	l.read = []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	l.base, l.seen = l.memory()
}

// memory is what the process has of the system beside guests' memories, and what
// it has allocated in all.
func (l *life) memory() (has, allocated uint64) {
	metrics.Read(l.read)
	return l.read[0].Value.Uint64(), l.read[1].Value.Uint64()
}

// fit takes in the time that a guest has run, and tells whether the process is as
// good as new for another one.
func (l *life) fit(ran time.Duration) bool {
	l.jobs++
	l.ran += ran
	// What a shorter job can leave behind, eight times, is within the slack.
	if l.look = ran > time.Millisecond || l.jobs%8 == 0; l.look {
		has, _ := l.memory()
		return l.ran < maxRan && has < l.base+maxGrown
	}
	return l.ran < maxRan
}

// collect gives back what jobs have left, between two of them: no guest runs.
func (l *life) collect() {
	if !l.look {
		return
	}
	has, allocated := l.memory()
	if allocated-l.seen <= maxGarbage {
		return
	}
	if l.seen = allocated; has > l.base+2*maxGarbage {
		debug.FreeOSMemory()
	} else {
		runtime.GC()
	}
}
