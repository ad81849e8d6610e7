//go:build unix

package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenKeyModes tries every mode that the owner can read.
func TestOpenKeyModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := newKey(t).Save(path, ""); err != nil {
		t.Fatal(err)
	}
	for mode := fs.FileMode(0o400); mode <= 0o777; mode++ {
		if mode&0o400 == 0 {
			continue
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKey(path, nil)
		if narrow := mode == 0o600 || mode == 0o400; narrow && err != nil || !narrow && !errors.Is(err, ErrKeyMode) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
}

// TestSaveIgnoresUmask saves with an umask that would let everyone read.
func TestSaveIgnoresUmask(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "key")
	if err := newKey(t).Save(path, ""); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v, want 0600", info.Mode(), err)
	}
}

func TestOpenKeyNeedsAFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenKey(dir, nil); !errors.Is(err, ErrKeyFile) {
		t.Errorf("a folder: %v, want ErrKeyFile", err)
	}
	if _, err := OpenKey(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
}
