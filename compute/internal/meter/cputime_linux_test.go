package meter

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is how long this thread has computed: what others do to the machine
// hardly shows in it.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("meter: no thread clock: " + err.Error())
	}
	return time.Duration(t.Nano())
}
