package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	paceGrace, paceOver = 50*time.Millisecond, 150*time.Millisecond // of the workers too
	if IsWorker() {
		os.Exit(Worker())
	}
	if os.Getenv(lonelyEnv) != "" {
		lonely(os.Getenv(lonelyEnv) == lonelyHolds)
	}
	if what := os.Getenv(probeEnv); what != "" {
		probe(what)
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// lonelyEnv makes the test program an engine that runs one endless job, or holds
// it, and prints a line when it has begun, for TestEngineKilled.
const (
	lonelyEnv   = "SEA_COMPUTE_TEST_LONELY"
	lonelyRuns  = "runs"
	lonelyHolds = "holds"
)

func lonely(hold bool) {
	module, err := os.ReadFile("testdata/traps.wasm")
	if err != nil {
		panic(err)
	}
	k := argc(module, 11)
	k.Limits.Fuel = MaxFuel
	var once sync.Once
	c := &Control{}
	_, err = New(Config{}).Run(context.Background(), k.Job, k.blobs, Live{Control: c, Progress: func(uint64) {
		once.Do(func() {
			if hold {
				c.Pause("test")
			}
			fmt.Println("running")
		})
	}})
	panic(err)
}

// probeEnv makes the test program a worker that is past its walls and tries
// what the variable says, for TestWalls.
const probeEnv = "SEA_COMPUTE_TEST_PROBE"

// built keeps the Go programs that tests compile, once for all tests.
var built struct {
	mu   sync.Mutex
	dir  string
	wasm map[string][]byte
}

// goProgram compiles testdata/<name> for wasip1.
func goProgram(t testing.TB, name string) []byte { return goBuild(t, "./testdata/"+name) }

// goBuild compiles a folder for wasip1. A folder has one set of flags.
func goBuild(t testing.TB, folder string, flags ...string) []byte {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if b, ok := built.wasm[folder]; ok {
		return b
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "sea-compute-")
		if err != nil {
			t.Fatal(err)
		}
		built.dir, built.wasm = dir, make(map[string][]byte)
	}
	out := filepath.Join(built.dir, filepath.Base(folder)+".wasm")
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", out, folder)...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	built.wasm[folder] = b
	return b
}

// wasmFile reads a committed module.
func wasmFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// task is a job with its bytes.
type task struct {
	Job
	blobs MapBlobs
}

// newTask makes a job of a module, with default limits and the name "prog".
func newTask(module []byte, args ...string) *task {
	k := &task{blobs: MapBlobs{}}
	k.Limits = DefaultLimits()
	k.Tariff = Tariff1
	k.Args = append([]string{"prog"}, args...)
	k.Start = 1_700_000_000_000_000_000
	k.Module = k.blobs.Add(module).Hash
	k.ModuleSize = uint64(len(module))
	return k
}

func (k *task) input(path string, b []byte) *task {
	blob := k.blobs.Add(b)
	k.Files = append(k.Files, File{Path: path, Hash: blob.Hash, Size: blob.Size})
	return k
}

func (k *task) stdin(b []byte) *task {
	k.Stdin = k.blobs.Add(b)
	return k
}

// whatIsThere counts what a test might leave behind.
type whatIsThere struct{ goroutines, files, children int }

func countWhatIsThere(t testing.TB) whatIsThere {
	t.Helper()
	r, w, err := os.Pipe() // the runtime opens its event queue with the first
	if err == nil {
		err = errors.Join(r.Close(), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return whatIsThere{runtime.NumGoroutine(), descriptors(t), len(childrenOf(t, os.Getpid()))}
}

// leaves waits until there is no more of anything than there was, but for slack.
// A goroutine that has said that it is done is there for a moment longer.
func (w whatIsThere) leaves(t testing.TB, slack int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; runtime.Gosched() {
		now := countWhatIsThere(t)
		if now.goroutines <= w.goroutines+slack && now.files <= w.files+slack && now.children <= w.children+slack {
			return
		}
		if time.Now().After(end) {
			t.Errorf("left are %+v, were %+v", now, w)
			return
		}
	}
}

// newEngine makes an engine that is closed with the test.
func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e := New(cfg)
	// However long a loaded machine takes between two jobs, or to stop one.
	e.pool.maxIdle, e.stopWall = time.Hour, time.Minute
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// run runs k and wants no error.
func (k *task) run(t testing.TB, e *Engine) Result {
	t.Helper()
	r, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// file gives the bytes of an output file.
func file(t testing.TB, r Result, path string) []byte {
	t.Helper()
	for _, f := range r.Files {
		if f.Path == path {
			return f.Data
		}
	}
	t.Fatalf("no output file %q among %d", path, len(r.Files))
	return nil
}

// same says how two results differ in what must not.
func same(t testing.TB, a, b Result) {
	t.Helper()
	if a.Hash() != b.Hash() || a.Fuel != b.Fuel || a.PeakPages != b.PeakPages {
		t.Errorf("got %s %d %q, fuel %d, %d pages, hash %s; want %s %d %q, fuel %d, %d pages, hash %s",
			a.End, a.Code, a.Trap, a.Fuel, a.PeakPages, a.Hash().Short(),
			b.End, b.Code, b.Trap, b.Fuel, b.PeakPages, b.Hash().Short())
		if !bytes.Equal(a.Stdout, b.Stdout) {
			t.Errorf("stdout %.200q, want %.200q", a.Stdout, b.Stdout)
		}
	}
}
