package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
)

// How long a worker may take.
const (
	stopWall    = 2 * time.Second * slowdown // from the cancel to its last
	deliverWall = time.Minute                // from there to the last byte of output
)

// compileWall is how much real time may pass from the job to the guest's first
// step. It is there for a worker that hangs: what counts is the processor time,
// which a machine with twenty times too much to do may take that long to give.
func compileWall(bytes uint64) time.Duration { return 20 * compileTime(bytes) }

// compileMemory is how much memory it may take for that, with what it has read:
// programs need up to 1.3 GiB.
func compileMemory(bytes uint64) uint64 { return 2<<30 + 64*bytes }

// compileTime is how much processor time a module of so many bytes may take to be
// compiled: five seconds and two for each MiB, some ten times what programs need.
func compileTime(bytes uint64) time.Duration {
	return slowdown * (5*time.Second + time.Duration(2*bytes*uint64(time.Second)>>20))
}

// runThere runs the job in a worker. A worker that ends is gone when the slot is
// free again, which may be shortly after the return.
func (e *Engine) runThere(ctx context.Context, job Job, encoded []byte, blobs Blobs, live Live, out *sink) error {
	k := keyOf(job, live)
	for again := false; ; again = true {
		p, err := e.pool.take(k, again)
		if err != nil {
			<-e.slots
			return err
		}
		s := newSession(e, job, blobs, live, out, p)
		s.encoded = encoded
		err = s.run(ctx)
		if errors.Is(err, errUnbegun) && p.waited && !again && ctx.Err() == nil {
			// It had died while it waited. A fresh one tells the truth.
			p.reap()
			continue
		}
		e.pool.put(p, k, s.reusable, func() { <-e.slots })
		return err
	}
}

// errUnbegun marks a worker's death before it said that it had the job.
var errUnbegun = fmt.Errorf("%w: the worker died", ErrEngine)

// session is the engine's side of one job in a worker. Run's goroutine reads,
// one sends the job, one looks at the clock and the context.
type session struct {
	engine  *Engine
	job     Job
	encoded []byte // the job
	blobs   Blobs
	live    Live
	out     *sink
	p       *process
	number  uint64 // of the job, in its worker
	room    *room  // in the cache; of a worker's first job

	begun   chan struct{} // closed when the guest runs
	stopped chan struct{} // closed when it does not any more
	ended   chan struct{} // closed when the session is over

	asking context.Context // of powers; ended when the job is to end
	unask  context.CancelFunc

	taken    bool // the worker has read its first job, and compiles
	again    bool // the worker says that it takes another job
	reusable bool // it is fit for one; set by run

	mu    sync.Mutex // guards what follows
	why   error      // the first reason to kill the worker
	asked bool       // to stop: the worker may not have read it, and ends
}

func newSession(e *Engine, job Job, blobs Blobs, live Live, out *sink, p *process) *session {
	p.jobs++
	asking, unask := context.WithCancel(context.Background())
	return &session{
		engine: e, job: job, blobs: blobs, live: live, out: out, p: p, number: p.jobs,
		asking: asking, unask: unask,
		begun: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan struct{}),
	}
}

func (s *session) run(ctx context.Context) error {
	if s.number == 1 {
		s.room = s.engine.cache.open(s.job, s.engine.name)
		defer s.closeRoom()
	}
	var watcher, sender sync.WaitGroup
	watcher.Add(1)
	watch := time.AfterFunc(s.unwatched(), func() {
		defer watcher.Done()
		s.watch(ctx)
	})
	if s.number > 1 && s.inputs() < smallInputs {
		s.send() // it fits into the pipe
	} else {
		sender.Go(s.send)
	}
	err := s.read()
	if err != nil {
		s.p.kill() // nothing more is expected of it; this also unblocks send
	}
	sender.Wait() // watch is there for a worker that answers and does not read
	close(s.ended)
	if watch.Stop() {
		watcher.Done() // it was over before
	}
	watcher.Wait()
	s.unask()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.why != nil {
		return s.why
	}
	s.reusable = err == nil && s.why == nil && !s.asked && s.again && s.p.out.quiet()
	return err
}

// closeRoom gives the folder back. A worker that has failed while it filled it
// is gone by then.
func (s *session) closeRoom() {
	if s.room.fresh && !s.reusable {
		s.p.reap()
	}
	s.room.close()
}

// unwatched is how long the job may take until somebody looks at it. Most are
// over by then, and another thread that wakes costs as much as they do.
func (s *session) unwatched() time.Duration {
	if s.live.Control != nil {
		return 0
	}
	return firstLook
}

// smallInputs is how many bytes are sent without a goroutine.
const smallInputs = 16 << 10

// inputs is how many bytes the job brings along, without its module.
func (s *session) inputs() uint64 { return inputBytes(s.job) }

// kill ends the worker because of err.
func (s *session) kill(err error) {
	s.mu.Lock()
	if s.why == nil {
		s.why = err
	}
	s.mu.Unlock()
	s.out.talk.hush()
	s.unask()
	s.p.kill()
}

