package compute

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// engines are the ways to run a job that tests compare.
func engines(t *testing.T) map[string]*Engine {
	cache := t.TempDir()
	return map[string]*Engine{
		"worker":      newEngine(t, Config{CacheDir: cache}),
		"interpreter": newEngine(t, Config{Interpreter: true}),
		"in process":  newEngine(t, Config{InProcess: true, CacheDir: cache}),
	}
}

// argc makes n arguments, which tell a wat program what to do.
func argc(module []byte, n int) *task {
	k := newTask(module, make([]string, max(0, n-1))...)
	k.Args = k.Args[:n]
	return k
}

func TestTraps(t *testing.T) {
	module := wasmFile(t, "traps.wasm")
	tests := []struct {
		name string
		end  End
		trap string
		code int32
	}{
		{"returns", Exit, "", 0},
		{"unreachable", Trap, TrapUnreachable, 0},
		{"memory", Trap, TrapMemory, 0},
		{"table index", Trap, TrapTable, 0},
		{"null function", Trap, TrapTable, 0},
		{"function type", Trap, TrapTable, 0},
		{"division by zero", Trap, TrapDivide, 0},
		{"integer overflow", Trap, TrapInteger, 0},
		{"not a number", Trap, TrapInteger, 0},
		{"depth", Trap, TrapDepth, 0},
		{"exit code", Exit, "", -2},
		{"fuel", OutOfFuel, "", 0},
	}
	es := engines(t)
	for n, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := argc(module, n)
			k.Limits.Fuel = 1e6
			first := k.run(t, es["worker"])
			if first.End != tt.end || first.Trap != tt.trap || first.Code != tt.code {
				t.Errorf("got %s %q %d, want %s %q %d", first.End, first.Trap, first.Code, tt.end, tt.trap, tt.code)
			}
			if tt.end == OutOfFuel && first.Fuel != k.Limits.Fuel {
				t.Errorf("out of fuel at %d, want all of %d", first.Fuel, k.Limits.Fuel)
			}
			same(t, k.run(t, es["interpreter"]), first)
			same(t, k.run(t, es["in process"]), first)
			same(t, k.run(t, es["worker"]), first) // from the compile cache
		})
	}
}

// TestDepth runs at the deepest that each engine serves.
func TestDepth(t *testing.T) {
	es := engines(t)
	k := argc(wasmFile(t, "traps.wasm"), 9)
	k.Limits.Depth = maxInterpreted
	r := k.run(t, es["worker"])
	if r.Trap != TrapDepth {
		t.Errorf("got %s %q", r.End, r.Trap)
	}
	same(t, k.run(t, es["interpreter"]), r)
	k.Limits.Depth = MaxDepth
	if r := k.run(t, es["worker"]); r.Trap != TrapDepth {
		t.Errorf("got %s %q", r.End, r.Trap)
	}
	_, err := es["interpreter"].Run(t.Context(), k.Job, k.blobs, Live{})
	if !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), "depth") {
		t.Errorf("deeper than the interpreter goes: %v", err)
	}
}

func TestBombs(t *testing.T) {
	module := wasmFile(t, "bombs.wasm")
	es := engines(t)
	tests := []struct {
		name string
		end  End
	}{
		1: {"stdout", OutputLimit},
		2: {"file", OutputLimit},
		3: {"random", OutOfFuel},
		4: {"clock", OutOfFuel},
		5: {"files", OutOfFuel},
		6: {"memory", Exit},
		7: {"listing", OutOfFuel},
	}
	for n, tt := range tests {
		if tt.name == "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			k := argc(module, n)
			k.Limits.Fuel = 20e6
			k.Limits.OutputBytes = 2_000_001
			k.Limits.MemoryPages = 320
			k.Limits.Fuel += uint64(k.Limits.MemoryPages) * 65536 * 3
			r := k.run(t, es["worker"])
			if r.End != tt.end {
				t.Errorf("got %s %d %q, want %s", r.End, r.Code, r.Trap, tt.end)
			}
			switch n {
			case 1:
				if len(r.Stdout) != 2_000_001 {
					t.Errorf("stdout has %d bytes", len(r.Stdout))
				}
			case 2:
				if got := file(t, r, "f"); len(got) != 2_000_001 {
					t.Errorf("file has %d bytes", len(got))
				}
			case 6:
				if r.PeakPages != 320 {
					t.Errorf("memory grew to %d pages, want 320", r.PeakPages)
				}
			}
			same(t, k.run(t, es["interpreter"]), r)
			same(t, k.run(t, es["in process"]), r)
		})
	}
}

