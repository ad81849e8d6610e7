package compute

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cacheSize is how many bytes of the disk and modules a cache holds.
func cacheSize(dir string) (n int64, folders int) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != dir {
			n += diskSize(info)
			if info.IsDir() && filepath.Dir(path) == dir {
				folders++
			}
		}
		return nil
	})
	return n, folders
}

// eachCached calls f for each file of the modules in a cache.
func eachCached(dir string, f func(path string)) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && filepath.Dir(path) != dir { // no seal
			f(path)
		}
		return nil
	})
}

// TestCache: metered and compiled code is kept, bounded, and not trusted when it
// changed.
func TestCache(t *testing.T) {
	for name, here := range map[string]bool{"worker": false, "in process": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k := argc(wasmFile(t, "traps.wasm"), 0)
			run := func() Result { // in an engine of its own: a worker would have it in memory
				e := New(Config{CacheDir: dir, Workers: 2, InProcess: here})
				defer func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}()
				return k.run(t, e)
			}
			first := run()
			one, _ := cacheSize(dir)
			if one == 0 && !here && !kernelHas(wallFiles) {
				t.Skip("a worker gets no cache: the kernel has no Landlock to hold it to its folder")
			}
			if one < 1000 {
				t.Fatalf("the cache has %d bytes", one)
			}
			files := 0
			eachCached(dir, func(path string) { files++ })
			if files != 2 {
				t.Errorf("%d files, want the metered and the compiled module", files)
			}
			same(t, run(), first)
			if again, _ := cacheSize(dir); again != one {
				t.Errorf("the cache has %d bytes after the second run, had %d", again, one)
			}
			change := map[string]func(path string, b []byte) error{
				"altered": func(path string, b []byte) error {
					b[len(b)/2] ^= 1
					return os.WriteFile(path, b, 0o600)
				},
				"cut off": func(path string, b []byte) error { return os.Truncate(path, int64(len(b)/2)) },
				"gone":    func(path string, b []byte) error { return os.Remove(path) },
				"added": func(path string, b []byte) error {
					return os.WriteFile(path+"x", b, 0o600)
				},
				"unsealed": func(path string, _ []byte) error {
					err := os.Remove(sealFile(filepath.Join(dir, strings.Split(path[len(dir)+1:], string(filepath.Separator))[0])))
					if errors.Is(err, os.ErrNotExist) {
						err = nil // with the file before
					}
					return err
				},
			}
			for what, change := range change {
				eachCached(dir, func(path string) {
					b, err := os.ReadFile(path)
					if err == nil {
						err = change(path, b)
					}
					if err != nil {
						t.Fatal(err)
					}
				})
				same(t, run(), first)
				if again, _ := cacheSize(dir); again != one {
					t.Errorf("%s: the cache has %d bytes after repair, had %d", what, again, one)
				}
			}
			// Another limit of memory is another module; the oldest goes first.
			k.Limits.MemoryPages--
			run()
			if _, folders := cacheSize(dir); folders != 2 {
				t.Errorf("%d modules are kept, want 2", folders)
			}
			small := New(Config{CacheDir: dir, CacheBytes: one + 500, InProcess: here})
			newTask(wasmFile(t, "start.wasm")).run(t, small)
			if err := small.Close(); err != nil {
				t.Fatal(err)
			}
			if n, folders := cacheSize(dir); n > one+500 || folders != 1 {
				t.Errorf("the cache has %d bytes in %d folders, at most %d are allowed", n, folders, one+500)
			}
		})
	}
}

// TestCacheShared: while one fills a folder, or what is there has changed, others
// do without, and who reads it does not see it vanish.
func TestCacheShared(t *testing.T) {
	c := &cache{dir: t.TempDir(), most: 1, folders: maxFolders}
	k := argc(wasmFile(t, "traps.wasm"), 0)
	open := func() *room { return c.open(k.Job, "test") }
	first, other := open(), open()
	if !first.fresh || first.folder == "" || other.folder != "" {
		t.Errorf("two got %+v and %+v", first, other)
	}
	if err := os.WriteFile(filepath.Join(first.folder, "code"), []byte("code"), 0o600); err != nil {
		t.Fatal(err)
	}
	first.seal(folderHash(t, first.folder))
	reader := open()
	if reader.fresh || reader.folder != first.folder {
		t.Errorf("a reader got %+v", reader)
	}
	code := filepath.Join(reader.folder, "code")
	if err := os.WriteFile(code, []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third := open(); third.folder != "" {
		t.Errorf("what has changed since, while others use it, was given away: %+v", third)
	}
	if err := os.WriteFile(code, []byte("code"), 0o600); err != nil {
		t.Fatal(err)
	}
	first.close() // there is too much
	if _, err := os.Stat(filepath.Join(reader.folder, "code")); err != nil {
		t.Error(err)
	}
	other.close()
	reader.close()
	if again := open(); again.fresh {
		t.Error("what was sealed is not used")
	}
}

// TestRefusals: a module that was refused is refused again without a worker, up
// to a bound.
func TestRefusals(t *testing.T) {
	for name, cfg := range map[string]Config{"worker": {Workers: 1}, "in process": {InProcess: true}} {
		e := newEngine(t, cfg)
		k := newTask(wasmFile(t, "bad_body.wasm"))
		_, first := e.Run(t.Context(), k.Job, k.blobs, Live{})
		_, again := e.Run(t.Context(), k.Job, nil, Live{}) // no bytes are asked for
		if !errors.Is(again, ErrModule) || again.Error() != first.Error() {
			t.Errorf("%s: refused with %v, then with %v", name, first, again)
		}
		k.Limits.MemoryPages--
		if err := e.refusals.get(k.Job); err != nil {
			t.Errorf("%s: other limits: %v", name, err)
		}
	}
	var r refusals
	k := newTask(wasmFile(t, "bad_body.wasm"))
	for i := range maxRefusals + 10 {
		k.Entry = fmt.Sprint(i)
		r.add(k.Job, ErrModule)
		k.Entry = "0"
		if r.get(k.Job) == nil {
			t.Fatalf("what is used was forgotten after %d", i)
		}
	}
	if len(r.known) != maxRefusals || r.order.Len() != maxRefusals {
		t.Errorf("%d and %d are remembered", len(r.known), r.order.Len())
	}
}

// TestCacheRefused: a module that is admitted and then does not compile leaves
// nothing behind.
func TestCacheRefused(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" + // a function without parameters and results,
		"\x03\x02\x01\x00" +
		"\x07\x0a\x01\x06_start\x00\x00" +
		"\x0a\x08\x01\x06\x00\x42\x00\x45\x1a\x0b") // i64.const 0, i32.eqz, drop
	for name, here := range map[string]bool{"worker": false, "in process": true} {
		dir := t.TempDir()
		e := newEngine(t, Config{CacheDir: dir, Workers: 1, InProcess: here})
		for i := range byte(3) {
			module[len(module)-4] = i // another module each time
			k := newTask(module)
			if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), "not valid") {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: %d folders are left, %v", name, len(list), err)
		}
	}
}
