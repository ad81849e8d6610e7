package compute

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// cell is the walls around this process, which is a worker. raise puts up those
// that do not depend on a job, enter those that do: before any byte of a guest
// is looked at; shut the last one, before a guest runs. What the kernel does not have is missing, and told; what it has
// and then refuses is an error.
type cell struct {
	statm    *os.File // /proc/self/statm, which cannot be opened later on
	landlock int      // version of the kernel's interface, 0 for none
	seccomp  bool
	files    bool // a folder may be used, until shut
	list     []standing
}

// raise is called once, before hello.
func (c *cell) raise() error {
	c.note(wallProcess, nil, "of its own, ends with the daemon")
	if err := c.note(wallSecrets, closeInherited(), "empty environment, three pipes"); err != nil {
		return err
	}
	if err := c.note(wallLimits, limitProcess(), limitsText()); err != nil {
		return err
	}
	var err error
	if c.statm, err = os.Open("/proc/self/statm"); err != nil {
		return err
	}
	detail := "RLIMIT_DATA from the job on"
	if raceEnabled {
		detail = "none with the race detector"
	}
	c.note(wallMemory, nil, detail)
	if err := c.note(wallDumpable, unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0), "off"); err != nil {
		return err
	}
	if err := c.note(wallCapabilities, dropCapabilities(), "none"); err != nil {
		return err
	}
	// A filter brings no_new_privs to every thread by itself.
	c.seccomp = hasSeccomp()
	if c.seccomp {
		err = filterCalls()
	} else {
		err = onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	if err := c.note(wallPrivileges, err, "no_new_privs"); err != nil {
		return err
	}
	c.tell(wallCalls, c.seccomp, "seccomp", "the kernel has no seccomp filters")
	c.tell(wallNetwork, c.seccomp, "seccomp", "the kernel has no seccomp filters")
	if v, err := landlocksys.LandlockGetABIVersion(); err == nil {
		c.landlock = v
	}
	c.tell(wallFiles, c.landlock > 0, fmt.Sprintf("Landlock, version %d", c.landlock), "the kernel has no Landlock, or it is switched off")
	return nil
}

// note tells of a wall that every kernel has.
func (c *cell) note(name string, err error, detail string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.tell(name, true, detail, "")
	return nil
}

func (c *cell) tell(name string, stands bool, detail, why string) {
	if !stands {
		detail = why
	}
	c.list = append(c.list, standing{name, stands, detail})
}

// enter is called once, when the job is known and nothing of it was read. It
// gives the folder that may be used, which is none where the process cannot be
// held to it.
func (c *cell) enter(folder string) (string, error) {
	if c.landlock == 0 {
		folder = ""
	}
	if c.landlock > 0 {
		rules := []landlock.Rule{}
		if folder != "" {
			rules = append(rules, landlock.PathAccess(folderRights, folder))
		}
		if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
			return "", fmt.Errorf("landlock: %w", err)
		}
		// The library does nothing, without a word, where it thinks it cannot.
		if f, err := os.Open("/"); err == nil {
			_ = f.Close()
			return "", fmt.Errorf("landlock: the root folder is still open")
		}
	}
	c.files = folder != ""
	if c.seccomp {
		locked := stageCalls
		if !c.files {
			locked = slices.Concat(stageCalls, fileCalls)
		}
		if err := lockCalls(locked); err != nil {
			return "", fmt.Errorf("seccomp: %w", err)
		}
	}
	return folder, nil
}

// shut is called once, when the program is made and no guest has run: from here
// on nothing is opened, made, moved or removed, the process's own folder
// included, so that no guest changes what another job will execute. No
// descriptor of the folder may be open.
func (c *cell) shut() error {
	switch {
	case !c.files:
		return nil // it is shut
	case c.seccomp:
		if err := lockCalls(fileCalls); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	default:
		if err := landlock.V11.BestEffort().Restrict(); err != nil {
			return fmt.Errorf("landlock: %w", err)
		}
	}
	c.files = false
	return nil
}

// folderRights is what wazero does to its compile cache: no links, no devices,
// nothing to execute.
const folderRights = landlocksys.AccessFSReadFile | landlocksys.AccessFSReadDir |
	landlocksys.AccessFSWriteFile | landlocksys.AccessFSTruncate |
	landlocksys.AccessFSMakeReg | landlocksys.AccessFSMakeDir | landlocksys.AccessFSRemoveFile

// dropCapabilities leaves the process none of the superuser's rights. Root's
// files stay root's own: Landlock is against that.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none)))
}

// onAllThreads makes a system call on every thread of the process.
//
//go:uintptrescapes
func onAllThreads(call, a, b uintptr) error {
	if _, _, errno := psx.Syscall6(call, a, b, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// limitTime lets the process have so much processor time from now on, and then
// ends it: Go would ignore the signal, which comes before the hard limit.
func limitTime(more time.Duration) error {
	var none [4]uint64 // struct sigaction: SIG_DFL, no flags, no restorer, no mask
	if _, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGXCPU), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0); errno != 0 {
		return errno
	}
	used, ok := ownTime()
	if !ok {
		return errors.New("no clock of its own")
	}
	return softLimit(unix.RLIMIT_CPU, uint64((used+more+time.Second-1)/time.Second))
}

// limitCompile lets the process have so much processor time and memory from now
// on, until limit is called.
func (c *cell) limitCompile(more time.Duration, memory uint64) error {
	most := c.dataBytes() + memory
	if raceEnabled {
		most = unix.RLIM_INFINITY
	}
	if err := softLimit(unix.RLIMIT_DATA, most); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if err := limitTime(more); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

// limit lets the process have more bytes than it has by now, and beside the
// CPU time that compiling took twice the job's belt. Beyond, the runtime or the kernel ends it, which is an
// engine's error and no result. RLIMIT_DATA counts what may be written privately,
// and seccomp refuses what is shared; RLIMIT_AS would count the address space
// that Go only reserves.
func (c *cell) limit(more uint64, wall time.Duration) error {
	most := c.dataBytes() + more
	used, _ := ownTime() // limitTime has found the clock
	if raceEnabled {
		most = unix.RLIM_INFINITY
	}
	for what, n := range map[int]uint64{
		unix.RLIMIT_DATA: most,
		unix.RLIMIT_CPU:  uint64((used + 2*wall).Seconds()) + maxCPUSeconds,
	} {
		if err := hardLimit(what, n); err != nil {
			return fmt.Errorf("limit: %w", err)
		}
	}
	return nil
}

// dataBytes is what the process has of RLIMIT_DATA.
func (c *cell) dataBytes() uint64 {
	const unknown = 1 << 30
	var b [256]byte
	n, _ := c.statm.ReadAt(b[:], 0) // io.EOF
	f := strings.Fields(string(b[:n]))
	if len(f) < 6 {
		return unknown
	}
	pages, err := strconv.ParseUint(f[5], 10, 64)
	if err != nil {
		return unknown
	}
	return pages * uint64(syscall.Getpagesize())
}
