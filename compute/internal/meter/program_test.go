package meter

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/peersea/sea/internal/golden"
)

// FuzzProgram turns bytes into a valid program and runs it: on both engines,
// paid by runs as they come and plainly, by instruction, and where floats cannot
// tell them apart, unmetered. At each call of the host the counter must be exact
// as well, and where a program traps.
func FuzzProgram(f *testing.F) {
	for _, seed := range programSeeds(8) {
		f.Add(seed)
	}
	s := newStage(f)
	f.Fuzz(func(t *testing.T, choices []byte) {
		s.check(t, choices)
	})
}

// TestPrograms is a fixed helping of FuzzProgram, whose bills are the same forever:
// testdata/programs.txt has that of each function, and how it ends.
func TestPrograms(t *testing.T) {
	s := newStage(t)
	ends := map[string]int{}
	var got strings.Builder
	for i, seed := range programSeeds(200) {
		for f, o := range s.check(t, seed) {
			ends[o.end]++
			fmt.Fprintf(&got, "%d f%d: %d, %d calls of the host, %s\n", i, f, min(o.fuel, programFuel), len(o.probes), cmp.Or(o.end, "returned"))
		}
	}
	golden.Match(t, filepath.Join("testdata", "programs.txt"), []byte(got.String()))
	// The programs must reach what they are for.
	for _, end := range []string{"", "unreachable", "status 1", "status 2", "integer divide by zero", "out of bounds memory access"} {
		if ends[end] == 0 {
			t.Errorf("no program ended with %q: %v", end, ends)
		}
	}
}

// stage is where programs run: both engines, with the host function that
// programs import, which notes the fuel.
type stage struct {
	runtimes  [2]wazero.Runtime
	validator wazero.Runtime
	probes    []uint64
}

func newStage(t testing.TB) *stage {
	s := new(stage)
	ctx := context.Background()
	for i, e := range engines {
		rt := wazero.NewRuntimeWithConfig(ctx, e.config().WithMemoryLimitPages(4))
		t.Cleanup(func() { rt.Close(ctx) })
		probe(t, rt, &s.probes)
		s.runtimes[i] = rt
	}
	s.validator = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	t.Cleanup(func() { s.validator.Close(ctx) })
	return s
}

func programSeeds(n int) (seeds [][]byte) {
	rng := rand.New(rand.NewChaCha8(sha256.Sum256([]byte("programs"))))
	for range n {
		seed := make([]byte, 100+rng.IntN(900))
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// outcome is everything a run leaves behind.
type outcome struct {
	results []uint64
	end     string
	fuel    uint64
	state   [32]byte
	probes  []uint64 // the fuel at each call of the host
}

const programFuel = 20_000

// check runs the program that choices make and returns what its functions leave.
func (s *stage) check(t *testing.T, choices []byte) (all []outcome) {
	p := generate(choices)
	wasm := p.module()
	if _, err := Admit(wasm, Limits{}); err != nil {
		t.Fatalf("refused: %v\n%x", err, wasm)
	}
	opt := Options{MemoryPages: 4}
	metered := mustRewrite(t, wasm, opt)
	load := func(engine int, wasm []byte) wazero.CompiledModule {
		m, err := s.runtimes[engine].CompileModule(context.Background(), wasm)
		if err != nil {
			t.Fatalf("%v\n%x", err, wasm)
		}
		t.Cleanup(func() { m.Close(context.Background()) })
		return m
	}
	compiled, interpreted := load(0, metered.Wasm), load(1, metered.Wasm)
	plainly, naive, plain := load(1, rewritePlain(t, wasm, opt).Wasm), load(1, rewriteNaive(t, wasm, opt).Wasm), load(1, wasm)
	for f := range p.functions {
		name := fmt.Sprint("f", f)
		a := s.run(t, 0, compiled, name, programFuel)
		b := s.run(t, 1, interpreted, name, programFuel)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s differs: compiler %v, interpreter %v\n%x", name, a, b, wasm)
		}
		if !slices.IsSorted(a.probes) || len(a.probes) > 0 && a.probes[len(a.probes)-1] > a.fuel || a.fuel == 0 || a.fuel > programFuel+1<<20 {
			t.Fatalf("%s: the counter goes %d to %d of %d\n%x", name, a.probes, a.fuel, programFuel, wasm)
		}
		all = append(all, a)
		if c := s.run(t, 1, plainly, name, programFuel); !reflect.DeepEqual(a, c) {
			t.Fatalf("%s paid by runs %v, plainly %v\n%x", name, a, c, wasm)
		}
		if a.end != "" {
			continue
		}
		if c := s.run(t, 1, naive, name, programFuel*2); !reflect.DeepEqual(a, c) {
			t.Fatalf("%s paid by runs %v, by instruction %v\n%x", name, a, c, wasm)
		}
		if p.floats {
			continue
		}
		if d := s.run(t, 1, plain, name, 0); !slices.Equal(d.results, a.results) || d.state != a.state || d.end != "" {
			t.Fatalf("%s metered %v, plain %v\n%x", name, a, d, wasm)
		}
	}
	return all
}

// run calls a function of a fresh instance, which is metered unless fuel is 0.
func (s *stage) run(t *testing.T, engine int, m wazero.CompiledModule, name string, fuel uint64) (o outcome) {
	t.Helper()
	ctx := context.Background()
	mod, err := s.runtimes[engine].InstantiateModule(ctx, m, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close(ctx)
	g := guest{mod}
	s.probes = nil
	if fuel > 0 {
		g.set(ExportLimit, fuel)
		g.set(ExportMaxDepth, testDepth)
	}
	f := mod.ExportedFunction(name)
	args := make([]uint64, len(f.Definition().ParamTypes()))
	for i, t := range f.Definition().ParamTypes() {
		args[i] = map[ValueType]uint64{F32: 0x7fa00000, F64: 0x7ff4000000000000}[ValueType(t)] + uint64(i+3)
	}
	results, err := f.Call(ctx, args...)
	o.results, o.end, o.probes = tidy(f, results), trapText(err), s.probes
	if fuel > 0 {
		o.fuel = g.fuel()
		if status := g.status(); status != StatusNone {
			o.end = fmt.Sprint("status ", status)
		}
	}
	h := sha256.New()
	mem, _ := mod.Memory().Read(0, mod.Memory().Size())
	h.Write(mem)
	for i := range 4 {
		_ = binary.Write(h, binary.LittleEndian, g.global(fmt.Sprint("g", i)))
	}
	h.Sum(o.state[:0])
	return o
}

// probe gives rt the host function that programs import: it notes the fuel.
func probe(t testing.TB, rt wazero.Runtime, probes *[]uint64) {
	t.Helper()
	note := func(_ context.Context, mod api.Module) {
		if fuel := mod.ExportedGlobal(ExportFuel); fuel != nil {
			*probes = append(*probes, fuel.Get())
		}
	}
	_, err := rt.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(note).Export("probe").Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}
