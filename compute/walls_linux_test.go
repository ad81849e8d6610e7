package compute

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// probes are what a guest that took its worker over might try. Each runs in a
// process of its own behind a worker's walls, with cwd a folder that has the
// folders "own" and "other"; own is the cache folder of its job. A probe that
// returns nil got through.
var probes = []struct {
	name string
	wall string // by which it is refused
	try  func(parent int) error
}{
	{runs + "write its own code", wallFiles, func(int) error { return opens("own/code", os.O_WRONLY) }},
	{runs + "read its own code", wallFiles, func(int) error { return opens("own/code", os.O_RDONLY) }},
	{runs + "cut its own code off", wallFiles, func(int) error { return unix.Truncate("own/code", 1) }},
	{runs + "add to its own folder", wallFiles, func(int) error { return opens("own/new", os.O_WRONLY|os.O_CREATE) }},
	{runs + "add a folder to its own", wallFiles, func(int) error { return unix.Mkdirat(unix.AT_FDCWD, "own/new", 0o700) }},
	{runs + "move its own code", wallFiles, func(int) error { return os.Rename("own/code", "own/new") }},
	{runs + "remove its own code", wallFiles, func(int) error { return unix.Unlinkat(unix.AT_FDCWD, "own/code", 0) }},
	{runs + "open a file", wallFiles, func(int) error { return opens("/etc/passwd", os.O_RDONLY) }},
	{runs + "another filter", wallCalls, func(int) error { return raw(unix.SYS_SECCOMP, 0, 0, 0) }},
	{"read a file", wallFiles, func(int) error { return opens("/etc/passwd", os.O_RDONLY) }},
	{"read the root folder", wallFiles, func(int) error { return opens("/", os.O_RDONLY) }},
	{"read the daemon's memory", wallFiles, func(p int) error { return opens(fmt.Sprintf("/proc/%d/mem", p), os.O_RDWR) }},
	{"read the daemon's environment", wallFiles, func(p int) error { return opens(fmt.Sprintf("/proc/%d/environ", p), os.O_RDONLY) }},
	{"write to its own memory file", wallFiles, func(int) error { return opens("/proc/self/mem", os.O_RDWR) }},
	{"make a file", wallFiles, func(int) error { return opens("new", os.O_WRONLY|os.O_CREATE) }},
	{"make a file in the system's folder", wallFiles, func(int) error { return opens("/tmp/sea-probe", os.O_WRONLY|os.O_CREATE) }},
	{"read another module's code", wallFiles, func(int) error { return opens("other/code", os.O_RDONLY) }},
	{"write another module's code", wallFiles, func(int) error { return opens("other/code", os.O_WRONLY) }},
	{"leave its folder upwards", wallFiles, func(int) error { return opens("own/../other/code", os.O_RDONLY) }},
	{"follow a link out of its folder", wallFiles, func(int) error { return opens("own/link", os.O_RDONLY) }},
	{"remove another module's code", wallFiles, func(int) error { return unix.Unlinkat(unix.AT_FDCWD, "other/code", 0) }},
	{"move a file out of its folder", wallFiles, func(int) error { return os.Rename("own/code", "other/stolen") }},
	{"run its own file", wallCalls, func(int) error { return unix.Exec("own/code", []string{"x"}, nil) }},
	{"link in its folder", wallCalls, func(int) error { return unix.Symlinkat("/etc/passwd", unix.AT_FDCWD, "own/new") }},
	{"hard link", wallCalls, func(int) error { return unix.Linkat(unix.AT_FDCWD, "other/code", unix.AT_FDCWD, "own/new", 0) }},
	{"make files executable", wallCalls, func(int) error { return unix.Fchmodat(unix.AT_FDCWD, "own/code", 0o777, 0) }},
	{"socket", wallNetwork, func(int) error { return second(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) }},
	{"socket of UDP", wallNetwork, func(int) error { return second(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)) }},
	{"socket of Unix", wallNetwork, func(int) error { return second(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }},
	{"socket of the kernel", wallNetwork, func(int) error { return second(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)) }},
	{"connect", wallNetwork, func(int) error { return unix.Connect(0, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}}) }},
	{"send", wallNetwork, func(int) error { return unix.Sendmsg(1, []byte("x"), nil, nil, 0) }},
	{"start a program", wallCalls, func(int) error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
	{"fork", wallCalls, func(int) error { return raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) }},
	{"fork by clone3", wallCalls, func(int) error {
		return raw(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&[11]uint64{4: uint64(unix.SIGCHLD)})), 88)
	}},
	{"trace the daemon", wallCalls, func(p int) error { return unix.PtraceAttach(p) }},
	{"read the daemon's memory by a call", wallCalls, func(p int) error {
		b := make([]byte, 8)
		local := []unix.Iovec{{Base: &b[0], Len: 8}}
		_, err := unix.ProcessVMReadv(p, local, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 8}}, 0)
		return err
	}},
	{"kill the daemon", wallCalls, func(p int) error { return unix.Kill(p, 0) }},
	{"kill everybody", wallCalls, func(int) error { return unix.Kill(-1, 0) }},
	{"kill a thread of the daemon", wallCalls, func(p int) error { return unix.Tgkill(p, p, 0) }},
	{"kill by a thread's number", wallCalls, func(p int) error { return raw(unix.SYS_TKILL, uintptr(p), 0) }},
	{"kill by a descriptor", wallCalls, func(p int) error { return second(unix.PidfdOpen(p, 0)) }},
	{"change the daemon's limits", wallCalls, func(p int) error {
		return unix.Prlimit(p, unix.RLIMIT_NOFILE, nil, &unix.Rlimit{})
	}},
	{"be dumpable again", wallCalls, func(int) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
	{"a namespace of its own", wallCalls, func(int) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{"memory that no limit counts", wallCalls, func(int) error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_SHARED)
		return err
	}},
	{"memory that counts as a stack", wallCalls, func(int) error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_GROWSDOWN)
		return err
	}},
	{"signal by a pipe's owner", wallCalls, func(p int) error { return second(unix.FcntlInt(1, unix.F_SETOWN, p)) }},
	{"choose a pipe's signal", wallCalls, func(int) error { return second(unix.FcntlInt(1, unix.F_SETSIG, int(unix.SIGKILL))) }},
	{"be signalled by a pipe", wallCalls, func(int) error { return second(unix.FcntlInt(1, unix.F_SETFL, unix.O_ASYNC)) }},
	{"files in memory", wallCalls, func(int) error { return second(unix.MemfdCreate("x", 0)) }},
	{"io_uring", wallCalls, func(int) error { return raw(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&[30]uint32{}))) }},
	{"BPF", wallCalls, func(int) error { return raw(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&[32]uint32{1, 4, 4, 1})), 128) }},
	{"be the superuser", wallCapabilities, func(int) error {
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		all := [2]unix.CapUserData{{Effective: 1 << unix.CAP_DAC_OVERRIDE, Permitted: 1 << unix.CAP_DAC_OVERRIDE}}
		return unix.Capset(&head, &all[0])
	}},
	{"raise a limit", wallLimits, func(int) error {
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4 * maxDescriptors, Max: 4 * maxDescriptors})
	}},
	{"more files than it may have", wallLimits, func(int) error {
		for range 2 * maxDescriptors {
			if _, err := unix.FcntlInt(0, unix.F_DUPFD, 0); err != nil {
				return err
			}
		}
		return nil
	}},
	{"more memory than its job may have", wallMemory, func(int) error {
		if raceEnabled {
			return unix.ENOMEM // there is no limit with the race detector
		}
		_, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	}},
	{probeCompile, wallMemory, func(int) error {
		if raceEnabled {
			return unix.ENOMEM
		}
		_, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	}},
	{probeSpin, wallLimits, func(int) error {
		for time.Now().Year() > 0 {
		}
		return nil
	}},
	{"a file that is too large", wallLimits, func(int) error {
		fd, err := unix.Open("own/code", unix.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("its own folder: %w", err)
		}
		return second(unix.Pwrite(fd, []byte("x"), maxFileBytes))
	}},
	{"see the daemon's environment", wallSecrets, func(int) error {
		if env := os.Environ(); len(env) > 0 && !slices.Equal(env, []string{probeEnv + "=" + os.Getenv(probeEnv)}) {
			return nil
		}
		return unix.ENOENT
	}},
	{"read what the daemon left open", wallSecrets, func(int) error {
		var b [4]byte
		if _, err := unix.Pread(probeFile, b[:], 0); err != nil || string(b[:]) == "code" {
			return err
		}
		return unix.EBADF // another file has the number
	}},
}

