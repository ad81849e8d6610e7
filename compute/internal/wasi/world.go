package wasi

import (
	"math"
	"math/rand/v2"

	"github.com/tetratelabs/wazero/sys"
)

// The bounds of one call and of the descriptor table.
const (
	maxIovs     = 1024     // spans of a read or write, subscriptions of a poll: EINVAL beyond
	maxTransfer = 1 << 20  // bytes of a read, write or readdir: short beyond
	randomPiece = 64 << 10 // bytes of a random_get paid and made at once
	maxOpen     = 1024     // open descriptors: EMFILE beyond
	maxListed   = 1 << 16  // entries of folders being listed at once: ENOMEM beyond
	maxPath     = 1024     // bytes of a path from the root: ENAMETOOLONG beyond
	maxName     = 255      // bytes of a name: ENAMETOOLONG beyond
	maxParts    = 32       // names of a path from the root: ENAMETOOLONG beyond
)

// Meter is the guest's fuel.
type Meter interface {
	// Pay takes n fuel, or says that the guest must end and why.
	Pay(n uint64) (End, bool)
	// Used is the fuel paid so far.
	Used() uint64
}

// End is why a call ended the guest.
type End uint8

// The ends that calls bring about.
const (
	Running     End = iota
	Exited          // proc_exit
	OutOfFuel       // from the Meter
	Interrupted     // from the Meter
	OutputLimit     // wrote more than Config.MaxOutput
)

// Input is a file that the guest may read. Data must not change.
type Input struct {
	Path string // relative, clean, as compute.CheckPath has it
	Data []byte
}

// Config says what is in a world.
type Config struct {
	Args, Env []string
	Stdin     []byte  // must not change
	Inputs    []Input // sorted by path
	Seed      [32]byte
	Start     int64 // Unix nanoseconds, 0 to 2^62
	// MaxOutput bounds stdout, stderr and the files in "out" together, in bytes.
	MaxOutput uint64
	// MaxFiles bounds the files and folders beside the root and "out".
	MaxFiles int
	// Stdout and Stderr take what the guest writes, as it writes it. They must
	// be done with the slice when they return. Nil discards.
	Stdout, Stderr func([]byte)
	// Ask answers a call of a power: with bytes, at most MaxAsk, and 0, or with a
	// negative number. It must be done with the request when it returns. It is not
	// nil where LinkHost gave a guest one.
	Ask func(name string, request []byte) (answer []byte, code int32)
	// Garbage is told of bytes that a call left for the collector, which does
	// not run by itself while a guest does. Nil does nothing.
	Garbage func(bytes int)
}

// World is one guest's.
type World struct {
	cfg   Config
	meter Meter
	rand  *rand.ChaCha8

	root  *node
	out   *node
	inos  uint64 // the last inode number given
	files int    // of Config.MaxFiles
	bytes uint64 // of Config.MaxOutput
	free  [][]byte

	fds    []*desc
	listed int // of maxListed

	slept uint64 // nanoseconds the clock is ahead of the fuel

	answer []byte // of the last Ask, until it is taken

	end  End
	code uint32

	spans [][]byte // scratch of vector
	subs  []byte   // scratch of pollOneoff
}

// New makes the world of cfg. The guest pays m.
func New(cfg Config, m Meter) *World {
	w := &World{cfg: cfg, meter: m, rand: rand.NewChaCha8(cfg.Seed), spans: make([][]byte, 0, maxIovs)}
	w.root = &node{dir: true, ino: w.ino()}
	w.root.parent = w.root
	w.out = &node{name: "out", dir: true, writable: true, ino: w.ino()}
	w.root.add(w.out)
	for _, in := range cfg.Inputs {
		w.addInput(in)
	}
	w.fds = []*desc{
		{kind: stdin, read: true, node: &node{size: uint64(len(cfg.Stdin)), flat: cfg.Stdin}},
		{kind: stdout, write: true},
		{kind: stderr, write: true},
		{kind: folder, read: true, node: w.root, preopen: true},
	}
	w.root.open++
	return w
}

// End is why the world ended the guest, with the exit code when Exited. It is
// Running when a call did not.
func (w *World) End() (End, uint32) { return w.end, w.code }

// stop leaves the guest by a panic that the engine turns into an error, without
// collecting the guest's stack for it.
func (w *World) stop(e End) {
	w.end = e
	panic(sys.NewExitError(0))
}

// pay takes n fuel or ends the guest.
func (w *World) pay(n uint64) {
	if end, paid := w.meter.Pay(n); !paid {
		w.stop(end)
	}
}

// elapsed is what the monotonic clock shows: fuel, and time slept.
func (w *World) elapsed() uint64 {
	return w.meter.Used() + w.slept // < 2^63 each: see sleepUntil
}

// clockMax is the last instant of the clock, so that start + elapsed is an int64.
func (w *World) clockMax() uint64 { return math.MaxInt64 - uint64(w.cfg.Start) }

func (w *World) ino() uint64 {
	w.inos++
	return w.inos
}

func (w *World) garbage(n int) {
	if w.cfg.Garbage != nil && n > 0 {
		w.cfg.Garbage(n)
	}
}
