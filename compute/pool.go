package compute

import (
	"errors"
	"log/slog"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
)

// maxSpares is how many workers without a module wait for jobs to come.
const maxSpares = 2

// How long a worker serves, beside what it finds out about itself.
const (
	maxJobs = 1000             // jobs of one worker
	maxIdle = 30 * time.Second // that it waits for the next one
)

// key says which jobs may share a worker: those of one tenant and one module
// under the same limits, with the same powers. What a guest might do to its worker, if it got out of
// its engine, then falls on its own buyer and program alone.
type key struct {
	tenant string
	module identity.Hash
	tariff uint64
	limits Limits
	powers string
	inputs int // their bytes, as inputRoom counts: they take memory too
}

func keyOf(job Job, live Live) key {
	return key{tenant: live.Tenant, module: job.Module, tariff: job.Tariff, limits: job.Limits, powers: live.Powers.key(), inputs: inputClass(job)}
}

// inputBytes is how many bytes the job brings along, without its module.
func inputBytes(job Job) uint64 {
	n := job.Stdin.Size
	for _, f := range job.Files {
		n += f.Size
	}
	return n
}

// inputClass is 0 for inputs below 1 MiB, 1 below 2 MiB, and so on by powers of
// two; inputRoom is the bytes that none of a class reaches.
func inputClass(job Job) int     { return bits.Len64(inputBytes(job) >> 20) }
func inputRoom(class int) uint64 { return 1 << 20 << class }

// pool keeps workers for the jobs to come.
//
//	      start             take               put
//	none ───────▶ spare ───────────▶ running ───────▶ idle
//	                                  │   ▲    take     │
//	                   ended, or died ▼   └─────────────┤ too old, or
//	                                none ◀──────────────┘ its place is needed
//
// A spare has run nothing; the next one starts while it is taken, which hides
// the price. An idle one has its module compiled, and takes jobs of its key only.
type pool struct {
	spare   int           // how many spares there shall be
	most    int           // idle workers
	maxIdle time.Duration // that one waits
	log     *slog.Logger
	spawner spawner

	mu      sync.Mutex // guards what follows
	spares  []*process
	idle    []idle      // longest idle first
	old     *time.Timer // runs retire when the first of idle is too old
	filling bool
	closed  bool
	work    sync.WaitGroup // refills and reapings
}

// idle is a worker that waits for a job of its key.
type idle struct {
	*process
	key   key
	since time.Time
}

// newPool makes a pool for so many jobs at once.
func newPool(workers int, log *slog.Logger) *pool {
	return &pool{spare: min(workers, maxSpares), most: max(2, workers), maxIdle: maxIdle, log: log, spawner: spawner{log: log}}
}

// take gives a worker that has said hello: one that has k's module, or a spare,
// or a new one; with fresh, a new one.
func (p *pool) take(k key, fresh bool) (*process, error) {
	p.mu.Lock()
	var got *process
	if !fresh {
		got = p.find(k)
	}
	p.mu.Unlock()
	if got == nil || got.jobs == 0 {
		p.refill()
	}
	if got != nil {
		got.waited = true
		return got, nil
	}
	return p.spawner.start()
}

// find is called with mu held.
func (p *pool) find(k key) *process {
	for i := len(p.idle) - 1; i >= 0; i-- { // the last may be in the processor's caches
		if w := p.idle[i]; w.key == k {
			p.idle = slices.Delete(p.idle, i, i+1)
			return w.process
		}
	}
	if n := len(p.spares); n > 0 {
		got := p.spares[n-1]
		p.spares = p.spares[:n-1]
		return got
	}
	return nil
}

// put takes back a worker that has had a job, and calls freed when no process is
// in its place.
func (p *pool) put(proc *process, k key, reusable bool, freed func()) {
	if !reusable || proc.jobs >= maxJobs {
		p.reap(proc, freed)
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.reap(proc, freed)
		return
	}
	var out *process
	if len(p.idle) >= p.most {
		out = p.idle[0].process
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	p.idle = append(p.idle, idle{proc, k, time.Now()})
	if p.old == nil {
		p.old = time.AfterFunc(p.maxIdle, p.retire)
	}
	p.mu.Unlock()
	if out != nil {
		p.reap(out, freed)
		return
	}
	freed()
}

// retire ends the workers that were idle for too long.
func (p *pool) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.old = nil
	if p.closed {
		return
	}
	now := time.Now()
	for len(p.idle) > 0 && now.Sub(p.idle[0].since) >= p.maxIdle {
		p.work.Go(p.idle[0].reap)
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	if len(p.idle) > 0 {
		p.old = time.AfterFunc(p.maxIdle-now.Sub(p.idle[0].since), p.retire)
	}
}

// refill starts spares until there are enough, in the background.
func (p *pool) refill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filling || p.closed || len(p.spares) >= p.spare {
		return
	}
	p.filling = true
	p.work.Go(p.fill)
}

func (p *pool) fill() {
	for {
		proc, err := p.spawner.start()
		if err != nil && !errors.Is(err, ErrClosed) {
			p.log.Warn("spare worker did not start", "err", err)
		}
		p.mu.Lock()
		if err == nil && !p.closed {
			p.spares = append(p.spares, proc)
			proc = nil
		}
		more := err == nil && !p.closed && len(p.spares) < p.spare
		p.filling = more
		p.mu.Unlock()
		if proc != nil {
			proc.reap()
		}
		if !more {
			return
		}
	}
}

// reap ends proc in the background and then calls freed.
func (p *pool) reap(proc *process, freed func()) {
	p.work.Go(func() {
		proc.reap()
		freed()
	})
}

// close ends the workers that wait, and waits for every process. No job may be
// under way.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	waiting := p.spares
	for _, w := range p.idle {
		waiting = append(waiting, w.process)
	}
	p.spares, p.idle = nil, nil
	if p.old != nil {
		p.old.Stop() // when it is too late, it finds nothing to do
	}
	p.mu.Unlock()
	for _, proc := range waiting {
		proc.reap()
	}
	p.work.Wait()
	p.spawner.close() // last: its thread's end would kill workers
}
