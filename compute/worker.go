package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
)

// workerArg is the only argument of a worker. No command of a program should
// have this name.
const workerArg = "compute-worker-1"

// IsWorker tells whether this process was started to be a worker.
func IsWorker() bool { return len(os.Args) == 2 && os.Args[1] == workerArg }

// Worker runs one job for the engine at the other end of stdin and stdout, and
// returns the process's exit code. It is for a process of which IsWorker is true
// and that has done nothing else.
func Worker() int {
	out := os.Stdout
	os.Stdout = os.Stderr // whatever prints must not write into the frames
	w := &worker{out: newFrameWriter(out), begun: make(chan struct{})}
	if err := w.run(os.Stdin); err != nil {
		// The engine reads this or, when the pipe is broken, is gone.
		_ = w.out.value(frameFailure, failureOf(err))
		return 1
	}
	return 0
}

// worker is the child's side.
//
//	main    reads the job and its blobs, runs the guest, sends what came of it
//	listen  waits for cancel, or the end of the engine
//	watch   sends what the guest wrote, and its progress
//
// While compiled code runs, the garbage collector is off: to stop the world it
// would wait for the guest, and the other two with it. The interpreter is Go
// like any other.
type worker struct {
	out   *frameWriter
	cell  cell
	guest guest
	pace  *pace
	begun chan struct{}

	mu      sync.Mutex // guards what the guest wrote and watch has not sent
	pending [2][]byte  // stdout, stderr
	debt    int        // bytes left for the collector
}

// The rhythm of watch, and how much output may wait for it.
const (
	flushEvery    = 20 * time.Millisecond
	progressEvery = 5 // flushes
	maxPending    = 32 << 10
	maxDebt       = 32 << 20
	memorySlack   = 96 << 20 // of a worker's memory, for everything but the guest's
)

func (w *worker) run(in io.Reader) error {
	// The listener needs a thread beside the guest's even on one core. Setting
	// the number also keeps the runtime from adjusting it, which stops the world.
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	debug.SetGCPercent(-1)
	if err := w.cell.raise(); err != nil {
		return fmt.Errorf("%w: walls: %w", ErrEngine, err)
	}
	for i := range w.pending {
		w.pending[i] = make([]byte, 0, maxPending)
	}
	first, err := hello(w.cell.list)
	if err != nil {
		return err
	}
	if err := w.out.send(frameHello, first); err != nil {
		return err
	}
	r := newFrameReader(in)
	if err := w.read(r); err != nil {
		return err
	}
	go w.listen(r)
	return w.serve()
}

// read takes the job and its blobs.
func (w *worker) read(r *frameReader) error {
	b, err := r.want(frameJob)
	if errors.Is(err, io.EOF) {
		os.Exit(0) // a spare that was not needed
	}
	if err != nil {
		return err
	}
	var start startWire
	if err := cbor.Unmarshal(b, &start); err != nil {
		return err
	}
	job, err := DecodeJob(start.Job)
	if err != nil {
		return err
	}
	g := &w.guest
	g.job, g.interpreter = job, start.Interpreter
	if g.cacheDir, err = w.cell.enter(start.Cache); err != nil {
		return fmt.Errorf("%w: walls: %w", ErrEngine, err)
	}
	g.tank.job, g.tank.stopAt = job.Limits.Fuel, start.StopAt
	w.pace = newPace(start.Slowest)
	g.stdout = func(b []byte) { w.write(0, b) }
	g.stderr = func(b []byte) { w.write(1, b) }
	g.garbage = w.garbage
	g.started = w.start
	data := &dataReader{r: r}
	return g.load(func(b Blob) ([]byte, error) {
		buf := make([]byte, b.Size)
		_, err := io.ReadFull(data, buf)
		return buf, err
	})
}

// load reads the job's blobs in order and holds each to its hash.
func (g *guest) load(get func(Blob) ([]byte, error)) (err error) {
	blob := func(what string, b Blob) []byte {
		if err != nil || b.norm() == emptyBlob {
			return nil
		}
		var data []byte
		if data, err = get(b); err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		} else if got := identity.HashOf(data); got != b.Hash || uint64(len(data)) != b.Size {
			err = fmt.Errorf("%w: the bytes of %s do not have the hash %v", ErrNoBlob, what, b.Hash)
		}
		return data
	}
	g.module = blob("the module", Blob{g.job.Module, g.job.ModuleSize})
	g.stdin = blob("stdin", g.job.Stdin)
	for _, f := range g.job.Files {
		g.files = append(g.files, blob("input file "+f.Path, f.Blob()))
	}
	return err
}

