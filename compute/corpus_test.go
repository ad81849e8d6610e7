package compute

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// A sample is a job of the corpus, on which engines must agree: a module, and
// something for it to do.
type sample struct {
	name string
	task *task
	end  End    // how it must end, or anyEnd, or refused
	says string // what its output must contain: engines could agree on nonsense
}

const (
	anyEnd  End = "any"     // the engines decide, and agree
	refused End = "refused" // when it is instantiated
)

// TestEnginesAgree runs the corpus's own modules on wazero's compiler, on its
// interpreter and, where there is a node, on V8 in a world written a second time.
// End, exit code, trap, output, fuel and peak pages are the same to the unit.
//
// TestProgramsAgree does the same with programs that are not ours.
func TestEnginesAgree(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes compiling slow, and finds what it can in the other tests")
	}
	samples := ownSamples(t)
	cache := t.TempDir()
	compiler := newEngine(t, Config{InProcess: true, CacheDir: cache})
	interpreter := newEngine(t, Config{InProcess: true, Interpreter: true})
	var first []Result
	for _, s := range samples {
		r := s.run(t, compiler)
		s.agrees(t, "interpreter", interpreter, r)
		first = append(first, r)
	}
	t.Run("again", func(t *testing.T) {
		again(t, newEngine(t, Config{Workers: 2, CacheDir: cache}), samples, first)
	})
	t.Run("V8", func(t *testing.T) {
		node := startV8(t)
		for i, s := range samples {
			r, err := node.run(s.task)
			s.compare(t, "V8", r, err, first[i])
		}
	})
	modules := map[string]bool{}
	for _, s := range samples {
		modules[s.task.Module.String()] = true
	}
	if len(modules) < 25 {
		t.Errorf("%d modules of our own, want 25", len(modules))
	}
}

// again runs some samples ten times each, on two worker processes at once.
func again(t *testing.T, e *Engine, samples []sample, first []Result) {
	for i, s := range samples {
		if !strings.HasPrefix(s.name, "again: ") {
			continue
		}
		var runs sync.WaitGroup
		for range 2 {
			runs.Go(func() {
				for range 5 {
					r, err := e.Run(t.Context(), s.task.Job, s.task.blobs, Live{})
					s.compare(t, "again", r, err, first[i])
				}
			})
		}
		runs.Wait()
	}
}