// runs begins the names of probes that a guest makes: its program is made. The
// others are made before, while a hostile module is compiled.
const runs = "once a guest runs: "

// probeFile is the descriptor that TestWalls leaves open for a worker.
const probeFile = 3

func opens(path string, how int) error {
	f, err := os.OpenFile(path, how|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = f.Close()
	}
	return err
}

func second[T any](_ T, err error) error { return err }

//go:uintptrescapes
func raw(call uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := syscall.RawSyscall6(call, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// probe is the child of TestWalls. It says "in" when the walls stand, then how
// its try was refused; a try may also end it.
func probe(what string) {
	var c cell
	fail := func(err error) {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	what, dir, _ := strings.Cut(what, "|")
	if err := os.Chdir(dir); err != nil && dir != "" {
		fail(err)
	}
	parent, begin := os.Getppid(), time.Now()
	if err := c.raise(); err != nil {
		fail(err)
	}
	raised := time.Now()
	if what == probeTime {
		if _, err := c.enter(os.TempDir()); err != nil {
			fail(err)
		}
		entered := time.Now()
		if err := c.shut(); err != nil {
			fail(err)
		}
		fmt.Println(raised.Sub(begin).Microseconds(), entered.Sub(raised).Microseconds(), time.Since(entered).Microseconds())
		os.Exit(0)
	}
	if folder, err := c.enter("own"); err != nil {
		fail(err)
	} else if folder != "own" && c.landlock > 0 {
		fail(errors.New("its folder was taken away"))
	}
	if strings.HasPrefix(what, runs) {
		if err := c.shut(); err != nil {
			fail(err)
		}
	}
	if what == probeSpin || what == probeCompile {
		if err := c.limitCompile(time.Second, 512<<20); err != nil {
			fail(err)
		}
	} else {
		if err := c.limit(512<<20, 1); err != nil {
			fail(err)
		}
	}
	fmt.Println("in")
	for _, p := range probes {
		if p.name == what {
			if err := p.try(parent); err != nil {
				fmt.Println("refused:", err)
			} else {
				fmt.Println("through")
			}
			os.Exit(0)
		}
	}
	fmt.Println("failed: no such probe")
	os.Exit(1)
}

// kernelHas tells which walls this kernel can put up, asked without the code
// that is tested.
func kernelHas(wall string) bool {
	switch wall {
	case wallFiles:
		v, _, errno := syscall.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
		return errno == 0 && v > 0
	case wallCalls, wallNetwork:
		action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
		_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
		return errno == 0
	}
	return true
}

// TestWalls tries from inside what a guest that took over its worker might.
func TestWalls(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if !kernelHas(p.wall) {
				t.Skipf("this kernel has no wall %q", p.wall)
			}
			dir := t.TempDir()
			for _, name := range []string{"own", "other"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name, "code"), []byte("code"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("../other/code", filepath.Join(dir, "own", "link")); err != nil {
				t.Fatal(err)
			}
			secret, err := os.Open(filepath.Join(dir, "other", "code"))
			if err != nil {
				t.Fatal(err)
			}
			defer secret.Close()
			cmd := exec.Command(self)
			cmd.Env, cmd.ExtraFiles = []string{probeEnv + "=" + p.name + "|" + dir}, []*os.File{secret}
			var words bytes.Buffer
			cmd.Stderr = &words
			out, err := cmd.Output()
			said := strings.Fields(string(out))
			if len(said) == 0 || said[0] != "in" {
				t.Fatalf("it did not get behind its walls: %q, %v, %.500s", out, err, words.String())
			}
			killed := false
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				signal := exit.Sys().(syscall.WaitStatus).Signal()
				killed = signal == unix.SIGSYS || signal == unix.SIGXCPU && p.name == probeSpin
			}
			if !killed && !strings.Contains(string(out), "refused:") {
				t.Errorf("it got through: %q, %v", out, err)
			}
			t.Logf("killed %v, said %q", killed, out)
		})
	}
}

