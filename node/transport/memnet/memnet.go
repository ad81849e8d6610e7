// Package memnet is a network inside one process, for tests and simulations.
//
// A Net holds named listeners; what dials "mem://name" in the same Net reaches
// the one of that name. Nets know nothing of each other and there are no
// globals. A Net starts no goroutine, reads no real clock and waits on channels
// and timers only, so everything made within a testing/synctest bubble lives on
// the bubble's time.
//
// Like the real wires it copies what it is given, keeps bounds, and lets
// messages that were under way arrive after the other side has closed.
package memnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/internal/queue"
)

const (
	scheme = "mem://"

	// laneBytes bounds what waits in one direction of a Conn.
	laneBytes = 256 << 10

	// backlog is how many Conns wait to be accepted before dialling blocks.
	backlog = 64

	maxName = 255 // bytes
)

var (
	// ErrTaken is returned by Listen when the name has a listener.
	ErrTaken = errors.New("name is taken")

	// ErrRefused is returned by Dial when nobody listens at the URL.
	ErrRefused = errors.New("connection refused")
)

var (
	_ transport.Dialer    = (*Net)(nil)
	_ transport.Listener  = (*Listener)(nil)
	_ transport.Conn      = (*Conn)(nil)
	_ transport.Described = (*Conn)(nil)
)

// A Net is a network of its own and a Dialer into it. The zero value is ready
// and has no latency. All methods may be called at once.
type Net struct {
	// Latency is how long a message takes from one end to the other, and half
	// of what dialling takes. Set it before the first use.
	Latency time.Duration

	mu        sync.Mutex // guards the rest
	listeners map[string]*Listener
	names     int // given to listeners without one
	dials     int // made, to name the dialling ends
}

// Listen opens a listener that "mem://name" reaches. An empty name means a
// fresh one.
func (n *Net) Listen(name string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name == "" {
		n.names++
		if fresh := "n" + strconv.Itoa(n.names); n.listeners[fresh] == nil {
			name = fresh
		}
	}
	if len(name) > maxName {
		return nil, fmt.Errorf("listen in memory: name of %d bytes, not 1 to %d", len(name), maxName)
	}
	if n.listeners[name] != nil {
		return nil, fmt.Errorf("listen at %s%s: %w", scheme, name, ErrTaken)
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*Listener)
	}
	l := &Listener{net: n, name: name, waiting: queue.New[*Conn](backlog)}
	n.listeners[name] = l
	return l, nil
}

// Dial makes a Conn to the listener of a mem:// URL. It takes two Latencies
// and blocks while the listener's backlog is full. The error is ErrRefused when
// nobody listens there.
func (n *Net) Dial(ctx context.Context, url string) (transport.Conn, error) {
	c, err := n.dial(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("dial %.300q: %w", url, err)
	}
	return c, nil
}

func (n *Net) dial(ctx context.Context, url string) (*Conn, error) {
	name, ok := strings.CutPrefix(url, scheme)
	if !ok {
		return nil, errors.New("not a " + scheme + " URL")
	}
	if err := sleep(ctx, 2*n.Latency); err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.listeners[name]
	n.dials++
	from := "dial" + strconv.Itoa(n.dials)
	n.mu.Unlock()
	if l == nil {
		return nil, ErrRefused
	}
	ours, theirs := pipe(n.Latency, from, name)
	switch err := l.waiting.Put(ctx, theirs, 1); {
	case errors.Is(err, net.ErrClosed):
		return nil, ErrRefused
	case err != nil:
		return nil, err
	}
	return ours, nil
}

// A Listener takes in the Conns that are dialled to one name.
type Listener struct {
	net     *Net
	name    string
	waiting *queue.Queue[*Conn]
}

// Accept returns the next Conn.
func (l *Listener) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.waiting.Get(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// URLs returns the one URL of this listener.
func (l *Listener) URLs() []string { return []string{scheme + l.name} }

// Close frees the name and closes Conns that nobody has accepted.
func (l *Listener) Close() error {
	l.net.mu.Lock()
	if l.net.listeners[l.name] == l {
		delete(l.net.listeners, l.name)
	}
	l.net.mu.Unlock()
	for _, c := range l.waiting.Drop() {
		_ = c.Close() // returns nil
	}
	return nil
}
