package compute

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// runHere runs the guest in this process.
func (e *Engine) runHere(ctx context.Context, job Job, blobs Blobs, live Live, out *sink) error {
	g := &guest{job: job}
	g.tank.job, g.tank.stopAt = job.Limits.Fuel, live.StopAt
	// The world keeps these within the job's limits, so they cannot fail.
	g.stdout = func(b []byte) { _ = out.stdout(b) }
	g.stderr = func(b []byte) { _ = out.stderr(b) }
	begun, ended := make(chan struct{}), make(chan struct{})
	g.started = func() { close(begun) }
	if !e.cfg.Interpreter { // which is Go like any other
		g.started = func() {
			holdCollector()
			close(begun)
		}
		g.stopped = releaseCollector
	}
	asking, unask := context.WithCancel(context.WithoutCancel(ctx))
	defer unask()
	g.ask = func(name string, request []byte) ([]byte, int32) { return live.Powers.ask(asking, name, request) }
	if err := g.load(func(b Blob) ([]byte, error) { return readBlob(blobs, b) }); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, k, err := e.program(ctx, job, blobs, live)
	if err != nil {
		return err
	}
	fit := false
	defer func() { e.shelf.put(p, k, fit) }()
	var watch sync.WaitGroup
	watch.Go(func() { e.watchHere(ctx, g, live, out, unask, begun, ended) })
	o, err := g.run(context.WithoutCancel(ctx), p)
	close(ended)
	watch.Wait()
	out.res.Fuel = o.Fuel
	fit = err == nil
	if err == nil && o.Cause == causeClosed {
		err = ErrClosed
	}
	if err != nil {
		return err
	}
	if err := out.outcome(o); err != nil {
		return err
	}
	for _, entry := range g.world.Tree() {
		err := out.entry(entry.Path, entry.Dir, entry.Size, func(b []byte) error {
			return entry.Each(func(piece []byte) error {
				b = b[copy(b, piece):]
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// program gives a program for the job that no other job uses.
func (e *Engine) program(ctx context.Context, job Job, blobs Blobs, live Live) (*program, key, error) {
	k := keyOf(job, live)
	if p := e.shelf.take(k); p != nil {
		if err := checkExports(p.exports, job.Entry); err != nil {
			e.shelf.put(p, k, true)
			return nil, k, err
		}
		return p, k, nil
	}
	module, err := loadBlob("the module", Blob{job.Module, job.ModuleSize}, func(b Blob) ([]byte, error) {
		return readBlob(blobs, b)
	})
	if err != nil {
		return nil, k, err
	}
	room := e.cache.open(job, e.name)
	defer room.close()
	ctx = context.WithoutCancel(ctx)
	r := recipe{tariff: job.Tariff, pages: job.Limits.MemoryPages, interpreter: e.cfg.Interpreter, powers: live.Powers.names(), cacheDir: room.folder}
	p, err := r.make(ctx, module)
	if err == nil {
		if err = checkExports(p.exports, job.Entry); err != nil {
			_ = p.close(ctx) // nothing to be done about it
		}
	}
	if errors.Is(err, ErrModule) && live.Powers == nil {
		e.refusals.add(job, err)
	}
	if err != nil {
		return nil, k, err
	}
	if room.fresh && !p.unkept {
		if sum, err := hashFolder(room.folder); err == nil {
			room.seal(sum)
		}
	}
	return p, k, nil
}

// watchHere does for a guest in this process what a worker's watcher and its
// session do for one there, but for holding it. unask ends what it asks; begun is
// closed when it runs.
func (e *Engine) watchHere(ctx context.Context, g *guest, live Live, out *sink, unask func(), begun, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-begun:
	}
	began, pace := time.Now(), newPace(live.Slowest)
	stop := func(cause string) {
		g.tank.interrupt(cause)
		out.talk.hush() // the guest may wait for who watches
		unask()         // or for a power
	}
	wall := time.NewTimer(g.job.Limits.Wall())
	defer wall.Stop()
	tick := time.NewTicker(progressEvery * flushEvery)
	defer tick.Stop()
	cancelled, closed := ctx.Done(), (<-chan struct{})(e.done)
	for {
		select {
		case <-ended:
			return
		case <-cancelled:
			stop(causeCancelled)
			cancelled = nil
		case <-closed:
			stop(causeClosed)
			closed = nil
		case <-wall.C:
			stop(causeWall)
		case <-tick.C:
			used := min(g.tank.Used(), g.job.Limits.Fuel)
			if live.Progress != nil {
				live.Progress(used)
			}
			if pace.slow(time.Since(began), used) {
				stop(pace.cause())
			}
		}
	}
}

// shelf keeps programs for the jobs to come in this process, as the pool keeps
// workers.
type shelf struct {
	most int // programs

	mu   sync.Mutex // guards idle
	idle []shelved  // longest idle first
}

type shelved struct {
	*program
	key key
}

// take gives a program of k, or nil.
func (s *shelf) take(k key) *program {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if p := s.idle[i]; p.key == k {
			s.idle = slices.Delete(s.idle, i, i+1)
			return p.program
		}
	}
	return nil
}

// put keeps a program, or closes it when it is not fit.
func (s *shelf) put(p *program, k key, fit bool) {
	out := p
	if fit {
		out = nil
		s.mu.Lock()
		if len(s.idle) >= s.most {
			out = s.idle[0].program
			s.idle = slices.Delete(s.idle, 0, 1)
		}
		s.idle = append(s.idle, shelved{p, k})
		s.mu.Unlock()
	}
	if out != nil {
		_ = out.close(context.Background()) // nothing to be done about it
	}
}

func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.idle {
		_ = p.close(context.Background())
	}
	s.idle = nil
}
