//go:build !unix

package compute

import "os"

// diskSize is what a file or folder takes of the disk, where nobody tells the
// blocks: its bytes in blocks of 4 KiB.
func diskSize(info os.FileInfo) int64 { return (info.Size() + 4095) &^ 4095 }
