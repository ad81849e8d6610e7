package meter

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// errHeld is what a host that does not let the guest go on throws.
var errHeld = errors.New("held")

// handing is a module that puts the function hold of the module host into the
// table of the module guest.
var handing = func() []byte {
	w := writer{out: bytes.Clone(magic)}
	section := func(id byte, entry func(*writer)) {
		t := writer{out: []byte{1}}
		entry(&t)
		w.byte(id)
		w.u32(uint32(len(t.out)))
		w.bytes(t.out)
	}
	section(secType, func(t *writer) { t.bytes([]byte{0x60, 0, 0}) })
	section(secImport, func(t *writer) {
		t.out[0] = 2
		t.name("host")
		t.name("hold")
		t.bytes([]byte{byte(KindFunc), 0})
		t.name("guest")
		t.name(ExportHold)
		t.bytes([]byte{byte(KindTable), byte(FuncRef), 1, 1, 1})
	})
	section(secElement, func(t *writer) { t.bytes([]byte{0, opI32Const, 0, opEnd, 1, 0}) })
	return w.out
}()

// held makes the vector's call with a limit that rises by a slice at each check
// that fails, until it is the vector's own.
func (v vector) held(t *testing.T, config wazero.RuntimeConfig, slice uint64) (vector, int) {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "golden", v.Module+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := mustRewrite(t, wasm, Options{MemoryPages: v.Pages, Hold: true})
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer rt.Close(ctx)
	v.Results, v.Trap, v.Status, v.Fuel, v.Peak, v.Probes = nil, "", 0, 0, 0, nil
	probe(t, rt, &v.Probes)
	limit := v.Limit
	if limit == 0 {
		limit = 1_000_000
	}
	var g guest
	holds := 0
	hold := func(context.Context, api.Module) {
		holds++
		if g.fuel() <= g.global(ExportLimit) {
			t.Errorf("%s %s: held at %d, below the limit", v.Module, v.Call, g.fuel())
		}
		if g.fuel() > limit {
			panic(errHeld)
		}
		g.set(ExportLimit, min(limit, g.fuel()+slice))
	}
	if _, err := rt.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(hold).Export("hold").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m.Start = "" // called below, when there is who to ask
	if g, err = instantiate(rt, m, "guest", min(limit, slice)); err != nil {
		v.Trap = trapText(err)
		return v, holds
	}
	if _, err := rt.InstantiateWithConfig(ctx, handing, wazero.NewModuleConfig().WithName("handing")); err != nil {
		t.Fatal(err)
	}
	if v.Depth != 0 {
		g.set(ExportMaxDepth, v.Depth)
	}
	if g.mod.ExportedFunction(ExportStart) != nil {
		_, err = g.call(ExportStart)
	}
	if err == nil {
		v.Results, err = g.call(v.Call, v.Args...)
	}
	switch {
	case errors.Is(err, errHeld):
		v.Status = StatusLimit
	case g.status() != StatusNone:
		v.Status = g.status()
	default:
		v.Trap = trapText(err)
	}
	v.Fuel = g.fuel()
	if mem := g.mod.ExportedMemory(ExportMemory); mem != nil {
		v.Peak = mem.Size() / 65536
	}
	return v, holds
}

// TestHold: a guest that asks at each check, whose limit rises bit by bit, pays
// and does what it pays and does with one limit.
func TestHold(t *testing.T) {
	total := 0
	for i, want := range readVectors(t) {
		for n, engine := range engines {
			if n != i%2 || raceEnabled && want.Fuel > 100_000 {
				continue
			}
			slice := []uint64{1, 1000}[min(want.Fuel/100_000, 1)]
			got, holds := want.held(t, engine.config(), slice)
			total += holds
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s %d on the %s:\ngot  %+v\nwant %+v", want.Module, want.Call, want.Args, engine.name, got, want)
			}
		}
	}
	if total < 1000 {
		t.Errorf("held %d times in all", total)
	}
}
