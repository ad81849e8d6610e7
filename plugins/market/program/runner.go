package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	// Patience is how long a program may take, with its wait for others: half of
	// what a buyer waits for a quote.
	Patience = 5 * time.Second

	// MaxRunning is how many programs run at once, maxAsking how many questions
	// may be open, and maxAskingOf how many of them one buyer's.
	MaxRunning  = 4
	maxAsking   = 64
	maxAskingOf = 8

	maxComplaint = 256 // bytes of standard error that an error tells
)

// ErrBusy is returned when too many questions are open.
var ErrBusy = errors.New("too many questions are open")

// A Runner asks a program. Its methods may be called at once.
type Runner struct {
	patience time.Duration
	slots    chan struct{} // MaxRunning

	mu   sync.Mutex // guards what follows
	open map[string]int
	all  int
}

// NewRunner makes one that runs nothing yet, and gives each program patience.
func NewRunner(patience time.Duration) *Runner {
	return &Runner{patience: patience, slots: make(chan struct{}, MaxRunning), open: map[string]int{}}
}

// Check says what is wrong with a program's path.
func Check(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("the policy program %q is no absolute path", path)
	}
	if len(path) > 4096 {
		return fmt.Errorf("the policy program's path has %d bytes, want at most 4096", len(path))
	}
	return nil
}

// Ask runs the program at path and returns its answer. The error is ErrBusy, or
// why there is none: the job is to be refused. It returns within Patience, and a
// second more if the program cannot be ended.
func (r *Runner) Ask(ctx context.Context, path string, q Question) (Answer, error) {
	in, err := json.Marshal(q)
	if err != nil {
		return Answer{}, err
	}
	buyer := q.Buyer.String()
	if !r.enter(buyer) {
		return Answer{}, ErrBusy
	}
	defer r.leave(buyer)
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
	default:
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return Answer{}, fmt.Errorf("%w: no slot in %v", ErrBusy, r.patience)
		}
	}
	defer func() { <-r.slots }()
	out, err := run(ctx, path, append(in, '\n'))
	if err != nil {
		return Answer{}, err
	}
	return Parse(out)
}

func (r *Runner) enter(buyer string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= maxAsking || r.open[buyer] >= maxAskingOf {
		return false
	}
	r.all++
	r.open[buyer]++
	return true
}

func (r *Runner) leave(buyer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.open[buyer]--; r.open[buyer] == 0 {
		delete(r.open, buyer)
	}
}

// run gives the program in and returns what it wrote.
func run(ctx context.Context, path string, in []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir = filepath.Dir(path)
	cmd.Stdin = bytes.NewReader(in)
	out, complaint := &limited{most: MaxAnswer, over: cancel}, &limited{most: maxComplaint}
	cmd.Stdout, cmd.Stderr = out, complaint
	cmd.WaitDelay = time.Second // for a grandchild that holds the pipes
	alone(cmd)
	err := cmd.Run()
	switch {
	case out.full:
		return nil, fmt.Errorf("it wrote more than %d bytes", MaxAnswer)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, errors.New("it took too long and was ended")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && len(complaint.kept) > 0:
		return nil, fmt.Errorf("%w: %q", err, complaint.kept)
	}
	return out.kept, err
}

// limited keeps the first bytes that are written, and calls over, if there is
// one, when there are more. It is no bytes.Buffer, whose ReadFrom has no bound.
type limited struct {
	kept []byte
	most int
	over func()
	full bool
}

func (l *limited) Write(b []byte) (int, error) {
	room := min(l.most-len(l.kept), len(b))
	l.kept = append(l.kept, b[:room]...)
	if room < len(b) {
		if l.full = true; l.over != nil {
			l.over()
		}
	}
	return len(b), nil
}
