package web_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/internal/npmtest"
	"github.com/peersea/sea/web/internal/bundle"
)

// The one dependency, as package.json names it.
const (
	noble    = "@noble/ed25519@3.2.0"
	nobleSum = "a4f631d1876b5d9e43a86cd71194ca27b5e1451edf4ba4db9a418f40a475569a"
)

// maxCore is how many bytes the core may have, minified and gzipped: a whole peer, that
// routes for others and seals what it says. maxShop is what buying may add.
const (
	maxCore = 33 << 10
	maxShop = 24 << 10
)

// TestNode runs the tests under test, each bundled with the sources, on Node. In
// the folder where they run the package is laid out as npm would install it.
func TestNode(t *testing.T) {
	node := tool(t, "node")
	dir := t.TempDir()
	dependency(t, dir)
	write(t, filepath.Join(dir, "package.json"), read(t, "package.json"))
	for name, module := range packaged(t) {
		write(t, filepath.Join(dir, "dist", name), module)
	}

	sources, err := filepath.Glob("test/*.test.ts")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no tests under test: %v", err)
	}
	// Node has WebSockets without the flag from 22 on.
	args := []string{"--experimental-websocket", "--no-warnings", "--test-timeout=300000", "--test"}
	for _, source := range sources {
		made := filepath.Join(dir, strings.TrimSuffix(filepath.Base(source), ".ts")+".js")
		write(t, made, bundled(t, source, !bundle.Small))
		args = append(args, made)
	}
	rewriter := filepath.Join(dir, "meter.wasm")
	if err := bundle.Meter(rewriter); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "SEA_ROOT="+root, "SEA_METER="+rewriter), peers(t)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestSize holds the core, and what buying adds to it, to their sizes.
func TestSize(t *testing.T) {
	s := sizes(t)
	t.Logf("gzipped, the core has %d bytes, buying adds %d, and selling %d", s.Core, s.Buyer, s.Seller)
	if s.Core > maxCore || s.Buyer > maxShop {
		t.Errorf("the core may have %d bytes, and buying may add %d", maxCore, maxShop)
	}
}

// BenchmarkSize gives the sizes as figures.
func BenchmarkSize(b *testing.B) {
	s := sizes(b)
	for b.Loop() {
	}
	b.ReportMetric(float64(s.Core), "core-B")
	b.ReportMetric(float64(s.Buyer), "buyer-B")
	b.ReportMetric(float64(s.Seller), "seller-B")
	b.ReportMetric(0, "ns/op")
}

func sizes(t testing.TB) bundle.Sizes {
	t.Helper()
	s, err := bundle.Measure(".")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// packaged gives the modules of the package by their names.
func packaged(t *testing.T) map[string][]byte {
	t.Helper()
	all, err := bundle.Package("src")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTypes checks the types of sources and tests, with the compiler that
// package.json names. It is slow to fetch, so it runs with SEA_TEST_FULL=1 only.
func TestTypes(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("fetches the TypeScript compiler: run with SEA_TEST_FULL=1")
	}
	dir := installed(t)
	npm(t, dir, "exec", "--offline", "--", "tsc", "--project", ".")
}

// installed is a copy of the package with what it is developed with.
func installed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, pattern := range []string{"package.json", "tsconfig.json", "tsconfig.types.json", "README.md", "src", "test", "internal", "pages/src"} {
		err := filepath.WalkDir(pattern, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				write(t, filepath.Join(dir, path), read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	npm(t, dir, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
	return dir
}

// npm runs npm in a folder.
func npm(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, "npm"), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// dependency lays the one dependency where Node looks for it.
func dependency(t *testing.T, dir string) {
	t.Helper()
	dir = filepath.Join(dir, "node_modules", "@noble", "ed25519")
	write(t, filepath.Join(dir, "index.js"), read(t, npmtest.File(t, noble, "index.js", nobleSum)))
	write(t, filepath.Join(dir, "package.json"), []byte(`{"name": "@noble/ed25519", "type": "module", "main": "index.js"}`))
	at := strings.LastIndex(noble, "@")
	if want := `"` + noble[:at] + `": "` + noble[at+1:] + `"`; !bytes.Contains(read(t, "package.json"), []byte(want)) {
		t.Fatalf("package.json does not say %s", want)
	}
}

func bundled(t *testing.T, path string, small bool) []byte {
	t.Helper()
	b, err := bundle.File(path, small)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tool finds a program; without it the test is skipped, or fails in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and this is CI: %v", name, err)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
