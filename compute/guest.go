package compute

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
)

// guest is one job, run in this process. The fields are its input; run is called
// once. interrupt may be called at any time.
type guest struct {
	job         Job
	module      []byte
	stdin       []byte
	files       [][]byte // in the order of job.Files
	interpreter bool
	cacheDir    string // of this module alone; "" for none

	stdout, stderr func([]byte)
	garbage        func(int)
	// started is called when the module is compiled and the guest about to run,
	// stopped when it has ended; either may be nil.
	started func(maxPages uint32)
	stopped func()

	tank  tank
	world *wasi.World
}

// outcome is how a guest ended. Output files are read from the world.
type outcome struct {
	End       End    `cbor:"end"`
	Code      int32  `cbor:"code"`
	Trap      string `cbor:"trap"`
	Fuel      uint64 `cbor:"fuel"`
	PeakPages uint32 `cbor:"peak_pages"`
	Cause     string `cbor:"cause"`
}

// run meters, compiles and runs the guest. An error wraps ErrModule when the
// module is to blame, ErrEngine when the engine is.
func (g *guest) run(ctx context.Context) (outcome, error) {
	metered, err := g.admit()
	if err != nil {
		return outcome{}, err
	}
	ctx = withMemory(ctx)
	rt, err := g.runtime(ctx, metered.Info.Imports)
	if err != nil {
		return outcome{}, err
	}
	defer rt.Close(ctx)
	compiled, err := rt.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.NumCPU()), metered.Wasm)
	if err != nil {
		return outcome{}, fmt.Errorf("%w: not valid: %s", ErrModule, firstLine(err))
	}
	if g.started != nil {
		g.started(metered.MaxPages)
	}
	if g.stopped != nil {
		defer g.stopped()
	}
	mod, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return outcome{}, fmt.Errorf("%w: cannot be instantiated: %s", ErrModule, firstLine(err))
	}
	g.tank.fill(mod)
	g.newWorld()
	return g.play(ctx, mod, metered)
}

// admit meters the module and looks at what it imports and exports.
func (g *guest) admit() (meter.Module, error) {
	metered, err := meter.Rewrite(g.module, meter.Options{
		Tariff:      g.job.Tariff,
		MemoryPages: g.job.Limits.MemoryPages,
		Limits:      meter.Limits{ModuleBytes: MaxModuleBytes},
	})
	if err != nil {
		return meter.Module{}, refusal(err)
	}
	if err := checkInfo(metered.Info, g.job); err != nil {
		return meter.Module{}, err
	}
	return metered, checkMemory(metered, g.job.Limits)
}

// checkImport refuses what the world does not have, by its name.
func checkImport(imp meter.Import) error {
	if imp.Kind != meter.KindFunc || imp.Module != wasi.Module {
		return fmt.Errorf("of %s %q of module %q, which is not there: guests get %s and nothing else",
			imp.Kind, imp.Name, imp.Module, wasi.Module)
	}
	params, results, known := wasi.Signature(imp.Name)
	if !known {
		return fmt.Errorf("%q of %s, which does not have it", imp.Name, wasi.Module)
	}
	if letters(imp.Func.Params) != params || letters(imp.Func.Results) != results {
		return fmt.Errorf("%q of %s with the wrong type", imp.Name, wasi.Module)
	}
	return nil
}