// run is the first run, which the others are compared with.
func (s sample) run(t *testing.T, e *Engine) Result {
	t.Helper()
	r, err := e.Run(t.Context(), s.task.Job, s.task.blobs, Live{})
	if s.end == refused {
		if !errors.Is(err, ErrModule) {
			t.Errorf("%s: %v, want it refused", s.name, err)
		}
		return r
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if s.end != anyEnd && r.End != s.end || !strings.Contains(string(r.Stdout)+string(r.Stderr), s.says) {
		t.Errorf("%s: got %s %d %q, fuel %d, want %s and %q in\n%.2000s%.2000s",
			s.name, r.End, r.Code, r.Trap, r.Fuel, s.end, s.says, r.Stdout, r.Stderr)
	}
	return r
}

// agrees runs the sample on another engine.
func (s sample) agrees(t *testing.T, name string, e *Engine, want Result) {
	t.Helper()
	r, err := e.Run(t.Context(), s.task.Job, s.task.blobs, Live{})
	s.compare(t, name, r, err, want)
}

func (s sample) compare(t *testing.T, name string, r Result, err error, want Result) {
	t.Helper()
	switch {
	case s.end == refused:
		if !errors.Is(err, ErrModule) {
			t.Errorf("%s by %s: %v, want it refused", s.name, name, err)
		}
	case err != nil:
		t.Errorf("%s by %s: %v", s.name, name, err)
	default:
		if d := difference(r, want); d != "" {
			t.Errorf("%s by %s: %s", s.name, name, d)
		}
	}
}

// ownSamples are the modules that are committed or built from committed Go, small
// enough for every run.
func ownSamples(t *testing.T) []sample {
	var list []sample
	add := func(name string, end End, says string, k *task) { list = append(list, sample{name, k, end, says}) }
	module := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	example := func(name string) []byte { return module("../examples/" + name + "/" + name + ".wasm") }
	own := func(name string) []byte { return module("testdata/corpus/" + name + ".wasm") }

	add("primes", Exit, "1229\n", newTask(example("primes"), "10000"))
	add("wordfreq", Exit, " the\n", newTask(example("wordfreq")).stdin(module("../examples/wordfreq/loomings.txt")[:2000]))
	add("again: mandelbrot", Exit, "out/mandelbrot.png", newTask(example("mandelbrot"), "32", "24"))
	hello := newTask(goProgram(t, "hello"), "a", "b c").input("dir/in.txt", []byte("some bytes")).stdin([]byte("typed"))
	hello.Env = []string{"CODE=7", "X=y"}
	add("again: hello, in Go", Exit, "slept true", hello)
	if os.Getenv("SEA_TEST_FULL") != "" { // each takes a second to compile
		add("sort, in Go", Exit, "", newTask(goProgram(t, "sortlines")).input("in.txt", textOf(2000)))
		add("wordcount, a reactor in Go", Exit, "3 6 26\n",
			call(goBuild(t, "../examples/wordcount", "-buildmode=c-shared"), "count", "the sea\nthe sky\nand  more\n"))
	}

	for _, v := range tariffVectors(t) {
		add("tariff: "+v.Name, v.End, "", v.task(t))
	}
	for n, end := range []End{Exit, Trap, Trap, Trap, Trap, Trap, Trap, Trap, Trap, Trap, Exit, OutOfFuel} {
		k := argc(wasmFile(t, "traps.wasm"), n)
		k.Limits.Fuel = 1e6
		add(fmt.Sprintf("traps %d", n), end, "", k)
	}
	for i, end := range []End{OutputLimit, OutputLimit, OutOfFuel, OutOfFuel, OutOfFuel} {
		n := i + 1
		k := argc(wasmFile(t, "bombs.wasm"), n)
		k.Limits.Fuel, k.Limits.OutputBytes = 5e6, 2_000_001
		add(fmt.Sprintf("bombs %d", n), end, "", k)
	}
	for _, entry := range []string{"echo", "hi", "nothing", "beyond", "far", "trap", "exit", "deep"} {
		end := Trap
		if strings.Contains("echo hi nothing exit", entry) {
			end = Exit
		}
		add("reactor "+entry, end, "", call(wasmFile(t, "reactor.wasm"), entry, "some bytes"))
	}
	for n := 1; n <= 3; n++ {
		k := argc(wasmFile(t, "loops.wasm"), n)
		k.Limits.Fuel = 3e5
		add(fmt.Sprintf("loops %d", n), OutOfFuel, "", k)
	}
	add("start", Exit, "start run\n", newTask(wasmFile(t, "start.wasm")))
	add("data out of bounds", refused, "", newTask(wasmFile(t, "bad_data.wasm")))
	add("elements out of bounds", refused, "", newTask(wasmFile(t, "bad_elements.wasm")))
	files := newTask(wasmFile(t, "files.wasm"), "x").input("a/b/c.txt", []byte("deep")).input("in.txt", []byte("bytes of in"))
	files.Env = []string{"HOME=/home"}
	add("files", Exit, "list out: ", files.stdin([]byte("one\ntwo\n")))

	add("suite", Exit, "ok\n", newTask(wasmFile(t, "suite.wasm"), "pread-with-access").input("digits", []byte("01234567")).
		input("dir/file-0", nil).input("dir/file-1", []byte("x")).input("file", nil))
	return append(list, edgeSamples(own)...)
}

// edgeSamples are the modules of testdata/corpus: each goes to where engines, or
// two worlds, could part.
func edgeSamples(own func(string) []byte) []sample {
	var list []sample
	add := func(name string, end End, says string, k *task) { list = append(list, sample{name, k, end, says}) }
	for seed := range 16 {
		k := newTask(own("storm"), fmt.Sprint(seed+1), "300").input("a/b/c.txt", []byte("deep")).
			input("a/é.txt", []byte("letters")).input("in.txt", textOf(3000)).stdin([]byte("typed\n"))
		k.Env = []string{"HOME=/"}
		k.Limits.Files, k.Limits.OutputBytes = 24, 200_000
		k.Seed[0] = byte(seed)
		add(fmt.Sprintf("storm %d", seed), anyEnd, "", k)
	}
	add("floats", Exit, "w ", newTask(own("floats")))
	for n := range 14 {
		end := Trap
		if n == 0 {
			end = Exit
		}
		add(fmt.Sprintf("tables %d", n), end, "", argc(own("tables"), n))
	}
	for n := range 7 {
		end, says := Trap, ""
		if n == 0 {
			end, says = Exit, "at 1024\n\x00\x000123456789"
		}
		add(fmt.Sprintf("segments %d", n), end, says, argc(own("segments"), n))
	}
	add("deep, 1,000", Exit, "", newTask(own("deep"), "1000"))
	add("deep, 5,000", Trap, "", newTask(own("deep"), "5000"))
	deep := newTask(own("deep"), "12000")
	deep.Limits.Depth = maxInterpreted
	add("deep, 12,000", Exit, "", deep)
	return list
}
