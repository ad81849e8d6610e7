//go:build !unix

package storage

import "os"

// renameOpen closes the file first, because open files cannot be renamed here.
func renameOpen(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncDir does nothing where folders cannot be synced.
func syncDir(string) error { return nil }
