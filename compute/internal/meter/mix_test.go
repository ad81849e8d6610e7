package meter

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// Flat prices are not fair time. The mixes are what a hostile guest would make of
// that: each is a loop over one kind of work that is slow for its price, or over
// a random handful of them. What they measure is in docs/TARIFF.md, so that a
// seller can choose the slowest rate it serves.

// The locals of a mix's loop, and the size of what it walks through.
const (
	mixTurns   = iota // i32, the parameter
	mixAt             // i32, where a walk through memory is
	mixInt            // i64
	mixFloat          // f64
	mixVector         // v128
	mixPages   = 4096 // 256 MiB
	mixMask    = mixPages<<16 - 1
	mixTargets = 64        // functions in the table
	mixFirst   = 7         // of them
	mixFuel    = 2_000_000 // of one measured call
)

// atom is a piece of a loop: code that leaves the operand stack as it was.
type atom struct {
	name string
	code func(w *writer)
}

// chain is an atom that puts one local through the same code n times.
func chain(name string, local uint32, n int, step string) atom {
	return atom{name, func(w *writer) {
		w.op(opLocalGet, local)
		w.bytes(bytes.Repeat([]byte(step), n))
		w.op(opLocalSet, local)
	}}
}

// plain is an atom of bytes.
func plain(name string, n int, code ...any) atom {
	return atom{name, func(w *writer) { w.bytes(bytes.Repeat(join(code...), n)) }}
}

// hash puts a new pseudo-random number on the stack, made of the last.
const hash = "\x20\x02\x42\xad\xfe\xd5\xe4\xd4\x85\xfd\xa8\xd8\x00\x7e\x42\x01\x7c\x22\x02" // x = x*0x5851f42d4c957f2d + 1

var mixes = []atom{
	chain("add", mixInt, 64, "\x42\x03\x7c"),
	chain("divide", mixInt, 64, "\x42\x07\x84\x42\x07\x80"),
	chain("remainder, signed", mixInt, 64, "\x42\xf3\xff\xff\xff\x07\x84\x42\x75\x81"),
	chain("popcnt", mixInt, 64, "\x7b"),
	chain("cache misses", mixAt, 64, "\x28\x02\x00"),
	plain("cache misses, 8 at once", 8, hash, "\xa7\x41\xc0\xff\xff\x3f\x71\x29\x03\x00\x23\x00\x7c\x24\x00"),
	plain("stores that miss", 8, hash, "\xa7\x41\xc0\xff\xff\x3f\x71\x41\x00\x36\x02\x00"),
	plain("unaligned, across pages", 16, "\x41\xfd\x1f\x41\xfd\x1f\x29\x00\x00\xa7\x36\x00\x00"),
	chain("square root", mixFloat, 64, "\x9f"),
	chain("f64.div", mixFloat, 64, "\x44\x00\x00\x00\x00\x00\x00\xf4\x3f\xa3"),
	chain("f64.min", mixFloat, 64, "\x44\x00\x00\x00\x00\x00\x00\xf4\x3f\xa4"),
	chain("f64.nearest", mixFloat, 64, "\x9e"),
	chain("NaN made and looked at", mixFloat, 32, "\x44\x00\x00\x00\x00\x00\x00\xf8\x7f\xa0\xbd\xbf"),
	chain("float to integer and back", mixFloat, 32, "\xfc\x06\xb9"),
	chain("float to unsigned and back", mixFloat, 32, "\xfc\x07\xba"),
	chain("denormals", mixFloat, 64, "\x44\x01\x00\x00\x00\x00\x00\x10\x00\xa2\x44\x01\x00\x00\x00\x00\x00\x00\x00\xa0"),
	chain("f64x2.sqrt", mixVector, 64, "\xfd\xef\x01"),
	chain("f64x2.div", mixVector, 64, "\xfd\x0c\x00\x00\x00\x00\x00\x00\xf4\x3f\x00\x00\x00\x00\x00\x00\xf4\x3f\xfd\xf3\x01"),
	chain("i64x2.mul", mixVector, 64, "\xfd\x0c\x07\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\xfd\xd5\x01"),
	chain("i8x16.popcnt", mixVector, 64, "\xfd\x62"),
	chain("f64x2 to i32x4 and back", mixVector, 32, "\xfd\xfd\x01\xfd\xff\x01"),
	chain("i8x16.shl", mixVector, 64, "\x41\x03\xfd\x6b"),
	plain("br_if that nobody foresees", 8, "\x02\x40", hash, "\x42\x21\x88\xa7\x41\x01\x71\x0d\x00\x0b"),
	{"br_table that nobody foresees", mixTable},
	plain("calls of a small function", 16, "\x10\x00"),
	plain("call_indirect that nobody foresees", 8, hash, "\x42\x21\x88\xa7\x41\x3f\x71\x11\x00\x00"),
	plain("recursion", 1, "\x41\xc8\x01\x10\x01"),
	plain("tail recursion", 1, "\x41\xc8\x01\x10\x02"),
	plain("memory.grow by nothing", 8, "\x41\x00\x40\x00\x1a"),
	plain("memory.grow that fails", 8, "\x41\x7f\x40\x00\x1a"),
	plain("memory.fill of nothing", 8, "\x41\x00\x41\x00\x41\x00\xfc\x0b\x00"),
	plain("memory.copy of 1 byte", 8, "\x41\x00\x41\x05\x41\x01\xfc\x0a\x00\x00"),
	plain("memory.copy of 1 MiB, overlapping", 1, "\x41\x01\x41\x00\x41\x80\x80\xc0\x00\xfc\x0a\x00\x00"),
	plain("memory.copy of 8 MiB", 1, "\x41\x80\x80\x80\x20\x41\x00\x41\x80\x80\x80\x04\xfc\x0a\x00\x00"),
	plain("table.grow by nothing", 8, "\xd0\x70\x41\x00\xfc\x0f\x00\x1a"),
	plain("table.fill of 1", 8, "\x41\x00\x25\x00\x1a\x41\x3f\x41\x3f\x25\x00\x41\x01\xfc\x11\x00"),
	plain("table.get and set", 16, "\x41\x05\x41\x06\x25\x00\x26\x00"),
	plain("table.init of nothing", 8, "\x41\x00\x41\x00\x41\x00\xfc\x0c\x01\x00"),
	plain("table.copy of 1", 8, "\x41\x00\x41\x05\x41\x01\xfc\x0e\x00\x00"),
	plain("memory.init of nothing", 8, "\x41\x00\x41\x00\x41\x00\xfc\x08\x00\x00"),
	plain("data.drop", 16, "\xfc\x09\x00"),
	plain("elem.drop", 16, "\xfc\x0d\x01"),
	plain("ref.func", 16, "\xd2\x00\x1a"),
	plain("calls with 49,000 locals", 8, "\x41\x00\x10\x06"),
	plain("globals", 16, "\x23\x00\x42\x01\x7c\x24\x00"),
}

