package ledger

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes what was written to f survive a power cut. The time of the last
// change may not.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
