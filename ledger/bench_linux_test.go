package ledger_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkFdatasync is what the disk needs for 300 bytes: the yardstick of a lone
// payment, which is two of these by bbolt's format.
func BenchmarkFdatasync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(64 << 20); err != nil {
		b.Fatal(err)
	}
	at, record := int64(0), make([]byte, 300)
	for b.Loop() {
		if _, err := f.WriteAt(record, at%(64<<20-300)); err != nil {
			b.Fatal(err)
		}
		at += 300
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}
