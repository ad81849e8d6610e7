package compute

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childrenOf lists the processes that pid has started.
func childrenOf(t testing.TB, pid int) (list []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatal("no processes", err)
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// "pid (name) state ppid …"
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			list = append(list, child)
		}
	}
	return list
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// signalOnce sends a signal to every worker of this process when it is called
// for the first time.
func signalOnce(t *testing.T, sig syscall.Signal) func(uint64) {
	var once sync.Once
	return func(uint64) {
		once.Do(func() {
			for _, pid := range childrenOf(t, os.Getpid()) {
				if err := syscall.Kill(pid, sig); err != nil {
					t.Error(err)
				}
				// A thread that has not heard of it could still answer.
				for sig == syscall.SIGSTOP && unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil) == unix.EINTR {
				}
			}
		})
	}
}

// TestWorkerKilled: a worker that dies costs one job and an honest error.
func TestWorkerKilled(t *testing.T) {
	e := newEngine(t, Config{Workers: 2})
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	for range 5 {
		r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Progress: signalOnce(t, syscall.SIGKILL)})
		if !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), "killed") {
			t.Errorf("got %v", err)
		}
		if r.Fuel == 0 || r.End != "" {
			t.Errorf("fuel %d, end %q: want the last known fuel and no end", r.Fuel, r.End)
		}
	}
	argc(wasmFile(t, "traps.wasm"), 0).run(t, e)
}

// TestWorkerHangs: one that does not stop is killed.
func TestWorkerHangs(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	e.stopWall = 100 * time.Millisecond // this one never stops
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := signalOnce(t, syscall.SIGSTOP)
	_, err := e.Run(ctx, k.Job, k.blobs, Live{Progress: func(fuel uint64) {
		stop(fuel)
		cancel()
	}})
	if !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), "did not stop") {
		t.Errorf("got %v", err)
	}
}

// TestWorkerMemory: a guest that fills its memory takes about its limit; its
// process takes a tenth more, the daemon's next to nothing.
func TestWorkerMemory(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "bombs.wasm"), 6)
	k.Limits.MemoryPages = 512 << 20 >> 16
	k.Limits.Fuel = 4e9
	k.Limits.OutputBytes = 0
	argc(wasmFile(t, "traps.wasm"), 0).run(t, e) // buffers that stay
	e.pool.work.Wait()
	before := ownMemory(t)
	r, rss, err := k.runAlone(t, e)
	if err != nil {
		t.Fatal(err)
	}
	e.pool.work.Wait()
	after := ownMemory(t)
	if got := r.PeakPages; got != k.Limits.MemoryPages {
		t.Fatalf("the guest has %d pages, want %d", got, k.Limits.MemoryPages)
	}
	limit := int64(k.Limits.MemoryPages) << 16
	t.Logf("limit %d MiB, worker %d MiB at most, daemon %.1f MiB before and %.1f after", limit>>20, rss>>20, mib(before), mib(after))
	if raceEnabled {
		return // its shadow of memory counts too
	}
	if most := limit * 11 / 10; rss > most {
		t.Errorf("the worker took %d MiB, at most %d are allowed", rss>>20, most>>20)
	}
	if after > before+5<<20 {
		t.Errorf("the daemon took %.1f MiB more", mib(after-before))
	}
}

