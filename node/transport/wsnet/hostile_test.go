package wsnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

// newSilent returns a listener that lets others connect and does nothing.
func newSilent() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// host returns the host:port of l's first URL.
func host(t testing.TB, l *wsnet.Listener) string {
	t.Helper()
	u, err := url.Parse(l.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// stranger dials l with the bare library and returns both ends.
func stranger(t *testing.T, l *wsnet.Listener) (*websocket.Conn, transport.Conn) {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), l.URLs()[0], &websocket.DialOptions{
		HTTPClient: lonely(), Subprotocols: []string{wsnet.Subprotocol},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	c, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ws, c
}

// TestBadMessages: what is no message ends the connection, and says why.
func TestBadMessages(t *testing.T) {
	l := open(t, wsnet.Config{})
	for _, c := range []struct {
		name string
		kind websocket.MessageType
		msg  []byte
		code websocket.StatusCode
	}{
		{"too large", websocket.MessageBinary, make([]byte, transport.MaxMessage+1), websocket.StatusMessageTooBig},
		{"far too large", websocket.MessageBinary, make([]byte, 8<<20), websocket.StatusMessageTooBig},
		{"text", websocket.MessageText, []byte("hello"), websocket.StatusUnsupportedData},
		{"empty", websocket.MessageBinary, nil, websocket.StatusPolicyViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, end := stranger(t, l)
			if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("good")); err != nil {
				t.Fatal(err)
			}
			// Sending a large message may fail under way.
			_ = ws.Write(t.Context(), c.kind, c.msg)
			if got, err := end.Recv(t.Context()); err != nil || string(got) != "good" {
				t.Fatalf("got %q, %v", got, err)
			}
			if got, err := end.Recv(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %d bytes, %v, want %v", len(got), err, net.ErrClosed)
			}
			_, _, err := ws.Read(t.Context())
			if got := websocket.CloseStatus(err); got != c.code && c.name != "far too large" {
				t.Errorf("told %v (%v), want %v", got, err, c.code)
			}
		})
	}
}

// TestFragments: a message may come in many WebSocket frames, pings between.
func TestFragments(t *testing.T) {
	l := open(t, wsnet.Config{})
	ws, end := stranger(t, l)
	want := bytes.Repeat([]byte("fragment"), 2000)
	w, err := ws.Writer(t.Context(), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() { _, _, _ = ws.Read(context.Background()) }) // for the pongs
	for part := range slices.Chunk(want, 1000) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := ws.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := end.Recv(t.Context()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
	end.Close()
	reader.Wait()
}

// TestBacklog: beyond 64 connections that nobody accepts, more are told so.
func TestBacklog(t *testing.T) {
	const places = 64
	l := open(t, wsnet.Config{})
	d := wsnet.NewDialer(wsnet.DialConfig{})
	for range places {
		c, err := d.Dial(t.Context(), l.URLs()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	_, err := d.Dial(t.Context(), l.URLs()[0])
	if !errors.Is(err, wsnet.ErrRefused) || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v, want %v with 503", err, wsnet.ErrRefused)
	}
	for range 3 { // accepting makes room
		b, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		a, err := d.Dial(t.Context(), l.URLs()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
	}
}

// TestHugeHeader: a request's headers are bounded.
func TestHugeHeader(t *testing.T) {
	l := open(t, wsnet.Config{})
	c, err := net.Dial("tcp", host(t, l))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := 0
	line := []byte("X: " + strings.Repeat("x", 1000) + "\r\n")
	_, err = c.Write([]byte("GET / HTTP/1.1\r\n"))
	for ; err == nil && sent < 64<<20; sent += len(line) {
		_, err = c.Write(line)
	}
	if err == nil {
		t.Fatalf("%d bytes of header taken", sent)
	}
}

// TestSlowSockets holds 2,000 sockets that send a byte a second, and come back
// when they are put out, and looks how honest nodes fare meanwhile. A machine
// that is slow without them may be four times as slow with them. The race
// detector makes the flood as costly to send as to bear: it sees a small one,
// and time is not judged.
func TestSlowSockets(t *testing.T) {
	const (
		worst  = 200 * time.Millisecond // p99 of an honest connect
		memory = 20 << 20
	)
	slow, honest := 2000, 400
	if wsnet.RaceEnabled {
		slow, honest = 300, 50
	}
	l := open(t, wsnet.Config{})
	addr := host(t, l)
	d := wsnet.NewDialer(wsnet.DialConfig{})
	connect := func() time.Duration {
		start := time.Now()
		a, err := d.Dial(t.Context(), l.URLs()[0])
		for try := 0; err != nil; try++ { // put out, from the same address as the flood
			if try == 100 {
				t.Fatal(err)
			}
			a, err = d.Dial(t.Context(), l.URLs()[0])
		}
		b, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		talk(t, a, b)
		var both sync.WaitGroup
		both.Go(func() { a.Close() })
		both.Go(func() { b.Close() })
		both.Wait()
		return took
	}
	alone := p99(honest, connect)
	limit := max(worst, 4*alone)
	before := inUse()

	flood := make([]net.Conn, slow)
	for i := range flood {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("socket %d: %v", i, err)
		}
		flood[i] = c
	}
	stop := make(chan struct{})
	var attack sync.WaitGroup
	attack.Go(func() {
		defer func() {
			for _, c := range flood {
				c.Close()
			}
		}()
		tick := time.NewTicker(time.Second / 100)
		defer tick.Stop()
		for at := 0; ; {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			for range slow / 100 {
				at = (at + 1) % slow
				if _, err := io.WriteString(flood[at], "G"); err == nil {
					continue
				}
				flood[at].Close()
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("socket %d comes back: %v", at, err)
					return
				}
				flood[at] = c
			}
		}
	})
	beside := p99(honest, connect)
	grown := inUse() - before
	close(stop)
	attack.Wait()
	t.Logf("honest connect p99 %v, alone %v; memory + %.1f MB", beside, alone, float64(grown)/1e6)
	if beside > limit && !wsnet.RaceEnabled {
		t.Errorf("honest connect p99 %v, want at most %v", beside, limit)
	}
	if grown > memory {
		t.Errorf("%d bytes of memory for slow sockets, want at most %d", grown, memory)
	}
}

// p99 runs f count times and returns the time that one in a hundred exceeds.
func p99(count int, f func() time.Duration) time.Duration {
	var took []time.Duration
	for range count {
		took = append(took, f())
	}
	slices.Sort(took)
	return took[count*99/100]
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestCloseUnderway closes a Listener with sockets in every state.
func TestCloseUnderway(t *testing.T) {
	entered := make(chan struct{})
	l := open(t, wsnet.Config{Pages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})})
	addr := host(t, l)
	d := wsnet.NewDialer(wsnet.DialConfig{})
	var sockets []net.Conn
	for _, text := range []string{"", "GET /", fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\n\r\n", addr)} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, c)
	}
	<-entered
	for range 5 {
		c, err := d.Dial(t.Context(), l.URLs()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	start := time.Now()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > transport.CloseWait+2*time.Second {
		t.Errorf("Close took %v", took)
	}
	for i, c := range sockets {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("socket %d is still open", i)
		}
	}
}
