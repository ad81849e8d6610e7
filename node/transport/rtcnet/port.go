package rtcnet

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
)

// portQueue is how many packets wait for a connection's pion, some 1.4 MB: a
// window of SCTP has to fit.
const portQueue = 1024

// A port is a Listener's socket as one connection's pion sees it: a way to one
// remote address and from it. Pion's own multiplexer tells DTLS packets apart by
// that address and STUN by name, which is how two connections get mixed up; here
// an address has one connection, or none.
type port struct {
	l      *Listener
	name   string
	remote netip.AddrPort
	come   chan []byte
	closed chan struct{}
	once   sync.Once

	held atomic.Bool             // pion has a packet, and has not come for the next
	owns atomic.Pointer[sockets] // of the connection, once there is one
}

var (
	_ net.PacketConn = (*port)(nil)
	_ ice.UDPMux     = (*port)(nil)
)

// deliver keeps a packet for pion. What does not fit is lost, as on a wire.
func (p *port) deliver(b []byte) {
	select {
	case p.come <- b:
	default:
	}
}

// ReadFrom returns the next packet.
func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	p.held.Store(false)
	for {
		select {
		case <-p.closed:
			return 0, nil, io.EOF // net.ErrClosed would be logged as a failure
		case packet := <-p.come:
			p.held.Store(true)
			if s := p.owns.Load(); s != nil && s.paused.Load() {
				p.held.Store(false)
				continue
			}
			return copy(b, packet), net.UDPAddrFromAddrPort(p.remote), nil
		}
	}
}

// WriteTo sends a packet, to the port's one address only.
func (p *port) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errNever
	}
	ap := udp.AddrPort()
	if netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) != p.remote {
		return 0, errNever
	}
	select {
	case <-p.closed:
		return 0, net.ErrClosed
	default:
	}
	return p.l.conn.WriteToUDPAddrPort(b, p.remote)
}

// Close gives the address free.
func (p *port) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.l.forget(p)
	})
	return nil
}

// LocalAddr is an address of the socket, in the remote one's family: pion takes
// it for that of a candidate, which nobody is told of.
func (p *port) LocalAddr() net.Addr {
	at := p.l.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	ip := at.Addr().Unmap()
	switch {
	case p.remote.Addr().Is4() && (ip.IsUnspecified() || ip.Is6()):
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case ip.IsUnspecified() || ip.Is4() && !p.remote.Addr().Is4():
		ip = netip.IPv6Loopback()
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, at.Port()))
}

// Deadlines are not needed: whoever is done with a port closes it.

func (p *port) SetDeadline(time.Time) error      { return nil }
func (p *port) SetReadDeadline(time.Time) error  { return nil }
func (p *port) SetWriteDeadline(time.Time) error { return nil }

// GetConn, RemoveConnByUfrag and GetListenAddresses make the port a multiplexer
// of one connection, which is what pion takes it for.

// GetConn returns the port itself.
func (p *port) GetConn(string, net.Addr) (net.PacketConn, error) { return p, nil }

// RemoveConnByUfrag does nothing: pion calls it before it begins, too, and
// closes what GetConn returned when it ends.
func (p *port) RemoveConnByUfrag(string) {}

// GetListenAddresses returns LocalAddr.
func (p *port) GetListenAddresses() []net.Addr { return []net.Addr{p.LocalAddr()} }
