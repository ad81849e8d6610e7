package meter

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// build assembles a module from sections, each an id and its content.
func build(sections ...any) []byte {
	var w writer
	w.bytes(magic)
	for i := 0; i < len(sections); i += 2 {
		var content []byte
		switch c := sections[i+1].(type) {
		case []byte:
			content = c
		case string:
			content = []byte(c)
		}
		w.byte(byte(sections[i].(int)))
		w.u32(uint32(len(content)))
		w.bytes(content)
	}
	return w.out
}

// vec is a vector of n entries that are the same.
func vec(n int, entry string) []byte {
	var w writer
	w.u32(uint32(n))
	w.bytes(bytes.Repeat([]byte(entry), n))
	return w.out
}

// sized puts the length before b.
func sized(b []byte) []byte {
	var w writer
	w.u32(uint32(len(b)))
	w.bytes(b)
	return w.out
}

// codeOf is a code section of one function without locals.
func codeOf(body []byte) []byte {
	return append([]byte{1}, sized(append([]byte{0}, body...))...)
}

// join concatenates.
func join(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

const (
	voidType = "\x01\x60\x00\x00" // one type: no parameters, no results
	oneFunc  = "\x01\x00"         // one function of it
)

// function is a module of one function of type []->[].
func function(body []byte) []byte {
	return build(secType, voidType, secFunction, oneFunc, secCode, codeOf(body))
}

func uleb(v int) []byte {
	var w writer
	w.u32(uint32(v))
	return w.out
}

// TestLimits goes over each limit, by one where that can be, and demands a
// quick refusal that names it.
func TestLimits(t *testing.T) {
	locals := func(n int) []byte { return append([]byte{1}, append(uleb(n), byte(I32))...) }
	localsOf := func(functions, n int) []byte {
		body := sized(append(locals(n), opEnd))
		return build(secType, voidType, secFunction, vec(functions, "\x00"), secCode, vec(functions, string(body)))
	}
	nest := func(n int) []byte {
		return function(join(bytes.Repeat([]byte{opBlock, blockEmpty}, n), bytes.Repeat([]byte{opEnd}, n+1)))
	}
	table := func(n int) []byte {
		return function(join("\x41\x00\x0e", vec(n, "\x00"), "\x00\x0b"))
	}
	tables := func(n int) []byte {
		one := string(join("\x41\x00\x0e", vec(8192, "\x00"), "\x00\x0b"))
		body := sized(append([]byte{0}, one...))
		return build(secType, voidType, secFunction, vec(n, "\x00"), secCode, vec(n, string(body)))
	}
	for _, test := range []struct {
		name string
		over []byte
		at   []byte // still fine
		says string
	}{
		{"47 bytes, 4 billion locals", build(secType, voidType, secFunction, oneFunc, secCode,
			append([]byte{1}, sized(join("\x01\xff\xff\xff\xff\x0f\x7f\x0b"))...)), nil, "locals of one function: 4294967295, at most 49991"},
		{"two groups of 2 billion", build(secType, voidType, secFunction, oneFunc, secCode,
			append([]byte{1}, sized(join("\x03\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7f\x0b"))...)), nil, "locals of one function: 12884901885"},
		{"4 billion floats", build(secType, voidType, secFunction, oneFunc, secCode,
			append([]byte{1}, sized(join("\x01\xff\xff\xff\xff\x0f\x7c\x0b"))...)), nil, "locals of one function: 4294967295, at most 49991"},
		{"locals", localsOf(1, 49_992), localsOf(1, 49_991), "locals of one function: 49992, at most 49991"},
		{"module locals", localsOf(21, 49_000), localsOf(20, 49_991), "locals of all functions: 1029000, at most 1000000"},
		{"nesting", nest(8193), nest(8192), "nested blocks: 8193, at most 8192"},
		{"192 kB of nested blocks", nest(96_000), nil, "nested blocks: 8193"},
		{"br_table", table(8193), table(8192), "br_table entries: 8193, at most 8192"},
		{"1 MB br_table", table(1_000_000), nil, "br_table entries: 1000000"},
		{"all br_tables", tables(123), tables(122), "br_table entries of all functions: 1007616, at most 1000000"},
		{"functions", build(secType, voidType, secFunction, vec(100_001, "\x00")), nil, "functions: 100001, at most 100000"},
		{"body", function(append(bytes.Repeat([]byte{opNop}, 1<<20), opEnd)), function(append(bytes.Repeat([]byte{opNop}, 1<<20-2), opEnd)), "body bytes: 1048578, at most 1048576"},
		{"tables", build(secTable, vec(5, "\x70\x00\x00")), build(secTable, vec(4, "\x70\x00\x00")), "tables: 5, at most 4"},
		{"table entries", build(secTable, join("\x01\x70\x00", uleb(100_001))), build(secTable, join("\x01\x70\x00", uleb(100_000))), "table entries: 100001, at most 100000"},
		{"136 bytes, 4.2 GB of tables", build(secTable, vec(16, "\x70\x00\xff\xff\xff\x3f")), nil, "tables: 16, at most 4"},
		{"memory", build(secMemory, join("\x01\x00", uleb(65537))), build(secMemory, join("\x01\x00", uleb(65536))), "memory limits 65537"},
		{"types", build(secType, vec(100_001, "\x60\x00\x00")), nil, "types: 100001, at most 100000"},
		{"type values", build(secType, join("\x01\x60", vec(1001, "\x7f"), "\x00")), build(secType, join("\x01\x60", vec(1000, "\x7f"), "\x00")), "parameters: 1001, at most 1000"},
		{"imports", build(secImport, vec(10_001, "\x01a\x01b\x03\x7f\x00")), build(secImport, vec(10_000, "\x01a\x01b\x03\x7f\x00")), "imports: 10001"},
		{"exports", build(secMemory, "\x01\x00\x01", secExport, vec(10_001, "\x01a\x02\x00")), nil, "exports: 10001"},
		{"globals", build(secGlobal, vec(10_001, "\x7f\x00\x41\x00\x0b")), nil, "globals: 10001"},
		{"references", referring(10_001), referring(10_000), "functions that ref.func names: 10001, at most 10000"},
		{"elements", build(secTable, "\x01\x70\x00\x01", secElement, join("\x01\x01\x00", uleb(1_000_001), bytes.Repeat([]byte{0}, 1_000_001))), nil, "element entries: 1000001"},
		{"element segments", build(secElement, vec(100_001, "\x01\x00\x00")), build(secElement, vec(100_000, "\x01\x00\x00")), "element segments: 100001"},
		{"data segments", build(secData, vec(100_001, "\x01\x00")), build(secData, vec(100_000, "\x01\x00")), "data segments: 100001"},
		{"operands", function(join(bytes.Repeat([]byte{opI32Const, 0}, 50_001), bytes.Repeat([]byte{opDrop}, 50_001), "\x0b")),
			function(join(bytes.Repeat([]byte{opI32Const, 0}, 50_000), bytes.Repeat([]byte{opDrop}, 50_000), "\x0b")), "operands at once: 50001"},
		{"globals reloaded by calls", build(secType, voidType, secFunction, oneFunc, secGlobal, vec(10_000, "\x7f\x01\x41\x00\x0b"),
			secCode, codeOf(join(bytes.Repeat([]byte{opCall, 0}, 10_001), "\x0b"))), nil, "values to compile: 100010000"},
		{"results of blocks", build(secType, join("\x02\x60\x00\x00\x60\x00", vec(1000, "\x7f")), secFunction, "\x02\x00\x00",
			secCode, vec(2, string(sized(join("\x00", bytes.Repeat([]byte("\x02\x40\x41\x00\x0d\x00\x02\x01\x00\x0b\x0b"), 50_001), "\x0b"))))), nil, "values to compile: 100001000"},
		{"module bytes", make([]byte, 64<<20+1), nil, "module bytes: 67108865, at most 67108864"},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := Admit(test.over, Limits{})
			took := time.Since(start)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			checkError(t, test.over, err)
			if took > 30*time.Second { // milliseconds, on a machine with nothing else to do
				t.Errorf("took %v", took)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, again := Rewrite(test.over, Options{}); again == nil || again.Error() != err.Error() {
				t.Errorf("Rewrite says %v, Admit %v", again, err)
			}
			runtime.ReadMemStats(&after)
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(64*len(test.over)+8<<20); got > most {
				t.Errorf("Rewrite allocated %d for %d bytes, at most %d", got, len(test.over), most)
			}
			if test.at == nil {
				return
			}
			if _, err := Admit(test.at, Limits{}); err != nil {
				t.Errorf("at the limit: %v", err)
			}
		})
	}
}

