package wsnet_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

// A wire is what the benchmarks compare.
type wire struct {
	name      string
	near, far transport.Conn
}

// wires returns ours and what they stand on.
func wires(b *testing.B) []wire {
	var all []wire
	l := open(b, wsnet.Config{})
	near, far := pair(b, wsnet.NewDialer(wsnet.DialConfig{}), l, l.URLs()[0])
	all = append(all, wire{name: "ws", near: near, far: far})
	cfg, dialer := secure(b)
	l = open(b, cfg)
	near, far = pair(b, dialer, l, l.URLs()[0])
	all = append(all, wire{name: "wss", near: near, far: far})
	bareNear, bareFar := bare(b)
	all = append(all, wire{name: "bare-websocket", near: bareNear, far: bareFar})
	tcpNear, tcpFar := tcp(b)
	all = append(all, wire{name: "bare-tcp", near: tcpNear, far: tcpFar})
	memNear, memFar := memnet.Pipe(0)
	return append(all, wire{name: "mem", near: memNear, far: memFar})
}

func BenchmarkRoundTrip(b *testing.B) {
	msg := make([]byte, 100)
	for _, w := range wires(b) {
		var echo sync.WaitGroup
		echo.Go(func() {
			for {
				msg, err := w.far.Recv(context.Background())
				if err != nil || w.far.Send(context.Background(), msg) != nil {
					return
				}
			}
		})
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := w.near.Send(b.Context(), msg); err != nil {
					b.Fatal(err)
				}
				if _, err := w.near.Recv(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		w.near.Close()
		echo.Wait()
		w.far.Close()
	}
}

func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{100, 16 << 10} {
		msg := make([]byte, size)
		for _, w := range wires(b) {
			var sender sync.WaitGroup
			sender.Go(func() {
				for w.near.Send(context.Background(), msg) == nil {
				}
			})
			b.Run(fmt.Sprintf("%s/%d", w.name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(msg)))
				for b.Loop() {
					if _, err := w.far.Recv(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
			w.far.Close()
			sender.Wait()
			w.near.Close()
		}
	}
}

// bareConn is the library without our reader and writer.
type bareConn struct{ *websocket.Conn }

func (c bareConn) Send(ctx context.Context, msg []byte) error {
	return c.Write(ctx, websocket.MessageBinary, msg)
}

func (c bareConn) Recv(ctx context.Context) ([]byte, error) {
	_, msg, err := c.Read(ctx)
	return msg, err
}

func (c bareConn) Close() error { return c.CloseNow() }

func bare(b *testing.B) (near, far transport.Conn) {
	accepted := make(chan *websocket.Conn, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	serveBare(b, l, accepted)
	ws, _, err := websocket.Dial(b.Context(), "ws://"+l.Addr().String(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return bareConn{ws}, bareConn{<-accepted}
}

// tcpConn is a stream socket with two bytes of length before each message.
type tcpConn struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

func (c tcpConn) Send(_ context.Context, msg []byte) error {
	_ = c.w.WriteByte(byte(len(msg) >> 8)) // errors stick until Flush
	_ = c.w.WriteByte(byte(len(msg)))
	_, _ = c.w.Write(msg)
	return c.w.Flush()
}

func (c tcpConn) Recv(context.Context) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, int(head[0])<<8|int(head[1]))
	_, err := io.ReadFull(c.r, msg)
	return msg, err
}

func tcp(b *testing.B) (near, far transport.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	end := func(c net.Conn, err error) transport.Conn {
		if err != nil {
			b.Fatal(err)
		}
		return tcpConn{c, bufio.NewReader(c), bufio.NewWriter(c)}
	}
	near = end(net.Dial("tcp", l.Addr().String()))
	return near, end(l.Accept())
}

func serveBare(b *testing.B, l net.Listener, accepted chan<- *websocket.Conn) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := websocket.Accept(w, r, nil); err == nil {
			accepted <- ws
		}
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	b.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
}
