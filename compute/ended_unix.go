//go:build unix

package compute

import (
	"errors"
	"os/exec"
	"syscall"
)

// ranOutOfTime tells whether a process, whose Wait gave err, died of its limit of
// processor time.
func ranOutOfTime(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGXCPU
}

// endedItself tells whether a process, whose Wait gave err, died of what it did.
// The kernel kills when the machine has no memory left, a person for reasons of
// his own: neither has to happen again.
func endedItself(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	switch status := exit.Sys().(syscall.WaitStatus); status.Signal() {
	case syscall.SIGXCPU, syscall.SIGSYS, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGABRT:
		return true
	default:
		return status.Exited()
	}
}
