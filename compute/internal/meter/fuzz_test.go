package meter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"
)

// FuzzRewrite: Admit and Rewrite agree; what they accept is valid metered if
// and only if it is valid as it is, for wazero's validator; and what runs gives
// the same on both engines.
func FuzzRewrite(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.wasm"))
	if err != nil || len(files) == 0 {
		f.Fatalf("%d modules: %v", len(files), err)
	}
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wasm)
	}
	for _, seed := range programSeeds(4) {
		f.Add(generate(seed).module())
	}
	s := newStage(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) <= 4096 {
			s.rewrite(t, wasm)
		}
	})
}

func (s *stage) rewrite(t *testing.T, wasm []byte) {
	_, err := Admit(wasm, Limits{})
	checkError(t, wasm, err)
	m, again := Rewrite(wasm, Options{MemoryPages: 4})
	checkError(t, wasm, again)
	if fmt.Sprint(err) != fmt.Sprint(again) && !errors.Is(again, ErrLimit) {
		t.Fatalf("Admit says %v, Rewrite %v", err, again)
	}
	if again != nil {
		return // and wazero must not see it: 20 bytes can make its decoder allocate gigabytes
	}
	before, after := s.valid(withoutCustom(wasm)), s.valid(m.Wasm)
	if (before == nil) != (after == nil) {
		t.Fatalf("valid as it is: %v, metered: %v\n%x", before, after, wasm)
	}
	if after != nil {
		return
	}
	if m, err := Rewrite(wasm, Options{MemoryPages: 4, Hold: true}); err != nil || s.valid(m.Wasm) != nil {
		t.Fatalf("metered to be held: %v, %v\n%x", err, s.valid(m.Wasm), wasm)
	}
	var outcomes [2][]outcome
	for i, rt := range s.runtimes {
		outcomes[i] = s.runAll(t, rt, m)
	}
	if !reflect.DeepEqual(outcomes[0], outcomes[1]) {
		t.Fatalf("compiler %v, interpreter %v\n%x", outcomes[0], outcomes[1], wasm)
	}
}

// valid is what wazero's validator says.
func (s *stage) valid(wasm []byte) error {
	m, err := s.validator.CompileModule(context.Background(), wasm)
	if err != nil {
		return err
	}
	return m.Close(context.Background())
}

// runAll calls every export of an instance, if what it imports is there.
func (s *stage) runAll(t *testing.T, rt wazero.Runtime, m Module) (all []outcome) {
	ctx := context.Background()
	compiled, err := rt.CompileModule(ctx, m.Wasm)
	if err != nil {
		t.Fatalf("%v\n%x", err, m.Wasm)
	}
	defer compiled.Close(ctx)
	mod, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return []outcome{{end: "not instantiated"}}
	}
	defer mod.Close(ctx)
	g := guest{mod}
	s.probes = nil
	g.set(ExportLimit, 10_000)
	g.set(ExportMaxDepth, testDepth)
	for _, e := range m.Info.Exports {
		if e.Kind != KindFunc || len(e.Func.Params) > 8 {
			continue
		}
		args := make([]uint64, 2*len(e.Func.Params))
		n := 0
		for _, p := range e.Func.Params {
			n++
			if p == V128 {
				n++
			}
		}
		results, err := g.call(e.Name, args[:n]...)
		o := outcome{results: results, end: trapText(err), fuel: g.fuel(), probes: s.probes}
		if status := g.status(); status != StatusNone {
			o.end = fmt.Sprint("status ", status)
		}
		all = append(all, o)
	}
	return all
}

// withoutCustom is wasm without its custom sections, which Rewrite drops.
func withoutCustom(wasm []byte) []byte {
	if !bytes.HasPrefix(wasm, magic) {
		return wasm
	}
	out := bytes.Clone(magic)
	r := reader{b: wasm, pos: len(magic), end: len(wasm)}
	for r.pos < r.end {
		at := r.pos
		id := r.byte()
		size := r.u32()
		r.skip(int(size))
		if r.err != nil {
			return wasm
		}
		if id != secCustom {
			out = append(out, wasm[at:r.pos]...)
		}
	}
	return out
}
