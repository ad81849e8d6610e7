//go:build unix && !linux

package compute

import (
	"syscall"
	"time"
)

// cpuTime is not to be had here without another library: the time that passes
// while the worker goes on counts instead.
func (p *process) cpuTime() (time.Duration, bool) { return 0, false }

// ownTime is the processor time that this process has had.
func ownTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
