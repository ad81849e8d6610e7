package meter

import (
	"context"
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

// overheadKernels are the functions of kernels.wasm, with an argument that takes
// ten or twenty milliseconds, and the commands.
var overheadKernels = []struct {
	name   string
	arg    uint64 // 0: a command
	floats bool   // most of what it does
}{
	{"fib", 32, false}, {"sieve", 1 << 20, false}, {"quicksort", 1 << 16, false}, {"sha256", 10_000, false},
	{"crc32", 40, false}, {"nqueens", 11, false}, {"interp", 200_000, false}, {"calls", 4_000_000, false},
	{"tree", 1 << 15, false}, {"matmul", 20, true}, {"mandelbrot", 240, true}, {"nbody", 80_000, true},
	{"spectral", 256, true},
	{"sort", 0, false}, {"json", 0, false}, {"regexp", 0, false}, {"sha256go", 0, false}, {"maps", 0, false},
	{"mandelbrotgo", 0, true},
}

// BenchmarkOverhead runs each kernel in several forms, in turns, and reports
// ratios of their shortest times: metered by unmetered, metered by metered
// without the rule for NaNs, and unmetered with wazero's own means to stop a
// guest by metered.
func BenchmarkOverhead(b *testing.B) {
	// SEA_OVERHEAD_KEEP is a folder for the modules, for other engines to run.
	keep := os.Getenv("SEA_OVERHEAD_KEEP")
	for _, k := range overheadKernels {
		b.Run(k.name, func(b *testing.B) {
			runtime.LockOSThread() // whose clock is read
			defer runtime.UnlockOSThread()
			wasm, entry, args := kernelModule(b, k.name, k.arg)
			metered := mustRewrite(b, wasm, Options{}).Wasm
			bare := rewriteBare(b, wasm)
			if keep != "" {
				for name, w := range map[string][]byte{"plain": wasm, "metered": metered} {
					if err := os.WriteFile(filepath.Join(keep, k.name+"."+name+".wasm"), w, 0o600); err != nil {
						b.Fatal(err)
					}
				}
			}
			ctx := context.Background()
			stoppable, cancel := context.WithCancel(ctx)
			defer cancel()
			forms := []*form{
				{ctx: ctx, wasm: wasm, config: wazero.NewRuntimeConfigCompiler()},
				{ctx: ctx, wasm: metered, config: wazero.NewRuntimeConfigCompiler()},
				{ctx: ctx, wasm: bare, config: wazero.NewRuntimeConfigCompiler()},
				{ctx: stoppable, wasm: wasm, config: wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true)},
			}
			for _, f := range forms {
				defer f.open(b)()
			}
			for b.Loop() {
				for _, f := range forms {
					f.run(b, entry, args)
				}
			}
			b.ReportMetric(forms[0].best.Seconds()*1e3, "ms")
			b.ReportMetric(forms[1].ratio(forms[0]), "meter")
			b.ReportMetric(forms[1].ratio(forms[2]), "nan")
			b.ReportMetric(forms[3].ratio(forms[1]), "ctxdone")
		})
	}
}

// form is one way to run a kernel.
type form struct {
	ctx    context.Context
	wasm   []byte
	config wazero.RuntimeConfig
	rt     wazero.Runtime
	code   wazero.CompiledModule
	best   time.Duration
}

func (f *form) open(b *testing.B) (done func()) {
	f.rt = wazero.NewRuntimeWithConfig(f.ctx, f.config.WithMemoryCapacityFromMax(false))
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

func (f *form) ratio(g *form) float64 { return f.best.Seconds() / g.best.Seconds() }

// kernelModule is the module of a kernel and how to call it.
func kernelModule(b *testing.B, name string, arg uint64) (wasm []byte, entry string, args []uint64) {
	file := filepath.Join(kernelsDir, "kernels.wasm")
	entry, args = name, []uint64{arg}
	if arg == 0 {
		file = filepath.Join(b.TempDir(), name+".wasm")
		entry, args = "_start", nil
		build := exec.Command("go", "build", "-o", file, "./kernels/"+name)
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

// rewriteBare meters without the rule for NaNs.
func rewriteBare(b *testing.B, wasm []byte) []byte {
	m, err := decode(wasm, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	w := rewriter{m: m, pages: m.lim.MemoryPages}
	w.indices()
	body := body{m: m, record: true}
	s := m.sections[secCode]
	body.reader = reader{b: m.raw, pos: s.at, end: s.end}
	body.u32()
	out := w.writer
	for i := m.imported; i < len(m.functions) && body.err == nil; i++ {
		body.function(i)
		for i := range body.nans {
			body.nans[i].fix = false
		}
		body.emit(&out, w.blockType(body.sig))
		w.grows = w.grows || body.grows
	}
	if body.err != nil {
		b.Fatal(body.err)
	}
	w.code = out.out
	w.appendHelpers()
	w.assemble()
	return w.out
}
