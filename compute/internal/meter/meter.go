package meter

import (
	"errors"
	"fmt"
)

// Prefix begins the name of every export that Rewrite adds. A guest that
// exports such a name, or imports from such a module, is refused.
const Prefix = "sea:"

// The exports that Rewrite adds. The globals are mutable and start at 0.
const (
	ExportFuel     = Prefix + "fuel"      // i64: fuel paid so far
	ExportLimit    = Prefix + "limit"     // i64: the guest stops when fuel > limit; unsigned, at most MaxLimit
	ExportDepth    = Prefix + "depth"     // i32: weight of the calls around the one that comes next
	ExportMaxDepth = Prefix + "max_depth" // i32: the guest stops when depth > max_depth; unsigned, at most MaxDepth
	ExportStatus   = Prefix + "status"    // i32: a Status, why the meter stopped the guest
	ExportStart    = Prefix + "start"     // func(): the guest's start function, when it has one
	ExportMemory   = Prefix + "memory"    // the guest's memory, when it has one
	ExportHold     = Prefix + "hold"      // table of one function, null at first, with Options.Hold
)

// MaxLimit is the highest fuel limit: far beyond what can be used up, and low
// enough that the counter cannot wrap.
const MaxLimit = 1<<63 - 1

// MaxDepth is the highest depth limit.
const MaxDepth = 1<<30 - 1

// Status is the value of the global ExportStatus after a trap.
type Status uint32

// The statuses. The meter traps with unreachable after setting one of them, and
// never sets StatusNone: when a call trapped and left StatusNone, the trap is
// the guest's own.
const (
	StatusNone  Status = 0 // no stop by the meter
	StatusLimit Status = 1 // fuel above the limit global
	StatusDepth Status = 2 // calls deeper than the depth limit
	StatusGrow  Status = 3 // the engine failed a memory.grow that the limits allow: its failure, not a result
)

// Options say how to meter. Rewrite's output depends on them and on the
// module's bytes alone.
type Options struct {
	// Tariff is the price list; 0 means Tariff1.
	Tariff uint64
	// MemoryPages is the job's memory limit in pages of 64 KiB. It becomes the
	// maximum of the guest's memory, unless the guest declares a lower one.
	// 0 means Limits.MemoryPages.
	MemoryPages uint32
	// Hold has a check that fails call the function () -> () in the table
	// ExportHold, for a host that cannot write the limit while the guest runs. It
	// raises the limit to at least the counter and returns, and the guest goes on;
	// or it does not return. What it cost is the same.
	Hold bool
	// Limits bound the module; zero fields mean their defaults.
	Limits Limits
}

// Tariff1 is the first price list.
const Tariff1 = 1

// Prices that the host charges at tariff 1, in fuel, beside what the guest's
// call instruction costs.
const (
	HostCall = 1000 // for each call of a host function
	HostByte = 1    // for each byte it copies from or into the guest
)

// Module is a metered module.
type Module struct {
	Wasm   []byte // the caller owns it
	Info   Info   // of the guest's own bytes
	Start  string // ExportStart, or empty when the guest has no start function
	Memory string // ExportMemory, or empty when the guest has no memory
	// MaxPages is the maximum its memory was given, 0 without a memory of its own.
	MaxPages uint32
}

// ErrMalformed is returned when the bytes are not a WebAssembly module, or one
// whose elements do not fit into its tables.
var ErrMalformed = errors.New("malformed module")

// ErrUnsupported is returned when a module uses what this package does not
// know how to meter: proposals beyond WebAssembly 2.0, tail calls and extended
// constant expressions.
var ErrUnsupported = errors.New("unsupported")

// ErrLimit is returned when a module goes over one of the Limits.
var ErrLimit = errors.New("over a limit")

// ErrMemory is the ErrLimit of a memory that begins above Options.MemoryPages.
var ErrMemory = fmt.Errorf("memory %w", ErrLimit)

// ErrReserved is returned when a guest uses a name that begins with Prefix.
var ErrReserved = errors.New("reserved name")

// Rewrite returns wasm with the meter in it. Errors are those of Admit.
func Rewrite(wasm []byte, opt Options) (Module, error) {
	if opt.Tariff != 0 && opt.Tariff != Tariff1 {
		return Module{}, fmt.Errorf("tariff %d is not known, only %d", opt.Tariff, Tariff1)
	}
	m, err := decode(wasm, opt.Limits)
	if err != nil {
		return Module{}, err
	}
	w := rewriter{m: m, pages: m.lim.MemoryPages}
	if opt.MemoryPages != 0 {
		w.pages = int(opt.MemoryPages)
	}
	if err := m.fits(w.pages); err != nil {
		return Module{}, err
	}
	w.indices()
	if opt.Hold && len(m.functions) > 0 {
		w.hold = w.need(helperHold)
	}
	if err := w.bodies(); err != nil {
		return Module{}, err
	}
	w.assemble()
	out := Module{Wasm: w.out, Info: m.info()}
	if m.start >= 0 {
		out.Start = ExportStart
	}
	if len(m.memories) > 0 {
		out.Memory = ExportMemory
	}
	if most, own := w.maxPages(); own {
		out.MaxPages = most
	}
	return out, nil
}

// Admit reads the raw bytes of a module and refuses it with an *Error when it
// is malformed, goes over a limit or uses what cannot be metered. It allocates
// less than four times the module's size and 4 MiB. A module it accepts may
// still be ill-typed, which the engine finds out.
func Admit(wasm []byte, lim Limits) (Info, error) {
	m, err := decode(wasm, lim)
	if err != nil {
		return Info{}, err
	}
	if err := m.check(); err != nil {
		return Info{}, err
	}
	return m.info(), nil
}

// check reads every function without keeping anything.
func (m *module) check() *Error {
	b := body{m: m}
	s := m.sections[secCode]
	b.reader = reader{b: m.raw, pos: s.at, end: s.end}
	if s.at > 0 {
		b.u32()
	}
	for i := m.imported; i < len(m.functions) && b.err == nil; i++ {
		b.function(i)
	}
	return b.err
}

// fits refuses a memory that begins above the job's limit.
func (m *module) fits(pages int) *Error {
	if len(m.memories) == 0 || int(m.memories[0].min) <= pages {
		return nil
	}
	r := reader{b: m.raw}
	r.fail(m.memories[0].at, ErrMemory, "memory pages at the start: %d, at most %d", m.memories[0].min, pages)
	return r.err
}
