package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/pion/webrtc/v3"
)

// The bounds of a Listener.
const (
	maxDialled  = 512 // connections at once, half open ones included
	maxOpening  = 32  // half open ones
	maxFrom     = 8   // half open ones from a /24, or a /48 of IPv6
	openingTime = 10 * time.Second
	maxWaiting  = 64 // that nobody has accepted
	maxPacket   = 1500
	maxPlaces   = 8 // URLs
)

// A ListenConfig holds a Listener's wishes.
type ListenConfig struct {
	// Answer, when not nil, returns the answer to a datagram that belongs to no
	// connection, such as a plain STUN request; nil is none.
	Answer func(b []byte, from netip.AddrPort) []byte
}

// A Listener takes in connections that are dialled by sea:// URLs, all of them
// on one UDP socket. It is the ICE-lite side: it answers, and sends to nobody
// who has not sent to it.
type Listener struct {
	n    *Negotiator
	cert *Certificate
	cfg  ListenConfig
	conn *net.UDPConn // set by Open

	opening chan struct{} // a token for each half-open connection
	come    chan transport.Conn
	closed  <-chan struct{} // alive.Done()
	alive   context.Context // ends with Close
	end     context.CancelFunc
	opens   sync.WaitGroup // of half-open ones; none begins once alive has ended

	mu    sync.Mutex
	ports map[netip.AddrPort]*port // guarded by mu, as all below
	names map[string]bool          // of their connections: each is taken up once
	from  map[netip.Prefix]int     // half-open ones
}

var _ transport.Listener = (*Listener)(nil)

// NewListener returns a Listener that shows cert. It listens once it is opened.
func (n *Negotiator) NewListener(cert *Certificate, cfg ListenConfig) *Listener {
	alive, end := context.WithCancel(context.Background())
	return &Listener{
		n: n, cert: cert, cfg: cfg, alive: alive, end: end, closed: alive.Done(),
		opening: make(chan struct{}, maxOpening), come: make(chan transport.Conn, maxWaiting),
		ports: make(map[netip.AddrPort]*port), names: make(map[string]bool), from: make(map[netip.Prefix]int),
	}
}

// Open begins to listen on a UDP address, host:port. The caller closes the
// Listener, also after an error.
func (l *Listener) Open(address string) error {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return err
	}
	// Where the kernel refuses, its default stays.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	l.conn = conn
	go l.read() // ends with the socket
	return nil
}

// URLs are the sea:// URLs of the addresses that it listens at, those of the
// machine's networks before loopback.
func (l *Listener) URLs() []string {
	if l.conn == nil {
		return nil
	}
	at := l.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	ips := []netip.Addr{at.Addr().Unmap()}
	if at.Addr().IsUnspecified() {
		host, err := look()
		if err != nil {
			return nil
		}
		ips = nil
		if host.loopback.IsValid() {
			host.addrs = append(host.addrs, host.loopback)
		}
		for _, p := range host.addrs {
			if p.Addr().Is4() || at.Addr().Is6() {
				ips = append(ips, p.Addr())
			}
		}
	}
	var urls []string
	for _, ip := range ips[:min(len(ips), maxPlaces)] {
		urls = append(urls, place{netip.AddrPortFrom(ip, at.Port()), l.cert.hash}.String())
	}
	return urls
}

// URLAt is the sea:// URL of the same port as others see it, when a router leads
// at to it.
func (l *Listener) URLAt(at netip.AddrPort) string { return place{at, l.cert.hash}.String() }

// Accept returns the next connection.
func (l *Listener) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.come:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops taking connections in, and ends those that nobody has accepted.
// The socket stays until the accepted ones have ended.
func (l *Listener) Close() error {
	l.end()
	l.mu.Lock()
	if l.conn != nil && len(l.ports) == 0 {
		l.conn.Close()
	}
	l.mu.Unlock()
	l.opens.Wait()
	for {
		select {
		case c := <-l.come:
			c.Close()
			continue
		default:
		}
		return nil
	}
}

// read hands what comes to the connections until the socket closes.
func (l *Listener) read() {
	buf := make([]byte, maxPacket+1)
	for {
		n, at, err := l.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			continue // an ICMP message about what was sent
		}
		b := buf[:n]
		from := netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		l.mu.Lock()
		p := l.ports[from]
		l.mu.Unlock()
		switch {
		case p != nil:
			if admit(b) {
				p.deliver(append([]byte(nil), b...))
			}
		case l.begin(b, from):
		case l.cfg.Answer != nil:
			if out := l.cfg.Answer(b, from); out != nil {
				// What does not leave is asked for again.
				_, _ = l.conn.WriteToUDPAddrPort(out, from)
			}
		}
	}
}

// begin makes a connection for the first request of one, and reports whether b
// was that.
func (l *Listener) begin(b []byte, from netip.AddrPort) bool {
	if !admit(b) {
		return false
	}
	name, theirs, ok := callers(b)
	if !ok {
		return false
	}
	if never(from.Addr()) {
		return true
	}
	near := source(from.Addr())
	p := &port{l: l, name: name, remote: from, come: make(chan []byte, portQueue), closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return true
	default:
	}
	// Who has several addresses asks from all of them: the first is taken.
	if l.names[name] || len(l.ports) >= maxDialled || l.from[near] >= maxFrom {
		return true
	}
	select {
	case l.opening <- struct{}{}:
	default:
		return true // they ask again
	}
	l.from[near]++
	l.ports[from], l.names[name] = p, true
	p.deliver(append([]byte(nil), b...))
	release := sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.from[near]--; l.from[near] == 0 {
			delete(l.from, near)
		}
	})
	l.opens.Go(func() {
		defer release()
		c, err := l.open(p, name, theirs)
		if err != nil {
			p.Close()
			l.n.cfg.Log.Debug("direct connection came to nothing", "remote", from, "err", err)
			return
		}
		select {
		case l.come <- c:
		case <-l.closed:
			c.Close()
		}
	})
	return true
}

// open is the listening side of a connection called name.
func (l *Listener) open(port *port, name, theirs string) (transport.Conn, error) {
	p, err := l.n.start(l.opening, func(network) setup {
		return setup{
			ufrag: name, password: name + anyone, alone: true, port: port, certificates: []webrtc.Certificate{l.cert.pion},
		}
	})
	if err != nil {
		return nil, err
	}
	err = func() error {
		// Who dials is not known to DTLS: the handshake above asks.
		if err := p.hear(description{
			Version: version, Kind: offer, Ufrag: theirs, Password: name + anyone, Fingerprint: make([]byte, 32),
		}); err != nil {
			return err
		}
		sdp, err := p.pc.CreateAnswer(nil)
		if err != nil {
			return err
		}
		return p.pc.SetLocalDescription(sdp)
	}()
	if err != nil {
		p.close()
		return nil, err
	}
	if err := p.wait(l.alive, openingTime); err != nil {
		return nil, fmt.Errorf("dialled: %w", err)
	}
	return conn{p}, nil
}

// forget gives a port's address free. The last one closes a closed Listener's
// socket.
func (l *Listener) forget(p *port) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ports[p.remote] == p {
		delete(l.ports, p.remote)
		delete(l.names, p.name)
	}
	select {
	case <-l.closed:
		if len(l.ports) == 0 {
			l.conn.Close()
		}
	default:
	}
}

// source is what counts as one place that connections come from.
func source(ip netip.Addr) netip.Prefix {
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
