package compute

import (
	"fmt"
	"strings"
	"time"
)

// How long a guest is left alone before its pace is judged, and over how long
// it is: neither its start nor a moment's trouble shall end a job. Tests have
// less patience.
var (
	paceGrace = 2 * time.Second
	paceOver  = 3 * time.Second
)

const paceMarks = 30 // in paceOver

// pace judges whether a guest is slower than Live.Slowest, by the time it ran:
// the processor time of its process where the system tells that, so that neither
// a pause nor a busy machine counts against it, and real time elsewhere.
type pace struct {
	least       uint64 // fuel per second; 0 none
	grace, over time.Duration
	marks       []mark // of the last over, the oldest first; at most paceMarks+2
}

type mark struct {
	ran  time.Duration
	fuel uint64
}

func newPace(least uint64) *pace {
	return &pace{least: least, grace: paceGrace, over: paceOver}
}

// slow takes in how far the guest is and tells whether it is too slow.
func (p *pace) slow(ran time.Duration, fuel uint64) bool {
	if p.least == 0 || ran < p.grace {
		return false
	}
	if n := len(p.marks); n > 0 && ran-p.marks[n-1].ran < p.over/paceMarks {
		return false
	}
	p.marks = append(p.marks, mark{ran, fuel})
	for len(p.marks) > 1 && ran-p.marks[1].ran >= p.over {
		p.marks = p.marks[1:]
	}
	first := p.marks[0]
	took := ran - first.ran
	return took >= p.over && float64(fuel-first.fuel) < float64(p.least)*took.Seconds()
}

// causeSlow begins the cause of a result that was too slow.
const causeSlow = "slower than "

func (p *pace) cause() string { return fmt.Sprintf(causeSlow+"%d fuel a second", p.least) }

// TooSlow tells whether the job was interrupted because it was slower than its
// Live.Slowest.
func (r Result) TooSlow() bool {
	return r.End == Interrupted && strings.HasPrefix(r.Cause, causeSlow)
}

// stopwatch tells how long this process has run since its start.
func stopwatch() func() time.Duration {
	began := time.Now()
	cpu, known := ownTime()
	return func() time.Duration {
		if now, ok := ownTime(); ok && known {
			return now - cpu
		}
		return time.Since(began)
	}
}
