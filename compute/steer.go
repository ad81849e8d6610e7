package compute

import (
	"context"
	"time"
)

// sharePeriod is the time over which a share of a core holds: 30 % is 30 ms of
// processor time in any 100 ms, and then a stop.
const sharePeriod = 100 * time.Millisecond

// steered is what holds and measures a process.
type steered interface {
	// hold stops the process and tells whether it could.
	hold() bool
	// letGo continues it.
	letGo()
	// cpuTime is the processor time it has had, if the system tells.
	cpuTime() (time.Duration, bool)
}

// governor holds a worker's process as its control says, and keeps the belt's
// clock, which stands still when the job is paused. One goroutine uses it.
//
//	          paused, or its share is used up
//	goes on ──────────────────────────────────▶ stopped
//	        ◀──────────────────────────────────
//	             resumed, its next share is due
type governor struct {
	proc    steered
	control *Control

	stopped bool          // the process is, by us
	paused  bool          // and because of Pause
	share   int           // since the last look, in percent
	last    time.Time     // the last look
	cpu     time.Duration // of the process then
	allowed time.Duration // processor time that its share has left; below 0 it had more
	real    time.Duration // since the belt began, without pauses
}

func newGovernor(proc steered, control *Control) *governor {
	g := &governor{proc: proc, control: control, share: 100, last: time.Now()}
	g.cpu, _ = proc.cpuTime()
	return g
}

// why a governor's run has ended.
type why int

const (
	reached   why = iota // until is closed
	closed               // the engine is
	cancelled            // the context is
	late                 // the belt is over
)

// run lets the process go on as the control says until something ends that. It
// leaves it as it is then.
func (g *governor) run(ctx context.Context, engine, until <-chan struct{}, belt time.Duration) why {
	g.real = -time.Since(g.last) // which the first look takes in
	timer := time.NewTimer(belt)
	defer timer.Stop()
	for {
		paused, share, changed := g.control.state()
		next := g.look(time.Now(), paused, share)
		if !g.paused {
			if g.real >= belt {
				return late
			}
			next = min(next, belt-g.real)
		}
		timer.Reset(next)
		select {
		case <-until:
			return reached
		case <-engine:
			return closed
		case <-ctx.Done():
			return cancelled
		case <-changed:
		case <-timer.C:
		}
	}
}

const (
	never   = time.Duration(1<<63 - 1) // nothing but a change is worth a look
	maxOver = time.Minute              // of processor time above the share
)

// look takes in the time since the last look, stops or continues the process,
// and says when to look again.
func (g *governor) look(now time.Time, paused bool, share int) time.Duration {
	passed, used := now.Sub(g.last), time.Duration(0)
	if cpu, ok := g.proc.cpuTime(); ok {
		used, g.cpu = cpu-g.cpu, cpu
	} else if !g.stopped {
		used = passed
	}
	g.last = now
	if g.paused {
		passed = 0
	}
	g.real += passed
	if g.share < 100 {
		g.allowed += passed*time.Duration(g.share)/100 - used
	} else {
		g.allowed = sharePeriod
	}
	g.share = share
	// What lasts for the share's part of a period, as it comes in meanwhile.
	slice := sharePeriod * time.Duration(share*(100-share)) / 100 / 100
	g.allowed = max(min(g.allowed, slice), -maxOver)
	waits := g.stopped && !g.paused // for its share
	switch {
	case paused:
		g.stop()
		g.paused = g.stopped
		return never
	case share < 100 && (waits && g.allowed < slice || g.allowed < slice/10):
		g.stop()
		g.paused = false
		// All of the next slice, so that it does not go on for a moment only.
		return (slice-g.allowed)*100/time.Duration(share) + 1
	}
	g.goOn()
	if share == 100 {
		return never
	}
	// On one core; more cores make a debt.
	return max(g.allowed*100/time.Duration(100-share), time.Millisecond)
}

func (g *governor) stop() {
	g.stopped = g.stopped || g.proc.hold()
}

// goOn continues the process if it is stopped.
func (g *governor) goOn() {
	if g.stopped {
		g.proc.letGo()
	}
	g.stopped, g.paused = false, false
}