// mixTable is a br_table of 64 ways.
func mixTable(w *writer) {
	for range mixTargets {
		w.bytes([]byte{opBlock, blockEmpty})
	}
	w.bytes(join(hash, "\x42\x21\x88\xa7\x41\x3f\x71\x0e"))
	w.u32(mixTargets - 1)
	for i := range mixTargets {
		w.u32(uint32(i))
	}
	for range mixTargets {
		w.byte(opEnd)
		w.bytes([]byte("\x23\x00\x42\x01\x7c\x24\x00"))
	}
}

// mixModule is a module whose export "run" goes through the atoms again and
// again. "init" makes the memory one long chain of jumps, "touch" writes to each
// of its pages once.
func mixModule(atoms []atom) []byte {
	function := func(locals string, code ...any) []byte { return sized(append([]byte(locals), join(code...)...)) }
	run := writer{out: []byte{opLoop, blockEmpty}}
	for _, a := range atoms {
		a.code(&run)
	}
	run.bytes([]byte("\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b\x0b"))
	// slot i of 64 bytes holds the address of slot i*1664525 + 1013904223, of 4 Mi
	chained := "\x03\x40\x20\x00\x41\x06\x74\x20\x00\x41\x8d\xcc\xe5\x00\x6c\x41\xdf\xe6\xbb\xe3\x03\x6a" +
		"\x41\xff\xff\xff\x01\x71\x41\x06\x74\x36\x02\x00\x20\x00\x41\x01\x6a\x22\x00\x41\x80\x80\x80\x02\x48\x0d\x00\x0b\x0b"
	touch := "\x03\x40\x20\x00\x20\x00\x36\x02\x00\x20\x00\x41\x80\x20\x6a\x22\x00\x41\x80\x80\x80\x80\x01\x49\x0d\x00\x0b\x0b"
	var cold []byte // of a function whose locals are hardly ever used
	for i := range 1000 {
		cold = append(join(cold, "\x23\x00\x20", uleb(40*(i+1)), "\x7c\x24\x00\x23\x00\x21"), uleb(40*(i+1))...)
	}
	bodies := [][]byte{
		function("\x00", "\x0b"), // a small leaf
		function("\x00", "\x20\x00\x04\x40\x20\x00\x41\x01\x6b\x10\x01\x0b\x0b"),
		function("\x00", "\x20\x00\x04\x40\x20\x00\x41\x01\x6b\x12\x02\x0b\x0b"),
		function("\x04\x01\x7f\x01\x7e\x01\x7c\x01\x7b", run.out),
		function("\x00", chained),
		function("\x00", touch),
		function("\x01\xe8\xfe\x02\x7e", "\x20\x00\x04\x40", cold, "\x0b\x0b"),
	}
	for range mixTargets {
		bodies = append(bodies, function("\x00", "\x0b"))
	}
	types := append([]byte{0, 1, 1, 1, 1, 1, 1}, make([]byte, mixTargets)...)
	code, elements := uleb(len(bodies)), []byte{1, 0, opI32Const, 0, opEnd}
	for i, b := range bodies {
		code = append(code, b...)
		if i == 0 {
			elements = append(elements, uleb(mixTargets)...)
		}
		if i >= mixFirst {
			elements = append(elements, uleb(i)...)
		}
	}
	return build(secType, "\x02\x60\x00\x00\x60\x01\x7f\x00", secFunction, append(uleb(len(types)), types...),
		secTable, "\x01\x70\x00\x40", secMemory, join("\x01\x00", uleb(mixPages)), secGlobal, "\x01\x7e\x01\x42\x00\x0b",
		secExport, "\x03\x03run\x00\x03\x04init\x00\x04\x05touch\x00\x05", secElement, elementsWith(elements), secDataCount, "\x01",
		secCode, code, secData, "\x01\x01\x05bytes")
}

