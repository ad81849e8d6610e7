package meter

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// TestLoweredLimit: the host lowers the limit of a guest that runs and calls
// nobody, and the guest stops at its next check.
func TestLoweredLimit(t *testing.T) {
	// The engine's code gives its processor to nobody: the host needs another.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	wasm, err := os.ReadFile(filepath.Join("testdata", "golden", "stops.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer rt.Close(ctx)
	var probes []uint64
	probe(t, rt, &probes)
	g, err := instantiate(rt, mustRewrite(t, wasm, Options{}), "", 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	// Nor does it stop for the garbage collector, which would wait for the guest
	// while the host waits for the collector.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	ended := make(chan error)
	go func() {
		_, err := g.call("forever")
		ended <- err
	}()
	for g.fuel() < 1_000_000 {
		runtime.Gosched()
	}
	g.set(ExportLimit, 0)
	if err := <-ended; err == nil || g.status() != StatusLimit {
		t.Errorf("ended with %v, status %d, want a trap and status %d", err, g.status(), StatusLimit)
	}
	if fuel := g.fuel(); fuel >= 1<<40 {
		t.Errorf("ran to its first limit: %d", fuel)
	}
}

// TestGoProgram runs a large real module, paid by runs and by instruction: the
// same output and the same fuel.
func TestGoProgram(t *testing.T) {
	wasm, err := goProgram()
	if err != nil {
		t.Fatalf("%v: %s", err, wasm)
	}
	opt := Options{MemoryPages: 1024}
	type end struct {
		stdout string
		fuel   uint64
		pages  uint32
	}
	var ends []end
	for _, m := range []Module{mustRewrite(t, wasm, opt), rewriteNaive(t, wasm, opt)} {
		ctx := context.Background()
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer rt.Close(ctx)
		wasi_snapshot_preview1.MustInstantiate(ctx, rt)
		var stdout bytes.Buffer
		mod, err := rt.InstantiateWithConfig(ctx, m.Wasm, wazero.NewModuleConfig().WithStdout(&stdout).WithStartFunctions())
		if err != nil {
			t.Fatal(err)
		}
		g := guest{mod}
		g.set(ExportLimit, 10e9)
		g.set(ExportMaxDepth, testDepth)
		if _, err := g.call("_start"); err != nil && g.status() != StatusNone {
			t.Fatalf("%v with status %d", err, g.status())
		}
		ends = append(ends, end{stdout.String(), g.fuel(), mod.Memory().Size() >> 16})
	}
	if ends[0] != ends[1] || ends[0].stdout == "" || ends[0].fuel < 100_000 {
		t.Errorf("by runs %+v\nby instruction %+v", ends[0], ends[1])
	}
}
