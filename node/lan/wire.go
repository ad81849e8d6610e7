package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/net/ipv4"
)

// maxInterfaces is how many interfaces are used.
const maxInterfaces = 16

var group = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// iface is an interface that is used, with its first IPv4 address.
type iface struct {
	index int
	at    netip.Prefix
}

// multicast is the machine's wire.
type multicast struct {
	udp    *net.UDPConn
	conn   *ipv4.PacketConn
	ifaces []iface
}

// open joins the group on every interface that has multicast.
func open() (wire, error) {
	ifaces, err := look()
	if err != nil {
		return nil, err
	}
	if len(ifaces) == 0 {
		return nil, errors.New("no interface has multicast and an IPv4 address")
	}
	first, err := net.InterfaceByIndex(ifaces[0].index)
	if err != nil {
		return nil, err
	}
	udp, err := net.ListenMulticastUDP("udp4", first, &group)
	if err != nil {
		return nil, err
	}
	m := &multicast{udp: udp, conn: ipv4.NewPacketConn(udp), ifaces: ifaces}
	for _, i := range ifaces[1:] {
		other, err := net.InterfaceByIndex(i.index)
		if err == nil {
			err = m.conn.JoinGroup(other, &group)
		}
		if err != nil {
			udp.Close()
			return nil, fmt.Errorf("join the group: %w", err)
		}
	}
	// Other nodes on this machine hear us too.
	if err := errors.Join(m.conn.SetMulticastLoopback(true), m.conn.SetMulticastTTL(255)); err != nil {
		udp.Close()
		return nil, err
	}
	return m, nil
}

// look returns the interfaces that are up and have multicast and an address.
func look() ([]iface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []iface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || len(found) == maxInterfaces {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				found = append(found, iface{i.Index, p})
				break
			}
		}
	}
	return found, nil
}

// read returns the next packet from this network.
func (m *multicast) read(b []byte) (int, netip.Addr, error) {
	for {
		n, from, err := m.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return 0, netip.Addr{}, err
		}
		if ip := from.Addr().Unmap(); from.Port() == uint16(group.Port) && onLink(m.ifaces, ip) {
			return n, ip, nil
		}
	}
}

// onLink reports whether ip is on the network of one of the interfaces: packets
// from elsewhere are no business of multicast DNS (RFC 6762 §11).
func onLink(ifaces []iface, ip netip.Addr) bool {
	return slices.ContainsFunc(ifaces, func(i iface) bool { return i.at.Contains(ip) })
}

// write sends a packet on each interface. It fails when none takes it.
func (m *multicast) write(build func(netip.Addr) ([]byte, error)) error {
	var errs []error
	for _, i := range m.ifaces {
		b, err := build(i.at.Addr())
		if err != nil {
			return err
		}
		at, err := net.InterfaceByIndex(i.index)
		if err == nil {
			err = m.conn.SetMulticastInterface(at)
		}
		if err == nil {
			_, err = m.udp.WriteToUDP(b, &group)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(m.ifaces) {
		return errors.Join(errs...)
	}
	return nil
}

// changed reports whether the interfaces are not those of open.
func (m *multicast) changed() bool {
	now, err := look()
	return err != nil || !slices.Equal(now, m.ifaces)
}

func (m *multicast) close() error { return m.udp.Close() }
