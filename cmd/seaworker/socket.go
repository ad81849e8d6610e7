package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// socketRoom is what fits into a Unix socket's address on every system we run
// on; Linux has 108 bytes, macOS 104.
const socketRoom = 103

// onSocket calls f with a spelling of path that fits into a socket's address. A
// folder deep in the tree is reached by its descriptor, where the system can.
func onSocket(path string, f func(short string) error) error {
	if len(path) <= socketRoom {
		return f(path)
	}
	if runtime.GOOS != "linux" {
		return usagef("use a shorter --dir", "the path %s is too long for a socket", path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// listenSocket makes the control socket at path, for the owner alone. A socket
// that nobody answers any more is what a killed daemon left, and is replaced.
func listenSocket(ctx context.Context, path string) (*socketListener, error) {
	if answered(ctx, path) {
		return nil, usagef("stop it with \"seaworker stop\", or use another --dir", "a daemon runs in %s already", filepath.Dir(path))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var listener *socketListener
	err := onSocket(path, func(short string) error {
		l, err := net.Listen("unix", short)
		if err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false) // the short name may be gone by then
		listener = &socketListener{Listener: l, path: path}
		return os.Chmod(short, 0o600)
	})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, nil
}

// answerWait is how long a daemon that is just starting may take to answer.
const answerWait = 3 * time.Second

// answered reports whether a daemon has the socket at path. That somebody takes
// the connection does not say so: a worker that a daemon had just forked when it
// was killed has all of the daemon's files, for as long as it takes to come to
// its exec or to its own end.
func answered(ctx context.Context, path string) bool {
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return false
	}
	defer conn.Close()
	// Errors come out of Read as well.
	_ = conn.SetDeadline(time.Now().Add(answerWait))
	_, _ = io.WriteString(conn, "GET /v1/status HTTP/1.0\r\n\r\n")
	_, err = conn.Read(make([]byte, 1))
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

// socketListener is a control socket. Close ends listening and leaves the file;
// remove is for the very end, because who waits for a daemon to be gone waits
// for its socket to vanish.
type socketListener struct {
	net.Listener
	path string
}

func (l *socketListener) remove() error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return os.Remove(l.path)
}

// dialSocket connects to the control socket at path.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var conn net.Conn
	err := onSocket(path, func(short string) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", short)
		conn = c
		return err
	})
	return conn, err
}

// pipeListener carries the control API within one process, for commands that
// open the folder themselves.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "in process", Net: "unix"} }
