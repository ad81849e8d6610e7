//go:build unix

package compute

import "syscall"

// hold stops the worker and whatever it may have started. SIGKILL ends it all
// the same, and the system continues it when the engine is gone.
func (p *process) hold() bool { return p.signal(syscall.SIGSTOP) }

// letGo continues it.
func (p *process) letGo() { p.signal(syscall.SIGCONT) }

func (p *process) signal(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.killed && syscall.Kill(-p.cmd.Process.Pid, sig) == nil
}
