package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/peersea/sea/identity/cbor"
)

// How long a worker may take.
const (
	compileWall = 2 * time.Minute * slowdown // from the job to the guest's first step
	stopWall    = 250 * time.Millisecond     // from the cancel to its last
	deliverWall = time.Minute                // from there to the last byte of output
)

// watchHere does for a guest in this process what a worker's watcher and its
// session do for one there, but for holding it. begun is closed when it runs.
func (e *Engine) watchHere(ctx context.Context, g *guest, live Live, begun, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-begun:
	}
	began, pace := time.Now(), newPace(live.Slowest)
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
			g.tank.interrupt(causeCancelled)
			cancelled = nil
		case <-closed:
			g.tank.interrupt(causeClosed)
			closed = nil
		case <-wall.C:
			g.tank.interrupt(causeWall)
		case <-tick.C:
			used := min(g.tank.Used(), g.job.Limits.Fuel)
			if live.Progress != nil {
				live.Progress(used)
			}
			if pace.slow(time.Since(began), used) {
				g.tank.interrupt(pace.cause())
			}
		}
	}
}

// runThere runs the job in a worker. The worker is gone when the slot is free
// again, which may be shortly after the return.
func (e *Engine) runThere(ctx context.Context, job Job, blobs Blobs, live Live, folder string, out *sink) error {
	for {
		p, spare, err := e.pool.take()
		if err != nil {
			<-e.slots
			return err
		}
		s := &session{
			engine: e, job: job, blobs: blobs, live: live, folder: folder, out: out, p: p,
			begun: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan struct{}),
		}
		err = s.run(ctx)
		if errors.Is(err, errUnbegun) && spare && ctx.Err() == nil {
			// It had died while it waited. A fresh one tells the truth.
			p.reap()
			continue
		}
		e.pool.reap(p, func() { <-e.slots })
		return err
	}
}

// errUnbegun marks a worker's death before the guest began.
var errUnbegun = fmt.Errorf("%w: the worker died before it began", ErrEngine)

// session is the engine's side of one job in a worker. Run's goroutine reads,
// one sends the job, one looks at the clock and the context.
type session struct {
	engine *Engine
	job    Job
	blobs  Blobs
	live   Live
	folder string
	out    *sink
	p      *process

	begun   chan struct{} // closed when the guest runs
	stopped chan struct{} // closed when it does not any more
	ended   chan struct{} // closed when the session is over

	mu  sync.Mutex // guards why
	why error      // the first reason to kill the worker
}

func (s *session) run(ctx context.Context) error {
	var others sync.WaitGroup
	others.Go(func() { s.send() })
	others.Go(func() { s.watch(ctx) })
	err := s.read()
	close(s.ended)
	s.p.kill() // nothing more is expected of it; this also unblocks send
	others.Wait()
	if err == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return s.why
	}
	return err
}

// kill ends the worker because of err.
func (s *session) kill(err error) {
	s.mu.Lock()
	if s.why == nil {
		s.why = err
	}
	s.mu.Unlock()
	s.p.kill()
}

// send gives the worker its job and the bytes of it.
func (s *session) send() {
	err := s.p.in.value(frameJob, startWire{
		Job: s.job.Encode(), Interpreter: s.engine.cfg.Interpreter, Cache: s.folder, StopAt: s.live.StopAt, Slowest: s.live.Slowest,
	})
	blobs := []Blob{{s.job.Module, s.job.ModuleSize}, s.job.Stdin}
	for _, f := range s.job.Files {
		blobs = append(blobs, f.Blob())
	}
	for _, b := range blobs {
		if err != nil {
			return // the worker is gone; read says why
		}
		if b.Size > 0 {
			err = s.sendBlob(b)
		}
	}
}