func TestRefused(t *testing.T) {
	e := newEngine(t, Config{})
	for _, tt := range []struct{ file, want string }{
		{"bad_import.wasm", `func "secret" of module "env"`},
		{"bad_call.wasm", `"fd_teleport"`},
		{"bad_type.wasm", `"fd_write"`},
		{"bad_memory.wasm", "memory"},
		{"bad_start.wasm", "_start has parameters"},
		{"no_start.wasm", "no function _start"},
		{"bad_body.wasm", "not valid"},
		{"bad_data.wasm", "instantiated"},
		{"bad_data.wat", "module"}, // not WebAssembly at all
	} {
		t.Run(tt.file, func(t *testing.T) {
			k := newTask(wasmFile(t, tt.file))
			r, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want ErrModule about %s", err, tt.want)
			}
			if r.Fuel != 0 || r.End != "" {
				t.Errorf("a refused module has the result %+v", r)
			}
			t.Log(err)
		})
	}
	t.Run("100 MB", func(t *testing.T) {
		k := newTask(make([]byte, 8))
		k.ModuleSize = 100 << 20
		if _, err := e.Run(t.Context(), k.Job, nil, Live{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	})
	t.Run("bytes that are not there", func(t *testing.T) {
		k := newTask(wasmFile(t, "start.wasm")).stdin([]byte("gone"))
		delete(k.blobs, k.Stdin.Hash)
		if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrNoBlob) {
			t.Errorf("got %v, want ErrNoBlob", err)
		}
	})
	t.Run("other bytes", func(t *testing.T) {
		k := newTask(wasmFile(t, "start.wasm")).stdin([]byte("some"))
		k.blobs[k.Stdin.Hash] = []byte("samo")
		if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrNoBlob) || !strings.Contains(err.Error(), "stdin") {
			t.Errorf("got %v, want ErrNoBlob about stdin", err)
		}
		k.blobs[k.Stdin.Hash] = []byte("so")
		if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrNoBlob) {
			t.Errorf("got %v, want ErrNoBlob", err)
		}
	})
}

// TestStart: the start function runs before _start, is metered, and its output
// comes first.
func TestStart(t *testing.T) {
	for name, e := range engines(t) {
		var live bytes.Buffer
		k := newTask(wasmFile(t, "start.wasm"))
		r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Stdout: &live})
		if err != nil || string(r.Stdout) != "start run\n" || live.String() != "start run\n" || r.Fuel < 2000 {
			t.Errorf("%s: got %q, live %q, fuel %d, %v", name, r.Stdout, live.String(), r.Fuel, err)
		}
	}
}

// TestInterrupt: a cancelled job says at which fuel, and running it up to there
// gives the same.
func TestInterrupt(t *testing.T) {
	module := wasmFile(t, "traps.wasm")
	bombs := wasmFile(t, "bombs.wasm")
	for name, e := range engines(t) {
		for what, k := range map[string]*task{"loop": argc(module, 11), "calls": argc(bombs, 4), "output": argc(bombs, 3)} {
			t.Run(name+" "+what, func(t *testing.T) {
				k.Limits.Fuel = MaxFuel
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := e.Run(ctx, k.Job, k.blobs, Live{Progress: func(fuel uint64) {
					if fuel > 0 {
						cancel()
					}
				}})
				if err != nil || r.End != Interrupted || r.Cause != causeCancelled || r.Fuel == 0 {
					t.Fatalf("got %s at %d because %q, %v", r.End, r.Fuel, r.Cause, err)
				}
				again, err := e.Run(t.Context(), k.Job, k.blobs, Live{StopAt: r.Fuel})
				if err != nil {
					t.Fatal(err)
				}
				same(t, again, r)
			})
		}
	}
}

func TestWall(t *testing.T) {
	for name, e := range engines(t) {
		k := argc(wasmFile(t, "traps.wasm"), 11)
		k.Limits.Fuel = MaxFuel
		k.Limits.WallMillis = 30
		begin := time.Now()
		r := k.run(t, e)
		if r.End != Interrupted || r.Cause != causeWall {
			t.Errorf("%s: got %s at %d because %q", name, r.End, r.Fuel, r.Cause)
		}
		t.Logf("%s: over after %v", name, time.Since(begin))
	}
}

func TestCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, e := range engines(t) {
		k := argc(wasmFile(t, "traps.wasm"), 0)
		if _, err := e.Run(ctx, k.Job, k.blobs, Live{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
