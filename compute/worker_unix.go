//go:build unix && !linux

package compute

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

func selfPath() (string, error) { return os.Executable() }

// isolate gives a worker its own process group. It ends with the engine because
// its pipe closes.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// limitProcess sets no limits on this system yet: the meter's, and the engine's
// own, remain.
func limitProcess() error { return nil }

func limitMemory(uint64, time.Duration) {}

// killGroup ends the worker and whatever it may have started.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
