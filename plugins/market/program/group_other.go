//go:build !unix

package program

import "os/exec"

// alone does nothing where there are no process groups: what the program started
// is not ended with it.
func alone(*exec.Cmd) {}
