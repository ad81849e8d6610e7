//go:build !unix

package compute

import "time"

// cpuTime is not to be had on this system, nor is it needed: a worker cannot be
// held here, so the time that passes is what it has.
func (p *process) cpuTime() (time.Duration, bool) { return 0, false }

func ownTime() (time.Duration, bool) { return 0, false }
