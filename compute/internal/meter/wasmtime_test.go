package meter

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// wasmtimeModule is a module of the tariff's vectors that is a command.
const wasmtimeModule = "../../testdata/tariff/kernels.wasm"

// TestWasmtime compares our fuel with that of wasmtime's consume_fuel, on every
// call of the golden vectors that ends by itself, and on a command of C kernels.
// What has a price of its own is left out, but for memory.fill, whose bytes some
// versions of wasmtime count and some do not. It wants the command in WASMTIME;
// bench/wasmtime builds one.
func TestWasmtime(t *testing.T) {
	path := os.Getenv("WASMTIME")
	if path == "" {
		t.Skip("WASMTIME is not set to the path of a wasmtime")
	}
	o := &oracle{t: t, path: path, dir: t.TempDir()}
	// The host function of the golden modules, as a module: 1 for its entry.
	o.write("env.wasm", build(secType, voidType, secFunction, oneFunc, secExport, "\x01\x05probe\x00\x00", secCode, codeOf([]byte{opEnd})))
	o.calibrate()
	compared, fuel := 0, uint64(0)
	for _, v := range readVectors(t) {
		if v.Trap != "" || v.Status != StatusNone || v.Module == "sizes" || v.Module == "start" {
			continue // stopped, or with prices of its own
		}
		wasm, err := os.ReadFile(filepath.Join("testdata", "golden", v.Module+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		used := v.Fuel + uint64(len(v.Probes))
		if v.Call == "fill" || v.Call == "sieve" {
			used -= v.Args[0] * o.filled
		}
		o.compare(v.Module+" "+v.Call, wasm, v.Call, v.Args, used)
		compared, fuel = compared+1, fuel+used
	}
	wasm, err := os.ReadFile(wasmtimeModule)
	if err != nil {
		t.Fatal(err)
	}
	used := commandFuel(t, wasm) - 10_000*o.filled // its sieve's
	o.compare("command", wasm, "_start", nil, used)
	if !t.Failed() {
		t.Logf("%d programs, fuel %d, difference 0", compared+1, fuel+used)
	}
	if compared < 100 {
		t.Errorf("compared %d calls, want 100 and more", compared)
	}
}

// commandFuel is what a command costs without the prices of the host.
func commandFuel(t *testing.T, wasm []byte) uint64 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, engines[0].config())
	defer rt.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	g, err := instantiate(rt, mustRewrite(t, wasm, Options{}), "", MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.call("_start"); err != nil {
		t.Fatal(err)
	}
	return g.fuel()
}

// oracle asks wasmtime. Its fuel has no display, but a limit: enough, or not.
type oracle struct {
	t    *testing.T
	path string
	dir  string
	more uint64 // what the wrapper costs, and the limit's distance

	filled uint64 // 1 when a byte of memory.fill is free there
}

func (o *oracle) write(name string, wasm []byte) string {
	o.t.Helper()
	file := filepath.Join(o.dir, name)
	if err := os.WriteFile(file, wasm, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return file
}

// enough tells whether a module's wrapper runs to its end with this fuel.
func (o *oracle) enough(file string, fuel uint64) bool {
	o.t.Helper()
	out, err := exec.Command(o.path, "run", "-W", "fuel="+strconv.FormatUint(fuel, 10),
		"--preload", "env="+filepath.Join(o.dir, "env.wasm"), "--invoke", ExportStart, file).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "all fuel consumed") {
		o.t.Fatalf("%v: %s", err, out)
	}
	return err == nil
}

// calibrate finds what the wrapper of an empty function needs beside its fuel of
// 1. A limit is only looked at where a function is entered, hence the wrapper.
func (o *oracle) calibrate() {
	file := o.write("empty.wasm", o.wrap(build(secType, voidType, secFunction, oneFunc, secExport, "\x01\x01f\x00\x00", secCode, codeOf([]byte{opEnd})), "f", nil))
	for need := uint64(1); need < 20; need++ {
		if o.enough(file, need) {
			o.more = need - 1
			break
		}
	}
	if o.more == 0 {
		o.t.Fatal("an empty function needs more than 20")
	}
	fill := build(secType, voidType, secFunction, oneFunc, secMemory, "\x01\x00\x01", secExport, "\x01\x01f\x00\x00",
		secCode, codeOf([]byte("\x41\x00\x41\x00\x41\xe4\x00\xfc\x0b\x00\x0b"))) // 100 bytes
	if o.enough(o.write("fill.wasm", o.wrap(fill, "f", nil)), o.more+50) {
		o.filled = 1
	}
}

// compare fails the test unless wasmtime needs exactly this fuel.
func (o *oracle) compare(what string, wasm []byte, call string, args []uint64, fuel uint64) {
	o.t.Helper()
	file := o.write("wrapped.wasm", o.wrap(wasm, call, args))
	need := fuel + o.more + uint64(len(args))
	if o.enough(file, need) && !o.enough(file, need-1) {
		return
	}
	low, high := uint64(1), 2*need+1000
	for low < high {
		if mid := (low + high) / 2; o.enough(file, mid) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	o.t.Errorf("%s: our fuel is %d, wasmtime's differs by %d", what, fuel, int64(low)-int64(need))
}

// wrap gives a module an export that calls one of its functions and then an
// empty one.
func (o *oracle) wrap(wasm []byte, call string, args []uint64) []byte {
	o.t.Helper()
	m, bad := decode(wasm, Limits{})
	if bad != nil {
		o.t.Fatal(bad)
	}
	w := rewriter{m: m, pages: maxPages}
	w.indices()
	_, bodies := w.entries(secCode)
	w.code = bytes.Clone(bodies)
	empty := w.function(nil, nil, []byte{0, opEnd})
	f := exportedFunction(m, call)
	t := m.signature(m.functions[f])
	body := writer{out: []byte{0}}
	for i, arg := range args {
		switch t.Params[i] {
		case I32:
			body.i32(int32(arg))
		case I64:
			body.i64(int64(arg))
		case F32:
			body.byte(opF32Const)
			for shift := 0; shift < 32; shift += 8 {
				body.byte(byte(arg >> shift))
			}
		case F64:
			body.byte(opF64Const)
			for shift := 0; shift < 64; shift += 8 {
				body.byte(byte(arg >> shift))
			}
		default:
			o.t.Fatalf("%s takes a %s", call, t.Params[i])
		}
	}
	body.op(opCall, f)
	for range t.Results {
		body.byte(opDrop)
	}
	body.op(opCall, uint32(empty))
	body.byte(opEnd)
	w.startIndex = w.function(nil, nil, body.out)
	m.start = int(f) // so that the wrapper is exported as ExportStart
	w.assemble()
	return w.out
}

// exportedFunction finds a function's index by its name.
func exportedFunction(m *module, name string) uint32 {
	s := m.sections[secExport]
	r := reader{b: m.raw, pos: s.at, end: s.end}
	for range r.u32() {
		this, kind, index := r.name("name"), r.byte(), r.u32()
		if this == name && Kind(kind) == KindFunc {
			return index
		}
	}
	return 0
}
