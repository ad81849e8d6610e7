package stun

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// The bounds of a server: an answer is 1.6 times as large as its question, so
// that nobody gains by sending questions in another's name.
const (
	perSource  = 20   // answers a second to a /24, or a /48 of IPv6
	perSecond  = 1000 // to all
	maxSources = 1024 // whose answers are counted
)

// A Server answers. Its zero value works. It may be used by one goroutine at a
// time.
type Server struct{ rate rate }

// Answer returns what to send back to from for a datagram; nil is nothing.
func (s *Server) Answer(b []byte, from netip.AddrPort) []byte {
	tx, err := readRequest(b)
	if err != nil || !s.rate.allow(time.Now(), from.Addr().Unmap()) {
		return nil
	}
	return response(tx, from)
}

// Serve answers on conn until ctx ends, which closes conn, and returns its error;
// or that of a conn that can no longer be read.
func Serve(ctx context.Context, conn *net.UDPConn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var s Server
	b := make([]byte, maxMessage+1)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			continue // a packet too large, or an ICMP message about an answer
		}
		if out := s.Answer(b[:n], from); out != nil {
			// What does not leave is asked for again.
			_, _ = conn.WriteToUDPAddrPort(out, from)
		}
	}
}

// A rate counts the answers of a second.
type rate struct {
	began time.Time
	all   int
	each  map[netip.Prefix]int
}

func (r *rate) allow(now time.Time, ip netip.Addr) bool {
	if now.Sub(r.began) >= time.Second {
		r.began, r.all, r.each = now, 0, make(map[netip.Prefix]int)
	}
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	from, err := ip.WithZone("").Prefix(bits)
	if err != nil || r.all >= perSecond || r.each[from] >= perSource || r.each[from] == 0 && len(r.each) >= maxSources {
		return false
	}
	r.all++
	r.each[from]++
	return true
}
