package compute

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

func folderHash(t *testing.T, folder string) identity.Hash {
	t.Helper()
	sum, err := hashFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// sparse makes a file of so many zeros that takes no room.
func sparse(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFolderHash: what a worker may have left in its folder is read piece by
// piece, and beyond the bounds not at all.
func TestFolderHash(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "code")
	sparse(t, file, 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sum := folderHash(t, folder)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes were allocated for a file of 64 MiB", took)
	}
	sparse(t, file, 64<<20+1)
	if folderHash(t, folder) == sum {
		t.Error("a byte more, and the same hash")
	}
	for name, leave := range map[string]func(dir string) error{
		"a large file": func(dir string) error {
			sparse(t, filepath.Join(dir, "x"), maxFolderBytes+1)
			return nil
		},
		"large together": func(dir string) error {
			sparse(t, filepath.Join(dir, "x"), 1)
			sparse(t, filepath.Join(dir, "y"), maxFolderBytes)
			return nil
		},
		"many files": func(dir string) error {
			for i := range maxFolderEntries + 1 {
				sparse(t, filepath.Join(dir, fmt.Sprint(i)), 0)
			}
			return nil
		},
		"many folders": func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", maxFolderEntries+1)), 0o700)
		},
		"a link": func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "x")) },
	} {
		dir := t.TempDir()
		if err := leave(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := hashFolder(dir); !errors.Is(err, errFolder) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// fill makes and seals the folder of a module in c, which may be trimmed then.
func fill(t *testing.T, c *cache, k *task, age time.Duration, size int64) string {
	t.Helper()
	r := c.open(k.Job, "test")
	if !r.fresh {
		t.Fatal("it is there already")
	}
	sparse(t, filepath.Join(r.folder, "code"), size)
	r.seal(folderHash(t, r.folder))
	then := time.Now().Add(-age)
	if err := os.Chtimes(r.folder, then, then); err != nil {
		t.Fatal(err)
	}
	r.close()
	return r.folder
}

// TestCacheFolders: the number of modules is bounded, whatever their size, and a
// folder that no worker should have left goes first.
func TestCacheFolders(t *testing.T) {
	c := &cache{dir: t.TempDir(), most: 1 << 30, folders: 3, log: slog.New(slog.DiscardHandler)}
	k := newTask(nil)
	var made []string
	for i := range 6 {
		k.Limits.MemoryPages = uint32(i + 1)
		made = append(made, fill(t, c, k, time.Duration(10-i)*time.Hour, 1))
	}
	sparse(t, filepath.Join(made[5], "more"), 1) // which is the newest, and too much
	for i := range maxFolderEntries {
		sparse(t, filepath.Join(made[5], fmt.Sprint(i)), 0)
	}
	k.Limits.MemoryPages = 7
	made = append(made, fill(t, c, k, 11*time.Hour, 1)) // the oldest
	for i, folder := range made {
		_, err := os.Stat(folder)
		if there := err == nil; there != (i == 3 || i == 4 || i == 6) {
			t.Errorf("folder %d: %v", i, err)
		}
	}
}

// TestCacheBlocks: what is bounded is the room on the disk, which small files
// take more of than they have bytes.
func TestCacheBlocks(t *testing.T) {
	dir := t.TempDir()
	c := &cache{dir: dir, most: 100_000, folders: maxFolders, log: slog.New(slog.DiscardHandler)}
	k := newTask(nil)
	for i := range 100 {
		k.Limits.MemoryPages = uint32(i + 1)
		fill(t, c, k, 0, 10)
		if n, folders := cacheSize(dir); n > c.most || folders == 0 {
			t.Fatalf("%d modules take %d bytes of the disk, %d are allowed", folders, n, c.most)
		}
	}
}