func letters(types []meter.ValueType) string {
	var b strings.Builder
	for _, t := range types {
		switch t {
		case meter.I32:
			b.WriteByte('i')
		case meter.I64:
			b.WriteByte('l')
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// checkMemory holds the meter to its word that memory cannot grow beyond the
// job's limit.
func checkMemory(m meter.Module, l Limits) error {
	if m.MaxPages > l.MemoryPages {
		return fmt.Errorf("%w: memory of %d pages was admitted, the limit is %d", ErrEngine, m.MaxPages, l.MemoryPages)
	}
	return nil
}

func (g *guest) runtime(ctx context.Context, imports []meter.Import) (wazero.Runtime, error) {
	cfg := wazero.NewRuntimeConfigCompiler()
	if g.interpreter {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	// Without the capacity, growing page by page copies memory quadratically.
	// WithCloseOnContextDone is never set: the meter's limit stops a guest, at a
	// fraction of its price.
	cfg = cfg.WithMemoryCapacityFromMax(true).WithMemoryLimitPages(max(1, g.job.Limits.MemoryPages)).
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst)
	if g.cacheDir != "" && !g.interpreter {
		cache, err := wazero.NewCompilationCacheWithDir(g.cacheDir)
		if err != nil {
			return nil, fmt.Errorf("%w: compile cache: %w", ErrEngine, err)
		}
		cfg = cfg.WithCompilationCache(cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, cfg)
	names := make(map[string]bool, len(imports))
	for _, imp := range imports {
		names[imp.Name] = true
	}
	if err := wasi.Link(ctx, rt, names, func() *wasi.World { return g.world }); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrEngine, err), rt.Close(ctx))
	}
	return rt, nil
}

func (g *guest) newWorld() {
	l := g.job.Limits
	inputs := make([]wasi.Input, len(g.job.Files))
	for i, f := range g.job.Files {
		inputs[i] = wasi.Input{Path: f.Path, Data: g.files[i]}
	}
	g.world = wasi.New(wasi.Config{
		Args: g.job.Args, Env: g.job.Env, Stdin: g.stdin, Inputs: inputs,
		Seed: g.job.Seed, Start: g.job.Start,
		MaxOutput: l.OutputBytes, MaxFiles: int(l.Files),
		Stdout: g.stdout, Stderr: g.stderr, Garbage: g.garbage,
	}, &g.tank)
}

// end says how the guest ended. Using up the job's fuel comes before all else,
// because a straight run is paid as a whole before it traps or returns.
func (g *guest) end(status meter.Status, err error) (outcome, error) {
	used := g.tank.Used()
	if used > g.job.Limits.Fuel {
		return outcome{End: OutOfFuel, Fuel: g.job.Limits.Fuel}, nil
	}
	o := outcome{Fuel: used}
	world, code := g.world.End()
	switch {
	case world == wasi.Exited:
		o.End, o.Code = Exit, int32(code)
	case world == wasi.OutputLimit:
		o.End = OutputLimit
	case world == wasi.Interrupted, err != nil && status == meter.StatusLimit:
		o.End, o.Cause = Interrupted, g.tank.why()
	case err == nil:
		o.End = Exit
	case status == meter.StatusDepth:
		o.End, o.Trap = Trap, TrapDepth
	case errors.Is(err, errPointer):
		o.End, o.Trap = Trap, TrapPointer
	case status == meter.StatusGrow:
		return o, fmt.Errorf("%w: memory did not grow, though the job's limit allows it", ErrEngine)
	default:
		trap, known := trapOf(err)
		if !known {
			return o, fmt.Errorf("%w: %s", ErrEngine, firstLine(err))
		}
		o.End, o.Trap = Trap, trap
	}
	return o, nil
}

// traps are wazero's words for a guest's faults. It has no values for them that
// others may compare with, only the text. Its "stack overflow" is not here: the
// depth limit comes first, or the engine has failed.
var traps = map[string]string{
	"unreachable":                   TrapUnreachable,
	"out of bounds memory access":   TrapMemory,
	"invalid table access":          TrapTable,
	"indirect call type mismatch":   TrapTable,
	"integer divide by zero":        TrapDivide,
	"integer overflow":              TrapInteger,
	"invalid conversion to integer": TrapInteger,
}

func trapOf(err error) (string, bool) {
	trap, known := traps[strings.TrimPrefix(firstLine(err), "wasm error: ")]
	return trap, known
}

// firstLine leaves out the stack traces that wazero adds.
func firstLine(err error) string { return clip(err.Error()) }

// clip makes text that was not written for people fit for a log.
func clip(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.ToValidUTF8(text[:min(len(text), 300)], "?")
}

// wazeroVersion is what go.mod requires; a test compares. It is part of the
// compile cache's keys.
const wazeroVersion = "1.12.0"

// engineName says what runs guests here.
func engineName(interpreter bool) string {
	kind := "compiler"
	if interpreter {
		kind = "interpreter"
	}
	return fmt.Sprintf("wazero %s %s %s/%s", wazeroVersion, kind, runtime.GOOS, runtime.GOARCH)
}
