package web_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/bundle"
)

// TestPack installs the package, as npm packs it, in a plain Vite project: its types
// fit, Vite bundles it, and it calls a Go node from Chromium and from Node 22. In
// Chromium it buys a run, recomputes the bill, and sells.
func TestPack(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("fetches Vite and Node: run with SEA_TEST_FULL=1")
	}
	pack := installed(t)
	for name, module := range packaged(t) {
		write(t, filepath.Join(pack, "dist", name), module)
	}
	write(t, filepath.Join(pack, "dist", "worker.js"), bundled(t, "src/compute/worker.ts", bundle.Small))
	if err := bundle.Meter(filepath.Join(pack, "dist", "meter.wasm")); err != nil {
		t.Fatal(err)
	}
	npm(t, pack, "exec", "--offline", "--", "tsc", "--project", "tsconfig.types.json")
	npm(t, pack, "pack", "--ignore-scripts")
	packs, err := filepath.Glob(filepath.Join(pack, "peersea-*.tgz"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("npm packed %v, %v", packs, err)
	}
	root := t.TempDir()
	app := filepath.Join(root, "app")
	if err := os.CopyFS(app, os.DirFS("testdata/vite")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "peersea.tgz"), read(t, packs[0]))
	npm(t, app, "install", "--no-audit", "--no-fund", "--no-package-lock")
	npm(t, app, "run", "build")
	write(t, filepath.Join(app, "dist", "primes.wasm"), read(t, "../examples/primes/primes.wasm"))

	env := peers(t)
	url, _, _ := strings.Cut(strings.TrimPrefix(env[0], "SEA_URLS="), " ")
	to, _, _ := strings.Cut(strings.TrimPrefix(env[1], "SEA_NODES="), " ")
	tab := browsertest.Start(t).Tab(t, browsertest.Serve(t, os.DirFS(filepath.Join(app, "dist"))))
	got := browsertest.Value[[]any](t, tab, fmt.Sprintf("app(%q, %q)", url, to))
	if !slices.Equal(got, []any{1.0, "two"}) {
		t.Errorf("in Chromium: %v", got)
	}
	got = browsertest.Value[[]any](t, tab, `trade("primes.wasm")`)
	if !slices.Equal(got, []any{"168", true, 0.0}) {
		t.Errorf("in Chromium, bought, recomputed, and sold: %v", got)
	}
	cmd := exec.Command(filepath.Join(app, "node_modules", ".bin", "node"), "node.mjs", url, to)
	cmd.Dir = app
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "v22 [1,\"two\"]\n" {
		t.Errorf("in Node 22: %s, %v", out, err)
	}
}