// send gives the worker its job and the bytes of it: those of the module when it
// is the worker's first.
func (s *session) send() {
	first := s.room != nil
	start := startWire{
		Number: s.number, Job: s.encoded, Module: first, Interpreter: s.engine.cfg.Interpreter,
		StopAt: s.live.StopAt, Slowest: s.live.Slowest, Powers: list(s.live.Powers.names()),
	}
	if first {
		start.Cache, start.Fresh = s.room.folder, s.room.fresh
	}
	err := s.p.in.value(frameJob, start)
	blobs := []Blob{s.job.Stdin}
	if first {
		blobs = []Blob{{s.job.Module, s.job.ModuleSize}, s.job.Stdin}
	}
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
	if err == nil {
		_ = s.p.in.flush()
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
		if err := s.p.in.put(frameData, buf[:n]); err != nil {
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
	wall := compileWall(s.job.ModuleSize)
	switch g.run(ctx, s.engine.done, s.begun, wall) {
	case cancelled:
		select {
		case <-s.begun: // as well: it has a result
		default:
			s.kill(ctx.Err())
			return
		}
	case closed:
		s.kill(ErrClosed)
		return
	case late:
		s.kill(fmt.Errorf("%w: compiling took longer than %v", ErrEngine, wall))
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
		s.mu.Lock()
		s.asked = true
		s.mu.Unlock()
		s.out.talk.hush() // read may wait for who watches, and the guest for read
		limit.Reset(s.engine.stopWall)
		// Not in this goroutine: a worker that hangs does not read either.
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			s.ask(cause)
			s.unask() // after it: the guest, if it waits for a power, does not go on
		}()
		defer func() {
			select {
			case <-asked: // as is usual: to end the worker is not for the result to wait for
			default:
				s.p.kill() // it may hold the frame up
				<-asked
			}
		}()
		select {
		case <-s.stopped:
		case <-limit.C:
			s.kill(fmt.Errorf("%w: the job was %s and its worker did not stop within %v", ErrEngine, cause, s.engine.stopWall))
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

// ask tells the worker to stop the guest.
func (s *session) ask(cause string) {
	if s.p.in.number(frameCancel, s.number, []byte(cause)...) == nil {
		_ = s.p.in.flush()
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
		switch {
		case kind == frameFailure:
			var w failureWire
			if err = cbor.Unmarshal(b, &w); err == nil {
				err = w.err()
				if s.room != nil && !begun && errors.Is(err, ErrModule) {
					s.refuse(err) // no guest has had a say
				}
				return err
			}
		case kind == frameTaken && s.room != nil && !begun && !s.taken:
			s.taken = true
			continue
		case begun != (kind != frameBegun):
			err = fmt.Errorf("%w: kind %q out of turn", errFrame, kind)
		}
		if err != nil {
			return fmt.Errorf("%w: the worker's answer: %w", ErrEngine, err)
		}
		switch kind {
		case frameBegun:
			begun = true
			close(s.begun)
			err = s.readBegun(b)
		case frameStdout:
			err = s.out.stdout(b)
		case frameStderr:
			err = s.out.stderr(b)
		case frameAsk:
			err = s.answer(b)
		case frameProgress, frameStopped:
			var fuel uint64
			if fuel, err = readNumber(b); err == nil {
				s.out.progress(fuel)
			}
			if kind == frameStopped && !stopped {
				stopped = true
				close(s.stopped)
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

// readBegun takes the first frame: the job's number and, from who has filled a
// folder of the cache, the hash of what is there.
func (s *session) readBegun(b []byte) error {
	fresh := s.room != nil && s.room.fresh
	if fresh && len(b) == 8+len(identity.Hash{}) {
		s.room.seal(identity.Hash(b[8:]))
		b = b[:8]
	}
	n, err := readNumber(b)
	if err == nil && n != s.number {
		err = fmt.Errorf("%w: job %d has begun, want %d", errFrame, n, s.number)
	}
	return err
}

// answer has a power answer the guest, which waits.
func (s *session) answer(b []byte) error {
	var w askWire
	if err := cbor.Unmarshal(b, &w); err != nil {
		return err
	}
	if s.live.Powers[w.Name] == nil || len(w.Request) > MaxAsk {
		return fmt.Errorf("%w: it asks %.20q", errFrame, w.Name)
	}
	if err := s.p.in.put(frameAnswer, answerBytes(s.live.Powers.ask(s.asking, w.Name, w.Request))); err == nil {
		_ = s.p.in.flush() // a worker that is gone is found by who reads
	}
	return nil
}

// refuse remembers that the module was refused. With powers it may have been for them.
func (s *session) refuse(err error) {
	if s.live.Powers == nil {
		s.engine.refusals.add(s.job, err)
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
			if len(b) != 1 || b[0] > 1 {
				return fmt.Errorf("%w: %w: an end that says %x", ErrEngine, errFrame, b)
			}
			s.again = b[0] == 1
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
	if !begun && s.taken {
		err := fmt.Errorf("%w: compiling the module ended its worker: %s", ErrEngine, text)
		if ranOutOfTime(s.p.state) {
			err = fmt.Errorf("%w: compiling the module took more than %v of processor time", ErrEngine, compileTime(s.job.ModuleSize).Round(time.Second))
		}
		if endedItself(s.p.state) {
			s.refuse(err) // it will again
		}
		return err
	}
	if !begun {
		return fmt.Errorf("%w: %s", errUnbegun, text)
	}
	return fmt.Errorf("%w: the worker died: %s", ErrEngine, text)
}