// runAlone runs k in a worker of its own, and gives the most memory that it had
// if there is a result.
func (k *task) runAlone(t *testing.T, e *Engine) (Result, int64, error) {
	t.Helper()
	p, err := e.pool.take(key{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.reap()
	s := newSession(e, k.Job, k.blobs, Live{}, newSink(k.Job, Live{}), p)
	s.encoded = k.Encode()
	if err := s.run(t.Context()); err != nil {
		return Result{}, 0, err // and its worker is gone
	}
	return s.out.result(), peakMemory(t, p.cmd.Process.Pid), nil
}

// TestTableMemory: no table bomb takes its worker more than 80 MB.
func TestTableMemory(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	largest := strings.Repeat("\x70\x00"+leb(100_000), 4)
	full := hostile{name: "table bomb of full tables", module: assembly{tables: "\x04" + largest, bodies: []string{spin}}.bytes(), end: OutOfFuel}
	n := 0
	for _, h := range append(hostiles(t), full) {
		if !strings.HasPrefix(h.name, "table bomb") {
			continue
		}
		n++
		r, rss, err := h.task().runAlone(t, e)
		h.check(t, r, err)
		t.Logf("%s: %.1f MB", h.name, float64(rss)/1e6)
		if rss > 80e6 && !raceEnabled { // whose shadow of memory counts too
			t.Errorf("%s took %d bytes", h.name, rss)
		}
	}
	if n < 4 {
		t.Errorf("%d table bombs", n)
	}
}

// peakMemory is the most memory that a process has had. The usage that the
// kernel gives with its end counts its parent's too, from before exec.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatalf("no peak in %q", b)
	}
	return kib << 10
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// TestWorkerSees: a worker has an empty environment, its pipes, and limits.
func TestWorkerSees(t *testing.T) {
	t.Setenv("SECRET", "of the parent")
	e := newEngine(t, Config{Workers: 1})
	p, err := e.pool.take(key{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.reap()
	proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	env, err := os.ReadFile(proc + "environ")
	if os.Geteuid() != 0 { // to root it is not dumpable either, but root is not asked
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("its own user reads its environment: %q, %v", env, err)
		}
	} else if err != nil || len(env) != 0 {
		t.Errorf("environment %q, %v", env, err)
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(proc + "fd/" + fd.Name())
		if err != nil {
			continue // it is closed by now
		}
		if strings.HasSuffix(to, "/statm") {
			continue // its own
		}
		if !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
			t.Errorf("descriptor %s is %s", fd.Name(), to)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Max core file size": "0", "Max open files": strconv.Itoa(maxDescriptors)} {
		_, rest, _ := strings.Cut(string(limits), name)
		if f := strings.Fields(rest); len(f) < 2 || f[0] != want || f[1] != want {
			t.Errorf("%s is %v, want %s", name, f[:2], want)
		}
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		t.Fatal(err)
	}
	if f := strings.Fields(string(stat)); f[4] != f[0] {
		t.Errorf("process group %s of process %s", f[4], f[0])
	}
}

// TestWorkerShut: while a guest runs, its worker has no descriptor of its cache
// folder, and what it filled is sealed.
func TestWorkerShut(t *testing.T) {
	if !kernelHas(wallFiles) {
		t.Skip("a worker gets no cache: the kernel has no Landlock to hold it to its folder")
	}
	dir := t.TempDir()
	e := newEngine(t, Config{Workers: 1, CacheDir: dir})
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	looked := 0
	_, err := e.Run(ctx, k.Job, k.blobs, Live{Progress: func(uint64) {
		once.Do(func() {
			defer cancel()
			if seals, err := filepath.Glob(filepath.Join(dir, "*.seal")); err != nil || len(seals) != 1 {
				t.Errorf("seals %v, %v", seals, err)
			}
			for _, pid := range childrenOf(t, os.Getpid()) {
				fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
				if err != nil {
					t.Error(err)
				}
				for _, fd := range fds {
					to, err := os.Readlink(fd)
					if strings.HasPrefix(to, dir) {
						t.Errorf("descriptor %s is %s", fd, to)
					}
					if err == nil {
						looked++
					}
				}
			}
			if looked == 0 && os.Geteuid() == 0 { // others may not look
				t.Error("no descriptors")
			}
		})
	}})
	if err != nil {
		t.Error(err)
	}
}

// TestEngineKilled: workers, busy, spare or held, end with the engine's process.
func TestEngineKilled(t *testing.T) {
	for _, mode := range []string{lonelyRuns, lonelyHolds} {
		t.Run(mode, func(t *testing.T) { testEngineKilled(t, mode) })
	}
}

func testEngineKilled(t *testing.T, mode string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), lonelyEnv+"="+mode)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "running\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	if mode == lonelyHolds {
		waitStopped(t, cmd.Process.Pid, 1)
	}
	var workers []unix.PollFd
	for _, pid := range childrenOf(t, cmd.Process.Pid) {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		workers = append(workers, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if len(workers) == 0 {
		t.Fatal("it has no workers")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range workers {
		n, err := 0, error(unix.EINTR)
		for err == unix.EINTR { // by a signal of Go's own scheduler
			n, err = unix.Poll(workers[i:i+1], 60_000)
		}
		if n != 1 {
			t.Errorf("a worker outlives its engine: %v", err)
		}
	}
}

// ownMemory is what this process's Go runtime has in use after a collection:
// objects, stacks and its own records. What the system counts as resident goes
// up and down by megabytes with what the runtime has yet to give back.
func ownMemory(testing.TB) uint64 {
	runtime.GC()
	runtime.GC() // what finalizers of the first let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse + m.MSpanInuse + m.MCacheInuse + m.GCSys + m.OtherSys
}
