package node

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

// A Conn is an application's hold on the link to a peer. Several Conns to one
// peer share the link and what comes over it: each message goes to one of those
// who wait for its scope. All methods may be called at once.
//
// A peer that does not take its messages slows the sender down: about 1 MiB may
// wait at its end, all scopes together.
type Conn struct {
	l      *link
	closed chan struct{} // by Close
	once   sync.Once
	done   <-chan struct{} // by Close or when the link ends
	stop   context.CancelFunc
}

func newConn(l *link) *Conn {
	alive, stop := context.WithCancel(l.alive)
	c := &Conn{l: l, closed: make(chan struct{}), done: alive.Done(), stop: stop}
	l.mu.Lock()
	first := !l.opened
	l.opened = true
	l.mu.Unlock()
	l.hold(true)
	if first {
		// Fails only when the link ends, which Done tells.
		_ = l.fast.urgent(&frame.Open{})
	}
	return c
}

// Peer returns who is at the other end.
func (c *Conn) Peer() rpc.Peer { return c.l.who() }

// Transport returns the wire's name: "ws", "wss", "webrtc", "mem", or "relay" as
// long as there is no direct way.
func (c *Conn) Transport() string {
	wire, _ := describe(c.l.conn)
	return wire
}

// Link returns what the node shows of the link.
func (c *Conn) Link() Link { return c.l.info() }

// Done is closed when the link has ended or the Conn is closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close gives the Conn up: Send and Recv return net.ErrClosed from then on. The
// link stays as long as the node wants it. Closing again does nothing.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.stop()
	})
	return nil
}

// Send sends body, at most 1 MiB, to whoever waits for scope at the other end.
// It blocks while the peer has too much to take, and returns nil when the
// message has left, not when it has arrived. Messages that one goroutine sends
// arrive in their order, also across scopes. Errors are net.ErrClosed when the
// link has ended or the Conn is closed, rpc.ErrTooLarge, rpc.ErrBadRequest for
// a scope that rpc.CheckScope refuses, and ctx's: then the message may still
// arrive.
func (c *Conn) Send(ctx context.Context, scope string, body []byte) error {
	if err := rpc.CheckScope(scope); err != nil {
		return rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if len(body) > frame.MaxBody {
		return rpc.Errorf(rpc.TooLarge, "a body of %d bytes, above %d", len(body), frame.MaxBody)
	}
	if err := c.l.flow.take(ctx, messageCost(scope, body), c.done); err != nil {
		return err
	}
	it, err := c.l.bulk.lend(&frame.Message{Scope: scope, Body: body})
	if err != nil {
		return net.ErrClosed
	}
	select {
	case <-it.sent:
		return nil
	case <-c.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	// The body is the caller's again.
	if c.l.bulk.withdraw(it) {
		c.l.flow.give(messageCost(scope, body))
	}
	return err
}

// Recv returns the next message of scope. It blocks until one comes, ctx ends,
// or, which is net.ErrClosed, the Conn closes or the link has ended and its
// messages are taken. The caller owns the slice.
func (c *Conn) Recv(ctx context.Context, scope string) ([]byte, error) {
	for {
		select {
		case <-c.closed:
			return nil, net.ErrClosed
		default:
		}
		body, grant, more := c.l.inbox.get(scope)
		if grant > 0 {
			// Fails only when the link ends; then credit is no longer needed.
			_ = c.l.fast.urgent(&frame.Credit{N: grant})
		}
		if body != nil {
			return *body, nil
		}
		if more == nil {
			return nil, net.ErrClosed
		}
		select {
		case <-more:
		case <-c.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// messageCost is what a message counts against the window.
func messageCost(scope string, body []byte) uint64 {
	return uint64(len(scope)+len(body)) + frame.MessageCost
}

// slack is how much of the window a receiver may keep back before it grants
// it. A message that does not fit the window otherwise may begin below it.
const slack = frame.Window / 4

// flow is the sender's side of the window.
type flow struct {
	mu      sync.Mutex // guards what follows
	used    uint64
	changed chan struct{} // closed and replaced when used falls
}

func (f *flow) init() { f.changed = make(chan struct{}) }

// take waits until cost fits the window.
func (f *flow) take(ctx context.Context, cost uint64, done <-chan struct{}) error {
	for {
		f.mu.Lock()
		if f.used+cost <= frame.Window || f.used < slack {
			f.used += cost
			f.mu.Unlock()
			return nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give takes back what was not sent.
func (f *flow) give(n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used -= n
	close(f.changed)
	f.changed = make(chan struct{})
}

var errOverGrant = errors.New("credit for more than was sent")

// grant lets n more bytes go, as the receiver says.
func (f *flow) grant(n uint64) error {
	f.mu.Lock()
	over := n > f.used
	f.mu.Unlock()
	if over {
		return errOverGrant
	}
	f.give(n)
	return nil
}

// An inbox is the receiver's side: messages that nobody has taken yet. The
// window bounds them, and what a message costs at least bounds their number.
type inbox struct {
	mu      sync.Mutex // guards what follows
	queues  map[string][][]byte
	held    uint64  // received and not yet granted again
	memory  *budget // of the node; nil before the first message
	kept    int     // bytes that the budget counts
	owed    uint64  // of those, taken by the application
	changed chan struct{}
	closed  bool
}

func (i *inbox) init() {
	i.queues = make(map[string][][]byte)
	i.changed = make(chan struct{})
}

var errOverWindow = errors.New("more messages than the window lets in")

// put queues a message.
func (i *inbox) put(m *frame.Message, memory *budget) error {
	cost := messageCost(m.Scope, m.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held+cost > frame.Window && i.held >= slack {
		return errOverWindow
	}
	if !memory.take(int(cost)) {
		return errNoRoom
	}
	i.memory, i.kept = memory, i.kept+int(cost)
	i.held += cost
	i.queues[m.Scope] = append(i.queues[m.Scope], m.Body)
	i.broadcast()
	return nil
}

// get takes the next message of scope. grant, when not 0, is what to let the
// sender send again. When there is no message, more is closed once there may
// be, and nil when none will come.
func (i *inbox) get(scope string) (body *[]byte, grant uint64, more <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	waiting := i.queues[scope]
	if len(waiting) == 0 {
		if i.closed {
			return nil, 0, nil
		}
		return nil, 0, i.changed
	}
	body = &waiting[0]
	if len(waiting) == 1 {
		delete(i.queues, scope)
	} else {
		i.queues[scope] = waiting[1:]
	}
	cost := messageCost(scope, *body)
	i.owed += cost
	if !i.closed { // else close has freed all of it
		i.memory.give(int(cost))
		i.kept -= int(cost)
	}
	if i.owed >= slack {
		grant = min(i.owed, frame.Window)
		i.owed -= grant
		i.held -= grant
	}
	return body, grant, nil
}

func (i *inbox) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	if i.memory != nil {
		i.memory.give(i.kept)
	}
	i.broadcast()
}

func (i *inbox) broadcast() {
	close(i.changed)
	i.changed = make(chan struct{})
}
