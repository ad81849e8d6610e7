package node

import (
	"context"
	"errors"
	"sync"

	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

// MaxCalls is how many calls may be under way over a link in each direction.
// Further ones wait on the asking side.
const MaxCalls = 256

// calls are the calls that we wait for on a link.
type calls struct {
	slots chan struct{}

	mu      sync.Mutex // guards what follows
	next    uint64
	waiting map[uint64]chan *frame.Reply // each has room for one
	failed  error
}

func (c *calls) init() {
	c.slots = make(chan struct{}, MaxCalls)
	c.waiting = make(map[uint64]chan *frame.Reply)
}

// add returns the id of a new call and where its reply will come. The channel
// is closed when the link ends.
func (c *calls) add() (uint64, chan *frame.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return 0, nil, c.failed
	}
	c.next++
	reply := make(chan *frame.Reply, 1)
	c.waiting[c.next] = reply
	return c.next, reply, nil
}

// remove forgets a call and reports whether it was still waiting.
func (c *calls) remove(id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.waiting[id]
	delete(c.waiting, id)
	return ok
}

// reply hands f to its call. A reply that nobody waits for, because the caller
// gave up, is dropped.
func (c *calls) reply(f *frame.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.waiting[f.ID]; to != nil {
		delete(c.waiting, f.ID)
		to <- f
	}
}

// fail ends all calls, also those to come.
func (c *calls) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	for id, to := range c.waiting {
		delete(c.waiting, id)
		close(to)
	}
}

// err returns why calls fail.
func (c *calls) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// call asks the peer over the link.
func (l *link) call(ctx context.Context, scope string, body []byte) ([]byte, error) {
	if len(body) > frame.MaxBody {
		return nil, rpc.Errorf(rpc.TooLarge, "a body of %d bytes, above %d", len(body), frame.MaxBody)
	}
	select {
	case l.calls.slots <- struct{}{}:
		defer func() { <-l.calls.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ending:
		return nil, rpc.Errorf(rpc.Unreachable, "the link ended: %v", l.why())
	}
	id, reply, err := l.calls.add()
	if err != nil {
		return nil, err
	}
	defer l.calls.remove(id)
	f := &frame.Request{ID: id, Scope: scope, Body: body}
	it, err := l.queueFor(len(body)).push(f)
	if err != nil {
		return nil, rpc.Errorf(rpc.Unreachable, "the link ended")
	}
	select {
	case r, ok := <-reply:
		if !ok {
			return nil, l.calls.err()
		}
		return r.Body, rpc.FromWire(r.Code, r.Text)
	case <-ctx.Done():
		if !l.queueFor(len(body)).withdraw(it) && l.calls.remove(id) {
			// Whether it arrives makes no difference to us.
			_ = l.fast.urgent(&frame.Cancel{ID: id})
		}
		return nil, ctx.Err()
	}
}

// queueFor returns the queue for a frame with so large a body.
func (l *link) queueFor(body int) *queue {
	if body > frame.MaxPiece-512 { // more than any envelope
		return l.bulk
	}
	return l.fast
}

// maxJobBytes is how many bytes of requests handlers may hold on a link.
const maxJobBytes = 16 << 20

// jobs are the peer's calls that our handlers work on.
type jobs struct {
	wg sync.WaitGroup

	mu      sync.Mutex // guards what follows
	running map[uint64]context.CancelFunc
	bytes   int // of the requests' bodies
}

func (j *jobs) init() { j.running = make(map[uint64]context.CancelFunc) }

func (j *jobs) wait() { j.wg.Wait() }

// start answers f in a goroutine of its own, or says busy. Its error is the
// peer's breach of the protocol.
func (j *jobs) start(l *link, f *frame.Request) error {
	j.mu.Lock()
	_, twice := j.running[f.ID]
	full := len(j.running) >= MaxCalls || j.bytes+len(f.Body) > maxJobBytes ||
		!twice && !l.s.memory.take(len(f.Body))
	var ctx context.Context
	if !twice && !full {
		ctx, j.running[f.ID] = context.WithCancel(l.alive)
		j.bytes += len(f.Body)
	}
	j.mu.Unlock()
	switch {
	case twice:
		return rpc.Errorf(rpc.BadRequest, "request %d is under way already", f.ID)
	case full:
		return l.fast.urgent(&frame.Reply{ID: f.ID, Code: rpc.Busy, Text: "too many calls under way"})
	}
	j.wg.Go(func() {
		reply := l.answer(ctx, f)
		// Before the reply goes out, for then the peer may send the next.
		j.end(f)
		l.s.memory.give(len(f.Body))
		_, _ = l.queueFor(len(reply.Body)).push(reply) // fails only when the link ends
	})
	return nil
}

// answer runs the handler for f.
func (l *link) answer(ctx context.Context, f *frame.Request) *frame.Reply {
	var body []byte
	// A peer that does not read its replies gets no more of them.
	err := errors.Join(l.fast.awaitRoom(ctx), l.bulk.awaitRoom(ctx))
	if err == nil {
		body, err = l.s.n.serve(ctx, l.who(), f.Scope, f.Body)
	}
	if err == nil && len(body) > frame.MaxBody {
		err = rpc.Errorf(rpc.TooLarge, "the answer has %d bytes, above %d", len(body), frame.MaxBody)
	}
	if err != nil {
		code, text := rpc.Outcome(err)
		return &frame.Reply{ID: f.ID, Code: code, Text: text}
	}
	return &frame.Reply{ID: f.ID, Body: body}
}

// cancel tells a handler that its caller gave up.
func (j *jobs) cancel(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if stop := j.running[id]; stop != nil {
		stop()
	}
}

func (j *jobs) end(f *frame.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running[f.ID]()
	delete(j.running, f.ID)
	j.bytes -= len(f.Body)
}
