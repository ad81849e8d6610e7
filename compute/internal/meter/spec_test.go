package meter

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var fullSpec = flag.Bool("spec.full", false, "run both versions of the WebAssembly specification's suite on both engines")

// wazeroDir finds wazero's source, which carries the specification's suite.
var wazeroDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return strings.TrimSpace(string(out)), err
})

// specSuite finds the suite's files and the module they import.
func specSuite(t *testing.T, version string) (files []string, host []byte) {
	t.Helper()
	dir, err := wazeroDir()
	if err != nil {
		t.Fatal(err)
	}
	suites := filepath.Join(dir, "internal", "integration_test", "spectest")
	host, err = os.ReadFile(filepath.Join(suites, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	files, err = filepath.Glob(filepath.Join(suites, version, "testdata", "*.json"))
	if want := specFiles[version]; err != nil || len(files) < want {
		t.Fatalf("found %d files of the suite, want %d and more: %v", len(files), want, err)
	}
	return files, host
}

// specFiles are the suite's parts and the least number of files of each.
var specFiles = map[string]int{"v1": 50, "v2": 50, "tail-call": 2, "extended-const": 3}

var specFeatures = map[string]api.CoreFeatures{
	"v1": api.CoreFeaturesV1, "v2": api.CoreFeaturesV2, "tail-call": features, "extended-const": features,
}

// TestSpec runs the WebAssembly specification's suite, metered.
func TestSpec(t *testing.T) {
	for _, version := range []string{"v1", "v2", "tail-call", "extended-const"} {
		for _, engine := range engines {
			if !*fullSpec && (version == "v1" && engine.name == "compiler" || version == "v2" && engine.name == "interpreter") {
				continue
			}
			if raceEnabled && (version == "v2" || version == "tail-call" && engine.name == "interpreter") {
				continue // thousands of modules, a million calls
			}
			t.Run(version+"/"+engine.name, func(t *testing.T) {
				files, host := specSuite(t, version)
				config := engine.config().WithCoreFeatures(specFeatures[version])
				for _, file := range files {
					t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
						t.Parallel()
						runSpec(t, file, host, config, Rewrite)
					})
				}
			})
		}
	}
}

// TestSpecPlain runs the suite without the meter: what the suite wants is what
// the engines do, so a difference in TestSpec would be ours.
func TestSpecPlain(t *testing.T) {
	if !*fullSpec {
		t.Skip("only with -spec.full")
	}
	for version := range specFiles {
		for _, engine := range engines {
			t.Run(version+"/"+engine.name, func(t *testing.T) {
				files, host := specSuite(t, version)
				config := engine.config().WithCoreFeatures(specFeatures[version])
				for _, file := range files {
					runSpec(t, file, host, config, unmetered)
				}
			})
		}
	}
}

// unmetered stands in for Rewrite and changes nothing.
func unmetered(wasm []byte, _ Options) (Module, error) { return Module{Wasm: wasm}, nil }

// controlFiles are the suite's files about control flow and what is paid by
// size: where runs begin and end.
var controlFiles = []string{"block", "br", "br_if", "br_table", "bulk", "call", "fac", "float_exprs", "forward", "if",
	"labels", "left-to-right", "local_tee", "loop", "memory_copy", "nop", "ref_func", "return",
	"return_call", "return_call_indirect", "select", "start", "switch", "table_copy", "table_grow", "traps", "unreachable", "unwind"}

// TestSpecFuel runs files of the suite twice, once where every instruction pays
// for itself: each call must have cost the same.
func TestSpecFuel(t *testing.T) {
	files, host := specSuite(t, "v2")
	if tail, _ := specSuite(t, "tail-call"); !raceEnabled {
		files = append(files, tail...)
	}
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features)
	calls := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if !*fullSpec && !slices.Contains(controlFiles, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			runs := runSpec(t, file, host, config, Rewrite)
			each := runSpec(t, file, host, config, func(wasm []byte, opt Options) (Module, error) {
				if _, err := Rewrite(wasm, opt); err != nil {
					return Module{}, err
				}
				return rewriteNaive(t, wasm, opt), nil
			})
			if !slices.Equal(runs, each) {
				t.Errorf("calls cost %d, paid by instruction %d", runs, each)
			}
			calls += len(runs)
		})
	}
	if calls < 1000 {
		t.Errorf("compared %d calls, want 1000 and more", calls)
	}
}

