//go:build unix

package compute

import (
	"os"
	"syscall"
)

// diskSize is what a file or folder takes of the disk: the blocks it has, and
// those it may yet get for what it holds.
func diskSize(info os.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return max(info.Size(), int64(s.Blocks)*512)
	}
	return info.Size()
}
