// Package wsnet carries messages over WebSocket: ws:// and wss://.
//
// A Dialer dials; a Listener is an http.Handler that takes connections in, and
// Open gives it sockets of its own, with TLS from files or from an ACME
// authority where that is wanted. Each message is one binary WebSocket message
// under the subprotocol Subprotocol, uncompressed, since what it carries is
// sealed. Nothing here proves who is at the other end, wss:// no more than
// ws://: that is the handshake's above.
//
// Any web page may dial a Listener, whatever its origin. Browsers keep origins
// apart because servers trust what the browser adds to a request, such as
// cookies. We look at nothing of the kind: a page gets what any stranger with
// a socket gets, a connection on which it must prove a key.
package wsnet

import (
	"errors"
	"net"
	"time"
)

// Subprotocol is the WebSocket subprotocol that both sides name. Its number
// changes when messages are laid on the wire in another way.
const Subprotocol = "sea.1"

const (
	// headerWait is how long a socket may take for TLS, and then for its
	// request.
	headerWait = 5 * time.Second

	// messageWait is how long one message may take once begun, either way.
	messageWait = 20 * time.Second

	// lingerTime is how long a writer stays when there is nothing to write.
	lingerTime = 100 * time.Millisecond

	// dialWait bounds each step of dialling: name and TCP, TLS, answer.
	dialWait = 10 * time.Second

	// pageWait is how long a request for something else may take, pageIdle
	// how long its socket may then wait for the next.
	pageWait = 30 * time.Second
	pageIdle = 10 * time.Second

	// maxHeader bounds a request's or an answer's headers, in bytes.
	maxHeader = 8 << 10

	// laneBytes bounds what waits in one direction of a Conn. It is small, for
	// whatever waits here can no longer be overtaken.
	laneBytes = 64 << 10

	// maxSilent is how many sockets may not have shown yet what they want.
	// Each costs some 16 KiB.
	maxSilent = 256

	// maxWaiting is how many Conns may wait to be accepted.
	maxWaiting = 64
)

var (
	// ErrRefused is returned by Dial when what answers is no node of the sea
	// or takes nobody in now.
	ErrRefused = errors.New("refused")

	// ErrConfig is returned by Open when the Config contradicts itself.
	ErrConfig = errors.New("bad listener configuration")
)

// cut ends a connection without ceremony. Closing a TLS connection would first
// write an alert, and wait for a peer that does not read.
func cut(c net.Conn) {
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = wrapped.NetConn()
	}
	_ = c.Close() // it is gone either way
}