type specCommand struct {
	Type       string     `json:"type"`
	Line       int        `json:"line"`
	Name       string     `json:"name"`
	Filename   string     `json:"filename"`
	As         string     `json:"as"`
	ModuleType string     `json:"module_type"`
	Text       string     `json:"text"`
	Expected   []specVal  `json:"expected"`
	Action     specAction `json:"action"`
}

type specAction struct {
	Type   string    `json:"type"`
	Module string    `json:"module"`
	Field  string    `json:"field"`
	Args   []specVal `json:"args"`
}

type specVal struct {
	Type  string          `json:"type"`
	Lane  string          `json:"lane_type"`
	Value json.RawMessage `json:"value"`
}

// specRun is one file of the suite under way.
type specRun struct {
	t       *testing.T
	dir     string
	rt      wazero.Runtime
	last    guest
	named   map[string]guest
	rewrite func(wasm []byte, opt Options) (Module, error)
	fuels   []uint64 // what each command paid that ended without a trap
}

// runSpec runs a file of the suite and returns what its calls paid.
func runSpec(t *testing.T, file string, host []byte, config wazero.RuntimeConfig, rewrite func([]byte, Options) (Module, error)) []uint64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var script struct {
		Commands []specCommand `json:"commands"`
	}
	if err := json.Unmarshal(raw, &script); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s := &specRun{t: t, dir: filepath.Dir(file), rt: wazero.NewRuntimeWithConfig(ctx, config), named: map[string]guest{}, rewrite: rewrite}
	defer s.rt.Close(ctx)
	if _, err := s.rt.InstantiateWithConfig(ctx, host, wazero.NewModuleConfig()); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(script.Commands); i++ {
		c := &script.Commands[i]
		name := ""
		if c.Type == "module" && i+1 < len(script.Commands) && script.Commands[i+1].Type == "register" {
			i++
			name = script.Commands[i].As
		}
		if err := s.command(c, name); err != nil {
			t.Errorf("line %d: %s %s: %v", c.Line, c.Type, c.Action.Field, err)
		}
	}
	return s.fuels
}

// load meters and instantiates a module of the suite.
func (s *specRun) load(file, name string) (guest, error) {
	wasm, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	lim := Limits{Targets: 25_000} // the suite has one br_table of 24,615 entries
	if _, err := Admit(wasm, lim); err != nil {
		return guest{}, err
	}
	m, err := s.rewrite(wasm, Options{Limits: lim})
	if err != nil {
		return guest{}, err
	}
	return instantiate(s.rt, m, name, MaxLimit)
}

