package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	"github.com/pion/datachannel"
	"github.com/pion/ice/v2"
	"github.com/pion/webrtc/v3"
)

// bare is the wire below us, used as its own documentation would: what a
// program without Sea would have.
type bare struct {
	name  string
	send  func(context.Context, []byte) error // to the far end
	recv  func(context.Context) ([]byte, error)
	reply func(context.Context, []byte) error // from the far end
	far   func(context.Context) ([]byte, error)
	close func() error
}

func startBare(ctx context.Context, wire string) (*bare, error) {
	if wire == "ws" {
		return bareWebSocket(ctx)
	}
	return barePion(ctx, false)
}

// round is one message of 64 bytes there and back.
func (b *bare) round(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		message, err := b.far(ctx)
		if err == nil {
			err = b.reply(ctx, message)
		}
		done <- err
	}()
	if err := b.send(ctx, make([]byte, 64)); err != nil {
		return err
	}
	if _, err := b.recv(ctx); err != nil {
		return err
	}
	return <-done
}

// push sends count messages of size bytes and returns when the last was taken.
func (b *bare) push(ctx context.Context, count, size int) error {
	done := make(chan error, 1)
	go func() {
		body := make([]byte, size)
		for range count {
			if err := b.send(ctx, body); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range count {
		if _, err := b.far(ctx); err != nil {
			return err
		}
	}
	return <-done
}

func bareWebSocket(ctx context.Context) (*bare, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	accepted := make(chan *websocket.Conn, 1)
	gone := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			accepted <- c
			<-gone
		}
	})}
	var wait sync.WaitGroup
	wait.Go(func() { _ = server.Serve(listener) })
	near, _, err := websocket.Dial(ctx, "ws://"+listener.Addr().String(), nil)
	if err != nil {
		return nil, err
	}
	far := <-accepted
	near.SetReadLimit(1 << 20)
	far.SetReadLimit(1 << 20)
	read := func(c *websocket.Conn) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) {
			_, b, err := c.Read(ctx)
			return b, err
		}
	}
	write := func(c *websocket.Conn) func(context.Context, []byte) error {
		return func(ctx context.Context, b []byte) error { return c.Write(ctx, websocket.MessageBinary, b) }
	}
	return &bare{
		name: "bare websocket", send: write(near), recv: read(near), reply: write(far), far: read(far),
		close: func() error {
			close(gone)
			err := errors.Join(near.CloseNow(), server.Close())
			wait.Wait()
			return err
		},
	}, nil
}

// barePion is a data channel of pion as it comes, or with the settings that make
// it fastest on loopback: one socket each with large buffers, SCTP's window 1 MiB.
func barePion(ctx context.Context, tuned bool) (b *bare, err error) {
	var sockets []io.Closer
	newEnd := func() (*webrtc.PeerConnection, error) {
		var settings webrtc.SettingEngine
		settings.DetachDataChannels()
		settings.SetIncludeLoopbackCandidate(true)
		if tuned {
			socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				return nil, err
			}
			sockets = append(sockets, socket)
			if err := errors.Join(socket.SetReadBuffer(4<<20), socket.SetWriteBuffer(4<<20)); err != nil {
				return nil, err
			}
			settings.SetICEUDPMux(webrtc.NewICEUDPMux(nil, socket))
			settings.SetSCTPMaxReceiveBufferSize(1 << 20)
			settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
		}
		return webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	}
	near, err := newEnd()
	if err != nil {
		return nil, err
	}
	far, err := newEnd()
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	negotiated, id := true, uint16(1)
	init := &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id}
	open := func(pc *webrtc.PeerConnection) (<-chan datachannel.ReadWriteCloser, error) {
		opened := make(chan datachannel.ReadWriteCloser, 1)
		channel, err := pc.CreateDataChannel("bench", init)
		if err != nil {
			return nil, err
		}
		channel.OnOpen(func() {
			if raw, err := channel.Detach(); err == nil {
				opened <- raw
			}
		})
		return opened, nil
	}
	nearOpen, err := open(near)
	if err != nil {
		return nil, err
	}
	farOpen, err := open(far)
	if err != nil {
		return nil, err
	}
	if err := negotiate(near, far); err != nil {
		return nil, err
	}
	var ends [2]datachannel.ReadWriteCloser
	for i, opened := range []<-chan datachannel.ReadWriteCloser{nearOpen, farOpen} {
		select {
		case ends[i] = <-opened:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &bare{
		name: "bare pion", send: writeTo(ends[0]), recv: readFrom(ends[0]), reply: writeTo(ends[1]), far: readFrom(ends[1]),
		close: func() error {
			err := errors.Join(near.Close(), far.Close())
			for _, s := range sockets {
				_ = s.Close() // pion may have done so
			}
			return err
		},
	}, nil
}

// negotiate carries the offer and the answer, with all candidates in them.
func negotiate(near, far *webrtc.PeerConnection) error {
	offer, err := near.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(near)
	if err := near.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	if err := far.SetRemoteDescription(*near.LocalDescription()); err != nil {
		return err
	}
	answer, err := far.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered = webrtc.GatheringCompletePromise(far)
	if err := far.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	return near.SetRemoteDescription(*far.LocalDescription())
}

// maxMessage is the largest message that pion's default settings let through.
const maxMessage = 64 << 10

func readFrom(r io.Reader) func(context.Context) ([]byte, error) {
	buffer := make([]byte, maxMessage)
	return func(context.Context) ([]byte, error) {
		n, err := r.Read(buffer)
		return buffer[:n], err
	}
}

// writeTo waits while more than 1 MiB is on its way, as pion's own examples do.
func writeTo(w datachannel.ReadWriteCloser) func(context.Context, []byte) error {
	const high, low = 1 << 20, 512 << 10
	channel := w.(*datachannel.DataChannel)
	drained := make(chan struct{}, 1)
	channel.SetBufferedAmountLowThreshold(low)
	channel.OnBufferedAmountLow(func() {
		select {
		case drained <- struct{}{}:
		default:
		}
	})
	return func(ctx context.Context, b []byte) error {
		for channel.BufferedAmount() > high {
			select {
			case <-drained:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		_, err := w.Write(b)
		return err
	}
}
