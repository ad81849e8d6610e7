package compute

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the processor time that the worker has had.
func (p *process) cpuTime() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return 0, false // its number may be another's
	}
	// The clock of another process, as clock_getcpuclockid(3) makes it.
	return clock(int32(^p.cmd.Process.Pid<<3 | 2))
}

// ownTime is the processor time that this process has had.
func ownTime() (time.Duration, bool) { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(id int32) (time.Duration, bool) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
