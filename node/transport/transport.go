// Package transport is the seam between a node and the wires it talks over.
//
// A Conn carries messages in order and authenticates nobody: whoever is at
// the other end is proven by the handshake above it, on every wire alike. A
// Dialer makes Conns from URLs, a Listener takes them in, and a Negotiator
// makes one between two peers who can already exchange an offer and an answer.
// The wires are memnet (tests and simulations), wsnet (WebSocket) and rtcnet
// (WebRTC data channels); transporttest holds the one suite that all of them
// pass, and that says in code what the comments here promise.
//
// A wire may lose a Conn at any time and may not say so soon: it is the node
// that pings, and that gives up.
package transport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxMessage is the largest message, in bytes, that a Conn carries: a frame of
// 16 KiB and room for what the layers between add to it.
const MaxMessage = 17 << 10

// CloseWait is how long Close may take to let messages leave that Send has
// already accepted.
const CloseWait = time.Second

// ErrSize is returned by Send when a message is empty or longer than
// MaxMessage. The Conn stays as it was.
var ErrSize = errors.New("message size out of range")

// CheckSize returns an error that wraps ErrSize unless msg may be sent.
func CheckSize(msg []byte) error {
	if n := len(msg); n < 1 || n > MaxMessage {
		return fmt.Errorf("%w: %d bytes, not 1 to %d", ErrSize, n, MaxMessage)
	}
	return nil
}

// A Conn carries messages of 1 to MaxMessage bytes both ways, whole and in
// order. All methods may be called at once from several goroutines. Whoever
// got the Conn closes it, also when the other side has closed already.
type Conn interface {
	// Send hands msg to the wire. It blocks while the wire is full, which is
	// how a slow reader slows its sender: no wire keeps more than a few MiB.
	// It returns nil when the message is accepted, not when it has arrived.
	// The caller may reuse msg as soon as Send returns.
	//
	// When ctx ends first, its error is returned, the message is not sent and
	// the Conn stays as it was. A message of a wrong size is ErrSize. After
	// Close, or once the wire is known to be gone, the error is net.ErrClosed.
	Send(ctx context.Context, msg []byte) error

	// Recv returns the next message. It blocks until one comes, ctx ends, or
	// the Conn closes, which is net.ErrClosed. When ctx ends no message is
	// lost. The caller owns the slice.
	//
	// Messages that arrived before the other side closed come before
	// net.ErrClosed; of those still under way a tail may be lost, never one
	// in the middle. After a Close on this side Recv returns no more messages.
	Recv(ctx context.Context) ([]byte, error)

	// Close ends both directions and everything the Conn runs, and wakes
	// callers of Send and Recv with net.ErrClosed. Messages already accepted
	// have at most CloseWait to leave. Closing again does nothing and returns
	// nil.
	Close() error
}

// A Dialer makes a Conn to the listener that url names.
type Dialer interface {
	// Dial returns a Conn that the caller closes. When ctx ends first, its
	// error is returned and nothing is left behind; once Dial has returned,
	// ctx no longer matters.
	Dial(ctx context.Context, url string) (Conn, error)
}

// A Listener takes in the Conns that others dial.
type Listener interface {
	// Accept returns the next Conn, which the caller closes. It blocks until
	// one comes, ctx ends, or the Listener closes, which is net.ErrClosed.
	Accept(ctx context.Context) (Conn, error)

	// URLs are the addresses at which a Dialer reaches this Listener, with
	// real ports, the most useful first.
	URLs() []string

	// Close stops listening and closes Conns that nobody has accepted;
	// accepted ones live on. Closing again does nothing and returns nil.
	Close() error
}

// Bulk is an optional power of a Conn: a second lane in the same connection,
// ordered in itself, for what is large and may wait.
type Bulk interface {
	// Bulk returns the second lane, the same at each call. Its Send never
	// delays messages of the first lane. Closing either lane closes both.
	Bulk() Conn
}

// Described is an optional power of a Conn: what the wire is, for people.
type Described interface {
	// Transport is "ws", "wss", "webrtc" or "mem".
	Transport() string

	// Remote is the other end as the wire sees it, host:port where it has
	// them. It proves nothing.
	Remote() string
}

// A Negotiator makes a Conn between two peers who can already exchange two
// short messages: a WebRTC offer and its answer.
type Negotiator interface {
	// Offer begins a connection. The caller closes the Offer.
	Offer(ctx context.Context) (Offer, error)

	// Answer takes the other side's offer. Once answer is on its way the
	// caller must call wait, exactly once; it returns the Conn, or closes
	// everything when ctx ends.
	Answer(ctx context.Context, offer []byte) (answer []byte, wait func(context.Context) (Conn, error), err error)

	// Close ends the Negotiator and every offer and answer under way. Conns
	// it has made live on until they are closed.
	Close() error
}

// An Offer is our half of a connection that waits for the other's answer.
type Offer interface {
	// Bytes is what to send to the other side.
	Bytes() []byte

	// Accept takes the other side's answer and returns the Conn once it is
	// open. The caller closes the Conn.
	Accept(ctx context.Context, answer []byte) (Conn, error)

	// Close gives the attempt up. It does nothing after Accept succeeded.
	Close() error
}