// elementsWith adds a declaration of function 0, for ref.func.
func elementsWith(active []byte) []byte {
	return append(append([]byte{2}, active[1:]...), 3, 0, 1, 0)
}

// BenchmarkMix measures how much fuel a second of each kind of work costs.
func BenchmarkMix(b *testing.B) {
	for _, a := range mixes {
		b.Run(a.name, func(b *testing.B) { benchmarkMix(b, []atom{a}) })
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 8 {
		var some []atom
		for range 2 + rng.IntN(6) {
			some = append(some, mixes[rng.IntN(len(mixes))])
		}
		b.Run(fmt.Sprint("random ", i), func(b *testing.B) { benchmarkMix(b, some) })
	}
	b.Run("first touch of each page", func(b *testing.B) {
		runtime.LockOSThread() // whose time is measured
		defer runtime.UnlockOSThread()
		rt := mixRuntime()
		defer rt.Close(context.Background())
		m := mustRewrite(b, mixModule(nil), Options{MemoryPages: mixPages})
		fuel, took := uint64(0), time.Duration(0)
		for b.Loop() {
			g, err := instantiate(rt, m, "", MaxLimit)
			if err != nil {
				b.Fatal(err)
			}
			start := cpuTime()
			mustCall(b, g, "touch", 0)
			fuel, took = fuel+g.fuel(), took+cpuTime()-start
			_ = g.mod.Close(context.Background())
		}
		report(b, fuel, took)
	})
}

// report says how much fuel a second of processor time costs: that is what a
// seller's slowest rate counts.
func report(b *testing.B, fuel uint64, took time.Duration) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(fuel)/took.Seconds()/1e6, "Mfuel/s")
}

func mixRuntime() wazero.Runtime {
	return wazero.NewRuntimeWithConfig(context.Background(), engines[0].config().WithMemoryCapacityFromMax(true).WithMemoryLimitPages(mixPages))
}

func mustCall(b *testing.B, g guest, name string, arg uint64) {
	b.Helper()
	if _, err := g.call(name, arg); err != nil {
		b.Fatal(err)
	}
}

func benchmarkMix(b *testing.B, atoms []atom) {
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	rt := mixRuntime()
	defer rt.Close(context.Background())
	g, err := instantiate(rt, mustRewrite(b, mixModule(atoms), Options{MemoryPages: mixPages}), "", MaxLimit)
	if err != nil {
		b.Fatal(err)
	}
	g.set(ExportMaxDepth, 10_000)
	mustCall(b, g, "init", 0)
	before := g.fuel()
	mustCall(b, g, "run", 1)
	turns := max(1, mixFuel/(g.fuel()-before))
	before = g.fuel()
	start := cpuTime()
	for b.Loop() {
		mustCall(b, g, "run", turns)
	}
	report(b, g.fuel()-before, cpuTime()-start)
}

// TestMix runs each mix once: the benchmark's modules are valid and pay.
func TestMix(t *testing.T) {
	small := Options{MemoryPages: mixPages}
	for _, a := range mixes {
		wasm := mixModule([]atom{a})
		if _, err := Admit(wasm, Limits{}); err != nil {
			t.Errorf("%s: %v", a.name, err)
			continue
		}
		rt := mixRuntime()
		if _, err := rt.CompileModule(context.Background(), mustRewrite(t, wasm, small).Wasm); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
		rt.Close(context.Background())
	}
}
