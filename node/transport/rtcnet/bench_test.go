package rtcnet

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/peersea/sea/node/transport"
	"github.com/pion/webrtc/v3"
)

// BenchmarkThroughput sends 16 KiB messages one way until the other side has
// them, over our lanes and, for comparison, over a data channel of pion as it
// comes. Read the MB/s.
func BenchmarkThroughput(b *testing.B) {
	msg := make([]byte, 16<<10)
	b.Run("control", func(b *testing.B) {
		from, to := connect(b, newNegotiator(b, Config{}), newNegotiator(b, Config{}))
		defer from.Close()
		throughput(b, msg, from, to)
	})
	b.Run("bulk", func(b *testing.B) {
		from, to := connect(b, newNegotiator(b, Config{}), newNegotiator(b, Config{}))
		defer from.Close()
		throughput(b, msg, from.(transport.Bulk).Bulk(), to.(transport.Bulk).Bulk())
	})
	b.Run("pion", func(b *testing.B) {
		from, to := connectRaw(b)
		throughput(b, msg, from, to)
	})
}

func throughput(b *testing.B, msg []byte, from, to transport.Conn) {
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for from.Send(ctx, msg) == nil {
		}
	}()
	for b.Loop() {
		if _, err := to.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	cancel()
	<-sent
	from.Close()
	to.Close()
}

// BenchmarkRoundTrip sends 100 bytes and waits for their echo.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("control", func(b *testing.B) {
		from, to := connect(b, newNegotiator(b, Config{}), newNegotiator(b, Config{}))
		roundTrip(b, from, to)
	})
	b.Run("control beside a busy bulk lane", func(b *testing.B) {
		from, to := connect(b, newNegotiator(b, Config{}), newNegotiator(b, Config{}))
		var busy sync.WaitGroup
		busy.Go(func() {
			msg := make([]byte, 16<<10)
			for from.(transport.Bulk).Bulk().Send(context.Background(), msg) == nil {
			}
		})
		busy.Go(func() {
			for {
				if _, err := to.(transport.Bulk).Bulk().Recv(context.Background()); err != nil {
					return
				}
			}
		})
		roundTrip(b, from, to)
		busy.Wait()
	})
	b.Run("pion", func(b *testing.B) {
		from, to := connectRaw(b)
		roundTrip(b, from, to)
	})
}

func roundTrip(b *testing.B, from, to transport.Conn) {
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		for {
			msg, err := to.Recv(context.Background())
			if err != nil || to.Send(context.Background(), msg) != nil {
				return
			}
		}
	}()
	msg := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := from.Send(b.Context(), msg); err != nil {
			b.Fatal(err)
		}
		if _, err := from.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	from.Close()
	to.Close()
	<-echoed
}

// BenchmarkConnect makes a connection and closes it.
func BenchmarkConnect(b *testing.B) {
	x, y := newNegotiator(b, Config{}), newNegotiator(b, Config{})
	b.ReportAllocs()
	for b.Loop() {
		from, to := connect(b, x, y)
		from.Close()
		to.Close()
	}
}

// BenchmarkIdle reports what an open connection that does nothing costs, both
// of its ends together.
func BenchmarkIdle(b *testing.B) {
	x, y := newNegotiator(b, Config{}), newNegotiator(b, Config{})
	var before, after runtime.MemStats
	for b.Loop() {
		const pairs = 10
		var open []transport.Conn
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		for range pairs {
			from, to := connect(b, x, y)
			open = append(open, from, to)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		use := after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse
		b.ReportMetric(float64(use)/pairs/1024, "KiB/conn")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/pairs, "goroutines/conn")
		for _, c := range open {
			c.Close()
		}
	}
}

// rawConn is a data channel of pion with its default settings: what one gets by
// following its examples, callbacks and all.
type rawConn struct {
	pc   *webrtc.PeerConnection
	dc   *webrtc.DataChannel
	msgs chan []byte
	low  chan struct{}
	over chan struct{}
}

func (c *rawConn) Send(ctx context.Context, msg []byte) error {
	for c.dc.BufferedAmount() > 1<<20 {
		select {
		case <-c.low:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.dc.Send(msg)
}

func (c *rawConn) Recv(ctx context.Context) ([]byte, error) {
	select {
	case msg, ok := <-c.msgs:
		if !ok {
			return nil, net.ErrClosed
		}
		return msg, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *rawConn) Close() error {
	close(c.over)
	return c.pc.GracefulClose()
}

func connectRaw(tb testing.TB) (offerer, answerer transport.Conn) {
	tb.Helper()
	var se webrtc.SettingEngine
	se.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(se))
	opened := make(chan struct{}, 2)
	yes, id := true, uint16(0)
	open := func() *rawConn {
		pc, err := api.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			tb.Fatal(err)
		}
		dc, err := pc.CreateDataChannel("control", &webrtc.DataChannelInit{Negotiated: &yes, ID: &id})
		if err != nil {
			tb.Fatal(err)
		}
		c := &rawConn{pc: pc, dc: dc, msgs: make(chan []byte, 64), low: make(chan struct{}, 1), over: make(chan struct{})}
		dc.SetBufferedAmountLowThreshold(1 << 19)
		dc.OnBufferedAmountLow(func() { token(c.low) })
		dc.OnOpen(func() { opened <- struct{}{} })
		dc.OnMessage(func(m webrtc.DataChannelMessage) {
			select {
			case c.msgs <- m.Data:
			case <-c.over:
			}
		})
		dc.OnClose(func() { close(c.msgs) })
		return c
	}
	a, b := open(), open()
	step := func(make func() (webrtc.SessionDescription, error), from, to *webrtc.PeerConnection) {
		sdp, err := make()
		if err != nil {
			tb.Fatal(err)
		}
		gathered := webrtc.GatheringCompletePromise(from)
		if err := from.SetLocalDescription(sdp); err != nil {
			tb.Fatal(err)
		}
		<-gathered
		if err := to.SetRemoteDescription(*from.LocalDescription()); err != nil {
			tb.Fatal(fmt.Errorf("remote description: %w", err))
		}
	}
	step(func() (webrtc.SessionDescription, error) { return a.pc.CreateOffer(nil) }, a.pc, b.pc)
	step(func() (webrtc.SessionDescription, error) { return b.pc.CreateAnswer(nil) }, b.pc, a.pc)
	<-opened
	<-opened
	return a, b
}
