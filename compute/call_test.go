package compute

import (
	"errors"
	"strings"
	"testing"

	"github.com/peersea/sea/compute/internal/meter"
)

// call makes a job that calls a function of a reactor.
func call(module []byte, entry, input string) *task {
	k := newTask(module).stdin([]byte(input))
	k.Entry = entry
	return k
}

// TestReactor holds every way in which a call can end, with its fuel: bytes in,
// bytes out, the same on every engine.
func TestReactor(t *testing.T) {
	module := wasmFile(t, "reactor.wasm")
	es := engines(t)
	for name, tt := range map[string]struct {
		entry, input string
		change       func(l *Limits)
		end          End
		code         int32
		trap         string
		stdout       string
		fuel         uint64
	}{
		"echo": {entry: "echo", input: "hello", end: Exit, stdout: "hello", fuel: 2046},
		// Nothing is placed, and malloc is not asked.
		"no input":               {entry: "echo", end: Exit, fuel: 1018},
		"written and returned":   {entry: "hi", end: Exit, stdout: "hi\nhi", fuel: 2025},
		"nothing, from anywhere": {entry: "nothing", end: Exit, fuel: 1005},
		"result over the end":    {entry: "beyond", end: Trap, trap: TrapPointer, fuel: 15},
		"result far outside":     {entry: "far", end: Trap, trap: TrapPointer, fuel: 5},
		"no room":                {entry: "echo", input: strings.Repeat("x", 13), end: Trap, trap: TrapPointer, fuel: 1022},
		"room outside":           {entry: "echo", input: strings.Repeat("x", 14), end: Trap, trap: TrapPointer, fuel: 1027},
		"malloc traps":           {entry: "echo", input: strings.Repeat("x", 15), end: Trap, trap: TrapUnreachable, fuel: 16},
		"trap":                   {entry: "trap", end: Trap, trap: TrapUnreachable, fuel: 4},
		"exit":                   {entry: "exit", end: Exit, code: 5, fuel: 1006},
		"depth":                  {entry: "deep", end: Trap, trap: TrapDepth, fuel: 16391},
		"fuel":                   {entry: "loop", end: OutOfFuel, fuel: 1e6, change: func(l *Limits) { l.Fuel = 1e6 }},
		"fuel for the input":     {entry: "echo", input: "hello", end: OutOfFuel, fuel: 1000, change: func(l *Limits) { l.Fuel = 1000 }},
		"fuel for the output":    {entry: "echo", input: "hello", end: OutOfFuel, fuel: 2045, change: func(l *Limits) { l.Fuel = 2045 }},
		"output": {entry: "echo", input: "hello", end: OutputLimit, stdout: "hel", fuel: 2046, change: func(l *Limits) {
			l.OutputBytes = 3
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := call(module, tt.entry, tt.input)
			if tt.change != nil {
				tt.change(&k.Limits)
			}
			first := k.run(t, es["worker"])
			if first.End != tt.end || first.Code != tt.code || first.Trap != tt.trap || string(first.Stdout) != tt.stdout || first.Fuel != tt.fuel {
				t.Errorf("got %s %d %q, %q, fuel %d; want %s %d %q, %q, fuel %d", first.End, first.Code, first.Trap,
					first.Stdout, first.Fuel, tt.end, tt.code, tt.trap, tt.stdout, tt.fuel)
			}
			same(t, k.run(t, es["interpreter"]), first)
			same(t, k.run(t, es["in process"]), first)
		})
	}
}

// TestReactorGo calls a Go program's exported function, as examples/wordcount
// says to build it.
func TestReactorGo(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes compiling a Go program slow: TestHello is enough")
	}
	k := call(goBuild(t, "../examples/wordcount", "-buildmode=c-shared"), "count", "the sea\nthe sky\nand  more\n")
	es := engines(t)
	first := k.run(t, es["worker"])
	if first.End != Exit || string(first.Stdout) != "3 6 26\n" {
		t.Errorf("got %s %d %q, %q, %q", first.End, first.Code, first.Trap, first.Stdout, first.Stderr)
	}
	same(t, k.run(t, es["interpreter"]), first)
	same(t, k.run(t, es["in process"]), first)
}

// TestReactorAgain: one worker serves calls of several functions, each in an
// instance of its own, and one that is not there does it no harm.
func TestReactorAgain(t *testing.T) {
	module := wasmFile(t, "reactor.wasm")
	e, fresh := newEngine(t, Config{Workers: 1}), newEngine(t, Config{InProcess: true})
	for _, entry := range []string{"echo", "hi", "trap", "missing", "echo", "deep", "nothing", "hi"} {
		k := call(module, entry, "same size")
		got, err := e.Run(t.Context(), k.Job, k.blobs, Live{Tenant: "buyer"})
		if entry == "missing" {
			if !errors.Is(err, ErrEntry) {
				t.Errorf("%s: %v", entry, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", entry, err)
		}
		same(t, got, k.run(t, fresh))
	}
}

// TestReactorGrows: what malloc grows is the job's memory.
func TestReactorGrows(t *testing.T) {
	k := call(wasmFile(t, "reactor.wasm"), "echo", strings.Repeat("0123456789abcdef", 8192)) // two pages
	k.Limits.MemoryPages = 3
	r := k.run(t, newEngine(t, Config{InProcess: true}))
	if r.End != Exit || len(r.Stdout) != 131072 || r.PeakPages != 3 {
		t.Errorf("got %s %q, %d bytes, %d pages", r.End, r.Trap, len(r.Stdout), r.PeakPages)
	}
	k.Limits.MemoryPages = 2
	if r := k.run(t, newEngine(t, Config{InProcess: true})); r.End != Trap || r.Trap != TrapPointer || r.PeakPages != 1 {
		t.Errorf("without the memory: got %s %q, %d pages", r.End, r.Trap, r.PeakPages)
	}
}

// TestReactorRefused: what is called must be there, with its type.
func TestReactorRefused(t *testing.T) {
	e := newEngine(t, Config{InProcess: true})
	for _, tt := range []struct{ file, entry, want string }{
		{"reactor.wasm", "", "it is no command but a reactor"},
		{"reactor.wasm", "missing", `no function "missing"`},
		{"reactor.wasm", "memory", `no function "memory"`},
		{"reactor.wasm", "not bytes", "bytes in, bytes out"},
		{"reactor.wasm", "malloc", "bytes in, bytes out"},
		{"traps.wasm", "_start", "bytes in, bytes out"},
		{"no_start.wasm", "", "exports no function _start"},
	} {
		k := call(wasmFile(t, tt.file), tt.entry, "x")
		_, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
		if !errors.Is(err, ErrModule) || errors.Is(err, ErrImport) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: got %v, want %q", tt.entry, tt.file, err, tt.want)
		}
	}
	k := newTask(wasmFile(t, "bad_import.wasm"))
	if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrImport) || !errors.Is(err, ErrModule) {
		t.Errorf("an import that is not there: %v", err)
	}
	none := []meter.Export{{Name: "f", Kind: meter.KindFunc, Func: &meter.FuncType{
		Params: []meter.ValueType{meter.I32, meter.I32}, Results: []meter.ValueType{meter.I64},
	}}}
	if err := checkEntry(none, "f"); err == nil || !strings.Contains(err.Error(), "malloc") {
		t.Errorf("without malloc: %v", err)
	}
}
