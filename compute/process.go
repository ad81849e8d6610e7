package compute

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/peersea/sea/identity/cbor"
)

// helloWall is how long a new process may take to say hello.
const helloWall = 20 * time.Second * slowdown

// spawner starts processes from one thread that lives as long as they may:
// Linux ends a child with PDEATHSIG when the thread that made it ends
// (golang.org/issue/27505).
type spawner struct {
	log      *slog.Logger
	greeted  sync.Once // by the first worker, whose walls are the others' too
	once     sync.Once
	requests chan spawn
	done     chan struct{}

	mu       sync.Mutex // guards what follows
	starting map[*process]bool
	aborted  bool
}

type spawn struct {
	cmd *exec.Cmd
	err chan<- error
}

// start makes a worker and waits for its hello.
func (s *spawner) start() (*process, error) {
	s.once.Do(func() {
		s.requests, s.done = make(chan spawn), make(chan struct{})
		go func() {
			defer close(s.done)
			runtime.LockOSThread() // and never unlocked: the thread ends with us
			for r := range s.requests {
				r.err <- r.cmd.Start()
			}
		}()
	})
	p, err := s.spawn()
	if err != nil {
		return nil, fmt.Errorf("%w: start a worker: %w", ErrEngine, err)
	}
	if !s.watch(p) {
		p.reap()
		return nil, ErrClosed
	}
	defer s.unwatch(p)
	timer := time.AfterFunc(helloWall, p.kill)
	defer timer.Stop()
	if p.walls, err = p.hello(); err == nil {
		s.greeted.Do(func() { tellWalls(s.log, p.walls) })
	}
	if err != nil {
		p.reap()
		if s.isAborted() {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("%w: start a worker: %w: %s (does main begin with compute.IsWorker?)", ErrEngine, err, p.lastWords())
	}
	return p, nil
}

func (s *spawner) spawn() (*process, error) {
	path, err := selfPath()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: &exec.Cmd{
		Path:      path,
		Args:      []string{"sea-worker", workerArg},
		Env:       []string{},
		WaitDelay: time.Second,
	}}
	p.cmd.Stderr = &p.words
	isolate(p.cmd)
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	started := make(chan error, 1)
	s.requests <- spawn{p.cmd, started}
	if err := <-started; err != nil {
		return nil, err // Start has closed the pipes
	}
	p.stdin, p.in, p.out = in, newFrameWriter(in), newFrameReader(out)
	return p, nil
}

// watch notes a process that has not said hello, unless there shall be none.
func (s *spawner) watch(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted {
		return false
	}
	if s.starting == nil {
		s.starting = make(map[*process]bool)
	}
	s.starting[p] = true
	return true
}

func (s *spawner) unwatch(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.starting, p)
}

func (s *spawner) isAborted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aborted
}

// abort ends the processes that are starting, and every later one.
func (s *spawner) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = true
	for p := range s.starting {
		p.kill()
	}
}

func (s *spawner) close() {
	if s.requests != nil {
		close(s.requests)
		<-s.done
	}
}

// process is a worker, seen from the engine.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	in    *frameWriter
	out   *frameReader
	words tail
	walls []Wall // from its hello

	jobs   uint64 // that it was given
	waited bool   // for its last job, so that it may have died unseen

	mu     sync.Mutex // guards killed: its number may be another's once it is reaped
	killed bool

	once  sync.Once
	state error // of Wait
}

// kill ends the process at once. It may be called at any time.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed {
		p.killed = true
		killGroup(p.cmd.Process)
	}
}

// reap kills the process and waits until it is gone.
func (p *process) reap() {
	p.once.Do(func() {
		p.kill()
		_ = p.stdin.Close() // by Wait otherwise
		p.state = p.cmd.Wait()
	})
}

// hello reads the first frame, or why there is none.
func (p *process) hello() ([]Wall, error) {
	kind, b, err := p.out.next()
	if err != nil {
		return nil, err
	}
	switch kind {
	case frameHello:
		return readHello(b)
	case frameFailure:
		var w failureWire
		if err := cbor.Unmarshal(b, &w); err != nil {
			return nil, err
		}
		return nil, w.err()
	}
	return nil, fmt.Errorf("%w: kind %q, want %q", errFrame, kind, frameHello)
}

// lastWords is how a reaped process ended, and what it said.
func (p *process) lastWords() string {
	text := "exit status 0"
	if p.state != nil {
		text = p.state.Error()
	}
	if said := p.words.String(); said != "" {
		text += ": " + said
	}
	return text
}

// tail keeps the beginning of what a process writes to stderr, where Go puts
// the reason of a crash.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxTail = 512

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b[:min(len(b), maxTail-t.buf.Len())])
	return len(b), nil
}

// String is the first line, on one line, for a log.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(t.buf.String(), "\n")
	return strings.ToValidUTF8(strings.TrimSpace(line), "?")
}
