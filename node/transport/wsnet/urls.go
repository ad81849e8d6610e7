package wsnet

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// maxURLs bounds what URLs lists.
const maxURLs = 16

// urls returns where a socket that listens at a can be dialled. certs is nil
// for ws://.
func urls(a net.Addr, certs certificates) []string {
	at, ok := a.(*net.TCPAddr)
	if !ok {
		return nil
	}
	scheme, usual := "ws://", 80
	var hosts []string
	if certs != nil {
		scheme, usual = "wss://", 443
		hosts = certs.names() // the others would not pass the dialler's check
	}
	if len(hosts) == 0 {
		for _, ip := range addresses(at.AddrPort().Addr()) {
			hosts = append(hosts, ip.String())
		}
	}
	var all []string
	for _, host := range hosts {
		if at.Port == usual {
			if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
				host = "[" + host + "]"
			}
			all = append(all, scheme+host)
			continue
		}
		all = append(all, scheme+net.JoinHostPort(host, strconv.Itoa(at.Port)))
	}
	return all
}

// addresses returns ip, or for an unspecified one those of this machine that
// others can use, public ones first and loopback last.
func addresses(ip netip.Addr) []netip.Addr {
	if !ip.IsUnspecified() {
		return []netip.Addr{ip.Unmap()}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		interfaces = nil // then loopback is all we know
	}
	found := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	for _, a := range interfaces {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		// An unspecified IPv6 socket takes both kinds, see net.Listen.
		other := p.Addr().Unmap()
		if other.IsGlobalUnicast() && (other.Is4() || ip.Is6()) {
			found = append(found, other)
		}
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return cmp.Compare(reach(a), reach(b)) })
	return slices.Compact(found)
}

// reach orders addresses by who can use them, everyone first.
func reach(ip netip.Addr) int {
	switch {
	case ip.IsLoopback():
		return 2
	case PublicOnly(ip) != nil:
		return 1
	default:
		return 0
	}
}
