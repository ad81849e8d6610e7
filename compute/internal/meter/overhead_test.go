package meter

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// kernelsDir has what BenchmarkOverhead runs: functions written in C, and
// commands written in Go.
var kernelsDir = filepath.Join("..", "..", "..", "bench", "kernels")

// kernel is a function of kernels.wasm with an argument that takes some ten
// milliseconds, or a command.
type kernel struct {
	Name   string `json:"name"`
	Arg    uint64 `json:"arg"`    // 0: a command
	Floats bool   `json:"floats"` // most of what it does
}

var overheadKernels = []kernel{
	{"fib", 32, false}, {"sieve", 1 << 20, false}, {"quicksort", 1 << 16, false}, {"sha256", 10_000, false},
	{"crc32", 40, false}, {"nqueens", 11, false}, {"interp", 200_000, false}, {"calls", 4_000_000, false},
	{"tree", 1 << 15, false}, {"matmul", 20, true}, {"mandelbrot", 240, true}, {"nbody", 80_000, true},
	{"spectral", 256, true},
	{"sort", 0, false}, {"json", 0, false}, {"regexp", 0, false}, {"sha256go", 0, false}, {"maps", 0, false},
	{"mandelbrotgo", 0, true},
}

// BenchmarkOverhead runs each kernel in several forms, in turns, and reports
// their shortest times in milliseconds: as it is, metered, metered without the
// rule for NaNs, and as it is with wazero's own means to stop a guest. Suite
// meter of the module bench reads them.
func BenchmarkOverhead(b *testing.B) {
	keep := os.Getenv("SEA_OVERHEAD_KEEP") // a folder for the modules, for other engines
	if keep != "" {
		list, err := json.Marshal(overheadKernels)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keep, "kernels.json"), list, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, k := range overheadKernels {
		b.Run(k.Name, func(b *testing.B) {
			runtime.LockOSThread() // whose clock is read
			defer runtime.UnlockOSThread()
			wasm, entry, args := k.module(b)
			metered := mustRewrite(b, wasm, Options{}).Wasm
			if keep != "" {
				for name, w := range map[string][]byte{"plain": wasm, "metered": metered} {
					if err := os.WriteFile(filepath.Join(keep, k.Name+"."+name+".wasm"), w, 0o600); err != nil {
						b.Fatal(err)
					}
				}
			}
			ctx := context.Background()
			stoppable, cancel := context.WithCancel(ctx)
			defer cancel()
			config := wazero.NewRuntimeConfigCompiler()
			forms := []*form{
				{name: "plain-ms", ctx: ctx, wasm: wasm, config: config},
				{name: "metered-ms", ctx: ctx, wasm: metered, config: config},
				{name: "without-nan-ms", ctx: ctx, wasm: rewriteBare(b, wasm).Wasm, config: config},
				{name: "ctxdone-ms", ctx: stoppable, wasm: wasm, config: config.WithCloseOnContextDone(true)},
			}
			for _, f := range forms {
				defer f.open(b)()
			}
			for b.Loop() {
				for _, f := range forms {
					f.run(b, entry, args)
				}
			}
			for _, f := range forms {
				b.ReportMetric(f.best.Seconds()*1e3, f.name)
			}
		})
	}
}

// form is one way to run a kernel.
type form struct {
	name   string
	ctx    context.Context
	wasm   []byte
	config wazero.RuntimeConfig
	rt     wazero.Runtime
	code   wazero.CompiledModule
	best   time.Duration
}

func (f *form) open(b *testing.B) (done func()) {
	f.rt = wazero.NewRuntimeWithConfig(f.ctx, f.config)
	wasi_snapshot_preview1.MustInstantiate(f.ctx, f.rt)
	code, err := f.rt.CompileModule(f.ctx, f.wasm)
	if err != nil {
		b.Fatal(err)
	}
	f.code, f.best = code, math.MaxInt64
	return func() { _ = f.rt.Close(context.Background()) }
}

// run runs the kernel in a fresh instance and keeps the shortest time.
func (f *form) run(b *testing.B, entry string, args []uint64) {
	mod, err := f.rt.InstantiateModule(f.ctx, f.code,
		wazero.NewModuleConfig().WithName("").WithStartFunctions().WithStdout(io.Discard).WithStderr(os.Stderr))
	if err != nil {
		b.Fatal(err)
	}
	defer mod.Close(f.ctx)
	if limit, ok := mod.ExportedGlobal(ExportLimit).(api.MutableGlobal); ok {
		limit.Set(MaxLimit)
		mod.ExportedGlobal(ExportMaxDepth).(api.MutableGlobal).Set(MaxDepth)
	}
	call := mod.ExportedFunction(entry)
	start := cpuTime()
	_, err = call.Call(f.ctx, args...)
	f.best = min(f.best, cpuTime()-start)
	if exit, ok := err.(interface{ ExitCode() uint32 }); err != nil && (!ok || exit.ExitCode() != 0) {
		b.Fatal(err)
	}
}

// module is the kernel's code and how to call it.
func (k kernel) module(b *testing.B) (wasm []byte, entry string, args []uint64) {
	file := filepath.Join(kernelsDir, "kernels.wasm")
	entry, args = k.Name, []uint64{k.Arg}
	if k.Arg == 0 {
		file = filepath.Join(b.TempDir(), k.Name+".wasm")
		entry, args = "_start", nil
		build := exec.Command("go", "build", "-o", file, "./kernels/"+k.Name)
		build.Dir = filepath.Dir(kernelsDir)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, text)
		}
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return wasm, entry, args
}
