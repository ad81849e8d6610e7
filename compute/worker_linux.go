package compute

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// selfPath is this program even after its file was replaced.
func selfPath() (string, error) { return "/proc/self/exe", nil }

// isolate gives a worker its own process group, so that a terminal's Ctrl-C does
// not reach it, and lets it die with the engine.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Limits of a worker process.
const (
	maxDescriptors = 64
	maxCPUSeconds  = 30 * slowdown // beside twice the job's belt
	maxFileBytes   = 1 << 30       // of a module's compiled code
)

// limitProcess sets what does not depend on the job. The number of processes is
// not among it: the kernel counts all of the user's, and seccomp allows one.
func limitProcess() error {
	for what, n := range map[int]uint64{
		unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: maxDescriptors, unix.RLIMIT_FSIZE: maxFileBytes,
	} {
		if err := hardLimit(what, n); err != nil {
			return err
		}
	}
	return nil
}

func limitsText() string {
	return fmt.Sprintf("%d files of %d MiB, CPU to compile and to run, no core", maxDescriptors, maxFileBytes>>20)
}

// hardLimit lowers a limit for good. One that is lower already stands.
func hardLimit(what int, n uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(what, &l); err != nil {
		return err
	}
	n = min(n, l.Max)
	return unix.Setrlimit(what, &unix.Rlimit{Cur: n, Max: n})
}

// closeInherited closes what this program's own parent, a shell say, left open
// for its children. Go's runtime has an event queue, and two files of cgroup
// settings.
func closeInherited() error {
	const dir = "/proc/self/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		to, err := os.Readlink(dir + "/" + e.Name())
		if err != nil || to == "anon_inode:[eventpoll]" || to == "anon_inode:[eventfd]" || strings.HasPrefix(to, "/sys/fs/cgroup/") {
			continue // the first is the listing's own, closed by now
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// softLimit lowers or raises a limit within its hard one.
func softLimit(what int, n uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(what, &l); err != nil {
		return err
	}
	l.Cur = min(n, l.Max)
	return unix.Setrlimit(what, &l)
}

// killGroup ends the worker and whatever it may have started.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
