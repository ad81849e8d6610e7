package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// The protocols of the libp2p hosts.
const (
	echoProtocol = "/bench/echo/1"
	sinkProtocol = "/bench/sink/1"
)

// newHost returns a host of go-libp2p that listens on loopback, over TCP with
// Noise and yamux or over QUIC, as its defaults have it but for what would look
// for others or refuse them.
func newHost(wire string) (host.Host, error) {
	options := []libp2p.Option{
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.ConnectionManager(connmgr.NullConnMgr{}),
	}
	if wire == "quic" {
		options = append(options, libp2p.Transport(quic.NewTransport), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"))
	} else {
		options = append(options,
			libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
			libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	}
	return libp2p.New(options...)
}

// where is what others need to connect to h.
func where(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// hosts are two connected hosts of go-libp2p.
type hosts struct {
	from, to host.Host
	sink     network.Stream      // of from, opened by the first push
	taken    chan network.Stream // the other end
}

func startHosts(ctx context.Context, wire string) (h *hosts, err error) {
	h = &hosts{taken: make(chan network.Stream, 1)}
	defer func() {
		if err != nil {
			_ = h.close()
		}
	}()
	if h.from, err = newHost(wire); err != nil {
		return h, err
	}
	if h.to, err = newHost(wire); err != nil {
		return h, err
	}
	h.to.SetStreamHandler(echoProtocol, func(s network.Stream) {
		defer s.Close()
		if body, err := io.ReadAll(s); err == nil {
			_, _ = s.Write(body)
		}
	})
	h.to.SetStreamHandler(sinkProtocol, func(s network.Stream) { h.taken <- s })
	return h, h.from.Connect(ctx, where(h.to))
}

// round is a request of 64 bytes on a stream of its own, and its answer.
func (h *hosts) round(ctx context.Context) error {
	s, err := h.from.NewStream(ctx, h.to.ID(), echoProtocol)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Write(make([]byte, 64)); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	body, err := io.ReadAll(s)
	if err == nil && len(body) != 64 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// push sends count messages of size bytes on one stream and returns when the
// last was taken.
func (h *hosts) push(ctx context.Context, count, size int) (err error) {
	if h.sink == nil {
		if h.sink, err = h.from.NewStream(ctx, h.to.ID(), sinkProtocol); err != nil {
			return err
		}
	}
	failed := make(chan error, 1)
	go func() {
		body := make([]byte, size)
		for range count {
			if _, err := h.sink.Write(body); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	far := <-h.taken
	defer func() { h.taken <- far }()
	for range count {
		// Each message in memory of its own, as ours comes.
		if _, err := io.ReadFull(far, make([]byte, size)); err != nil {
			return err
		}
	}
	return <-failed
}

// connect is the time from nothing to a proven connection.
func (h *hosts) connect(ctx context.Context) (time.Duration, error) {
	if err := h.from.Network().ClosePeer(h.to.ID()); err != nil {
		return 0, err
	}
	for h.to.Network().Connectedness(h.from.ID()) == network.Connected {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	err := h.from.Connect(ctx, where(h.to))
	return time.Since(start), err
}

func (h *hosts) close() error {
	var errs []error
	for _, one := range []host.Host{h.from, h.to} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}
