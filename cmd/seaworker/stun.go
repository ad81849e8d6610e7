package main

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peersea/sea/node/stun"
	"github.com/peersea/sea/node/transport/rtcnet"
)

const (
	// stunEvery is how often the servers are asked: often enough to hear that
	// the machine has moved, seldom enough to be no load.
	stunEvery = time.Minute

	// stunFirst is how often until the first has answered.
	stunFirst = 5 * time.Second

	// stunUsed is how many servers a WebRTC offer asks. Two that say different
	// things show a NAT that cannot be crossed.
	stunUsed = 2
)

// listenDirect takes sea:// connections in on the UDP port of the listener's
// number, and answers STUN there. Where that port is taken, others have to do
// without.
func (d *daemon) listenDirect(listen string, urls []string) (*rtcnet.Listener, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || len(urls) == 0 {
		return nil, nil
	}
	port, ok := portOf(urls[0])
	if !ok {
		return nil, nil
	}
	cert, err := rtcnet.OpenCertificate(d.dir.direct())
	if err != nil {
		return nil, failf(exitUsage, reasonUsage, "put it back, or remove it: others then need the node's new sea:// address", "the certificate for sea://: %v", err)
	}
	l := d.rtc.NewListener(cert, rtcnet.ListenConfig{Answer: new(stun.Server).Answer})
	d.opened(l.Close)
	if err := l.Open(net.JoinHostPort(host, port)); err != nil {
		d.log.Info("no sea:// address, and STUN is not answered", "err", err)
		return nil, nil
	}
	return l, nil
}

// portOf returns the port of a ws:// or wss:// URL.
func portOf(text string) (string, bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", false
	case u.Port() != "":
		return u.Port(), true
	case u.Scheme == "wss":
		return "443", true
	}
	return "80", u.Scheme == "ws"
}

// keepSTUN has WebRTC ask those of the servers, and of the nodes that we have
// dialled by a URL, who answer STUN, until ctx ends.
func (d *daemon) keepSTUN(ctx context.Context, servers []string) {
	for {
		pause := stunFirst
		if d.askSTUN(ctx, servers) {
			pause = stunEvery
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// askSTUN asks once and reports whether anybody has answered.
func (d *daemon) askSTUN(ctx context.Context, servers []string) bool {
	ask := slices.Clone(servers)
	for _, l := range d.node.Links() {
		if u, err := url.Parse(l.URL); err == nil && l.URL != "" {
			if port, ok := portOf(l.URL); ok {
				ask = append(ask, net.JoinHostPort(u.Hostname(), port))
			}
		}
	}
	at := resolve(ctx, ask)
	if len(at) == 0 {
		return false
	}
	answers, err := stun.Ask(ctx, at)
	if err != nil {
		d.log.Debug("STUN cannot be asked", "err", err)
		return false
	}
	var use []string
	for _, a := range answers {
		d.log.Debug("seen from outside", "server", a.Server, "seen", a.Seen)
		if len(use) < stunUsed {
			use = append(use, a.Server.String())
		}
	}
	d.rtc.SetSTUN(use)
	d.outside.Store(outsideOf(answers, ownAddresses()))
	return len(use) > 0
}

// outsideView is how STUN servers see the node's packets.
type outsideView struct {
	Seen []string `json:"seen"` // host:port, one for each server
	NAT  string   `json:"nat"`
}

// The kinds of NAT, as far as they matter here.
const (
	natNone   = "none"   // the address is the machine's own
	natKeeps  = "keeps"  // one port towards all: direct ways are likely
	natDraws  = "draws"  // a port for each: there is none to others of the kind
	natHidden = "hidden" // one server alone cannot tell
)

// outsideOf says what the answers mean, nil when there are none.
func outsideOf(answers []stun.Answer, own []netip.Addr) *outsideView {
	if len(answers) == 0 {
		return nil
	}
	v := &outsideView{NAT: natHidden}
	first := answers[0]
	for _, a := range answers {
		v.Seen = append(v.Seen, a.Seen.String())
		switch {
		case a.Seen.Addr().Is4() != first.Seen.Addr().Is4():
		case a.Seen != first.Seen:
			v.NAT = natDraws
		case a.Server.Addr() != first.Server.Addr() && v.NAT == natHidden:
			v.NAT = natKeeps
		}
	}
	if slices.Contains(own, first.Seen.Addr()) {
		v.NAT = natNone
	}
	return v
}

// String says it in a line.
func (v *outsideView) String() string {
	return strings.Join(v.Seen, " ") + map[string]string{
		natNone:   ", this machine's own address",
		natKeeps:  ", the same to all who look: direct ways to others are likely",
		natDraws:  ", different to each who looks: links to others behind such routers are relayed",
		natHidden: ", as one server sees it",
	}[v.NAT]
}

// ownAddresses are this machine's.
func ownAddresses() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return own
}

// resolve returns the servers' addresses, without those of this machine's
// loopback: what is on it needs no STUN.
func resolve(ctx context.Context, servers []string) []netip.AddrPort {
	var at []netip.AddrPort
	for _, s := range servers {
		if len(at) == stun.MaxServers {
			break
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			continue
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil || len(ips) == 0 {
			continue
		}
		ap := netip.AddrPortFrom(ips[0].Unmap(), uint16(number))
		if !ap.Addr().IsLoopback() && !slices.Contains(at, ap) {
			at = append(at, ap)
		}
	}
	return at
}