// TestAdmitAllocates holds Admit to its promise.
func TestAdmitAllocates(t *testing.T) {
	big, err := goProgram()
	if err != nil {
		t.Fatalf("%v: %s", err, big)
	}
	branches := function(append(bytes.Repeat([]byte{opI32Const, 1, opBrIf, 0}, 1<<18-2), opEnd))
	for name, wasm := range map[string][]byte{
		"go":        big,
		"types":     build(secType, vec(100_000, "\x60\x00\x00")),
		"functions": build(secType, voidType, secFunction, vec(100_000, "\x00"), secCode, vec(100_000, "\x02\x00\x0b")),
		"imports":   build(secImport, vec(10_000, "\x01a\x01b\x03\x7f\x00")),
		"exports":   build(secMemory, "\x01\x00\x01", secExport, vec(10_000, "\x01a\x02\x00")),
		"globals":   build(secGlobal, vec(10_000, "\x7f\x00\x41\x00\x0b")),
		"nesting":   function(join(bytes.Repeat([]byte{opBlock, blockEmpty}, 8192), bytes.Repeat([]byte{opEnd}, 8193))),
		"branches":  branches,
		"count":     build(secType, "\xff\xff\xff\xff\x0f"),
		"nothing":   {},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Admit(wasm, Limits{})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(4*len(wasm)+4<<20); got > most {
			t.Errorf("%s: allocated %d for %d bytes, at most %d", name, got, len(wasm), most)
		}
		t.Logf("%s: %d bytes, allocated %d in %v: %v", name, len(wasm), after.TotalAlloc-before.TotalAlloc, took, err)
	}
}