func (s *specRun) command(c *specCommand, name string) error {
	g := s.last
	if c.Action.Module != "" {
		g = s.named[c.Action.Module]
	}
	switch c.Type {
	case "module":
		g, err := s.load(c.Filename, name)
		if err != nil {
			s.t.Fatalf("line %d: %v", c.Line, err)
		}
		s.last = g
		if c.Name != "" {
			s.named[c.Name] = g
		}
	case "action", "assert_return":
		return s.assertReturn(g, c)
	case "assert_trap":
		_, err := g.call(c.Action.Field, values(c.Action.Args)...)
		if err == nil || g.status() != StatusNone {
			return fmt.Errorf("got %v with status %d, want the trap %q", err, g.status(), c.Text)
		}
		if got, want := trapText(err), specTrap(c.Text); got != want {
			return fmt.Errorf("trap %q, want %q", got, want)
		}
	case "assert_exhaustion":
		metered := g.mod.ExportedGlobal(ExportStatus) != nil
		if _, err := g.call(c.Action.Field, values(c.Action.Args)...); err == nil || metered && g.status() != StatusDepth {
			return fmt.Errorf("got %v with status %d, want status %d", err, g.status(), StatusDepth)
		}
	case "assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return nil
		}
		_, err := s.load(c.Filename, "")
		if c.Text == "out of bounds table access" {
			// We refuse elements that do not fit, where that can be seen. Else
			// wazero keeps the instance: the suite looks at what was written
			// before them.
			if errors.Is(err, ErrMalformed) {
				return nil
			}
			return err
		}
		if err == nil {
			return fmt.Errorf("accepted, want %q", c.Text)
		}
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

func (s *specRun) assertReturn(g guest, c *specCommand) error {
	if c.Action.Type == "get" {
		got := g.mod.ExportedGlobal(c.Action.Field).Get()
		if want := values(c.Expected)[0]; got != want {
			return fmt.Errorf("got %#x, want %#x", got, want)
		}
		return nil
	}
	before := g.fuel()
	got, err := g.call(c.Action.Field, values(c.Action.Args)...)
	if err != nil {
		return err
	}
	s.fuels = append(s.fuels, g.fuel()-before)
	for _, want := range c.Expected {
		n := len(values([]specVal{want}))
		if n > len(got) {
			return fmt.Errorf("results missing")
		}
		if !want.matches(got[:n]) {
			return fmt.Errorf("got %#x, want %s %s %s", got[:n], want.Type, want.Lane, want.Value)
		}
		got = got[n:]
	}
	return nil
}

// specTrap is wazero's word for the suite's.
func specTrap(text string) string {
	switch text {
	case "indirect call type mismatch", "indirect call":
		return "indirect call type mismatch"
	case "undefined element", "undefined", "out of bounds table access":
		return "invalid table access"
	}
	if strings.HasPrefix(text, "uninitialized") {
		return "invalid table access"
	}
	return text
}

// lanes splits a value into its numbers, each with its width in bits.
func (v specVal) lanes() (numbers []string, width int) {
	if v.Type != "v128" {
		var one string
		_ = json.Unmarshal(v.Value, &one)
		width = 64
		if strings.HasSuffix(v.Type, "32") {
			width = 32
		}
		return []string{one}, width
	}
	_ = json.Unmarshal(v.Value, &numbers)
	return numbers, 128 / len(numbers)
}

// bits is the number as the engine passes it; NaNs that are only described are 0.
func (v specVal) bits(number string, width int) uint64 {
	if number == "" || number == "null" || strings.HasPrefix(number, "nan:") {
		return 0
	}
	if strings.HasPrefix(number, "-") {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic(err)
		}
		return uint64(n) & (math.MaxUint64 >> (64 - width))
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		panic(err)
	}
	if v.Type == "externref" {
		n++ // wazero's null is 0
	}
	return n
}

// values are arguments as the engine takes them: two numbers for a vector.
func values(vals []specVal) (out []uint64) {
	for _, v := range vals {
		numbers, width := v.lanes()
		words := make([]uint64, 1)
		if v.Type == "v128" {
			words = make([]uint64, 2)
		}
		for i, n := range numbers {
			words[i*width/64] |= v.bits(n, width) << (i * width % 64)
		}
		out = append(out, words...)
	}
	return out
}

// matches compares a result with what the suite expects of it.
func (v specVal) matches(got []uint64) bool {
	if v.Value == nil {
		return true // any reference
	}
	numbers, width := v.lanes()
	for i, n := range numbers {
		lane := got[i*width/64] >> (i * width % 64) & (math.MaxUint64 >> (64 - width))
		kind := v.Type
		if v.Lane != "" {
			kind = v.Lane
		}
		switch {
		case n == "nan:canonical" || n == "nan:arithmetic":
			if !isNaN(kind, lane, n == "nan:canonical") {
				return false
			}
		case lane != v.bits(n, width):
			return false
		}
	}
	return true
}

// isNaN tells whether bits are a NaN as arithmetic makes it, or with exact, one
// without a payload, of either sign.
func isNaN(kind string, bits uint64, exact bool) bool {
	sign, quiet := uint64(1)<<63, uint64(0x7ff8000000000000)
	if kind == "f32" {
		sign, quiet = 1<<31, 0x7fc00000
	}
	if exact {
		return bits&^sign == quiet
	}
	return bits&quiet == quiet
}
