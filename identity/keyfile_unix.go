//go:build unix

package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// checkMode refuses files that others than the owner may use.
func checkMode(mode fs.FileMode) error {
	if wide := mode.Perm() &^ 0o600; wide != 0 {
		return fmt.Errorf("%w: its mode is %#o, make it 0600", ErrKeyMode, mode.Perm())
	}
	return nil
}

// syncDir makes a new name in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
