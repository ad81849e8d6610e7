package wsnet_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

// pipes is a net.Listener of net.Pipes, for a server in a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

// inBubble connects the bare library with a Listener, on virtual time, and
// gives test the library's end, the socket below it, and ours.
func inBubble(t *testing.T, test func(t *testing.T, ws *websocket.Conn, below net.Conn, end transport.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := wsnet.NewListener(wsnet.Config{})
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: l}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(p)
		}()
		var below net.Conn
		client := &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				below = ours
				p.conns <- theirs
				return ours, nil
			},
		}}
		ws, _, err := websocket.Dial(t.Context(), "ws://pipe/", &websocket.DialOptions{
			HTTPClient: client, Subprotocols: []string{wsnet.Subprotocol},
		})
		if err != nil {
			t.Fatal(err)
		}
		end, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		test(t, ws, below, end)
		ws.CloseNow()
		end.Close()
		l.Close()
		server.Close()
		<-served
	})
}

// TestStalledMessage: a message that is begun and not finished ends the
// connection; one that has not begun may take any time.
func TestStalledMessage(t *testing.T) {
	for name, begun := range map[string]string{
		"half a frame":         "\x82\x8aabcd12345",
		"half of the frames":   "\x02\x81abcd1",
		"no payload":           "\x82\x8aabcd",
		"fragments of nothing": "\x02\x80abcd\x00\x80abcd\x00\x80abcd",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ws *websocket.Conn, below net.Conn, end transport.Conn) {
				time.Sleep(24 * time.Hour)
				if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("late")); err != nil {
					t.Fatal(err)
				}
				if got, err := end.Recv(t.Context()); err != nil || string(got) != "late" {
					t.Fatalf("got %q, %v", got, err)
				}
				if _, err := below.Write([]byte(begun)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if _, err := end.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %v, want %v", err, net.ErrClosed)
				}
				if got, want := time.Since(start), 20*time.Second; got != want {
					t.Errorf("after %v, want %v", got, want)
				}
			})
		})
	}
}

// TestStalledReader: a peer that does not read ends the connection too, but
// only when there is something for it.
func TestStalledReader(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *websocket.Conn, _ net.Conn, end transport.Conn) {
		time.Sleep(24 * time.Hour)
		start := time.Now()
		var err error
		for err == nil {
			err = end.Send(t.Context(), make([]byte, transport.MaxMessage))
		}
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
		if got, want := time.Since(start), 20*time.Second; got != want {
			t.Errorf("after %v, want %v", got, want)
		}
	})
}

// TestCloseOnStalled: Close waits for a silent peer no longer than it says.
func TestCloseOnStalled(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *websocket.Conn, _ net.Conn, end transport.Conn) {
		if err := end.Send(t.Context(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := end.Close(); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != transport.CloseWait {
			t.Errorf("Close took %v, want %v", got, transport.CloseWait)
		}
	})
}

// TestNoise: bytes that are no WebSocket frames end the connection.
func TestNoise(t *testing.T) {
	for name, noise := range map[string]string{
		"reserved bits":       "\xf2\x81abcd\x00",
		"unknown opcode":      "\x83\x81abcd\x00",
		"unmasked":            "\x82\x01a",
		"lonely continuation": "\x80\x81abcd\x00",
		"negative length":     "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd",
		"huge length":         "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd",
		"long ping":           "\x89\xfe\x01\x00abcd",
		"fragmented ping":     "\x09\x80abcd",
		"a request":           "GET / HTTP/1.1\r\nHost: pipe\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *websocket.Conn, below net.Conn, end transport.Conn) {
				go func() { _, _ = below.Write([]byte(noise)) }()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if got, err := end.Recv(ctx); !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %d bytes, %v, want %v", len(got), err, net.ErrClosed)
				}
			})
		})
	}
}
