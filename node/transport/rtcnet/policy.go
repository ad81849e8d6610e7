package rtcnet

import (
	"net"
	"net/netip"
)

// A policy says which remote addresses a connection may send packets to. An
// offer comes from a stranger and is a list of places to knock at, so without
// one ICE is a port scanner inside our network.
type policy struct {
	loopback bool           // this machine's own loopback
	private  []netip.Prefix // the private networks that are allowed
}

// allows reports whether ap may be a remote candidate.
func (p policy) allows(ap netip.AddrPort) bool {
	ip := ap.Addr()
	switch {
	case ap.Port() == 0 || never(ip):
		return false
	case ip.IsLoopback():
		return p.loopback
	case within(private, ip):
		return within(p.private, ip)
	default:
		return true
	}
}

// never reports whether ip may not be sent to, whatever the policy: what is no
// unicast address, what only a link has, and where clouds answer their guests.
// The sockets check it again for each packet.
func never(ip netip.Addr) bool {
	return !ip.IsValid() || ip.Zone() != "" || ip.Is4In6() ||
		ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() ||
		within(metadata, ip) || within(reserved, ip) && !ip.IsLoopback()
}

func within(nets []netip.Prefix, ip netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

func prefixes(ss ...string) []netip.Prefix {
	nets := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		nets[i] = netip.MustParsePrefix(s)
	}
	return nets
}

var (
	// Besides 169.254.169.254, which is link-local.
	metadata = prefixes("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")

	// RFC 1918, RFC 4193, RFC 6598 and the old site-local addresses.
	private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")

	// "This network", class E with the broadcast address, and the IPv6 forms
	// that carry an IPv4 address inside: compatible, NAT64, Teredo and 6to4.
	reserved = prefixes("0.0.0.0/8", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
)

// network is what this machine is on: its addresses with their networks, the
// ones in use only, loopback apart.
type network struct {
	addrs    []netip.Prefix // at most maxHosts; the address is the machine's own
	loopback netip.Prefix   // 127.0.0.1/8, where there is one
}

// look reads the machine's addresses.
func look() (network, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return network{}, err
	}
	var n network
	for _, iface := range ifaces {
		if iface.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := iface.Addrs()
		if err != nil {
			continue // the interface went away meanwhile
		}
		for _, a := range addrs {
			p, ok := prefixOf(a)
			switch ip := p.Addr(); {
			case !ok || never(ip):
			case ip.IsLoopback():
				if ip.Is4() && !n.loopback.IsValid() {
					n.loopback = p // pion gathers no candidate for ::1
				}
			case len(n.addrs) < maxHosts:
				n.addrs = append(n.addrs, p)
			}
		}
	}
	return n, nil
}

func prefixOf(a net.Addr) (netip.Prefix, bool) {
	ipnet, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(ipnet.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ip = ip.Unmap()
	ones, bits := ipnet.Mask.Size()
	if bits != ip.BitLen() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(ip, ones), true
}

// onLoopback reports whether connections use loopback: when asked to, and when
// the machine has nothing else, so that two nodes on it still meet.
func (n network) onLoopback(asked bool) bool {
	return n.loopback.IsValid() && (asked || len(n.addrs) == 0)
}

// open is the policy when nothing is known about the way the offer came: the
// private networks that this machine is on, and what allowed adds.
func (n network) open(loopback bool, allowed []netip.Prefix) policy {
	p := policy{loopback: n.onLoopback(loopback), private: append([]netip.Prefix(nil), allowed...)}
	for _, a := range n.addrs {
		p.private = append(p.private, a.Masked())
	}
	return p
}

// via is the policy when the offer came over a link to from: of loopback and
// the private networks only what this link itself is on.
func (n network) via(from netip.Addr, allowed []netip.Prefix) policy {
	p := policy{private: append([]netip.Prefix(nil), allowed...)}
	here := from.IsLoopback()
	for _, a := range n.addrs {
		here = here || from == a.Addr()
	}
	for _, a := range n.addrs {
		switch {
		case here:
			// The link is to this very machine: so may the other side be.
			p.private = append(p.private, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
		case a.Masked().Contains(from):
			p.private = append(p.private, a.Masked())
		}
	}
	p.loopback = here
	return p
}