func (s *session) sendBlob(b Blob) error {
	r, err := openBlob(s.blobs, b.Hash)
	if err != nil {
		s.kill(err)
		return err
	}
	defer r.Close()
	buf := make([]byte, min(b.Size, dataFrame))
	for left := b.Size; left > 0; {
		n := min(left, uint64(len(buf)))
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			s.kill(fmt.Errorf("%w: %v is short: %w", ErrNoBlob, b.Hash, err))
			return err
		}
		if err := s.p.in.send(frameData, buf[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// watch steers the guest, stops it, and kills the worker that does not stop.
func (s *session) watch(ctx context.Context) {
	g := newGovernor(s.p, s.live.Control)
	defer g.goOn()
	switch g.run(ctx, s.engine.done, s.begun, compileWall) {
	case cancelled:
		s.kill(ctx.Err())
		return
	case closed:
		s.kill(ErrClosed)
		return
	case late:
		s.kill(fmt.Errorf("%w: compiling took longer than %v", ErrEngine, compileWall))
		return
	}
	var cause string
	switch g.run(ctx, s.engine.done, s.stopped, s.job.Limits.Wall()) {
	case closed:
		s.kill(ErrClosed)
		return
	case cancelled:
		cause = causeCancelled
	case late:
		cause = causeWall
	}
	g.goOn() // to hear that it shall stop, or to deliver
	limit := time.NewTimer(deliverWall)
	defer limit.Stop()
	if cause != "" {
		limit.Reset(stopWall)
		// Not in this goroutine: a worker that hangs does not read either.
		var asked sync.WaitGroup
		asked.Go(func() { _ = s.p.in.send(frameCancel, []byte(cause)) })
		defer asked.Wait()
		select {
		case <-s.stopped:
		case <-limit.C:
			s.kill(fmt.Errorf("%w: the job was %s and its worker did not stop within %v", ErrEngine, cause, stopWall))
			return
		}
		limit.Reset(deliverWall)
	}
	select {
	case <-s.ended:
	case <-s.engine.done:
		s.kill(ErrClosed)
	case <-limit.C:
		s.kill(fmt.Errorf("%w: the worker did not deliver within %v", ErrEngine, deliverWall))
	}
}

// read takes frames until the last one.
func (s *session) read() error {
	begun, stopped := false, false
	defer func() {
		if !begun {
			close(s.begun)
		}
		if !stopped {
			close(s.stopped)
		}
	}()
	for {
		kind, b, err := s.p.out.next()
		if err != nil {
			return s.died(begun, err)
		}
		switch kind {
		case frameBegun:
			if begun {
				return fmt.Errorf("%w: %w: begun twice", ErrEngine, errFrame)
			}
			begun = true
			close(s.begun)
		case frameStdout:
			err = s.out.stdout(b)
		case frameStderr:
			err = s.out.stderr(b)
		case frameProgress, frameStopped:
			var fuel uint64
			if fuel, err = readFuel(b); err == nil {
				s.out.progress(fuel)
			}
			if kind == frameStopped && !stopped {
				stopped = true
				close(s.stopped)
			}
		case frameFailure:
			var w failureWire
			if err = cbor.Unmarshal(b, &w); err == nil {
				return w.err()
			}
		case frameResult:
			var o outcome
			if err = cbor.Unmarshal(b, &o); err == nil {
				if err = s.out.outcome(o); err == nil {
					return s.readTree()
				}
			}
		default:
			err = fmt.Errorf("%w: kind %q", errFrame, kind)
		}
		if err != nil {
			return fmt.Errorf("%w: the worker's answer: %w", ErrEngine, err)
		}
	}
}

// readTree takes the output folder and the last frame.
func (s *session) readTree() error {
	for {
		kind, b, err := s.p.out.next()
		if err != nil {
			return s.died(true, err)
		}
		if kind == frameEnd {
			return nil
		}
		var w entryWire
		if kind != frameEntry {
			return fmt.Errorf("%w: %w: kind %q in the output folder", ErrEngine, errFrame, kind)
		}
		if err := cbor.Unmarshal(b, &w); err != nil {
			return fmt.Errorf("%w: the worker's answer: %w", ErrEngine, err)
		}
		data := &dataReader{r: s.p.out}
		err = s.out.entry(w.Path, w.Dir, w.Size, func(b []byte) error {
			if _, err := io.ReadFull(data, b); err != nil {
				return s.died(true, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// died explains a pipe that closed, or broke, before the last frame.
func (s *session) died(begun bool, err error) error {
	s.p.reap()
	text := s.p.lastWords()
	if errors.Is(err, errFrame) {
		text = fmt.Sprintf("%v, %s", err, text)
	}
	if !begun {
		return fmt.Errorf("%w: %s", errUnbegun, text)
	}
	return fmt.Errorf("%w: the worker died: %s", ErrEngine, text)
}
