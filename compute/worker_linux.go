package compute

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

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
	maxCPUSeconds  = 30 * slowdown // to compile; then as long as the job's belt
)

// limitProcess sets what does not depend on the job.
func limitProcess() error {
	if err := closeInherited(); err != nil {
		return err
	}
	for what, n := range map[int]uint64{
		unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: maxDescriptors,
	} {
		if err := hardLimit(what, n); err != nil {
			return err
		}
	}
	return softLimit(unix.RLIMIT_CPU, maxCPUSeconds)
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
		if err != nil || strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/sys/fs/cgroup/") {
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

// limitMemory lets the process have more bytes than it has by now, and twice
// the job's belt of CPU time. Beyond, the runtime or the kernel ends it, which is
// an engine's error and no result. RLIMIT_DATA counts what may be written;
// RLIMIT_AS would count the address space that Go only reserves.
func limitMemory(more uint64, wall time.Duration) {
	most := dataBytes() + more
	if raceEnabled {
		most = unix.RLIM_INFINITY
	}
	for what, n := range map[int]uint64{
		unix.RLIMIT_DATA: most,
		unix.RLIMIT_CPU:  uint64(2*wall.Seconds()) + maxCPUSeconds,
	} {
		_ = hardLimit(what, n) // the calls have worked before, on the same names
	}
}

// dataBytes is what the process has of RLIMIT_DATA.
func dataBytes() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 1 << 30
	}
	f := strings.Fields(string(b))
	if len(f) < 6 {
		return 1 << 30
	}
	n, err := strconv.ParseUint(f[5], 10, 64)
	if err != nil {
		return 1 << 30
	}
	return n * uint64(os.Getpagesize())
}

// killGroup ends the worker and whatever it may have started.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