// dataReader is the payloads of data frames, end to end.
type dataReader struct {
	r    *frameReader
	rest []byte
}

func (d *dataReader) Read(b []byte) (int, error) {
	if len(d.rest) == 0 {
		var err error
		if d.rest, err = d.r.want(frameData); err != nil {
			return 0, err
		}
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// listen ends the guest when the engine says so, and the process when the
// engine is gone: nobody is left to read what it does.
func (w *worker) listen(r *frameReader) {
	for {
		kind, why, err := r.next()
		if err != nil || kind != frameCancel {
			os.Exit(3)
		}
		w.guest.tank.interrupt(string(why))
	}
}

// start is called between compiling and running.
func (w *worker) start(maxPages uint32) {
	if w.compiles() {
		// This collection is the last until a call of the guest asks for one.
		debug.SetGCPercent(-1)
		debug.FreeOSMemory()
	}
	l := w.guest.job.Limits
	stack := uint64(l.Depth) * stackBytes(w.guest.interpreter)
	if w.guest.interpreter {
		// A heap twice the guest's memory would be over the process's limit.
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		debug.SetMemoryLimit(int64(now.Sys) + int64(maxPages)<<16 + int64(stack) + memorySlack/2)
	}
	if err := w.cell.limit(uint64(maxPages)<<16*11/10+2*l.OutputBytes+stack+memorySlack, l.Wall()); err != nil {
		panic("compute: a wall does not stand: " + err.Error()) // rather one job than a guest without it
	}
	_ = w.out.send(frameBegun, nil)
	close(w.begun)
}

// compiles tells whether compiling the module leaves garbage to speak of.
func (w *worker) compiles() bool {
	return len(w.guest.module) > 256<<10 && !w.guest.interpreter
}

// serve runs the guest and sends its result.
func (w *worker) serve() error {
	if w.compiles() || w.guest.interpreter {
		debug.SetGCPercent(100)
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		w.watch(ended)
	}()
	o, err := w.guest.run(context.Background())
	close(ended)
	<-watched
	if err != nil {
		return err
	}
	debug.SetGCPercent(100)
	return w.deliver(o)
}

// deliver sends the outcome and the output folder.
func (w *worker) deliver(o outcome) error {
	if err := w.out.fuel(frameStopped, o.Fuel); err != nil {
		return err
	}
	if err := w.out.value(frameResult, o); err != nil {
		return err
	}
	for _, e := range w.guest.world.Tree() {
		if err := w.out.value(frameEntry, entryWire{e.Path, e.Dir, e.Size}); err != nil {
			return err
		}
		if err := e.Each(func(b []byte) error { return w.out.data(frameData, b) }); err != nil {
			return err
		}
	}
	return w.out.send(frameEnd, nil)
}

// watch sends progress and output until the guest has ended.
func (w *worker) watch(ended <-chan struct{}) {
	defer w.flush()
	select {
	case <-w.begun:
	case <-ended:
		return
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	ran := stopwatch()
	for n := 1; ; n++ {
		select {
		case <-ended:
			return
		case <-tick.C:
			w.flush()
			if n%progressEvery == 0 {
				used := min(w.guest.tank.Used(), w.guest.job.Limits.Fuel)
				if w.pace.slow(ran(), used) {
					w.guest.tank.interrupt(w.pace.cause())
				}
				_ = w.out.fuel(frameProgress, used)
			}
		}
	}
}

// write takes output of the guest. What does not fit into the buffer is sent
// at once, by the guest's own thread: a slow reader holds the guest.
func (w *worker) write(stream int, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(b) > 0 {
		p := w.pending[stream]
		if len(p) == maxPending {
			w.sendPending()
			p = w.pending[stream]
		}
		n := min(len(b), maxPending-len(p))
		w.pending[stream] = append(p, b[:n]...)
		b = b[n:]
	}
}

func (w *worker) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sendPending()
}

// sendPending is called with mu held. The engine that does not read any more
// ends this process by itself, so an error needs no handling.
func (w *worker) sendPending() {
	for i, kind := range []frameKind{frameStdout, frameStderr} {
		if len(w.pending[i]) > 0 {
			_ = w.out.send(kind, w.pending[i])
			w.pending[i] = w.pending[i][:0]
		}
	}
}

// garbage collects when calls have left enough behind. It is called within a
// call of the guest, the one time at which the world can be stopped.
func (w *worker) garbage(n int) {
	if w.debt += n; w.debt > maxDebt {
		w.debt = 0
		runtime.GC()
	}
}
