package meter

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
)

// trapModule is a module whose export "f" has this body, of type []->[], with a
// memory of a page, a passive segment of each kind, and a table of f, a function
// of another type, nothing, and function 1, which divides by 0 for 6 fuel.
func trapModule(body string) []byte {
	f := sized([]byte("\x03\x02\x7f\x01\x7e\x01\x7c" + body + "\x0b"))
	divides := sized([]byte("\x00\x41\x07\x1a\x41\x01\x41\x00\x6d\x1a\x41\x01\x1a\x0b"))
	other := sized([]byte("\x00\x0b"))
	return build(secType, "\x02\x60\x00\x00\x60\x01\x7f\x00", secFunction, "\x03\x00\x00\x01", secTable, "\x01\x70\x00\x04",
		secMemory, "\x01\x00\x01", secGlobal, "\x01\x7e\x01\x42\x00\x0b", secExport, "\x01\x01f\x00\x00",
		secElement, "\x03\x00\x41\x00\x0b\x02\x00\x02\x01\x00\x01\x00\x00\x41\x03\x0b\x01\x01", secDataCount, "\x01",
		secCode, join("\x03", f, divides, other), secData, "\x01\x01\x02ab")
}

// traps are bodies that trap, with the fuel that docs/TARIFF.md makes of them: a
// run that begins is paid whole.
var traps = []struct {
	name, body, trap string
	status           Status
	fuel             uint64
}{
	{"unreachable", "\x41\x01\x1a\x00", "unreachable", 0, 2},
	{"unreachable in an arm", "\x41\x01\x04\x40\x41\x02\x1a\x00\x05\x41\x03\x1a\x41\x04\x1a\x0b\x41\x05\x1a", "unreachable", 0, 4},
	{"load", "\x41\x7f\x28\x02\x00\x1a\x41\x05\x1a", "out of bounds memory access", 0, 4},
	{"store", "\x41\x7f\x41\x00\x36\x02\x00\x41\x05\x1a", "out of bounds memory access", 0, 5},
	{"store behind an if", "\x20\x00\x04\x40\x41\x01\x1a\x0b\x41\x7f\x41\x00\x36\x02\x00", "out of bounds memory access", 0, 6},
	{"store behind a branch", "\x20\x00\x0d\x00\x41\x7f\x41\x00\x36\x02\x00\x41\x05\x1a", "out of bounds memory access", 0, 7},
	{"store behind a block that calls", "\x02\x40\x20\x00\x0d\x00\x10\x01\x0b\x41\x7f\x41\x00\x36\x02\x00\x41\x05\x1a", "integer divide by zero", 0, 4 + 6},
	{"load at the third turn", "\x03\x40\x20\x00\x28\x02\x00\x1a\x20\x00\x41\x80\x80\x02\x6a\x22\x00\x0d\x00\x0b", "out of bounds memory access", 0, 1 + 3*7},
	{"load behind a loop", "\x03\x40\x20\x00\x41\x01\x6a\x22\x00\x41\x0a\x48\x0d\x00\x0b\x41\x7f\x2d\x00\x00\x1a", "out of bounds memory access", 0, 1 + 10*7 + 2},
	{"vector load", "\x41\x71\xfd\x00\x00\x00\x1a\x41\x05\x1a", "out of bounds memory access", 0, 4},
	{"division", "\x41\x01\x41\x00\x6d\x1a\x41\x05\x1a", "integer divide by zero", 0, 5},
	{"remainder", "\x42\x01\x42\x00\x82\x1a\x41\x05\x1a", "integer divide by zero", 0, 5},
	{"overflow", "\x41\x80\x80\x80\x80\x78\x41\x7f\x6d\x1a\x41\x05\x1a", "integer overflow", 0, 5},
	{"truncation", "\x44\x00\x00\x00\x00\x00\x00\xf0\x7f\xaa\x1a\x41\x05\x1a", "integer overflow", 0, 4},
	{"truncation of a NaN", "\x44\x00\x00\x00\x00\x00\x00\xf8\x7f\xb0\x1a\x41\x05\x1a", "invalid conversion to integer", 0, 4},
	{"indirect call of another type", "\x41\x01\x11\x00\x00\x41\x05\x1a", "indirect call type mismatch", 0, 3},
	{"indirect call of nothing", "\x41\x02\x11\x00\x00\x41\x05\x1a", "invalid table access", 0, 3},
	{"indirect call behind the table", "\x41\x04\x11\x00\x00\x41\x05\x1a", "invalid table access", 0, 3},
	{"indirect call that traps", "\x41\x03\x11\x00\x00\x41\x05\x1a", "integer divide by zero", 0, 3 + 6},
	{"call that traps", "\x41\x01\x1a\x10\x01\x41\x05\x1a", "integer divide by zero", 0, 3 + 6},
	{"tail call that traps", "\x41\x01\x1a\x12\x01", "integer divide by zero", 0, 3 + 6},
	{"table.get", "\x41\x04\x25\x00\x1a\x41\x05\x1a", "invalid table access", 0, 4},
	{"memory.fill", "\x41\x7f\x41\x00\x41\x10\xfc\x0b\x00\x41\x05\x1a", "out of bounds memory access", 0, 6 + 16},
	{"memory.fill of 2 GiB", "\x41\x00\x41\x00\x41\x80\x80\x80\x80\x78\xfc\x0b\x00\x41\x05\x1a", "out of bounds memory access", 0, 6 + 1<<31},
	{"memory.copy from behind", "\x41\x00\x41\x7f\x41\x10\xfc\x0a\x00\x00\x41\x05\x1a", "out of bounds memory access", 0, 6 + 16},
	{"memory.copy of 2 GiB", "\x41\x00\x41\x00\x41\x80\x80\x80\x80\x78\xfc\x0a\x00\x00\x41\x05\x1a", "out of bounds memory access", 0, 6 + 1<<31},
	{"memory.init", "\x41\x00\x41\x00\x41\x03\xfc\x08\x00\x00\x41\x05\x1a", "out of bounds memory access", 0, 6 + 3},
	{"table.init", "\x41\x00\x41\x00\x41\x02\xfc\x0c\x01\x00\x41\x05\x1a", "invalid table access", 0, 6 + 2},
	{"table.copy", "\x41\x01\x41\x01\x41\x04\xfc\x0e\x00\x00\x41\x05\x1a", "invalid table access", 0, 6 + 4},
	{"depth", "\x41\x05\x1a\x10\x00\x41\x05\x1a", "", StatusDepth, (testDepth + 1) * 3},
	{"limit in a loop", "\x03\x40\x20\x00\x1a\x0c\x00\x0b", "", StatusLimit, 1<<40 + 1},
}

// TestTrapFuel: what a trap costs is what the tariff says, on both engines, and
// by the meter that writes each payment down where its run begins.
func TestTrapFuel(t *testing.T) {
	for _, test := range traps {
		wasm := trapModule(test.body)
		for form, m := range map[string]Module{"": mustRewrite(t, wasm, Options{}), ", plainly": rewritePlain(t, wasm, Options{})} {
			for _, engine := range engines {
				rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
				g, err := instantiate(rt, m, "", 1<<40)
				if err != nil {
					t.Fatal(err)
				}
				want := test.fuel
				if test.status == StatusLimit { // which nobody waits for
					g.set(ExportLimit, 1000)
					want = 1001
				}
				_, err = g.call("f")
				got := trapText(err)
				if test.status != StatusNone {
					got = ""
				}
				if err == nil || got != test.trap || g.status() != test.status || g.fuel() != want {
					t.Errorf("%s on the %s%s: %q with status %d for %d fuel, want %q with %d for %d",
						test.name, engine.name, form, trapText(err), g.status(), g.fuel(), test.trap, test.status, want)
				}
				rt.Close(context.Background())
			}
		}
	}
}
