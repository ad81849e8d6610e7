package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	ptransport "github.com/pion/transport/v2"
)

const (
	// maxHosts is how many addresses of this machine a connection uses, each
	// with a socket of its own.
	maxHosts = 8

	// socketBuffer is asked of the kernel, in each direction. A burst of one
	// SCTP window has to fit, or it is lost and sent again: four times the
	// throughput on loopback. The kernel grants what its own limit allows.
	socketBuffer = 4 << 20
)

// sockets is the network as one connection's pion sees it: UDP sockets behind
// admit and never, the addresses chosen by look, names resolved until the
// connection ends, and nothing else. It knows each socket it opened, because
// pion leaves some open: a candidate found while the agent closes is dropped
// without its socket (ice v2 gather.go, the error path after addCandidate).
type sockets struct {
	ctx  func() context.Context // ends with the connection
	host []netip.Prefix

	port *port // of a Listener, instead of sockets of its own; or nil

	paused atomic.Bool // see quiet

	mu     sync.Mutex
	open   map[*socket]struct{} // guarded by mu; nil once closed
	closed bool
}

var _ ptransport.Net = (*sockets)(nil)

func newSockets(ctx context.Context, host []netip.Prefix) *sockets {
	return &sockets{
		ctx:  func() context.Context { return ctx },
		host: host,
		open: map[*socket]struct{}{},
	}
}

// ListenUDP opens a socket of this connection.
func (s *sockets) ListenUDP(network string, laddr *net.UDPAddr) (ptransport.UDPConn, error) {
	udp, err := net.ListenUDP(network, laddr)
	if err != nil {
		return nil, err
	}
	// Where the kernel refuses, its default stays.
	_ = udp.SetReadBuffer(socketBuffer)
	_ = udp.SetWriteBuffer(socketBuffer)
	sock := &socket{UDPConn: udp, from: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		udp.Close()
		return nil, net.ErrClosed
	}
	s.open[sock] = struct{}{}
	return sock, nil
}

// close closes what pion has left open and lets it open nothing more.
func (s *sockets) close() {
	s.mu.Lock()
	left := s.open
	s.open, s.closed = nil, true
	s.mu.Unlock()
	if s.port != nil {
		_ = s.port.Close() // which cannot fail
	}
	for sock := range left {
		sock.UDPConn.Close()
	}
}

// quiet stops handing packets to pion and reports whether it has dealt with
// those that it got.
func (s *sockets) quiet() bool {
	s.paused.Store(true)
	if s.port != nil && s.port.held.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for sock := range s.open {
		if sock.held.Load() {
			return false
		}
	}
	return true
}

// ResolveUDPAddr resolves a STUN server's name. Unlike the one of package net
// it ends with the connection; pion's close waits for it.
func (s *sockets) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	family := "ip"
	switch network {
	case "udp4":
		family = "ip4"
	case "udp6":
		family = "ip6"
	}
	ips, err := net.DefaultResolver.LookupNetIP(s.ctx(), family, host)
	if err != nil {
		return nil, err
	}
	number, err := net.DefaultResolver.LookupPort(s.ctx(), "udp", port)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); !never(ip) {
			return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(number))), nil
		}
	}
	return nil, fmt.Errorf("resolve %s: no address to send to", host)
}

// Interfaces is one interface with the addresses that the connection uses.
func (s *sockets) Interfaces() ([]*ptransport.Interface, error) {
	iface := ptransport.NewInterface(net.Interface{Index: 1, Name: "sea", Flags: net.FlagUp})
	for _, p := range s.host {
		iface.AddAddress(&net.IPNet{
			IP:   p.Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		})
	}
	return []*ptransport.Interface{iface}, nil
}

// The rest of pion's view is closed: nothing it needs here goes that way.

func (s *sockets) ListenPacket(string, string) (net.PacketConn, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) ListenTCP(string, *net.TCPAddr) (ptransport.TCPListener, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) Dial(string, string) (net.Conn, error) { return nil, ptransport.ErrNotSupported }

