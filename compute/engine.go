package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
)

// Errors of Run, beside ErrInvalid and ErrNoBlob.
var (
	// ErrModule is returned when the module is refused: it is not WebAssembly,
	// too large, imports what is not there or cannot be metered. The text names
	// what and where. Nothing of the guest has run.
	ErrModule = errors.New("compute: module refused")
	// ErrImport is the ErrModule of a module that imports what is not there.
	ErrImport = fmt.Errorf("%w: import", ErrModule)
	// ErrEntry is the ErrModule of a module that does not export what the job
	// calls.
	ErrEntry = fmt.Errorf("%w: entry", ErrModule)
	// ErrMemory is the ErrModule of a module that begins with more memory than the
	// job's limit.
	ErrMemory = fmt.Errorf("%w: memory", ErrModule)
	// ErrEngine is returned when the engine failed: a worker died or hung, the
	// machine had no memory. It says nothing about the job.
	ErrEngine = errors.New("compute: engine failed")
	// ErrClosed is returned by Run after Close.
	ErrClosed = errors.New("compute: engine closed")
)

// Config is what an Engine may be told. The zero value works.
type Config struct {
	// CacheDir keeps compiled modules; "" keeps none. Nothing else may write
	// there: what it holds is executed.
	CacheDir string
	// CacheBytes bounds the room that CacheDir takes on the disk, oldest use first
	// out; it keeps 4,096 modules at most. Default 1 GiB.
	CacheBytes int64
	// Interpreter runs guests with wazero's interpreter: slower, the same
	// results.
	Interpreter bool
	// InProcess runs guests in this process: for tests, and for programs that
	// cannot start themselves. The whole process then collects no garbage while
	// a guest runs, and one that hits the engine's own walls ends it.
	InProcess bool
	// Workers is how many jobs run at once; more wait. Default: the number of
	// CPUs. As many processes again, and two at least, may wait idle with their
	// modules for half a minute, and two without one.
	Workers int
	// Log gets what an operator would like to know. Nil discards.
	Log *slog.Logger
}

// Engine runs jobs. Its methods may be called at once. Who makes one closes it.
type Engine struct {
	cfg   Config
	name  string
	slots chan struct{} // one for each job or process there may be
	cache *cache
	pool  *pool
	shelf *shelf

	refusals refusals
	stopWall time.Duration // in which a worker that was told to stop does

	mu     sync.Mutex // guards closed, and the Add of runs against Close
	closed bool
	runs   sync.WaitGroup
	done   chan struct{} // closed by Close
	end    sync.Once     // of the pool
}

// New makes an engine. Processes start with the first Run, or with Warm.
func New(cfg Config) *Engine {
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = 1 << 30
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.NumCPU()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		cfg:   cfg,
		name:  engineName(cfg.Interpreter),
		slots: make(chan struct{}, cfg.Workers),
		cache: &cache{dir: cfg.CacheDir, most: cfg.CacheBytes, folders: maxFolders, log: cfg.Log},
		done:  make(chan struct{}),
	}
	e.stopWall = stopWall
	e.pool = newPool(cfg.Workers, cfg.Log)
	e.shelf = &shelf{most: max(2, cfg.Workers)}
	return e
}

// Name is what runs guests here, as Result.Engine has it.
func (e *Engine) Name() string { return e.name }

// Live is what a caller may see of a job while it runs, and how it may steer it.
// The zero value does nothing.
type Live struct {
	// Stdout and Stderr get what the guest writes, within about 20 ms, one Write
	// after the other. One that blocks holds the guest, until the job is cancelled
	// or hits its limit of real time: a Write is then waited for no longer than
	// about 100 ms, may return after Run, and is the last. One that fails is not
	// called again.
	Stdout, Stderr io.Writer
	// Progress is told about every 100 ms how much fuel is used so far. The job
	// waits for it, and so does its cancel: it must not block.
	Progress func(fuel uint64)
	// StopAt ends the job as Interrupted at the first check that finds this much
	// fuel used, or more: it checks a result that was interrupted at that fuel.
	// 0 never does.
	StopAt uint64
	// Tenant is who the job is run for, any string: jobs of different tenants
	// never share a worker process.
	Tenant string
	// Control steers the job; one each. Nil: nobody does.
	Control *Control
	// Slowest is the fuel per second below which the job ends as Interrupted; 0
	// none. It is measured over three seconds, and not within the first two: by
	// the processor time of the job's process where the system tells it, so that
	// neither pauses nor a busy machine count; in real time for a guest in this
	// process and on Windows.
	Slowest uint64
	// Powers are what the guest may ask of its host beside its own world. A job with
	// powers shares no worker with one that has others. Nil: it may ask for nothing.
	Powers Powers
}

// Run runs the job and returns what came of it. A guest that traps, fails or
// runs out of fuel is a Result without an error. Cancelling ctx ends a guest
// that runs as Interrupted, also without an error, and anything before that with
// ctx's error. Errors wrap ErrInvalid, ErrModule, ErrNoBlob, ErrEngine or
// ErrClosed; with one, Result.Fuel is still the fuel known to be used.
func (e *Engine) Run(ctx context.Context, job Job, blobs Blobs, live Live) (Result, error) {
	encoded, err := job.encodeChecked()
	if err != nil {
		return Result{}, err
	}
	if e.cfg.Interpreter && job.Limits.Depth > maxInterpreted {
		return Result{}, fmt.Errorf("%w: the interpreter serves a depth of %d, the job asks for %d",
			ErrEngine, maxInterpreted, job.Limits.Depth)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if live.Powers == nil {
		if err := e.refusals.get(job); err != nil {
			return Result{Job: identity.HashOf(encoded), Engine: e.name}, err
		}
	}
	if !e.begin() {
		return Result{}, ErrClosed
	}
	defer e.runs.Done()
	if err := live.Control.await(ctx, e.done); err != nil {
		return Result{}, err
	}
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-e.done:
		return Result{}, ErrClosed
	}
	out := newSink(job, live)
	defer out.talk.end()
	if e.cfg.InProcess {
		defer func() { <-e.slots }()
		err = e.runHere(ctx, job, blobs, live, out)
	} else {
		err = e.runThere(ctx, job, encoded, blobs, live, out)
	}
	r := out.result()
	r.Job, r.Engine = identity.HashOf(encoded), e.name
	return r, err
}

// begin counts a Run, unless the engine is closed.
func (e *Engine) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.runs.Add(1)
	return true
}

// Warm starts a spare worker, so that the first job does not wait for one.
func (e *Engine) Warm() {
	if !e.cfg.InProcess && e.begin() {
		defer e.runs.Done()
		e.pool.refill()
	}
}

// Close ends every job as an error, every worker, and returns when none is left.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if first {
		close(e.done)
		e.pool.spawner.abort() // a Run may wait for a worker's hello
	}
	e.runs.Wait() // before the pool: they use its workers
	e.end.Do(func() {
		e.pool.close()
		e.shelf.close()
	})
	return nil
}

// Causes of an interrupted result.
const (
	causeCancelled = "cancelled"
	causeWall      = "hit its limit of real time"
	causeClosed    = "engine closed" // an error, to the caller
)
