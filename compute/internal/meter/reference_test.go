package meter

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// referring is a module whose export "f" makes a reference to each of its n
// functions, of which the last is f, and says how many are null.
func referring(n int) []byte {
	var code, names writer
	code.u32(uint32(n))
	names.u32(uint32(n))
	for i := range n {
		names.u32(uint32(i))
	}
	for range n - 1 {
		code.bytes([]byte{4, 0, opI32Const, 7, opEnd})
	}
	f := writer{out: []byte{0, opI32Const, 0}}
	for i := range n {
		f.op(opRefFunc, uint32(i))
		f.bytes([]byte{opRefIsNull, opI32Add})
	}
	f.byte(opEnd)
	code.bytes(sized(f.out))
	return build(secType, "\x01\x60\x00\x01\x7f", secFunction, vec(n, "\x00"),
		secExport, join("\x01\x01f\x00", uleb(n-1)), secElement, join("\x01\x03\x00", names.out), secCode, code.out)
}

// TestReferences: ref.func gives what it gave, for the same fuel, out of a global
// that is made once: of a function of the module's own and of an imported one.
func TestReferences(t *testing.T) {
	body := func(code string) []byte { return sized([]byte("\x00" + code + "\x0b")) }
	wasm := build(secType, "\x02\x60\x00\x00\x60\x00\x01\x7f", secImport, "\x01\x03env\x05probe\x00\x00",
		secFunction, "\x03\x01\x01\x00", secTable, "\x01\x70\x00\x03",
		secExport, "\x03\x03two\x00\x02\x04host\x00\x03\x01p\x00\x00", secElement, "\x01\x03\x00\x01\x01",
		secCode, join("\x03", body("\x41\x05"), // 5 by the table, twice
			body("\x41\x00\xd2\x01\x26\x00\x41\x00\x11\x01\x00\x41\x01\xd2\x01\x26\x00\x41\x01\x11\x01\x00\x6a"),
			body("\x41\x02\xd2\x00\x26\x00\x41\x02\x11\x00\x00")))
	m := mustRewrite(t, wasm, Options{})
	if n := bytes.Count(m.Wasm, []byte("\x70\x00\xd2")); n != 2 {
		t.Errorf("%d globals with a reference, want 2", n)
	}
	for _, engine := range engines {
		rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
		defer rt.Close(context.Background())
		var probes []uint64
		probe(t, rt, &probes)
		g, err := instantiate(rt, m, "", MaxLimit)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := g.call("two"); err != nil || got[0] != 10 || g.fuel() != 1+11+2*2 {
			t.Errorf("%s: %d, %v for %d fuel, want 10 for 16", engine.name, got, err, g.fuel())
		}
		if _, err := g.call("host"); err != nil || len(probes) != 1 || probes[0] != 16+6 {
			t.Errorf("%s: probes %d, %v, want 22", engine.name, probes, err)
		}
	}
	for name, code := range map[string]string{"alive": "\xd2\x00\x1a", "dead": "\x00\xd2\x00\x1a"} {
		if _, err := Admit(function([]byte(code+"\x0b")), Limits{}); err == nil || !strings.Contains(err.Error(), "ref.func of function 0, which no export") {
			t.Errorf("%s, undeclared: %v", name, err)
		}
	}
}

// fullOfLocals is a module of one function with n locals, in which the meter needs
// all the locals it ever does.
func fullOfLocals(n int) []byte {
	f := join("\x01", uleb(n), "\x7f", // a call, a size, and of each type arithmetic and a choice
		"\x10\x00", "\x41\x00\x41\x00\x41\x00\xfc\x0b\x00")
	for _, c := range []string{"\x43\x00\x00\x80\x3f\x91\xbc\x1a", "\x44\x00\x00\x00\x00\x00\x00\xf0\x3f\x9f\xbd\x1a",
		"\xfd\x0c" + strings.Repeat("\x00", 16) + "\xfd\xe3\x01\xfd\x1b\x00\x1a",
		"\x43\x00\x00\x80\x3f\x43\x00\x00\x80\x3f\x41\x00\x1b\x1a",
		"\x44\x00\x00\x00\x00\x00\x00\xf0\x3f\x44\x00\x00\x00\x00\x00\x00\xf0\x3f\x41\x00\x1b\x1a",
		"\xfd\x0c" + strings.Repeat("\x00", 16) + "\xfd\x0c" + strings.Repeat("\x00", 16) + "\x41\x00\x1b\x1a"} {
		f = append(f, c...)
	}
	return build(secType, voidType, secFunction, oneFunc, secMemory, "\x01\x00\x01", secExport, "\x01\x01f\x00\x00",
		secCode, append([]byte{1}, sized(append(f, opEnd))...))
}

// TestEngineLocals: a function with the most locals that are admitted has, with
// those of the meter, as many as engines take.
func TestEngineLocals(t *testing.T) {
	wasm := fullOfLocals(engineLocals - maxExtras)
	m, err := decode(wasm, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s := m.sections[secCode]
	b := body{m: m, record: true, reader: reader{b: m.raw, pos: s.at + 1, end: s.end}}
	b.function(0)
	if b.err != nil {
		t.Fatal(b.err)
	}
	if got := len(b.scratch().extras); got != maxExtras {
		t.Errorf("%d locals of the meter's, want %d", got, maxExtras)
	}
	if _, err := Admit(fullOfLocals(engineLocals-maxExtras+1), Limits{}); err == nil {
		t.Error("one local more is admitted")
	}
}

// TestEnginesTake: what stands at a limit is taken by every engine, metered.
func TestEnginesTake(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("node is not installed, and this is CI: %v", err)
	}
	dir := t.TempDir()
	modules := map[string][]byte{"locals": fullOfLocals(engineLocals - maxExtras), "references": referring(10_000)}
	for name, wasm := range modules {
		metered := mustRewrite(t, wasm, Options{}).Wasm
		for _, engine := range engines {
			if raceEnabled && engine.name == "compiler" {
				continue // it takes long, and races with nobody
			}
			rt := wazero.NewRuntimeWithConfig(context.Background(), engine.config())
			mod, err := rt.InstantiateWithConfig(context.Background(), metered, wazero.NewModuleConfig().WithStartFunctions())
			if err != nil {
				t.Errorf("%s on the %s: %v", name, engine.name, err)
			}
			if mod != nil {
				g := guest{mod}
				g.set(ExportLimit, MaxLimit)
				g.set(ExportMaxDepth, testDepth)
				if _, err := g.call("f"); name == "references" && (err != nil || g.fuel() != 2+3*10_000) {
					t.Errorf("%s on the %s: %v for %d fuel", name, engine.name, err, g.fuel())
				}
			}
			rt.Close(context.Background())
		}
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), metered, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if node == "" {
		t.Skip("node is not installed: V8 is not asked")
	}
	const script = `for (const f of process.argv.slice(1)) new WebAssembly.Instance(new WebAssembly.Module(require("fs").readFileSync(f)))`
	out, err := exec.Command(node, "-e", script, filepath.Join(dir, "locals.wasm"), filepath.Join(dir, "references.wasm")).CombinedOutput()
	if err != nil {
		t.Errorf("V8: %v: %s", err, out)
	}
}
