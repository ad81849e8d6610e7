package compute

import (
	"fmt"
	"time"
)

// Bounds of every job. A job beyond one of them is refused by Check wherever it
// is read; a seller's own policy may be narrower.
const (
	// MaxModuleBytes is the largest module, 64 MiB.
	MaxModuleBytes = 64 << 20
	// MaxJobBytes is the longest encoding of a job: it fits a routed request.
	MaxJobBytes = 48 << 10
	// MaxInputBytes is the most that stdin and all input files hold together.
	MaxInputBytes = 1 << 30
	// MaxFuel is the most fuel a job may have: four billion Gfuel.
	MaxFuel = 1 << 62
	// MaxMemoryPages is a 32-bit memory in pages of 64 KiB: 4 GiB less one page,
	// so that its size is a 32-bit number too.
	MaxMemoryPages = 1<<16 - 1
	// MaxOutputBytes is the most that one job may write, 1 GiB.
	MaxOutputBytes = 1 << 30
	// MaxFiles is the most files and folders a job's tree may hold.
	MaxFiles = 1 << 14
	// MaxDepth is the deepest a job may ask to call, in weighted frames. The
	// interpreter serves maxInterpreted.
	MaxDepth = 1 << 18
	// MaxWallMillis is the longest belt, seven days.
	MaxWallMillis = 7 * 24 * 60 * 60 * 1000

	maxEntry    = 128      // bytes of an export's name
	maxArgs     = 256      // arguments, and as many environment entries
	maxArgBytes = 32 << 10 // of both together
	maxInputs   = 512      // input files
	maxPath     = 1024     // bytes of a path
	maxName     = 255      // bytes of one part of it
	maxParts    = 32       // parts of a path
	maxStart    = 1 << 62  // in the year 2116: a clock that cannot overflow
)

// Limits are what a job may use. They are part of the job: running out of fuel
// is a result that everybody can check, at the same instruction.
type Limits struct {
	// Fuel ends the job as OutOfFuel; 1 to MaxFuel.
	Fuel uint64 `cbor:"fuel" json:"fuel"`
	// MemoryPages is how far memory grows, in pages of 64 KiB; 1 to
	// MaxMemoryPages. Growing beyond fails as WebAssembly says, in the guest.
	MemoryPages uint32 `cbor:"memory_pages" json:"memory_pages"`
	// OutputBytes bounds stdout, stderr and the output folder together; up to
	// MaxOutputBytes. Writing beyond it ends the job as OutputLimit.
	OutputBytes uint64 `cbor:"output_bytes" json:"output_bytes"`
	// Files bounds the files and folders in the guest's tree, inputs included,
	// without the root and the output folder; up to MaxFiles. Making one more
	// fails in the guest with ENOSPC.
	Files uint32 `cbor:"files" json:"files"`
	// Depth bounds nested calls; 1 to MaxDepth. A call weighs 1, and 1 more for
	// each 16 locals and operands of its frame. Calling deeper is the trap
	// "call_depth".
	Depth uint32 `cbor:"depth" json:"depth"`
	// WallMillis is a belt against a slow machine, in milliseconds of real time;
	// 1 to MaxWallMillis. A job that hits it ends as Interrupted at the fuel it
	// had reached; it is the one limit that two machines may meet differently.
	WallMillis uint64 `cbor:"wall_ms" json:"wall_ms"`
}

// DefaultLimits are 10 Gfuel, 512 MiB of memory, 64 MiB of output, 1,024 files,
// the call depth that the smallest engine serves, and ten minutes.
func DefaultLimits() Limits {
	return Limits{
		Fuel:        10e9,
		MemoryPages: 512 << 20 >> 16,
		OutputBytes: 64 << 20,
		Files:       1024,
		Depth:       defaultDepth,
		WallMillis:  uint64(10 * time.Minute / time.Millisecond),
	}
}

// defaultDepth is what an engine with a small stack, a browser's of 1 MB, still
// reaches at 128 bytes for each unit of weight, with a margin.
const defaultDepth = 4096

// Wall is the belt as a duration.
func (l Limits) Wall() time.Duration { return time.Duration(l.WallMillis) * time.Millisecond }

// Check says which limit is out of its bounds.
func (l Limits) Check() error {
	for _, b := range []struct {
		name        string
		got, lo, hi uint64
	}{
		{"fuel", l.Fuel, 1, MaxFuel},
		{"memory_pages", uint64(l.MemoryPages), 1, MaxMemoryPages},
		{"output_bytes", l.OutputBytes, 0, MaxOutputBytes},
		{"files", uint64(l.Files), 0, MaxFiles},
		{"depth", uint64(l.Depth), 1, MaxDepth},
		{"wall_ms", l.WallMillis, 1, MaxWallMillis},
	} {
		if b.got < b.lo || b.got > b.hi {
			return fmt.Errorf("limit %s is %d, want %d to %d", b.name, b.got, b.lo, b.hi)
		}
	}
	return nil
}
