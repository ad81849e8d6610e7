//go:build !unix

package compute

import (
	"os"
	"os/exec"
	"time"
)

func selfPath() (string, error) { return os.Executable() }

// isolate does nothing on this system: a worker ends with the engine because its
// pipe closes.
func isolate(*exec.Cmd) {}

// limitProcess sets no limits on this system yet: the meter's, and the engine's
// own, remain.
func limitProcess() error { return nil }

func limitMemory(uint64, time.Duration) {}

func killGroup(p *os.Process) { _ = p.Kill() }
