package portmap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	igd "github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// The bounds of what a router says by HTTP.
const (
	maxAnswer   = 256 << 10 // bytes of a description or an answer
	maxHeader   = 16 << 10
	maxServices = 4 // of a kind in a description
	otherPorts  = 3 // tried when the wanted one is taken
	firstOther  = 1024
)

// The errors of UPnP's WANIPConnection service that are dealt with.
const (
	codeConflict  = 718 // the port is another's
	codePermanent = 725 // no lease, only for ever
)

// connection is what the three services have in common that map ports.
type connection interface {
	AddPortMappingCtx(ctx context.Context, host string, outside uint16, protocol string, inside uint16, client string, enabled bool, description string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, host string, outside uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
}

// upnp is a service of an internet gateway device.
type upnp struct {
	local    netip.Addr
	wait     time.Duration
	services []connection
	chosen   int // of services: the one that has an address
}

func (*upnp) name() string { return "upnp" }

// outside returns the address of the first service that has one.
func (r *upnp) outside(ctx context.Context) (netip.Addr, error) {
	var errs []error
	for i, s := range r.services {
		wait, cancel := context.WithTimeout(ctx, r.wait)
		text, err := s.GetExternalIPAddressCtx(wait)
		cancel()
		if err != nil {
			errs = append(errs, brief(err))
			continue
		}
		ip, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil || ip.IsUnspecified() {
			errs = append(errs, errors.New("it has none"))
			continue
		}
		r.chosen = i
		return ip.Unmap(), nil
	}
	return netip.Addr{}, errors.Join(errs...)
}

func (r *upnp) add(ctx context.Context, p Port, want uint16) (uint16, time.Duration, error) {
	holds := lease
	for tries := 0; ; {
		err := r.addAt(ctx, p, want, holds)
		var fault *soap.SOAPFaultError
		code := 0
		if errors.As(err, &fault) {
			code = fault.Detail.UPnPError.Errorcode
		}
		switch {
		case err == nil:
			return want, holds, nil
		case code == codePermanent && holds != 0:
			holds = 0
		case code == codeConflict && tries < otherPorts:
			tries++
			want = firstOther + rand.N[uint16](1<<16-1-firstOther)
		default:
			return 0, 0, brief(err)
		}
	}
}

func (r *upnp) addAt(ctx context.Context, p Port, outside uint16, holds time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	return r.services[r.chosen].AddPortMappingCtx(ctx, "", outside, strings.ToUpper(p.Protocol), p.Number,
		r.local.String(), true, "sea", uint32(holds/time.Second))
}

func (r *upnp) remove(ctx context.Context, p Port, outside uint16) error {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	return brief(r.services[r.chosen].DeletePortMappingCtx(ctx, "", outside, strings.ToUpper(p.Protocol)))
}

// brief is err without the router's own words, of which there may be any number.
func brief(err error) error {
	var fault *soap.SOAPFaultError
	if errors.As(err, &fault) {
		return fmt.Errorf("the router refuses with code %d", fault.Detail.UPnPError.Errorcode)
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	if err != nil && len(err.Error()) > 200 {
		return errors.New("the router's answer cannot be read")
	}
	return err
}

// describe reads the description at location, of the router at ip, and returns
// its services that map ports, the newest kind first.
func describe(ctx context.Context, location *url.URL, w way, ip netip.Addr, wait time.Duration) (router, error) {
	client := only(ip)
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, brief(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the router's description: answered %d", resp.StatusCode)
	}
	services, err := readDescription(resp.Body, location, client)
	if err != nil {
		return nil, fmt.Errorf("the router's description: %w", err)
	}
	return &upnp{local: w.local, wait: wait, services: services}, nil
}

// readDescription finds the services in a description, which client will ask.
func readDescription(r io.Reader, location *url.URL, client *http.Client) ([]connection, error) {
	var root goupnp.RootDevice
	d := xml.NewDecoder(r)
	d.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := d.Decode(&root); err != nil {
		return nil, brief(err)
	}
	// URLBase, which UPnP 1.1 has given up, could only name another machine.
	root.SetURLBase(location)
	var found []connection
	for _, kind := range []string{igd.URN_WANIPConnection_2, igd.URN_WANIPConnection_1, igd.URN_WANPPPConnection_1} {
		clients, err := goupnp.NewServiceClientsFromRootDevice(&root, location, kind)
		if err != nil {
			continue // it has none of them
		}
		for _, c := range clients[:min(len(clients), maxServices)] {
			c.SOAPClient.HTTPClient = *client
			switch kind {
			case igd.URN_WANIPConnection_2:
				found = append(found, &igd.WANIPConnection2{ServiceClient: c})
			case igd.URN_WANIPConnection_1:
				found = append(found, &igd.WANIPConnection1{ServiceClient: c})
			default:
				found = append(found, &igd.WANPPPConnection1{ServiceClient: c})
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it has no service that maps ports")
	}
	return found, nil
}

// only is a client that speaks with one machine, follows nobody to another, uses
// no proxy, keeps no connection, and reads maxAnswer bytes at most.
func only(ip netip.Addr) *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		at, err := netip.ParseAddrPort(address)
		if err != nil || at.Addr().Unmap() != ip {
			return nil, fmt.Errorf("%.60q is not at the router", address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{
		Transport: bounded{&http.Transport{
			DialContext: dial, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts what is read of an answer.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}
