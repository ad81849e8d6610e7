package portmap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"
)

// ssdpGroup is where UPnP devices listen for searches.
const ssdpGroup = "239.255.255.250:1900"

const (
	maxFound   = 2048                   // bytes of an answer to a search
	maxHeard   = 64                     // answers that are looked at
	searchGap  = 400 * time.Millisecond // a search is sent again: packets get lost
	searchSent = 3
)

// gateways are what is searched for: a device of the second kind answers to the
// first too, but not each does.
var gateways = []string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
}

// A finder finds the router of a network.
type finder struct {
	pmpPatience, soapPatience, searchFor time.Duration
	group                                string // ssdpGroup, except in tests
}

// find asks the gateway by NAT-PMP, which takes a packet, and then searches for
// it by UPnP.
func (f finder) find(ctx context.Context, w way) (router, error) {
	pmp := newNatPMP(w, f.pmpPatience)
	_, err := pmp.outside(ctx)
	if err == nil {
		return pmp, nil
	}
	errs := []error{fmt.Errorf("nat-pmp: %w", err)}
	location, ip, err := f.search(ctx, w)
	if err == nil {
		var r router
		if r, err = describe(ctx, location, w, ip, f.soapPatience); err == nil {
			return r, nil
		}
	}
	return nil, errors.Join(append(errs, fmt.Errorf("upnp: %w", err))...)
}

var errSilent = errors.New("no router answers")

// search asks the network for a gateway and returns the first answer of one that
// may be it.
func (f finder) search(ctx context.Context, w way) (*url.URL, netip.Addr, error) {
	fail := func(err error) (*url.URL, netip.Addr, error) { return nil, netip.Addr{}, err }
	group, err := net.ResolveUDPAddr("udp4", f.group)
	if err != nil {
		return fail(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: w.local.AsSlice()})
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	late := time.Now().Add(f.searchFor)
	b := make([]byte, maxFound)
	reason := errSilent
	for sent, heard := 0, 0; time.Now().Before(late) && heard < maxHeard; {
		gap := late
		if sent < searchSent {
			for _, kind := range gateways {
				if _, err := conn.WriteToUDP(query(kind), group); err != nil && ctx.Err() == nil {
					return fail(err)
				}
			}
			sent++
			gap = time.Now().Add(searchGap)
		}
		if gap.After(late) {
			gap = late
		}
		if err := conn.SetReadDeadline(gap); err != nil {
			return fail(err)
		}
		for heard < maxHeard {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if ctx.Err() != nil {
				return fail(ctx.Err())
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // nobody any more in this while
			}
			if err != nil {
				return fail(err)
			}
			heard++
			ip := from.Addr().Unmap()
			if !w.fits(ip) {
				continue
			}
			location, err := readFound(b[:n], ip)
			if err == nil {
				return location, ip, nil
			}
			reason = err
		}
	}
	return fail(reason)
}

// query is a search for devices of a kind, which are to answer within a second.
func query(kind string) []byte {
	return []byte("M-SEARCH * HTTP/1.1\r\nHOST: " + ssdpGroup + "\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " + kind + "\r\n\r\n")
}

// readFound returns where a device that answers from ip has its description,
// which has to be with itself.
func readFound(b []byte, ip netip.Addr) (*url.URL, error) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return nil, errors.New("an answer that cannot be read")
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.Scheme != "http" || u.User != nil || u.Opaque != "" {
		return nil, errors.New("an answer that names no description")
	}
	if at, err := netip.ParseAddr(u.Hostname()); err != nil || at.Unmap() != ip {
		return nil, errors.New("an answer that names another machine")
	}
	return u, nil
}
