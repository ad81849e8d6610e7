package meter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestProposals: a module for each proposal beyond WebAssembly 2.0. Two are
// known, the others refused by name and place.
func TestProposals(t *testing.T) {
	code := func(body string) []byte { return function([]byte(body + "\x0b")) }
	withMemory := func(body string) []byte {
		return build(secType, voidType, secFunction, oneFunc, secMemory, "\x01\x00\x01", secCode, codeOf([]byte(body+"\x0b")))
	}
	for _, test := range []struct {
		what   string
		wasm   []byte
		offset int
		says   string // "" when the proposal is known
	}{
		{"tail calls: return_call", code("\x12\x00"), 0, ""},
		{"tail calls: return_call_indirect", build(secType, voidType, secFunction, oneFunc, secTable, "\x01\x70\x00\x01",
			secCode, codeOf([]byte("\x41\x00\x13\x00\x00\x0b"))), 0, ""},
		{"extended constants", build(secGlobal, "\x01\x7f\x00\x41\x01\x41\x01\x6a\x0b"), 0, ""},

		{"exception handling: tags", build(13, "\x00"), 8, exceptions},
		{"exception handling: imported tag", build(secType, voidType, secImport, "\x01\x01a\x01b\x04\x00\x00"), 0x15, exceptions},
		{"exception handling: exported tag", build(secExport, "\x01\x01a\x04\x00"), 0x0d, exceptions},
		{"exception handling: throw", code("\x08\x00"), 0x17, exceptions},
		{"exception handling: try_table", code("\x1f\x40\x00"), 0x17, exceptions},
		{"exception handling: try of old", code("\x06\x40"), 0x17, exceptions},
		{"exception handling: exnref", build(secType, "\x01\x60\x01\x69\x00"), 13, exceptions},
		{"typed function references: call_ref", code("\x14\x00"), 0x17, references},
		{"typed function references: return_call_ref", code("\x15\x00"), 0x17, references},
		{"typed function references: type", build(secType, "\x01\x60\x01\x64\x70\x00"), 13, references},
		{"typed function references: table", build(secTable, "\x01\x40\x00\x70\x00\x01\xd0\x70\x0b"), 11, references},
		{"garbage collection: struct", build(secType, "\x01\x5f\x00\x00\x00"), 11, collection},
		{"garbage collection: array", build(secType, "\x01\x5e\x7f\x00\x00"), 11, collection},
		{"garbage collection: recursion group", build(secType, "\x01\x4e\x01\x60\x00\x00"), 11, collection},
		{"garbage collection: anyref", build(secType, "\x01\x60\x01\x6e\x00"), 13, collection},
		{"garbage collection: struct.new", code("\xfb\x00\x00"), 0x17, collection},
		{"garbage collection: constant", build(secGlobal, "\x01\x7f\x00\x41\x00\xfb\x1c\x0b"), 15, collection},
		{"garbage collection: constant of an own global", build(secGlobal, "\x02\x7f\x00\x41\x01\x0b\x7f\x00\x23\x00\x0b"), 19, collection},
		{"threads: memory", build(secMemory, "\x01\x03\x01\x01"), 11, threads},
		{"threads: atomic load", withMemory("\x41\x00\xfe\x10\x02\x00\x1a"), 0x1e, threads},
		{"threads: fence", code("\xfe\x03\x00"), 0x17, threads},
		{"relaxed vectors", code("\xfd\x80\x02"), 0x17, relaxed},
		{"64-bit memory", build(secMemory, "\x01\x04\x01"), 11, memory64},
		{"64-bit memory: table", build(secTable, "\x01\x70\x04\x01"), 12, memory64},
		{"several memories", build(secMemory, "\x02\x00\x01\x00\x01"), 10, multiMemory},
		{"several memories: load", withMemory("\x41\x00\x28\x42\x00\x00\x1a"), 0x1e, multiMemory},
		{"several memories: size", withMemory("\x3f\x01\x1a"), 0x1c, multiMemory},
		{"custom page sizes", build(secMemory, "\x01\x08\x01\x00"), 11, pageSizes},
		{"stack switching: type", build(secType, "\x01\x5d\x00\x00"), 11, switching},
		{"stack switching: suspend", code("\xe2\x00"), 0x17, switching},
		{"wide arithmetic", code("\xfc\x13"), 0x17, wide},
		{"memory control", withMemory("\xfc\x12\x00"), 0x1c, control},
		{"half precision", code("\xfd\xa0\x02"), 0x17, halfFloats},
		{"component model", []byte("\x00asm\x0d\x00\x01\x00"), 4, "not a core module"},
	} {
		t.Run(test.what, func(t *testing.T) {
			_, err := Admit(test.wasm, Limits{})
			if _, again := Rewrite(test.wasm, Options{}); fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("Rewrite says %v, Admit %v", again, err)
			}
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkError(t, test.wasm, err)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrUnsupported) || e.Offset != test.offset || !strings.Contains(e.What, test.says) {
				t.Errorf("got %v, want %q at %#x", err, test.says, test.offset)
			}
		})
	}
}

// TestConstants: constant expressions that are no such thing, or would make an
// engine keep millions of values.
func TestConstants(t *testing.T) {
	global := func(expr string) []byte { return build(secGlobal, join("\x01\x7f\x00", expr, "\x0b")) }
	imported := func(mutable, expr string) []byte {
		return build(secImport, join("\x01\x01a\x01b\x03\x7f", mutable), secGlobal, join("\x01\x7f\x00", expr, "\x0b"))
	}
	for _, test := range []struct {
		name, says string
		wasm       []byte
	}{
		{"two", "constant expression of 2 values", global("\x41\x00\x41\x00")},
		{"half", "operand missing", global("\x41\x00\x6a")},
		{"other arithmetic", "instruction 0x6d in a constant expression", global("\x41\x01\x41\x01\x6d")},
		{"behind", "unknown global 1 of 1", imported("\x00", "\x23\x01")},
		{"mutable", "mutable global 0", imported("\x01", "\x23\x00")},
		{"many", "values at once in a constant expression: 50001, at most 50000", global(strings.Repeat("\x41\x00", 1_000_000))},
		{"imported", "", imported("\x00", "\x23\x00\x23\x00\x6c")},
		{"long", "", global("\x41\x00" + strings.Repeat("\x41\x01\x6a", 1_000_000))},
	} {
		_, err := Admit(test.wasm, Limits{})
		checkError(t, test.wasm, err)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.says)
		}
	}
}