// TestRefusals: what is malformed is refused by name and place, and so is
// every index that would reach what Rewrite appends.
func TestRefusals(t *testing.T) {
	code := func(body string) []byte { return function([]byte(body + "\x0b")) }
	for _, test := range []struct {
		name   string
		wasm   []byte
		cause  error
		offset int
		says   string
	}{
		{"empty", nil, ErrMalformed, 0, "not WebAssembly"},
		{"text", []byte("(module)"), ErrMalformed, 0, "not WebAssembly"},
		{"elf", []byte("\x7fELF\x02\x01\x01\x00\x00\x00"), ErrMalformed, 0, "not WebAssembly"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), ErrUnsupported, 4, "a component (layer 1)"},
		{"section cut", []byte("\x00asm\x01\x00\x00\x00\x01\x05\x01"), ErrMalformed, 9, "section size"},
		{"unknown section", build(14, ""), ErrMalformed, 8, "unknown section 14"},
		{"order", build(secFunction, "\x00", secType, "\x00"), ErrMalformed, 11, "type section out of order"},
		{"twice", build(secType, "\x00", secType, "\x00"), ErrMalformed, 11, "type section out of order"},
		{"left over", build(secType, "\x00\x00"), ErrMalformed, 11, "1 bytes left over"},
		{"long vector number", code("\xfd\x8c\x00" + strings.Repeat("\x00", 16) + "\x1a"), ErrUnsupported, 0x17, "shortest"},
		{"hole in the vectors", code("\xfd\x9a\x01"), ErrUnsupported, 0x17, "vector instruction 0x9a"},
		{"misc", code("\xfc\x12"), ErrUnsupported, 0x17, "instruction 0xfc 0x12"},
		{"unknown", code("\x27"), ErrUnsupported, 0x17, "instruction 0x27"},
		{"passive externrefs", build(secElement, "\x01\x05\x6f\x02\xd0\x6f\x0b\xd0\x6f\x0b"), ErrUnsupported, 0x0c, "passive element segment of externref"},
		{"tail call", build(secType, "\x02\x60\x00\x00\x60\x00\x01\x7f", secFunction, "\x02\x00\x01",
			secCode, "\x02\x04\x00\x12\x01\x0b\x04\x00\x41\x00\x0b"), ErrMalformed, 0x1c, "other results"},
		{"no memory", code("\x3f\x00\x1a"), ErrMalformed, 0x17, "no memory"},
		{"grow no memory", code("\x41\x00\x40\x00\x1a"), ErrMalformed, 0x19, "no memory"},
		{"the counter", code("\x42\x00\x24\x00"), ErrMalformed, 0x1a, "unknown global 0 of 0"},
		{"the counter, dead", code("\x00\x42\x00\x24\x00"), ErrMalformed, 0x1b, "unknown global 0 of 0"},
		{"our function", code("\x10\x01"), ErrMalformed, 0x18, "unknown function 1 of 1"},
		{"our function by reference", code("\xd2\x01\x1a"), ErrMalformed, 0x18, "unknown function 1 of 1"},
		{"elements over their table", build(secType, voidType, secFunction, oneFunc, secTable, "\x01\x70\x00\x02", secElement,
			"\x01\x00\x41\x01\x0b\x02\x00\x00", secCode, codeOf([]byte{opEnd})), ErrMalformed, 0x1f, "2 elements from 1 in a table of 2"},
		{"elements behind their table", build(secTable, "\x01\x70\x00\x02", secElement, "\x01\x00\x41\x02\x41\x01\x6a\x0b\x00"), ErrMalformed, 0x18, "0 elements from 3 in a table of 2"},
		{"elements below their table", build(secTable, "\x01\x70\x00\x02", secElement, "\x01\x00\x41\x02\x41\x03\x6b\x0b\x00"), ErrMalformed, 0x18, "0 elements from 4294967295 in a table of 2"},
		{"our function in a table", build(secType, voidType, secFunction, oneFunc, secTable, "\x01\x70\x00\x01", secElement,
			"\x01\x00\x41\x00\x0b\x01\x01", secCode, codeOf([]byte{opEnd})), ErrMalformed, 0x20, "unknown function 1 of 1"},
		{"our function exported", build(secType, voidType, secFunction, oneFunc, secExport, "\x01\x01a\x00\x01", secCode, codeOf([]byte{opEnd})), ErrMalformed, 0x18, "unknown function 1 of 1"},
		{"our function started", build(secType, voidType, secFunction, oneFunc, secStart, "\x01", secCode, codeOf([]byte{opEnd})), ErrMalformed, 0x14, "unknown function 1 of 1"},
		{"our global exported", build(secExport, "\x01\x01a\x03\x00"), ErrMalformed, 0x0e, "unknown global 0 of 0"},
		{"our type", code("\x41\x00\x11\x01\x00"), ErrMalformed, 0x1a, "unknown type 1 of 1"},
		{"our type of a block", code("\x02\x01\x0b"), ErrMalformed, 0x18, "unknown type 1 of 1"},
		{"our local", code("\x20\x00\x1a"), ErrMalformed, 0x18, "unknown local 0 of 0"},
		{"our label", code("\x0c\x01"), ErrMalformed, 0x18, "branch out of 2 blocks, from 1"},
		{"our label, dead", code("\x00\x0c\x01"), ErrMalformed, 0x19, "branch out of 2 blocks, from 1"},
		{"our label by table", code("\x41\x00\x0e\x01\x00\x01"), ErrMalformed, 0x1c, "branch out of 2 blocks"},
		{"else alone", code("\x05"), ErrMalformed, 0x17, "else without if"},
		{"behind the end", function([]byte{opEnd, opNop, opEnd}), ErrMalformed, 0x18, "2 bytes after its end"},
		{"no end", function([]byte{opNop}), ErrMalformed, 0x18, "unexpected end"},
		{"operand missing", code("\x6a\x1a"), ErrMalformed, 0x18, "operand missing"},
		{"operand left", code("\x41\x00"), ErrMalformed, 0x1a, "ends with 1 operands, want 0"},
		{"start with results", build(secType, "\x01\x60\x00\x01\x7f", secFunction, oneFunc, secStart, "\x00", secCode, codeOf([]byte("\x41\x00\x0b"))), ErrMalformed, 0x15, "start function"},
		{"no code", build(secType, voidType, secFunction, oneFunc), ErrMalformed, 0x12, "1 functions without code"},
		{"more code", build(secType, voidType, secFunction, oneFunc, secCode, "\x02\x02\x00\x0b\x02\x00\x0b"), ErrMalformed, 0x14, "2 bodies for 1 functions"},
		{"our export", build(secMemory, "\x01\x00\x01", secExport, "\x01\x08sea:fuel\x02\x00"), ErrReserved, 0x10, `export "sea:fuel"`},
		{"our prefix", build(secMemory, "\x01\x00\x01", secExport, "\x01\x04sea:\x02\x00"), ErrReserved, 0x10, `export "sea:"`},
		{"our module", build(secImport, "\x01\x07sea:env\x01a\x03\x7f\x00"), ErrReserved, 0x0b, `import from module "sea:env"`},
		{"name of bad letters", build(secImport, "\x01\x01\xff\x01a\x03\x7f\x00"), ErrMalformed, 0x0b, "UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Admit(test.wasm, Limits{})
			checkError(t, test.wasm, err)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, test.cause) || e.Offset != test.offset || !strings.Contains(e.What, test.says) {
				t.Errorf("got %v (%v), want %q at %#x for %v", err, errors.Unwrap(err), test.says, test.offset, test.cause)
			}
			if _, again := Rewrite(test.wasm, Options{}); fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("Rewrite says %v, Admit %v", again, err)
			}
		})
	}
}

