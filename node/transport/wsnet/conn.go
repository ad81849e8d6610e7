package wsnet

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/internal/queue"
)

var (
	_ transport.Conn      = (*conn)(nil)
	_ transport.Described = (*conn)(nil)
)

// A conn is one WebSocket connection. Its reader lives as long as the connection
// does, its writer while there is something to write: the library closes the
// connection when a caller's context ends, so no caller's context ever reaches it.
type conn struct {
	ws     *websocket.Conn
	raw    net.Conn // beneath ws, to cut
	cork   *corked  // beneath both; nil if there is none
	scheme string
	remote string

	in, out *queue.Queue[[]byte]
	blame   atomic.Pointer[websocket.CloseError] // what the other side did wrong

	close sync.Once
	loops sync.WaitGroup // read and write

	mu      sync.Mutex    // guards what follows
	writing bool          // write runs, or has run for the last time
	more    chan struct{} // holds a token when there may be more for it
}

// start takes over an open WebSocket connection and the network connection
// beneath it.
func start(ws *websocket.Conn, raw net.Conn, scheme, remote string) *conn {
	c := &conn{
		ws: ws, raw: raw, cork: findCork(raw), scheme: scheme, remote: remote,
		in: queue.New[[]byte](laneBytes), out: queue.New[[]byte](laneBytes),
		more: make(chan struct{}, 1),
	}
	ws.SetReadLimit(transport.MaxMessage)
	c.loops.Go(c.read)
	return c
}

// wake has write run, after something was put into out or out has ended.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writing {
		c.writing = true
		c.loops.Go(c.write)
		return
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// next takes what write is to send. When there has been nothing for a while, got
// is false and write ends; after the last of all, err is net.ErrClosed.
func (c *conn) next(linger *time.Timer) (msg []byte, got bool, err error) {
	for {
		if msg, got, err = c.out.TryGet(); got || err != nil {
			return msg, got, err
		}
		linger.Reset(lingerTime)
		select {
		case <-c.more:
			continue
		case <-linger.C:
		}
		break
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	msg, got, err = c.out.TryGet()
	c.writing = got || err != nil
	return msg, got, err
}

// Send queues a copy of msg for the writer.
func (c *conn) Send(ctx context.Context, msg []byte) error {
	if err := transport.CheckSize(msg); err != nil {
		return err
	}
	kept := transport.Keep(msg)
	if err := c.out.Put(ctx, kept, len(kept)); err != nil {
		transport.Recycle(kept)
		return err
	}
	c.wake()
	return nil
}

// Recv takes the next message that the reader has queued.
func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	return c.in.Get(ctx)
}

// Close lets the writer finish, says goodbye and waits until the other side
// has heard it, all of it for CloseWait at most.
func (c *conn) Close() error {
	c.close.Do(func() {
		deadline := time.AfterFunc(transport.CloseWait, func() { cut(c.raw) })
		defer deadline.Stop()
		c.in.Drop()
		c.out.End()
		c.wake()
		c.loops.Wait()
	})
	return nil
}

// Transport returns "ws" or "wss".
func (c *conn) Transport() string { return c.scheme }

// Remote returns the other end's host:port.
func (c *conn) Remote() string { return c.remote }

// read queues what comes in until the connection ends or the other side breaks
// the rules, of which the writer will tell it.
func (c *conn) read() {
	blame := c.receive()
	if blame != nil {
		c.blame.Store(blame)
	}
	c.out.Drop() // before the news comes out of in: who hears it must not Send
	c.wake()
	c.in.End()
	if blame == nil {
		_ = c.ws.CloseNow() // the connection is gone
	}
}

// receive reads messages. After Close nobody wants them any more, but it goes
// on: a socket closed with unread bytes resets the connection, and with it what
// the other side has not read yet.
func (c *conn) receive() *websocket.CloseError {
	late := time.AfterFunc(messageWait, func() { cut(c.raw) })
	defer late.Stop()
	for {
		late.Stop()
		kind, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return nil
		}
		late.Reset(messageWait)
		if kind != websocket.MessageBinary {
			return &websocket.CloseError{Code: websocket.StatusUnsupportedData, Reason: "messages are binary"}
		}
		msg, err := readMessage(r)
		if err != nil {
			return nil // for a message too large the library has closed
		}
		if len(msg) == 0 {
			return &websocket.CloseError{Code: websocket.StatusPolicyViolation, Reason: "messages are not empty"}
		}
		// No caller's time: a full queue ends with Recv or with Close.
		_ = c.in.Put(context.Background(), msg, len(msg))
	}
}

// A buffer has room for a message and for what makes the library see that it
// is longer.
type buffer [transport.MaxMessage + 2]byte

// buffers are for messages that are just coming in, so that an idle connection
// needs none.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// readMessage reads r to its end.
func readMessage(r io.Reader) ([]byte, error) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	n := 0
	for n < len(buf) {
		got, err := r.Read(buf[n:])
		n += got
		if err == io.EOF {
			return transport.Keep(buf[:n]), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, transport.ErrSize
}

// write sends what is queued, and after the last of all the farewell.
func (c *conn) write() {
	late := time.AfterFunc(messageWait, func() { cut(c.raw) })
	defer late.Stop()
	linger := time.NewTimer(lingerTime)
	defer linger.Stop()
	for {
		late.Stop()
		msg, got, err := c.next(linger)
		if err != nil {
			break
		}
		if !got {
			return
		}
		late.Reset(messageWait)
		c.cork.cork()
		err = c.ws.Write(context.Background(), websocket.MessageBinary, msg)
		transport.Recycle(msg)
		if errors.Join(err, c.cork.uncork()) != nil {
			break
		}
	}
	c.out.Drop()
	farewell := websocket.CloseError{Code: websocket.StatusNormalClosure}
	if blame := c.blame.Load(); blame != nil {
		farewell = *blame
	}
	// This writes the close frame and waits for the other side's, which read
	// will see. Close cuts that short, and so does the connection's end.
	_ = c.ws.Close(farewell.Code, farewell.Reason)
}
