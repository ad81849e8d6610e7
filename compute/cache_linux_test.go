package compute

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// longPath is the longest path of a system call here.
const longPath = 4095

// folderOf makes a folder below dir whose path has so many bytes.
func folderOf(t *testing.T, dir string, bytes int) string {
	t.Helper()
	for len(dir) < bytes {
		n := min(bytes-len(dir)-1, 200)
		if left := bytes - len(dir) - 1 - n; left == 1 {
			n-- // a slash needs a name behind it
		}
		dir += "/" + strings.Repeat("d", n)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCacheFails: when the cache fails, by paths that get too long for the
// system at one step after the other, jobs go on without it, and no module is
// to blame.
func TestCacheFails(t *testing.T) {
	k := argc(wasmFile(t, "traps.wasm"), 0)
	bad := newTask(wasmFile(t, "bad_body.wasm"))
	for name, here := range map[string]bool{"worker": false, "in process": true} {
		dir := t.TempDir()
		want := k.run(t, newEngine(t, Config{CacheDir: dir, Workers: 1, InProcess: here}))
		code, err := filepath.Glob(filepath.Join(dir, "*", "wazero*", "*"))
		if err == nil && len(code) == 0 && !here && !kernelHas(wallFiles) {
			t.Skip("a worker gets no cache: the kernel has no Landlock to hold it to its folder")
		}
		if err != nil || len(code) != 1 {
			t.Fatalf("compiled code %v, %v", code, err)
		}
		below := len(code[0]) - len(dir) // of a file with compiled code
		file := below - len(filepath.Base(code[0])) - 1
		seal := len(sealFile("/" + strings.Repeat("0", 64)))
		for what, room := range map[string]int{ // for what is below
			"a new file": below, // and not for its name before it is complete
			"any file":   file,
			"a folder":   seal, // in the module's
			"anything":   1,
		} {
			dir := folderOf(t, t.TempDir(), longPath-room)
			e := newEngine(t, Config{CacheDir: dir, Workers: 1, InProcess: here})
			same(t, k.run(t, e), want)
			if err := e.refusals.get(k.Job); err != nil {
				t.Errorf("%s, no room for %s: the module is to blame: %v", name, what, err)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
				t.Errorf("%s, no room for %s: %d entries are left, %v", name, what, len(list), err)
			}
			if _, err := e.Run(t.Context(), bad.Job, bad.blobs, Live{}); !errors.Is(err, ErrModule) || e.refusals.get(bad.Job) == nil {
				t.Errorf("%s, no room for %s: of a bad module: %v", name, what, err)
			}
		}
	}
}