// TestMemoryLimit: a memory gets the job's maximum, or its own when lower.
func TestMemoryLimit(t *testing.T) {
	for _, test := range []struct {
		memory string
		pages  uint32
		max    uint32
		err    string
	}{
		{"\x01\x00\x02", 10, 10, ""},
		{"\x01\x01\x02\x05", 10, 5, ""},
		{"\x01\x01\x02\x14", 10, 10, ""},
		{"\x01\x00\x0b", 10, 0, "memory pages at the start: 11, at most 10"},
		{"\x01\x00\x00", 0, 65536, ""},
	} {
		m, err := Rewrite(build(secMemory, test.memory), Options{MemoryPages: test.pages})
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%x: got %v, want %q", test.memory, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := Admit(stripPrefix(m.Wasm), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if m.MaxPages != test.max || out.Memory.Max != test.max || !out.Memory.HasMax {
			t.Errorf("%x: maximum %d, in the module %+v, want %d", test.memory, m.MaxPages, out.Memory, test.max)
		}
	}
}

// stripPrefix renames the meter's exports, so that its output can be admitted.
func stripPrefix(wasm []byte) []byte {
	return bytes.ReplaceAll(wasm, []byte(Prefix), []byte("aes:"))
}

func TestUnknownTariff(t *testing.T) {
	if _, err := Rewrite(build(), Options{Tariff: 2}); err == nil || !strings.Contains(err.Error(), "tariff 2 is not known") {
		t.Errorf("got %v", err)
	}
}
