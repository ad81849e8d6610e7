package meter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/peersea/sea/internal/golden"
)

// vector is a call of one export of a fresh instance, and all that comes of it.
// The modules are testdata/golden/*.wasm, made from the .wat beside them with
// wat2wasm --enable-all, or as the .c says.
type vector struct {
	Module string   `json:"module"`
	Call   string   `json:"call"`
	Args   []uint64 `json:"args,omitempty"`
	Limit  uint64   `json:"limit,omitempty"`     // 1,000,000 when absent
	Depth  uint64   `json:"max_depth,omitempty"` // 1,500 when absent
	Pages  uint32   `json:"max_pages,omitempty"` // 65,536 when absent

	Results []uint64 `json:"results,omitempty"`
	Trap    string   `json:"trap,omitempty"`
	Status  Status   `json:"status,omitempty"`
	Fuel    uint64   `json:"fuel"` // of the start function too
	Peak    uint32   `json:"peak_pages,omitempty"`
	Probes  []uint64 `json:"probes,omitempty"` // the fuel at each call of the host
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var vectors []vector
	if err := d.Decode(&vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors: %v", len(vectors), err)
	}
	return vectors
}

// run makes the call and returns the vector with what came of it.
func (v vector) run(t *testing.T, config wazero.RuntimeConfig) vector {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "golden", v.Module+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := mustRewrite(t, wasm, Options{MemoryPages: v.Pages})
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer rt.Close(ctx)
	v.Results, v.Trap, v.Status, v.Fuel, v.Peak, v.Probes = nil, "", 0, 0, 0, nil
	probe(t, rt, &v.Probes)
	limit := v.Limit
	if limit == 0 {
		limit = 1_000_000
	}
	g, err := instantiate(rt, m, "", limit)
	if err == nil {
		if v.Depth != 0 {
			g.set(ExportMaxDepth, v.Depth)
		}
		v.Results, err = g.call(v.Call, v.Args...)
	}
	if v.Status = g.status(); v.Status == StatusNone {
		v.Trap = trapText(err)
	}
	v.Fuel = g.fuel()
	if mem := g.mod.ExportedMemory(ExportMemory); mem != nil {
		v.Peak = mem.Size() / 65536
	}
	return v
}

// TestGolden holds tariff 1 to what it was: costs, runs, checks, stops. The
// tariff is frozen: -update may add what new vectors expect and change nothing.
func TestGolden(t *testing.T) {
	vectors := readVectors(t)
	for i, want := range vectors {
		for n, engine := range engines {
			if raceEnabled && (n != i%2 || n == 1 && want.Fuel > 100_000) {
				continue
			}
			got := want.run(t, engine.config())
			if *golden.Update {
				vectors[i] = got
				continue
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s %d on the %s:\ngot  %+v\nwant %+v", want.Module, want.Call, want.Args, engine.name, got, want)
			}
		}
	}
	if *golden.Update {
		var out bytes.Buffer
		for i, v := range vectors {
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%c%s", ",["[max(1-i, 0)], append([]byte("\n"), line...))
		}
		out.WriteString("\n]\n")
		if err := os.WriteFile(filepath.Join("testdata", "golden.json"), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoldenExports sees to it that every export of the golden modules has a
// vector.
func TestGoldenExports(t *testing.T) {
	called := map[string]bool{}
	for _, v := range readVectors(t) {
		called[v.Module+" "+v.Call] = true
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.wasm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d modules: %v", len(files), err)
	}
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := Admit(wasm, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file[:len(file)-len(".wasm")])
		for _, e := range info.Exports {
			if e.Kind == KindFunc && !called[name+" "+e.Name] {
				t.Errorf("no vector for %s %s", name, e.Name)
			}
		}
	}
}

// TestCutsAndFlips changes the golden modules byte by byte: a module cut short
// is refused, and a flipped bit never does worse than an error that says where.
// FuzzRewrite looks at what still passes.
func TestCutsAndFlips(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.wasm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d modules: %v", len(files), err)
	}
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole := sectionEnds(t, wasm)
		step := 1
		if raceEnabled {
			step = 7
		}
		for n := 0; n < len(wasm); n += step {
			_, err := Rewrite(wasm[:n], Options{})
			if err == nil && !whole[n] {
				t.Errorf("%s cut at %d of %d: no error", file, n, len(wasm))
			}
			checkError(t, wasm[:n], err)
		}
		for i := 0; i < len(wasm); i += step {
			flipped := bytes.Clone(wasm)
			flipped[i] ^= 1 << (i % 8)
			_, err := Rewrite(flipped, Options{})
			checkError(t, flipped, err)
			if i < len(magic) && err == nil {
				t.Errorf("%s flipped at %d: no error", file, i)
			}
		}
	}
}

// checkError demands that err is nil or says what and where.
func checkError(t *testing.T, wasm []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.What == "" || e.Offset < 0 || e.Offset > len(wasm) {
		t.Errorf("error %#v for %d bytes", err, len(wasm))
	}
	known := 0
	for _, cause := range []error{ErrMalformed, ErrUnsupported, ErrLimit, ErrReserved} {
		if errors.Is(err, cause) {
			known++
		}
	}
	if known != 1 {
		t.Errorf("error %v has %d causes", err, known)
	}
}

// sectionEnds are the lengths at which a module may be cut and still be whole,
// as far as one can see: at the end of a section, without functions that then
// lack their code.
func sectionEnds(t *testing.T, wasm []byte) map[int]bool {
	t.Helper()
	m, err := decode(wasm, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int]bool{len(magic): true}
	for id, s := range m.sections {
		if order[id] < order[secFunction] || order[id] >= order[secCode] {
			ends[s.end] = true
		}
	}
	return ends
}
