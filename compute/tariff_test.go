package compute

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/peersea/sea/identity"
)

var updateTariff = flag.Bool("update.tariff", false, "write what testdata/tariff/vectors.json expects; tariff 1 is frozen, so nothing but new vectors may change")

// tariffVector is a line of testdata/tariff/vectors.json: a job and all that
// comes of it. README.md there says what the fields mean.
type tariffVector struct {
	Name   string   `json:"name"`
	Module string   `json:"module"`
	Args   []string `json:"args,omitempty"`
	Stdin  string   `json:"stdin,omitempty"`
	Fuel   uint64   `json:"fuel_limit,omitempty"`
	Pages  uint32   `json:"memory_pages,omitempty"`
	Output uint64   `json:"output_bytes,omitempty"`
	Depth  uint32   `json:"depth,omitempty"`

	Job       identity.Hash `json:"job"`
	End       End           `json:"end"`
	Code      int32         `json:"code,omitempty"`
	Trap      string        `json:"trap,omitempty"`
	Stdout    string        `json:"stdout,omitempty"`
	Used      uint64        `json:"fuel"`
	PeakPages uint32        `json:"pages"`
	Result    identity.Hash `json:"result"`
}

func tariffVectors(t *testing.T) []tariffVector {
	t.Helper()
	b, err := os.ReadFile("testdata/tariff/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var list []tariffVector
	if err := d.Decode(&list); err != nil || len(list) == 0 {
		t.Fatal("no vectors", err)
	}
	return list
}

// task is the vector's job.
func (v tariffVector) task(t *testing.T) *task {
	t.Helper()
	or := func(a, b uint64) uint64 {
		if a != 0 {
			return a
		}
		return b
	}
	k := &task{blobs: MapBlobs{}}
	module := wasmFile(t, "tariff/"+v.Module)
	k.Module, k.ModuleSize = k.blobs.Add(module).Hash, uint64(len(module))
	k.Args = v.Args
	k.stdin([]byte(v.Stdin))
	k.Tariff = Tariff1
	k.Limits = Limits{
		Fuel:        or(v.Fuel, 1_000_000),
		MemoryPages: uint32(or(uint64(v.Pages), 64)),
		OutputBytes: or(v.Output, 4096),
		Files:       16,
		Depth:       uint32(or(uint64(v.Depth), 1000)),
		WallMillis:  600_000,
	}
	return k
}

// expect is the vector with what came of it.
func (v tariffVector) expect(r Result) tariffVector {
	v.Job, v.End, v.Code, v.Trap = r.Job, r.End, r.Code, r.Trap
	v.Stdout, v.Used, v.PeakPages, v.Result = hex.EncodeToString(r.Stdout), r.Fuel, r.PeakPages, r.Hash()
	return v
}

// TestTariff holds tariff 1 to what it was, on both of wazero's engines: jobs,
// their fuel, pages and results. And it looks for the edge: a job with exactly
// the fuel it takes ends as it did, with one less it is out of fuel.
func TestTariff(t *testing.T) {
	list := tariffVectors(t)
	cache := t.TempDir()
	both := []*Engine{
		newEngine(t, Config{InProcess: true, CacheDir: cache}),
		newEngine(t, Config{InProcess: true, Interpreter: true}),
	}
	if raceEnabled { // which makes the interpreter and compiling slow
		both = both[:1]
	}
	for _, e := range both {
		for i, v := range list {
			k := v.task(t)
			r := k.run(t, e)
			got := v.expect(r)
			if *updateTariff {
				list[i] = got
				continue
			}
			if !reflect.DeepEqual(got, v) {
				t.Errorf("%s by the %s:\ngot  %+v\nwant %+v", v.Name, e.Name(), got, v)
			}
			if r.End == OutOfFuel || raceEnabled {
				continue
			}
			k.Limits.Fuel = r.Fuel
			same(t, k.run(t, e), r)
			k.Limits.Fuel--
			if k.Limits.Fuel == 0 {
				continue
			}
			if less := k.run(t, e); less.End != OutOfFuel || less.Fuel != r.Fuel-1 {
				t.Errorf("%s by the %s with a fuel of %d: %s, fuel %d", v.Name, e.Name(), r.Fuel-1, less.End, less.Fuel)
			}
		}
	}
	if *updateTariff {
		writeTariffVectors(t, list)
	}
}

// writeTariffVectors writes a vector a line.
func writeTariffVectors(t *testing.T, list []tariffVector) {
	t.Helper()
	var out bytes.Buffer
	for i, v := range list {
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%c\n%s", "[,"[min(i, 1)], line)
	}
	out.WriteString("\n]\n")
	if err := os.WriteFile("testdata/tariff/vectors.json", out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTariffModules sees to it that every module beside the vectors has one, and
// that names of vectors are not used twice.
func TestTariffModules(t *testing.T) {
	used, names := map[string]bool{}, map[string]bool{}
	for _, v := range tariffVectors(t) {
		used[v.Module] = true
		if names[v.Name] {
			t.Errorf("two vectors are named %q", v.Name)
		}
		names[v.Name] = true
	}
	files, err := filepath.Glob("testdata/tariff/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d modules: %v", len(files), err)
	}
	for _, f := range files {
		if !used[filepath.Base(f)] {
			t.Errorf("no vector runs %s", f)
		}
	}
}