// TestWallsTold: a worker tells of each wall what is true, and the engine's log
// has it once.
func TestWallsTold(t *testing.T) {
	var log bytes.Buffer
	e := newEngine(t, Config{CacheDir: t.TempDir(), Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	walls, err := e.Walls()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "walls around guests"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	for _, w := range walls {
		if w.Stands != kernelHas(w.Name) || w.Detail == "" {
			t.Errorf("wall %q: stands %v, %q; the kernel has it: %v", w.Name, w.Stands, w.Detail, kernelHas(w.Name))
		}
		t.Logf("%-14s %v %s", w.Name, w.Stands, w.Detail)
	}
}

// TestWorkerThreads looks at every thread of a real worker from outside.
func TestWorkerThreads(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	p, err := e.pool.take(key{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.reap()
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	if err != nil || len(list) < 2 {
		t.Fatalf("threads %v, %v", list, err)
	}
	seen := 0
	want := map[string]string{"NoNewPrivs": "1", "CapEff": "0000000000000000", "CapPrm": "0000000000000000"}
	if kernelHas(wallCalls) {
		want["Seccomp"] = "2" // a filter
	}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		seen++
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			if w, ok := want[key]; ok && strings.TrimSpace(value) != w {
				t.Errorf("%s: %s is %s, want %s", name, key, strings.TrimSpace(value), w)
			}
		}
	}
	if seen == 0 {
		t.Error("no thread could be looked at")
	}
}

// TestCallNames: a name that no machine has would silently be none.
func TestCallNames(t *testing.T) {
	for _, list := range [][]string{openCalls, stageCalls, fileCalls, attackCalls} {
		for _, name := range list {
			_, amd := arch.X86_64.SyscallNames[name]
			_, arm := arch.AARCH64.SyscallNames[name]
			if !amd && !arm {
				t.Errorf("no system call has the name %q", name)
			}
		}
	}
	for _, name := range slices.Concat(openCalls, stageCalls, fileCalls) {
		if slices.Contains(attackCalls, name) {
			t.Errorf("%q is allowed and ends the process", name)
		}
	}
}

func TestHelloFrame(t *testing.T) {
	var list []standing
	for _, w := range wallTable {
		list = append(list, standing{w.Name, true, "x"})
	}
	good, err := hello(list)
	if err != nil {
		t.Fatal(err)
	}
	if walls, err := readHello(good); err != nil || len(walls) != len(list) || !walls[0].Stands {
		t.Errorf("got %v, %v", walls, err)
	}
	short, _ := hello(list[1:])
	swapped := slices.Clone(list)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	mixed, _ := hello(swapped)
	for name, b := range map[string][]byte{
		"empty": {}, "version": bytes.Replace(good, good[:1], []byte{workerVersion + 1}, 1), "cut": good[:len(good)-1],
		"one less": short, "another order": mixed, "version alone": good[:1],
	} {
		if _, err := readHello(b); !errors.Is(err, errFrame) {
			t.Errorf("%s: got %v, want errFrame", name, err)
		}
	}
}

// BenchmarkWalls is what the walls add to the start of a worker, in microseconds:
// raise before its hello, enter when it gets a job, shut when that is compiled. It tells the best of all
// starts, which is what a busy machine says least wrongly.
func BenchmarkWalls(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	raise, enter, shut := math.Inf(1), math.Inf(1), math.Inf(1)
	for b.Loop() {
		cmd := exec.Command(self)
		cmd.Env = []string{probeEnv + "=" + probeTime}
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err, string(out))
		}
		var one, two, three float64
		if _, err := fmt.Sscan(string(out), &one, &two, &three); err != nil {
			b.Fatal(err)
		}
		raise, enter, shut = min(raise, one), min(enter, two), min(shut, three)
	}
	b.ReportMetric(raise, "µs-raise")
	b.ReportMetric(enter, "µs-enter")
	b.ReportMetric(shut, "µs-shut")
}

// These are before limit, which is when a module is compiled.
const (
	probeSpin    = "compile without end"
	probeCompile = "more memory than compiling may take"
)

// probeTime makes a probe measure its walls.
const probeTime = "time"
