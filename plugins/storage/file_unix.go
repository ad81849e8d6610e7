//go:build unix

package storage

import (
	"errors"
	"os"
)

// renameOpen renames an open file.
func renameOpen(f *os.File, path string) error { return os.Rename(f.Name(), path) }

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
