//go:build !unix

package compute

import "context"

// memoryOnHeap tells whether guests' memories are on Go's heap.
const memoryOnHeap = true

// withMemory changes nothing on this system: guests' memories are on Go's heap,
// reserved at their greatest size.
func withMemory(ctx context.Context) context.Context { return ctx }
