package meter

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestActiveSegment: nothing can be copied out of an active data segment, which
// wazero by itself would keep, and that costs what it costs of any other.
func TestActiveSegment(t *testing.T) {
	initOf := func(segment string) []byte { // copies as many bytes as it is told, from where it is told
		return sized([]byte("\x00\x41\x05\x20\x00\x20\x01\xfc\x08" + segment + "\x00\x0b"))
	}
	wasm := build(secType, "\x01\x60\x02\x7f\x7f\x00", secFunction, "\x03\x00\x00\x00", secMemory, "\x01\x00\x01",
		secExport, "\x03\x06active\x00\x00\x08explicit\x00\x01\x07passive\x00\x02", secDataCount, "\x03",
		secCode, join("\x03", initOf("\x00"), initOf("\x02"), initOf("\x01")),
		secData, "\x03\x00\x41\x00\x0b\x02ab\x01\x02cd\x02\x00\x41\x02\x0b\x02ef")
	for _, engine := range engines {
		rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
		defer rt.Close(context.Background())
		g, err := instantiate(rt, mustRewrite(t, wasm, Options{}), "", MaxLimit)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			call    string
			from, n uint64
			trap    string
		}{
			{"active", 0, 0, ""},
			{"active", 0, 1, "out of bounds memory access"},
			{"active", 1, 0, "out of bounds memory access"},
			{"explicit", 0, 0, ""},
			{"explicit", 0, 2, "out of bounds memory access"},
			{"passive", 0, 2, ""},
			{"passive", 1, 1, ""},
			{"passive", 1, 2, "out of bounds memory access"},
		} {
			before := g.fuel()
			_, err := g.call(test.call, test.from, test.n)
			if got := trapText(err); got != test.trap || g.status() != StatusNone || g.fuel()-before != 5+test.n {
				t.Errorf("%s: %s of %d from %d: %q with status %d for %d fuel, want %q for %d",
					engine.name, test.call, test.n, test.from, got, g.status(), g.fuel()-before, test.trap, 5+test.n)
			}
		}
		if bytes, _ := g.mod.Memory().Read(0, 8); string(bytes) != "abef\x00dd\x00" {
			t.Errorf("%s: memory begins with %q", engine.name, bytes)
		}
	}
}
