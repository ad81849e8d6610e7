package meter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// engines are wazero's two, which must agree on everything.
var engines = []struct {
	name   string
	config func() wazero.RuntimeConfig
}{
	{"compiler", func() wazero.RuntimeConfig { return wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features) }},
	{"interpreter", func() wazero.RuntimeConfig { return wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features) }},
}

// features are what guests run with.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// testDepth is a depth limit that the interpreter's 2,000 frames serve.
const testDepth = 1500

// guest is an instance of a metered module. Of one that is not metered the
// meter's globals are all 0.
type guest struct {
	mod api.Module
}

func (g guest) global(name string) uint64 {
	if v := g.mod.ExportedGlobal(name); v != nil {
		return v.Get()
	}
	return 0
}

func (g guest) set(name string, v uint64) {
	if global := g.mod.ExportedGlobal(name); global != nil {
		global.(api.MutableGlobal).Set(v)
	}
}

func (g guest) fuel() uint64   { return g.global(ExportFuel) }
func (g guest) status() Status { return Status(g.global(ExportStatus)) }

// call calls an export as a host must.
func (g guest) call(name string, args ...uint64) ([]uint64, error) {
	f := g.mod.ExportedFunction(name)
	if f == nil {
		return nil, fmt.Errorf("no function %q", name)
	}
	g.set(ExportDepth, 0)
	g.set(ExportStatus, 0)
	results, err := f.Call(context.Background(), args...)
	return tidy(f, results), err
}

// tidy clears the upper halves of results of 32 bits, which wazero leaves as
// they happen to be.
func tidy(f api.Function, results []uint64) []uint64 {
	i := 0
	for _, t := range f.Definition().ResultTypes() {
		if i >= len(results) {
			break
		}
		switch ValueType(t) {
		case I32, F32:
			results[i] = uint64(uint32(results[i]))
		case V128:
			i++
		}
		i++
	}
	if len(results) == 0 {
		return nil
	}
	return results
}

// instantiate starts a metered module as a host must.
func instantiate(rt wazero.Runtime, m Module, name string, limit uint64) (guest, error) {
	ctx := context.Background()
	mod, err := rt.InstantiateWithConfig(ctx, m.Wasm, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return guest{}, err
	}
	g := guest{mod}
	g.set(ExportLimit, limit)
	g.set(ExportMaxDepth, testDepth)
	if m.Start != "" {
		if _, err := g.call(m.Start); err != nil {
			return g, err
		}
	}
	return g, nil
}

// trapText is the engine's word for a trap, without its stack trace.
func trapText(err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(text, "wasm error: ")
}

// mustRewrite fails the test when wasm is refused.
func mustRewrite(t testing.TB, wasm []byte, opt Options) Module {
	t.Helper()
	m, err := Rewrite(wasm, opt)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("error is %T, want *Error: %v", err, err)
		}
		t.Fatal(err)
	}
	return m
}
