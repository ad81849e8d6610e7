package meter

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// readFunction reads a function of one local with this code, which may call
// function 1.
func readFunction(t *testing.T, code string) *body {
	t.Helper()
	f := sized([]byte("\x01\x01\x7f" + code + "\x0b"))
	leaf := sized([]byte("\x00\x0b"))
	wasm := build(secType, "\x01\x60\x00\x00", secFunction, "\x02\x00\x00", secMemory, "\x01\x00\x01", secCode, join("\x02", f, leaf))
	m, err := decode(wasm, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s := m.sections[secCode]
	b := &body{m: m, record: true, reader: reader{b: m.raw, pos: s.at + 1, end: s.end}}
	if b.function(0); b.err != nil {
		t.Fatal(b.err)
	}
	return b
}

// TestLooks counts what passes between two looks at the limit.
func TestLooks(t *testing.T) {
	const (
		load = "\x20\x00\x28\x02\x00\x21\x00" // local 0 = *local 0
		call = "\x10\x01"
	)
	each := 2*slowOther + slowMemory // nanoseconds of a load
	for _, test := range []struct {
		name  string
		code  string
		looks int
		entry bool
	}{
		{"a small leaf", strings.Repeat(load, 5), 0, false},
		{"a leaf that is slow", strings.Repeat(load, 6), 0, true},
		{"long without branches", strings.Repeat(load, maxUnseen/each+1), 1, true},
		{"longer", strings.Repeat(load, 10*maxUnseen/each), 10, true},
		{"arms, of which one is long", strings.Repeat("\x20\x00\x04\x40"+load+load+"\x05"+load+"\x0b", maxUnseen/(2*each+2*slowOther)+1), 1, true},
		{"long before a loop that is checked", strings.Repeat(load, maxUnseen/each-1) + "\x03\x40" + strings.Repeat(load, 9) + "\x20\x00\x0d\x00\x0b", 0, true},
		{"a loop that nothing goes back to", "\x03\x40" + load + "\x0b", 1, true},
		{"behind a call", call + strings.Repeat(load, (maxBehind-leafUnseen)/each-1), 0, true},
		{"far behind a call", call + strings.Repeat(load, (maxBehind-leafUnseen)/each+1), 1, true},
		{"far behind a call, past an arm that looked", call + strings.Repeat(load, 20) + "\x20\x00\x04\x40" + strings.Repeat(load, 9) + "\x0b" + strings.Repeat(load, 9), 2, true},
		{"calls in a row", strings.Repeat(call, 4) + "\x41\x00\x1a", 0, true},
		{"more calls in a row", strings.Repeat(call, 5) + "\x41\x00\x1a", 1, true},
		{"a body of calls", strings.Repeat(call, 1000), 199, true},
		{"a body of arithmetic", strings.Repeat("\x20\x00\x41\x01\x6a\x21\x00", 1<<20/8), 0, true},
		{"operations on memory", strings.Repeat("\x41\x00\x41\x00\x41\x00\xfc\x0b\x00", 100), 0, true},
	} {
		b := readFunction(t, test.code)
		looks := 0
		for _, e := range b.edits {
			if e.kind == editLook || e.kind == editPay && b.runs[e.arg].look {
				looks++
			}
		}
		if looks != test.looks || b.looksAtEntry() != test.entry {
			t.Errorf("%s: %d looks, at the entry %v, want %d, %v", test.name, looks, b.looksAtEntry(), test.looks, test.entry)
		}
	}
}

// TestBulk: a long memory.fill or memory.copy is done in pieces, with the bytes,
// traps and fuel of one, and ends between two of them when the limit is lowered.
func TestBulk(t *testing.T) {
	const pages = 65 // 4 MiB and a page
	body := func(instruction string) string { return "\x20\x00\x20\x01\x20\x02" + instruction }
	function := func(code string) []byte { return sized([]byte("\x00" + code + "\x0b")) }
	wasm := build(secType, "\x01\x60\x03\x7f\x7f\x7f\x00", secFunction, "\x02\x00\x00", secMemory, join("\x01\x00", uleb(pages)),
		secExport, "\x03\x01m\x02\x00\x04fill\x00\x00\x04copy\x00\x01",
		secCode, join("\x02", function(body("\xfc\x0b\x00")), function(body("\xfc\x0a\x00\x00"))))
	const size = pages << 16
	for _, engine := range engines {
		rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
		defer rt.Close(context.Background())
		g, err := instantiate(rt, mustRewrite(t, wasm, Options{}), "", MaxLimit)
		if err != nil {
			t.Fatal(err)
		}
		memory, _ := g.mod.ExportedMemory("m").Read(0, size)
		for i := range memory {
			memory[i] = byte(i*7 + i>>8*31 + i>>16)
		}
		want := bytes.Clone(memory)
		for _, test := range []struct {
			call        string
			to, from, n uint64
		}{
			{"fill", 0, 1, size}, {"fill", 5, 0x102, 3<<20 + 1}, {"fill", 9, 3, 1 << 20}, {"fill", 9, 3, 1<<20 + 1}, {"fill", 9, 4, size},
			{"fill", 1<<32 - 1, 4, 2 << 20}, {"fill", 0, 4, 1<<32 - 1}, {"fill", size, 4, 0}, {"fill", size + 1, 4, 0},
			{"copy", 0, 1, 3 << 20}, {"copy", 1, 0, 3<<20 + 5}, {"copy", 1 << 20, 0, 3 << 20}, {"copy", 0, 1 << 20, 3 << 20},
			{"copy", 2<<20 + 9, 3, 2<<20 + 1}, {"copy", 77, 77, 2<<20 + 1}, {"copy", 0, 1, size}, {"copy", 1, 0, size}, {"copy", 0, 0, size},
			{"copy", 0, 1<<32 - 1, 2 << 20}, {"copy", 1<<32 - 1, 0, 2 << 20}, {"copy", 3, 1, 1<<32 - 1},
		} {
			for i := range memory {
				memory[i] += byte(i)
			}
			copy(want, memory)
			name := fmt.Sprint(engine.name, " ", test.call, " ", test.to, " ", test.from, " ", test.n)
			trap := ""
			switch {
			case test.to+test.n > size || test.call == "copy" && test.from+test.n > size:
				trap = "out of bounds memory access"
			case test.call == "copy":
				copy(want[test.to:][:test.n], want[test.from:])
			default:
				copy(want[test.to:], bytes.Repeat([]byte{byte(test.from)}, int(test.n)))
			}
			before := g.fuel()
			_, err := g.call(test.call, test.to, test.from, test.n)
			if got := trapText(err); got != trap || g.status() != StatusNone || g.fuel()-before != 5+test.n {
				t.Errorf("%s: %q with status %d for %d fuel, want %q for %d", name, got, g.status(), g.fuel()-before, trap, 5+test.n)
			}
			if !bytes.Equal(memory, want) {
				t.Errorf("%s: memory differs", name)
			}
		}
	}
}

// TestBulkStops: when the limit is lowered, no further piece is done.
func TestBulkStops(t *testing.T) {
	for name, instruction := range map[string][]byte{"fill": instructionFill, "copy": instructionCopy} {
		m, bad := decode(build(secMemory, "\x01\x00\x41"), Limits{})
		if bad != nil {
			t.Fatal(bad)
		}
		w := rewriter{m: m, pages: maxPages}
		w.indices()
		w.startIndex = w.function(bulkParams, nil, w.bulkBody(instruction, name == "copy"))
		m.start = 0 // for its export
		w.assemble()
		for _, engine := range engines {
			rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
			defer rt.Close(context.Background())
			g, err := instantiate(rt, Module{Wasm: w.out}, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			g.set(ExportFuel, 1)
			memory := g.mod.ExportedMemory(ExportMemory)
			memory.WriteByte(7, 7) // what a copy moves last, and first
			memory.WriteByte(3<<20+6, 7)
			if _, err := g.call(ExportStart, 1<<20, 7, 3<<20); err == nil || g.status() != StatusLimit {
				t.Errorf("%s on the %s: %v, status %d", name, engine.name, err, g.status())
			}
			for at, done := range map[uint32]bool{1 << 20: name == "fill", 2<<20 - 1: name == "fill", 2 << 20: false, 4<<20 - 1: name == "copy"} {
				if c, _ := memory.ReadByte(at); (c == 7) != done {
					t.Errorf("%s on the %s: byte %d is %d", name, engine.name, at, c)
				}
			}
		}
	}
}
