package compute

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peersea/sea/identity"
)

// Bounds of a module's folder in the cache. It has two files and a folder; a
// worker that was taken over while it compiled may have left anything.
const (
	maxFolderEntries = 64
	maxFolderBytes   = 1 << 30
)

var errFolder = errors.New("no folder of a compiled module")

// sealFile, beside a folder, has the hash of everything in it. A folder without
// one is removed unseen.
func sealFile(folder string) string { return folder + ".seal" }

// removeFolder removes the seal first: what lies there without one is nothing.
func removeFolder(folder string) error {
	if err := os.Remove(sealFile(folder)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(folder)
}

// hashFolder is the hash of the names and bytes of all files in a folder, which
// it reads piece by piece. What is beyond the bounds is an error.
func hashFolder(folder string) (identity.Hash, error) {
	var all []byte
	left := int64(maxFolderBytes)
	err := walkFolder(folder, func(path string, info os.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		if info.Size() > left {
			return fmt.Errorf("%w: more than %d bytes", errFolder, maxFolderBytes)
		}
		sum, n, err := hashFile(path, left)
		if err != nil {
			return err
		}
		left -= n
		name, err := filepath.Rel(folder, path)
		all = append(append(all, name...), sum[:]...)
		return err
	})
	return identity.HashOf(all), err
}

// hashFile is the hash of a file of at most so many bytes, and how many it has.
func hashFile(path string, most int64) (sum identity.Hash, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	if n, err = io.Copy(h, io.LimitReader(f, most+1)); err == nil && n > most {
		err = fmt.Errorf("%w: more than %d bytes", errFolder, maxFolderBytes)
	}
	h.Sum(sum[:0])
	return sum, n, err
}

// folderSize is what a folder and its seal take of the disk. An error is that of
// walkFolder.
func folderSize(folder string) (int64, error) {
	var n int64
	for _, path := range []string{folder, sealFile(folder)} {
		if info, err := os.Lstat(path); err == nil {
			n += diskSize(info)
		}
	}
	err := walkFolder(folder, func(_ string, info os.FileInfo) error {
		n += diskSize(info)
		return nil
	})
	return n, err
}

// walkFolder calls f for each file and folder below a folder, in byte order of
// their names, until f gives an error. It gives one itself, beside the system's,
// when there are too many, or one is neither file nor folder.
func walkFolder(folder string, f func(path string, info os.FileInfo) error) error {
	left := maxFolderEntries
	var walk func(folder string) error
	walk = func(folder string) error {
		entries, err := readFolder(folder, left)
		if err != nil {
			return err
		}
		if left -= len(entries); left < 0 {
			return fmt.Errorf("%w: more than %d entries", errFolder, maxFolderEntries)
		}
		for _, info := range entries {
			path := filepath.Join(folder, info.Name())
			if !info.IsDir() && !info.Mode().IsRegular() {
				return fmt.Errorf("%w: %v", errFolder, info.Mode())
			}
			if err := f(path, info); err != nil {
				return err
			}
			if info.IsDir() {
				if err := walk(path); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(folder)
}

// readFolder gives what is in a folder, sorted: all of it, or more than most.
func readFolder(folder string, most int) ([]os.FileInfo, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdir(most + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.SortFunc(list, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}
