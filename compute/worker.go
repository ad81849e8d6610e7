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

	"github.com/peersea/sea/identity/cbor"
)

// workerArg is the only argument of a worker. No command of a program should
// have this name.
const workerArg = "compute-worker-1"

// IsWorker tells whether this process was started to be a worker.
func IsWorker() bool { return len(os.Args) == 2 && os.Args[1] == workerArg }

// Worker runs jobs for the engine at the other end of stdin and stdout, and
// returns the process's exit code. It is for a process of which IsWorker is true
// and that has done nothing else.
func Worker() int {
	out := os.Stdout
	os.Stdout = os.Stderr // whatever prints must not write into the frames
	w := &worker{out: newFrameWriter(out), in: newInbox(os.Stdin)}
	if err := w.run(); err != nil {
		// The engine reads this or, when the pipe is broken, is gone.
		if w.out.value(frameFailure, failureOf(err)) == nil {
			_ = w.out.flush()
		}
		return 1
	}
	return 0
}

// worker is the child's side. It has one program, and runs its jobs one after
// the other.
//
//	main    reads the jobs and their blobs, runs the guests, sends what came of them
//	watch   looks after a guest that takes longer: what it wrote, its progress
//	listen  waits, while such a guest runs, for cancel or the end of the engine
//
// A short job is main's alone: one frame in, a few out in one piece, and no other
// thread awake.
//
// While compiled code runs, the garbage collector is off: to stop the world it
// would wait for the guest, and the other two with it. The interpreter is Go
// like any other.
type worker struct {
	out     *frameWriter
	in      *inbox
	cell    cell
	program *program
	life    life
	timer   *time.Timer // of watch

	mu      sync.Mutex // guards what follows
	job     *turn      // that runs now, or nil
	last    *turn      // the last that watch knows of
	ticking bool       // timer is set: there are jobs
	pending [2][]byte  // stdout, stderr: what it wrote and was not sent
	debt    int        // bytes left for the collector
}

// turn is one job of a worker.
type turn struct {
	guest       guest
	number      uint64
	module      []byte // of a worker's first
	cacheDir    string
	fresh       bool   // and is to be filled
	sum         []byte // of what it was filled with
	interpreter bool
	powers      []string
	pace        *pace

	looks int                  // of watch
	ran   func() time.Duration // since the first of them
}

// The rhythm of watch, and how much output may wait for it.
const (
	firstLook     = 3 * time.Millisecond // and at most twice that
	flushEvery    = 20 * time.Millisecond
	progressEvery = 5 // flushes
	maxPending    = 32 << 10
	maxDebt       = 32 << 20
	memorySlack   = 96 << 20 // of a worker's memory, for everything but the guest's
)

func (w *worker) run() error {
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
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	go w.watch()
	go w.in.listen(w.interrupt)
	first, err := hello(w.cell.list)
	if err != nil {
		return err
	}
	if err := w.out.send(frameHello, first); err != nil {
		return err
	}
	for {
		t, err := w.read()
		if errors.Is(err, io.EOF) {
			return nil // it is not needed any more
		}
		if err != nil {
			return err
		}
		again, err := w.serve(t)
		if err != nil || !again {
			return err
		}
		w.life.collect()
	}
}

// read takes a job and its blobs.
func (w *worker) read() (*turn, error) {
	b, err := w.in.job()
	if err != nil {
		return nil, err
	}
	var start startWire
	if err := cbor.Unmarshal(b, &start); err != nil {
		return nil, err
	}
	if start.Module != (w.program == nil) {
		return nil, fmt.Errorf("%w: a module for job %d", errFrame, start.Number)
	}
	job, err := DecodeJob(start.Job)
	if err != nil {
		return nil, err
	}
	if start.Module {
		if start.Cache, err = w.cell.enter(start.Cache); err != nil {
			return nil, fmt.Errorf("%w: walls: %w", ErrEngine, err)
		}
	}
	t := &turn{number: start.Number, cacheDir: start.Cache, fresh: start.Fresh && start.Cache != "", interpreter: start.Interpreter, powers: start.Powers, pace: newPace(start.Slowest)}
	t.guest.job = job
	t.guest.tank.job, t.guest.tank.stopAt = t.guest.job.Limits.Fuel, start.StopAt
	t.guest.stdout = func(b []byte) { w.write(0, b) }
	t.guest.stderr = func(b []byte) { w.write(1, b) }
	t.guest.ask = w.ask
	t.guest.garbage = w.garbage
	data := &dataReader{r: w.in.frames}
	get := func(b Blob) ([]byte, error) {
		buf := make([]byte, b.Size)
		_, err := io.ReadFull(data, buf)
		return buf, err
	}
	if start.Module {
		if t.module, err = loadBlob("the module", Blob{t.guest.job.Module, t.guest.job.ModuleSize}, get); err != nil {
			return nil, err
		}
	}
	return t, t.guest.load(get)
}

// serve runs the job's guest and sends its result. It tells whether the worker
// takes another.
func (w *worker) serve(t *turn) (again bool, err error) {
	if w.program == nil {
		if err := w.prepare(t); err != nil {
			return false, err
		}
	}
	if err := checkExports(w.program.exports, t.guest.job.Entry); err != nil {
		return false, err
	}
	begun := time.Now()
	w.begin(t)
	o, err := t.guest.run(context.Background(), w.program)
	w.end()
	if err != nil {
		return false, err
	}
	again = w.life.fit(time.Since(begun))
	return again, w.deliver(t, o, again)
}

