package portmap

import (
	"errors"
	"net"
	"net/netip"
)

// A way is how this machine gets to the internet. Two are equal when the machine
// has not moved.
type way struct {
	local   netip.Addr   // ours
	near    netip.Prefix // the network that it is in
	gateway netip.Addr   // the router
	sure    bool         // the gateway is known, and not a guess
}

// fits reports whether the router may be at ip.
func (w way) fits(ip netip.Addr) bool {
	if w.sure {
		return ip == w.gateway
	}
	return ip != w.local && w.near.Contains(ip)
}

var errNoWay = errors.New("this machine has no way to the internet by IPv4")

// look finds the way. Nothing is sent.
func look() (way, error) {
	gateway, sure := defaultGateway()
	to := gateway
	if !sure {
		to = netip.AddrFrom4([4]byte{192, 0, 2, 1}) // anywhere
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return way{}, errNoWay
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	conn.Close()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return way{}, err
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || p.Addr() != local || local.IsLoopback() {
			continue
		}
		w := way{local: local, near: p.Masked(), gateway: gateway, sure: sure}
		if !sure {
			w.gateway = w.near.Addr().Next() // as nearly every home has it
		}
		return w, nil
	}
	return way{}, errNoWay
}
