//go:build !unix

package compute

import (
	"os"
	"os/exec"
)

func selfPath() (string, error) { return os.Executable() }

// isolate does nothing on this system: a worker ends with the engine because its
// pipe closes.
func isolate(*exec.Cmd) {}

func killGroup(p *os.Process) { _ = p.Kill() }