func (s *sockets) DialUDP(string, *net.UDPAddr, *net.UDPAddr) (ptransport.UDPConn, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) DialTCP(string, *net.TCPAddr, *net.TCPAddr) (ptransport.TCPConn, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) ResolveIPAddr(string, string) (*net.IPAddr, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) ResolveTCPAddr(string, string) (*net.TCPAddr, error) {
	return nil, ptransport.ErrNotSupported
}

func (s *sockets) InterfaceByIndex(int) (*ptransport.Interface, error) {
	return nil, ptransport.ErrInterfaceNotFound
}

func (s *sockets) InterfaceByName(string) (*ptransport.Interface, error) {
	return nil, ptransport.ErrInterfaceNotFound
}

func (s *sockets) CreateDialer(*net.Dialer) ptransport.Dialer { return noDialer{} }

type noDialer struct{}

func (noDialer) Dial(string, string) (net.Conn, error) { return nil, ptransport.ErrNotSupported }

// A socket is a UDP socket from which pion gets only what admit lets through,
// and which sends to no address that never forbids.
type socket struct {
	*net.UDPConn
	from *sockets
	held atomic.Bool // pion has a packet, and has not come for the next
}

// admit reports whether pion gets the packet b.
func (s *socket) admit(b []byte) bool {
	if !admit(b) {
		return false
	}
	s.held.Store(true)
	if s.from.paused.Load() {
		s.held.Store(false)
		return false
	}
	return true
}

// Close closes the socket.
func (s *socket) Close() error {
	s.from.mu.Lock()
	delete(s.from.open, s)
	s.from.mu.Unlock()
	return s.UDPConn.Close()
}

// ReadFrom returns the next datagram that admit lets through.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromUDP(b)
	if from == nil {
		return n, nil, err // a typed nil would not compare equal to nil
	}
	return n, from, err
}

// ReadFromUDP returns the next datagram that admit lets through.
func (s *socket) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	s.held.Store(false)
	for {
		n, from, err := s.UDPConn.ReadFromUDP(b)
		if err != nil || s.admit(b[:n]) {
			return n, from, err
		}
	}
}

// ReadFromUDPAddrPort returns the next datagram that admit lets through.
func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	s.held.Store(false)
	for {
		n, from, err := s.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil || s.admit(b[:n]) {
			return n, from, err
		}
	}
}

// Read returns the next datagram that admit lets through.
func (s *socket) Read(b []byte) (int, error) {
	n, _, err := s.ReadFromUDP(b)
	return n, err
}

// ReadMsgUDP returns the next datagram that admit lets through.
func (s *socket) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	s.held.Store(false)
	for {
		n, oobn, flags, from, err = s.UDPConn.ReadMsgUDP(b, oob)
		if err != nil || s.admit(b[:n]) {
			return n, oobn, flags, from, err
		}
	}
}

var errNever = errors.New("nothing is sent to such an address")

// WriteTo sends b to addr unless never forbids it.
func (s *socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, errNever
	}
	return s.WriteToUDP(b, udp)
}

// WriteToUDP sends b to addr unless never forbids it.
func (s *socket) WriteToUDP(b []byte, addr *net.UDPAddr) (int, error) {
	ap := addr.AddrPort()
	ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	if never(ap.Addr()) {
		return 0, errNever
	}
	return s.UDPConn.WriteToUDPAddrPort(b, ap)
}

// WriteToUDPAddrPort sends b to addr unless never forbids it.
func (s *socket) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	if never(addr.Addr().Unmap()) {
		return 0, errNever
	}
	return s.UDPConn.WriteToUDPAddrPort(b, addr)
}

// WriteMsgUDP is closed: it would pass by the check.
func (s *socket) WriteMsgUDP([]byte, []byte, *net.UDPAddr) (int, int, error) {
	return 0, 0, ptransport.ErrNotSupported
}
