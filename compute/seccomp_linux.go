package compute

import (
	"os"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// The filter is a list of what Go's runtime, the C library beneath it and
// wazero's compile cache call. The rest fails with EPERM, which old programs on
// new kernels survive; what nobody but an attacker asks for ends the process.

// openCalls are allowed whatever their arguments.
var openCalls = []string{
	// pipes and files; which files is Landlock's business
	"read", "write", "pread64", "pwrite64", "readv", "writev", "close", "lseek", "fstat", "newfstatat", "fsync",
	"getdents64", "getcwd",
	// memory
	"munmap", "mprotect", "mremap", "madvise", "mincore", "brk",
	// threads
	"futex", "sched_yield", "sched_getaffinity", "getcpu", "gettid", "getpid", "set_robust_list", "rseq", "membarrier",
	"exit", "exit_group", "restart_syscall", "set_tid_address", "arch_prctl",
	// signals to itself
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	// time and waiting
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "eventfd2", "poll", "ppoll",
	// facts
	"getrandom", "uname", "getrusage", "getrlimit", "sysinfo", "getuid", "geteuid", "getgid", "getegid",
}

// stageCalls put up the walls of the job, and are locked behind them.
var stageCalls = []string{
	"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
	"tkill", // by which psx reaches every thread
}

// fileCalls are locked when no folder is to be used any more, by the last filter.
// Others that change files are not among openCalls.
var fileCalls = []string{"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "seccomp"}

// attackCalls end the process. The list is short because the kernel's work to
// load a filter grows with it, and what it leaves out fails all the same.
var attackCalls = []string{
	"execve", "execveat", "fork", "vfork", "clone",
	"ptrace", "process_vm_readv", "process_vm_writev", "kill", "tgkill", "pidfd_open",
	"socket", "socketpair", "mount", "setns", "unshare",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl", "init_module", "finit_module",
}

// hasSeccomp tells whether the kernel can end a process for a system call.
func hasSeccomp() bool { return seccomp.Supported() }

// filterCalls puts the filter before every thread.
func filterCalls() error {
	pid := uint64(os.Getpid())
	when := func(name string, arg uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: arg, Operation: op, Value: value}}}
	}
	return load(seccomp.ActionErrno,
		seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: slices.Concat(openCalls, stageCalls, fileCalls)},
		seccomp.SyscallGroup{Action: seccomp.ActionAllow, NamesWithCondtions: []seccomp.NameWithConditions{
			when("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),                    // a thread, not a process
			when("mmap", 3, seccomp.BitsNotSet, unix.MAP_SHARED|unix.MAP_GROWSDOWN), // which RLIMIT_DATA would not count
			// What is not listed tells the kernel whom to signal, and how.
			when("fcntl", 1, seccomp.Equal, unix.F_DUPFD),
			when("fcntl", 1, seccomp.Equal, unix.F_DUPFD_CLOEXEC),
			when("fcntl", 1, seccomp.Equal, unix.F_GETFD),
			when("fcntl", 1, seccomp.Equal, unix.F_SETFD),
			when("fcntl", 1, seccomp.Equal, unix.F_GETFL),
			{Name: "fcntl", Conditions: seccomp.ArgumentConditions{
				{Argument: 1, Operation: seccomp.Equal, Value: unix.F_SETFL}, {Argument: 2, Operation: seccomp.BitsNotSet, Value: unix.O_ASYNC}}},
			when("prlimit64", 0, seccomp.Equal, 0), // its own
			when("tgkill", 0, seccomp.Equal, pid),
			when("kill", 0, seccomp.Equal, pid),
			when("prctl", 0, seccomp.Equal, unix.PR_SET_NO_NEW_PRIVS),
			when("prctl", 0, seccomp.Equal, unix.PR_SET_VMA), // names for Go's memory
		}},
		// Its flags are out of a filter's sight, and the C library then uses clone.
		seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
		seccomp.SyscallGroup{Action: seccomp.ActionKillProcess, Names: attackCalls},
	)
}

// lockCalls takes away what was needed until now.
func lockCalls(names []string) error {
	return load(seccomp.ActionAllow, seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: names})
}

// load puts up a filter made of the groups, without the names that this kind of
// machine does not have.
func load(rest seccomp.Action, groups ...seccomp.SyscallGroup) error {
	machine, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	for i := range groups {
		var known []string
		for _, name := range groups[i].Names {
			if _, ok := machine.SyscallNames[name]; ok {
				known = append(known, name)
			}
		}
		groups[i].Names = known
	}
	runtime.LockOSThread() // no_new_privs goes with the thread that loads
	defer runtime.UnlockOSThread()
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy:     seccomp.Policy{DefaultAction: rest, Syscalls: groups},
	})
}