// prepare makes the program and narrows the process to what its jobs may use.
func (w *worker) prepare(t *turn) (err error) {
	l, size := t.guest.job.Limits, t.guest.job.ModuleSize
	limit := func() error { return w.cell.limitCompile(compileTime(size), compileMemory(size)) }
	if err := limit(); err != nil {
		return fmt.Errorf("%w: walls: %w", ErrEngine, err)
	}
	// From here on the module is to blame for what happens to this process.
	if err := w.out.send(frameTaken, nil); err != nil {
		return err
	}
	if t.interpreter || len(t.module) > 256<<10 { // compiling it leaves garbage to speak of
		debug.SetGCPercent(100)
	}
	r := recipe{tariff: t.guest.job.Tariff, pages: l.MemoryPages, interpreter: t.interpreter, powers: t.powers, cacheDir: t.cacheDir, anew: limit}
	if w.program, err = r.make(context.Background(), t.module); err != nil {
		return err
	}
	t.module = nil
	if t.fresh && !w.program.unkept {
		if sum, err := hashFolder(t.cacheDir); err == nil {
			t.sum = sum[:]
		}
	}
	if err := w.cell.shut(); err != nil {
		return fmt.Errorf("%w: walls: %w", ErrEngine, err)
	}
	memory := uint64(w.program.maxPages) << 16
	stack := uint64(l.Depth) * stackBytes(t.interpreter)
	room := inputRoom(inputClass(t.guest.job))
	if t.interpreter {
		// Garbage would grow to the heap's size, and the process's limit has no
		// room for that beside the guest's memory.
		heap := room + 2*l.OutputBytes + stack
		if memoryOnHeap {
			heap += memory
		}
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		debug.SetMemoryLimit(int64(now.Sys) + int64(heap) + memorySlack/2)
	} else {
		// This collection is the last but for those between the guests, and when
		// a call of one asks for it.
		debug.SetGCPercent(-1)
		debug.FreeOSMemory()
		debug.SetGCPercent(-1) // waits for the last step of it, see holdCollector
	}
	if err := w.cell.limit(memory*11/10+room+2*l.OutputBytes+stack+memorySlack, l.Wall()); err != nil {
		return fmt.Errorf("%w: walls: %w", ErrEngine, err)
	}
	w.life.begin()
	return nil
}

// begin makes t the job that runs. Its first frame goes out with the next, or at
// once with a hash, which no guest shall have had in reach.
func (w *worker) begin(t *turn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.job = t
	_ = w.out.number(frameBegun, t.number, t.sum...)
	if len(t.sum) > 0 {
		_ = w.out.flush()
	}
	if !w.ticking { // setting it wakes a thread, so it ticks on while there are jobs
		w.ticking = true
		w.timer.Reset(firstLook)
	}
}

// end is called when the guest has ended. Nothing of it is left to be sent.
func (w *worker) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.putPending()
	w.job = nil
}

// deliver sends the outcome and the output folder.
func (w *worker) deliver(t *turn, o outcome, again bool) error {
	if err := w.out.number(frameStopped, o.Fuel); err != nil {
		return err
	}
	if err := w.out.value(frameResult, o); err != nil {
		return err
	}
	for _, e := range t.guest.world.Tree() {
		if err := w.out.value(frameEntry, entryWire{e.Path, e.Dir, e.Size}); err != nil {
			return err
		}
		if err := e.Each(func(b []byte) error { return w.out.data(frameData, b) }); err != nil {
			return err
		}
	}
	last := []byte{0}
	if again {
		last[0] = 1
	}
	return w.out.send(frameEnd, last)
}

// watch looks after the guests that are there at two ticks.
func (w *worker) watch() {
	for range w.timer.C {
		w.tick()
	}
}

func (w *worker) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := firstLook
	switch {
	case w.job == nil && w.last == nil:
		w.ticking = false
		return
	case w.job == w.last:
		w.look(w.job)
		next = flushEvery
	}
	w.last = w.job
	w.timer.Reset(next)
}

// look sends what the guest has written, and its progress. It is called with mu
// held.
func (w *worker) look(t *turn) {
	w.in.wake() // from now on there may be a cancel
	if t.looks == 0 {
		t.ran = stopwatch()
	}
	if t.looks%progressEvery == 0 {
		used := min(t.guest.tank.Used(), t.guest.job.Limits.Fuel)
		if t.pace.slow(t.ran(), used) {
			t.guest.tank.interrupt(t.pace.cause())
		}
		_ = w.out.number(frameProgress, used)
	}
	t.looks++
	w.putPending()
	_ = w.out.flush()
}

// interrupt ends the guest of the job with this number, if it still runs.
func (w *worker) interrupt(number uint64, why string) {
	w.mu.Lock()
	t := w.job
	w.mu.Unlock()
	if t != nil && t.number == number {
		t.guest.tank.interrupt(why)
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
			w.putPending()
			_ = w.out.flush()
			p = w.pending[stream]
		}
		n := min(len(b), maxPending-len(p))
		w.pending[stream] = append(p, b[:n]...)
		b = b[n:]
	}
}

// ask puts a guest's request to the engine, and waits. What it wrote before goes out
// first.
func (w *worker) ask(name string, request []byte) ([]byte, int32) {
	w.mu.Lock()
	w.putPending()
	err := w.out.value(frameAsk, askWire{name, request})
	if err == nil {
		err = w.out.flush()
	}
	w.mu.Unlock()
	if err == nil {
		var answer []byte
		var code int32
		if answer, code, err = w.in.answer(); err == nil {
			return answer, code
		}
	}
	return nil, PowerFailed // the engine is gone
}

// putPending is called with mu held. The engine that does not read any more
// ends this process by itself, so an error needs no handling.
func (w *worker) putPending() {
	for i, kind := range []frameKind{frameStdout, frameStderr} {
		if len(w.pending[i]) > 0 {
			_ = w.out.put(kind, w.pending[i])
			clear(w.pending[i])
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
