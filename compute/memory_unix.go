//go:build unix

package compute

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// memoryOnHeap tells whether guests' memories are on Go's heap.
const memoryOnHeap = false

// withMemory lets guests' memories come from the system instead of Go's heap: a
// large limit then costs nothing until it is used, and Go's collector neither
// zeroes nor counts it.
func withMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(reserve))
}

func reserve(_, most uint64) experimental.LinearMemory {
	if most == 0 {
		return &region{}
	}
	b, err := unix.Mmap(-1, 0, int(most), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		// Go's heap then finds memory or ends the process, an engine's error.
		return &region{bytes: make([]byte, most)}
	}
	return &region{bytes: b, mapped: true}
}

// region is one guest's memory at its greatest size.
type region struct {
	bytes  []byte
	mapped bool
}

// Reallocate gives the first size bytes, always at the same place.
func (r *region) Reallocate(size uint64) []byte {
	if size > uint64(len(r.bytes)) {
		return nil
	}
	return r.bytes[:size]
}

// Free gives the memory back. The instance is closed by then.
func (r *region) Free() {
	if r.mapped {
		_ = unix.Munmap(r.bytes) // only fails for what is not mapped
	}
	r.bytes, r.mapped = nil, false
}
