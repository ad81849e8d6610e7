package memnet

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/internal/queue"
)

// A Conn is one end of a connection in memory.
type Conn struct {
	remote  string
	latency time.Duration
	out, in *queue.Queue[parcel]

	close  sync.Once
	closed chan struct{}

	turn chan struct{} // the token of the one Recv that may touch next
	next *parcel       // taken from in, but not yet due or not yet wanted
}

// A parcel is a message on its way.
type parcel struct {
	msg []byte
	due time.Time // when it arrives; zero without latency
}

// Pipe returns the two ends of a connection outside any Net.
func Pipe(latency time.Duration) (a, b *Conn) {
	return pipe(latency, "a", "b")
}

func pipe(latency time.Duration, from, to string) (a, b *Conn) {
	there, back := queue.New[parcel](laneBytes), queue.New[parcel](laneBytes)
	end := func(remote string, out, in *queue.Queue[parcel]) *Conn {
		return &Conn{
			remote: remote, latency: latency, out: out, in: in,
			closed: make(chan struct{}),
			turn:   make(chan struct{}, 1),
		}
	}
	return end(to, there, back), end(from, back, there)
}

// Send puts a copy of msg under way.
func (c *Conn) Send(ctx context.Context, msg []byte) error {
	if err := transport.CheckSize(msg); err != nil {
		return err
	}
	p := parcel{msg: bytes.Clone(msg)}
	if c.latency > 0 {
		p.due = time.Now().Add(c.latency)
	}
	return c.out.Put(ctx, p, len(msg))
}

// Recv returns the next message once it is due.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-c.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.next == nil {
		p, err := c.in.Get(ctx)
		if err != nil {
			return nil, err
		}
		c.next = &p
	}
	if err := c.arrive(ctx, c.next.due); err != nil {
		return nil, err
	}
	msg := c.next.msg
	c.next = nil
	return msg, nil
}

// arrive waits until due.
func (c *Conn) arrive(ctx context.Context, due time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
		return nil
	}
}

// Close ends both directions. What this end has sent still arrives; what it
// has not received is lost.
func (c *Conn) Close() error {
	c.close.Do(func() {
		close(c.closed)
		c.out.End()
		c.in.Drop()
	})
	return nil
}

// Transport returns "mem".
func (c *Conn) Transport() string { return "mem" }

// Remote returns the name of the listener, or of the dial, at the other end.
func (c *Conn) Remote() string { return c.remote }

// sleep waits for d, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
