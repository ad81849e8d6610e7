package compute

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stdlib are the packages of Go's standard library whose own tests pass inside
// a job; docs/WASI.md says what is left out and why. The first one runs always.
var stdlib = []struct {
	pkg  string
	skip string // tests left out: -test.skip
}{
	{pkg: "container/heap"},
	{pkg: "archive/tar"},
	{pkg: "archive/zip"},
	{pkg: "bufio"},
	{pkg: "bytes"},
	{pkg: "compress/bzip2"},
	{pkg: "compress/flate"},
	{pkg: "compress/gzip"},
	{pkg: "compress/lzw"},
	{pkg: "compress/zlib"},
	{pkg: "container/list"},
	{pkg: "crypto/ed25519"},
	{pkg: "crypto/rand"},
	{pkg: "crypto/sha256"},
	{pkg: "crypto/sha512"},
	{pkg: "encoding/base64"},
	{pkg: "encoding/binary"},
	{pkg: "encoding/csv"},
	{pkg: "encoding/hex"},
	{pkg: "encoding/json"},
	{pkg: "encoding/xml"},
	{pkg: "errors"},
	{pkg: "fmt"},
	{pkg: "hash/crc32"},
	{pkg: "image/png"},
	{pkg: "io"},
	{pkg: "io/fs"},
	{pkg: "math"},
	{pkg: "math/big"},
	{pkg: "math/bits"},
	{pkg: "math/rand/v2"},
	{pkg: "path/filepath", skip: "^TestBug3486$"},
	{pkg: "regexp"},
	{pkg: "slices"},
	{pkg: "sort"},
	{pkg: "strconv"},
	{pkg: "strings"},
	{pkg: "text/template"},
	{pkg: "unicode/utf8"},
}

// TestStdlib runs the tests of Go's standard library, compiled for wasip1, as
// jobs: one package's, and all of them when SEA_TEST_FULL is set, as in .ci/run.
// A job sees a package's folder as in Go's source tree, and the testdata beside
// and above it.
func TestStdlib(t *testing.T) {
	if raceEnabled {
		t.Skip("a module of megabytes takes too long to compile under the race detector")
	}
	list := stdlib
	if os.Getenv("SEA_TEST_FULL") == "" {
		list = list[:1]
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	dir := t.TempDir()
	e := newEngine(t, Config{})
	for _, p := range list {
		t.Run(p.pkg, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(dir, strings.ReplaceAll(p.pkg, "/", "_")+".wasm")
			build := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-o", out, p.pkg)
			build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
			if said, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, said)
			}
			module, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			k := newTask(module, "-test.short", "-test.v", "-test.skip="+p.skip)
			k.Env = []string{"HOME=/", "PWD=/src/" + p.pkg, "TMPDIR=/out"}
			k.Limits.Fuel, k.Limits.Depth, k.Limits.WallMillis = 1e12, MaxDepth, MaxWallMillis
			k.Limits.MemoryPages = 1 << 14
			k.folder(t, root, p.pkg)
			for up := path.Dir(p.pkg); ; up = path.Dir(up) {
				k.folder(t, root, path.Join(up, "testdata"))
				if up == "." {
					break
				}
			}
			slices.SortFunc(k.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
			r := k.run(t, e)
			if r.End != Exit || r.Code != 0 {
				t.Fatalf("%s %d %q %q, fuel %d:\n%s", r.End, r.Code, r.Trap, r.Cause, r.Fuel, failed(string(r.Stdout)+string(r.Stderr)))
			}
			t.Logf("%d tests, fuel %d, %d pages", strings.Count(string(r.Stdout), "\n--- PASS"), r.Fuel, r.PeakPages)
		})
	}
}

// folder makes the files of Go's source tree that are in a folder, and in the
// testdata below it, input files of the same path.
func (k *task) folder(t *testing.T, root, name string) {
	t.Helper()
	top := filepath.Join(root, name)
	err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != top && filepath.Base(filepath.Dir(file)) != "testdata" && d.Name() != "testdata":
			return fs.SkipDir // another package
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		k.input("src/"+filepath.ToSlash(rel), b)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// failed is the end of what a test said, without the lines of tests that passed.
func failed(said string) string {
	var b strings.Builder
	for line := range strings.Lines(said) {
		if s := strings.TrimSpace(line); !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- PASS") && !strings.HasPrefix(s, "--- SKIP") {
			b.WriteString(line)
		}
	}
	return b.String()[max(0, b.Len()-4000):]
}
