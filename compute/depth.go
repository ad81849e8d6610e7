package compute

import (
	_ "unsafe" // for the linkname below

	_ "github.com/tetratelabs/wazero" // has the variable
)

// interpreterFrames is how many calls wazero's interpreter nests, 2,000 unless
// somebody sets it, which its API does not offer. Depth is the meter's business
// here, so the interpreter must not be the first to say no.
//
//go:linkname interpreterFrames github.com/tetratelabs/wazero/internal/engine/interpreter.callStackCeiling
var interpreterFrames int

// maxInterpreted is the depth that the interpreter serves: each of its frames
// takes 4.2 KiB of Go's stack, which doubles when it grows.
const maxInterpreted = 1 << 14

// stackBytes is what a unit of depth may take of a process's memory, while its
// stack is copied to one twice as large.
func stackBytes(interpreter bool) uint64 {
	if interpreter {
		return 13 << 10
	}
	return 1 << 10
}

func init() { interpreterFrames = MaxDepth * 2 }
