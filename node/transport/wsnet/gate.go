package wsnet

import (
	"net"
	"net/netip"
	"sync"
)

// A gate is a listening socket that keeps few connections which have not shown
// what they want: with max of them, each new one puts an old one out. The
// slow cannot shut out the quick that way, for those are through in one round
// trip. Who is put out is the oldest of the prefix that has most, so that one
// network's flood falls on itself.
type gate struct {
	net.Listener
	max int

	mu      sync.Mutex // guards the rest
	waiting []*visitor // oldest first
}

func newGate(socket net.Listener, max int) *gate {
	return &gate{Listener: socket, max: max}
}

// A visitor is a connection at the gate, until it is proven or closed.
type visitor struct {
	net.Conn
	gate *gate
	from netip.Prefix
}

// Accept lets the next connection in, at the cost of another when it is full.
func (g *gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{Conn: &corked{Conn: c}, gate: g, from: prefix(c.RemoteAddr())}
	if out := g.enter(v); out != nil {
		_ = out.Conn.Close() // its server will notice
	}
	return v, nil
}

// enter adds v and returns who has to go for it.
func (g *gate) enter(v *visitor) (out *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, v)
	if len(g.waiting) <= g.max {
		return nil
	}
	from := make(map[netip.Prefix]int)
	most := 0
	for _, w := range g.waiting {
		from[w.from]++
		most = max(most, from[w.from])
	}
	for _, w := range g.waiting {
		if from[w.from] == most {
			g.remove(w)
			return w
		}
	}
	panic("wsnet: a full gate with nobody at it")
}

// leave forgets v, if it is still at the gate.
func (g *gate) leave(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(v)
}

// remove needs mu.
func (g *gate) remove(v *visitor) {
	for i, w := range g.waiting {
		if w == v {
			copy(g.waiting[i:], g.waiting[i+1:])
			g.waiting[len(g.waiting)-1] = nil
			g.waiting = g.waiting[:len(g.waiting)-1]
			return
		}
	}
}

// Close closes the connection and leaves the gate.
func (v *visitor) Close() error {
	v.gate.leave(v)
	return v.Conn.Close()
}

// proven lets a connection that came through a gate stay, beneath TLS or not.
func proven(c net.Conn) {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secure.NetConn()
	}
	if v, ok := c.(*visitor); ok {
		v.gate.leave(v)
	}
}

// prefix is the network that we take an address's owner to have: an IPv4
// address, an IPv6 /56. It is the zero Prefix for what is neither.
func prefix(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 56
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
