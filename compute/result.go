package compute

import (
	"fmt"

	"github.com/peersea/sea/identity"
)

// End is how a guest ended. The words are fixed: they are hashed and signed.
type End string

// The ways to end. Exit, Trap, OutOfFuel and OutputLimit are the same on every
// engine; Interrupted at fuel F is checked by running again up to F.
const (
	Exit        End = "exit"         // by itself, with an exit code
	Trap        End = "trap"         // a fault of the guest; see Result.Trap
	OutOfFuel   End = "out_of_fuel"  // Limits.Fuel used up
	OutputLimit End = "output_limit" // Limits.OutputBytes used up
	Interrupted End = "interrupted"  // cancelled, or the wall-time belt
)

// The spellings of Result.Trap. They are coarser than any engine's own words,
// because engines draw the lines between those differently.
const (
	TrapUnreachable = "unreachable"      // unreachable executed
	TrapMemory      = "memory_bounds"    // memory access out of bounds
	TrapTable       = "table_access"     // table access out of bounds, a null or a mistyped function called
	TrapDivide      = "divide_by_zero"   // integer division by zero
	TrapInteger     = "integer_overflow" // integer overflow, or a float that fits no integer
	TrapDepth       = "call_depth"       // Limits.Depth
	TrapPointer     = "bad_pointer"      // a reactor's malloc or its result named bytes that are not in its memory
)

var trapNames = map[string]bool{
	TrapUnreachable: true, TrapMemory: true, TrapTable: true,
	TrapDivide: true, TrapInteger: true, TrapDepth: true, TrapPointer: true,
}

// OutFile is a file or folder that the guest left in its output folder.
type OutFile struct {
	// Path is relative to the output folder.
	Path string `json:"path"`
	// Dir marks a folder. It has no bytes.
	Dir bool `json:"dir"`
	// Blob names the bytes and Data has them. Data is nil in a decoded result.
	Blob Blob   `json:"blob"`
	Data []byte `json:"-"`
}

// Result is what came of a job.
type Result struct {
	// Job is the job's hash.
	Job identity.Hash
	End End
	// Code is the guest's exit code; 0 unless End is Exit.
	Code int32
	// Trap is one of the Trap words; empty unless End is Trap.
	Trap string
	// Stdout and Stderr are what the guest wrote, as far as Limits.OutputBytes.
	Stdout, Stderr []byte
	// Files is the output folder, sorted by path in byte order.
	Files []OutFile
	// Fuel is what the guest used, never more than Limits.Fuel.
	Fuel uint64
	// PeakPages is the most memory it had, in pages of 64 KiB.
	PeakPages uint32
	// Engine and Cause are for people and not hashed: what ran the job, and why
	// it was interrupted.
	Engine, Cause string
}

// outcomeWire is what a result's hash is taken of: what came out, and nothing
// that depends on who ran it. Stdout and stderr stand by their hashes so that a
// result can be named without carrying them.
type outcomeWire struct {
	V      uint64     `cbor:"v"`
	End    End        `cbor:"end"`
	Code   int32      `cbor:"code"`
	Trap   string     `cbor:"trap"`
	Stdout Blob       `cbor:"stdout"`
	Stderr Blob       `cbor:"stderr"`
	Files  []treeWire `cbor:"files"`
}

type treeWire struct {
	Path string        `cbor:"path"`
	Dir  bool          `cbor:"dir"`
	Hash identity.Hash `cbor:"hash"`
	Size uint64        `cbor:"size"`
}

// Outcome is a result without its bytes: what Result.Hash covers. A seller sends
// it beside the receipt, so that the buyer knows which blobs to fetch.
type Outcome struct {
	End            End
	Code           int32
	Trap           string
	Stdout, Stderr Blob
	Files          []OutFile
}

// Outcome names the bytes of r.
func (r Result) Outcome() Outcome {
	files := make([]OutFile, len(r.Files))
	for i, f := range r.Files {
		files[i] = OutFile{Path: f.Path, Dir: f.Dir, Blob: f.Blob}
	}
	return Outcome{
		End: r.End, Code: r.Code, Trap: r.Trap,
		Stdout: BlobOf(r.Stdout), Stderr: BlobOf(r.Stderr), Files: files,
	}
}

