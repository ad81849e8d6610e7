package wasi

import (
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/peersea/sea/compute/internal/meter"
)

// forwarder is a module with memory and, for each call, a function
// of the same type that makes it: the guest is the test, through a real engine.
func forwarder() []byte {
	var imports, exports, funcs, code []byte
	types := append([]byte{}, byte(len(calls)))
	for i, c := range calls {
		types = append(types, 0x60, byte(len(c.params)))
		for _, l := range c.params {
			types = append(types, valueType(l))
		}
		types = append(types, byte(len(c.results())))
		for _, l := range c.results() {
			types = append(types, valueType(l))
		}
		imports = append(name(name(imports, Module), c.name), 0, byte(i))
		exports = append(name(exports, c.name), 0, byte(len(calls)+i))
		funcs = append(funcs, byte(i))
		body := []byte{0} // no locals
		for p := range len(c.params) {
			body = append(body, 0x20, byte(p)) // local.get
		}
		body = append(body, 0x10, byte(i), 0x0b) // call, end
		code = append(append(code, byte(len(body))), body...)
	}
	exports = append(name(exports, meter.ExportMemory), 2, 0)
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = section(b, 1, types)
	b = section(b, 2, append([]byte{byte(len(calls))}, imports...))
	b = section(b, 3, append([]byte{byte(len(calls))}, funcs...))
	b = section(b, 5, []byte{1, 0, memorySize >> 16})
	b = section(b, 7, append([]byte{byte(len(calls) + 1)}, exports...))
	return section(b, 10, append([]byte{byte(len(calls))}, code...))
}

func valueType(l rune) byte {
	if l == 'l' {
		return 0x7e
	}
	return 0x7f
}

func name(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// section appends a section, whose length here is below 2^14.
func section(b []byte, id byte, body []byte) []byte {
	return append(append(b, id, byte(len(body))|0x80, byte(len(body)>>7)), body...)
}

// ways are the ways to make a call: as the other tests do, and through wazero's
// compiler and interpreter.
func ways(t *testing.T) map[string]func(t *testing.T, cfg Config) *guest {
	list := map[string]func(*testing.T, Config) *guest{
		"direct": func(t *testing.T, cfg Config) *guest { return newGuest(t, cfg) },
	}
	for engine, cfg := range map[string]wazero.RuntimeConfig{
		"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter(),
	} {
		rt := wazero.NewRuntimeWithConfig(t.Context(), cfg)
		t.Cleanup(func() { _ = rt.Close(t.Context()) })
		names := make(map[string]bool)
		for _, c := range calls {
			names[c.name] = true
		}
		var world *World
		if err := Link(t.Context(), rt, names, func() *World { return world }); err != nil {
			t.Fatal(err)
		}
		compiled, err := rt.CompileModule(t.Context(), forwarder())
		if err != nil {
			t.Fatal(err)
		}
		list[engine] = func(t *testing.T, cfg Config) *guest {
			g := newGuest(t, cfg)
			mod, err := rt.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = mod.Close(t.Context()) })
			world, g.mod = g.World, mod
			g.m, _ = mod.ExportedMemory(meter.ExportMemory).Read(0, memorySize)
			return g
		}
	}
	return list
}

// forward makes a call through the engine.
func (g *guest) forward(name string, params []uint64) (e errno, ended bool) {
	got, err := g.mod.ExportedFunction(name).Call(g.t.Context(), params...)
	var exit *sys.ExitError
	switch {
	case errors.As(err, &exit):
		return 0, true
	case err != nil:
		g.t.Fatalf("%s%v: %v", name, params, err)
	}
	return errno(api.DecodeU32(got[0])), false
}
