package compute

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
)

// program is a module made ready to run: metered, compiled and linked. It serves
// one guest after the other, each in an instance of its own: memory, globals,
// tables and the world are new each time, and the code does not change.
type program struct {
	runtime  wazero.Runtime
	code     wazero.CompiledModule
	exports  []meter.Export
	start    string // name of the guest's start function, or ""
	maxPages uint32
	unkept   bool        // its folder of the cache failed: what is there is nothing
	world    *wasi.World // of the guest that runs
}

// recipe says how a program is made.
type recipe struct {
	tariff      uint64
	pages       uint32 // the job's limit of memory
	interpreter bool
	powers      []string     // that the module may import
	cacheDir    string       // of this module alone; "" for none
	anew        func() error // called before it is compiled a second time; may be nil
}

// make meters, compiles and links the module. An error wraps ErrModule when the
// module is to blame, ErrEngine when the engine is. Who gets a program closes it.
func (r recipe) make(ctx context.Context, module []byte) (*program, error) {
	m, err := r.meter(module)
	if err == nil {
		err = checkAsks(m.Asks, r.powers)
	}
	if err != nil {
		return nil, err
	}
	p, err := r.compile(ctx, m)
	if err == nil || r.cacheDir == "" {
		return p, err
	}
	// An error of the folder, a full disk say, does not tell itself from one of
	// the module. Without a folder there is only the module.
	r.cacheDir = ""
	if r.anew != nil {
		if err := r.anew(); err != nil {
			return nil, fmt.Errorf("%w: walls: %w", ErrEngine, err)
		}
	}
	if m, err = r.meter(module); err != nil {
		return nil, err
	}
	if p, err = r.compile(ctx, m); err == nil {
		p.unkept = true
	}
	return p, err
}

// compile makes a program of a metered module.
func (r recipe) compile(ctx context.Context, m metered) (*program, error) {
	p := &program{exports: m.exports(), start: m.Start, maxPages: m.MaxPages}
	var err error
	if p.runtime, err = r.newRuntime(ctx); err != nil {
		return nil, err
	}
	if err = p.link(ctx, m.Imports, m.Asks); err == nil {
		p.code, err = p.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.NumCPU()), m.wasm)
		if err != nil {
			err = fmt.Errorf("%w: not valid: %s", ErrModule, firstLine(err))
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.close(ctx))
	}
	return p, nil
}

// close gives back what the program holds. No guest may run.
func (p *program) close(ctx context.Context) error { return p.runtime.Close(ctx) }

// meter gives the metered module, from the cache where it is.
func (r recipe) meter(module []byte) (metered, error) {
	if r.cacheDir != "" {
		if m, ok := loadMetered(r.cacheDir); ok {
			return m, nil
		}
	}
	out, err := r.admit(module)
	if err != nil {
		return metered{}, err
	}
	m := meteredOf(out)
	if r.cacheDir != "" {
		if err := m.store(r.cacheDir); err != nil { // half of it must not be sealed
			_ = os.Remove(filepath.Join(r.cacheDir, meteredFile))
		}
	}
	return m, nil
}

// admit meters the module and looks at what it imports.
func (r recipe) admit(module []byte) (meter.Module, error) {
	metered, err := meter.Rewrite(module, meter.Options{
		Tariff:      r.tariff,
		MemoryPages: r.pages,
		Limits:      meter.Limits{ModuleBytes: MaxModuleBytes},
	})
	if err != nil {
		return meter.Module{}, refusal(err)
	}
	if err := checkImports(metered.Info.Imports); err != nil {
		return meter.Module{}, err
	}
	if metered.MaxPages > r.pages {
		// The meter is held to its word that memory cannot grow beyond the limit.
		return meter.Module{}, fmt.Errorf("%w: memory of %d pages was admitted, the limit is %d", ErrEngine, metered.MaxPages, r.pages)
	}
	return metered, nil
}

// checkImport refuses what the world does not have, by its name.
func checkImport(imp meter.Import) error {
	if imp.Kind == meter.KindFunc && imp.Module == wasi.HostModule {
		params, results := wasi.HostSignature(imp.Name)
		if letters(imp.Func.Params) != params || letters(imp.Func.Results) != results {
			return fmt.Errorf("%q of %s with the wrong type", imp.Name, wasi.HostModule)
		}
		return nil // whether it is given is for checkAsks
	}
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

func (r recipe) newRuntime(ctx context.Context) (wazero.Runtime, error) {
	cfg := wazero.NewRuntimeConfigCompiler()
	if r.interpreter {
		cfg = wazero.NewRuntimeConfigInterpreter()
	}
	// Without the capacity, growing page by page copies memory quadratically.
	// WithCloseOnContextDone is never set: the meter's limit stops a guest, at a
	// fraction of its price.
	cfg = cfg.WithMemoryCapacityFromMax(true).WithMemoryLimitPages(max(1, r.pages)).
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst).WithDebugInfoEnabled(false)
	if r.cacheDir != "" && !r.interpreter {
		cache, err := wazero.NewCompilationCacheWithDir(r.cacheDir)
		if err != nil {
			return nil, fmt.Errorf("%w: compile cache: %w", ErrEngine, err)
		}
		cfg = cfg.WithCompilationCache(cache)
	}
	return wazero.NewRuntimeWithConfig(ctx, cfg), nil
}

// link makes the calls and powers that the module imports.
func (p *program) link(ctx context.Context, imports, asks []string) error {
	names := make(map[string]bool, len(imports))
	for _, name := range imports {
		names[name] = true
	}
	current := func() *wasi.World { return p.world }
	err := wasi.Link(ctx, p.runtime, names, current)
	if err == nil {
		err = wasi.LinkHost(ctx, p.runtime, asks, current)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEngine, err)
	}
	return nil
}