// Hash names what came out: end, code, trap, stdout, stderr and output folder.
// Fuel is beside it in the receipt, the engine's name nowhere.
func (r Result) Hash() identity.Hash { return r.Outcome().Hash() }

// Encode gives the outcome's one encoding, canonical CBOR.
func (o Outcome) Encode() []byte {
	w := outcomeWire{
		V: version, End: o.End, Code: o.Code, Trap: o.Trap,
		Stdout: o.Stdout.norm(), Stderr: o.Stderr.norm(), Files: make([]treeWire, len(o.Files)),
	}
	for i, f := range o.Files {
		b := f.Blob.norm()
		w.Files[i] = treeWire{f.Path, f.Dir, b.Hash, b.Size}
	}
	return encode(w)
}

// Hash is the SHA-256 of the encoding, the same as that of the Result.
func (o Outcome) Hash() identity.Hash { return identity.HashOf(o.Encode()) }

// MaxOutcomeBytes is more than the longest encoding of an outcome: MaxFiles
// entries with paths of 1,024 bytes.
const MaxOutcomeBytes = 20 << 20

// DecodeOutcome reads what Encode wrote and nothing else: an error wraps
// ErrInvalid.
func DecodeOutcome(b []byte) (Outcome, error) {
	if len(b) > MaxOutcomeBytes {
		return Outcome{}, fmt.Errorf("%w outcome: %d bytes, at most %d are allowed", ErrInvalid, len(b), MaxOutcomeBytes)
	}
	var w outcomeWire
	if err := decode(b, &w, "outcome"); err != nil {
		return Outcome{}, err
	}
	o := Outcome{End: w.End, Code: w.Code, Trap: w.Trap, Stdout: w.Stdout, Stderr: w.Stderr}
	for _, f := range w.Files {
		o.Files = append(o.Files, OutFile{Path: f.Path, Dir: f.Dir, Blob: Blob{f.Hash, f.Size}})
	}
	if err := o.check(); err != nil {
		return Outcome{}, fmt.Errorf("%w outcome: %w", ErrInvalid, err)
	}
	return o, nil
}

func (o Outcome) check() error {
	if err := checkTrap(o.End, o.Code, o.Trap); err != nil {
		return err
	}
	for _, b := range []Blob{o.Stdout, o.Stderr} {
		if err := b.check(); err != nil {
			return fmt.Errorf("stdout or stderr: %w", err)
		}
	}
	if len(o.Files) > MaxFiles {
		return fmt.Errorf("%d files, at most %d are allowed", len(o.Files), MaxFiles)
	}
	total := o.Stdout.Size + o.Stderr.Size
	files := make(map[string]bool, len(o.Files))
	for i, f := range o.Files {
		if err := CheckPath(f.Path); err != nil {
			return fmt.Errorf("output file: %w", err)
		}
		if err := f.Blob.check(); err != nil {
			return fmt.Errorf("output file %q: %w", f.Path, err)
		}
		if f.Dir && f.Blob != emptyBlob {
			return fmt.Errorf("output folder %q has bytes", f.Path)
		}
		if i > 0 && o.Files[i-1].Path >= f.Path {
			return fmt.Errorf("output file %q is not sorted after %q", f.Path, o.Files[i-1].Path)
		}
		if dir := parent(f.Path); dir != "" && !files[dir] {
			return fmt.Errorf("output file %q is in no folder", f.Path)
		}
		files[f.Path] = f.Dir
		total += f.Blob.Size
	}
	if total > MaxOutputBytes {
		return fmt.Errorf("%d bytes of output, at most %d are allowed", total, MaxOutputBytes)
	}
	return nil
}

// parent is the folder that p is in, "" for the root.
func parent(p string) string {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] == '/' {
			return p[:i]
		}
	}
	return ""
}

func checkTrap(e End, code int32, trap string) error {
	if err := checkEnd(e, code); err != nil {
		return err
	}
	if (e == Trap) != (trap != "") || trap != "" && !trapNames[trap] {
		return fmt.Errorf("end %q with trap %q", e, trap)
	}
	return nil
}

func checkEnd(e End, code int32) error {
	switch e {
	case Exit:
		return nil
	case Trap, OutOfFuel, OutputLimit, Interrupted:
		if code != 0 {
			return fmt.Errorf("end %q with exit code %d", e, code)
		}
		return nil
	}
	return fmt.Errorf("end %q is not known", e)
}
