package compute

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
)

// guest is one job, run in this process. The fields are its input; run is called
// once. interrupt may be called at any time.
type guest struct {
	job   Job
	stdin []byte
	files [][]byte // in the order of job.Files

	stdout, stderr func([]byte)
	ask            func(name string, request []byte) ([]byte, int32) // see wasi.Config
	garbage        func(int)
	// started is called when the guest is about to run, stopped when it has
	// ended; either may be nil.
	started func()
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

// load reads the guest's inputs in order.
func (g *guest) load(get func(Blob) ([]byte, error)) (err error) {
	if g.stdin, err = loadBlob("stdin", g.job.Stdin, get); err != nil {
		return err
	}
	g.files = make([][]byte, len(g.job.Files))
	for i, f := range g.job.Files {
		if g.files[i], err = loadBlob("input file "+f.Path, f.Blob(), get); err != nil {
			return err
		}
	}
	return nil
}

// run runs the guest in a new instance of p. An error wraps ErrModule when the
// module is to blame, ErrEngine when the engine is.
func (g *guest) run(ctx context.Context, p *program) (outcome, error) {
	if g.started != nil {
		g.started()
	}
	if g.stopped != nil {
		defer g.stopped()
	}
	ctx = withMemory(ctx)
	mod, err := p.runtime.InstantiateModule(ctx, p.code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return outcome{}, fmt.Errorf("%w: cannot be instantiated: %s", ErrModule, firstLine(err))
	}
	defer mod.Close(ctx)
	g.tank.fill(mod)
	g.newWorld()
	p.world = g.world
	defer func() { p.world = nil }()
	return g.play(ctx, mod, p.start)
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
		Stdout: g.stdout, Stderr: g.stderr, Ask: g.ask, Garbage: g.garbage,
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
