package main

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/peersea/sea/node/portmap"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

// A mapping is what the router is asked to let in: the WebSocket port, unless it
// speaks TLS, whose certificate names no address, and the UDP port of sea://.
type mapping struct {
	ports []portmap.Port
	url   map[portmap.Port]func(netip.AddrPort) string // of a port that is mapped
}

// mappingOf is the mapping for a node with these listeners; direct may be nil.
// What listens on loopback only has none.
func mappingOf(listening []string, direct *rtcnet.Listener) *mapping {
	m := &mapping{url: make(map[portmap.Port]func(netip.AddrPort) string)}
	add := func(protocol, text string, at func(netip.AddrPort) string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err != nil || ip.IsLoopback() {
			return
		}
		number, ok := portOf(text)
		if !ok {
			return
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return
		}
		p := portmap.Port{Protocol: protocol, Number: uint16(n)}
		m.ports = append(m.ports, p)
		m.url[p] = at
	}
	if len(listening) > 0 && strings.HasPrefix(listening[0], "ws://") {
		add("tcp", listening[0], func(at netip.AddrPort) string { return "ws://" + at.String() })
	}
	if direct != nil {
		if urls := direct.URLs(); len(urls) > 0 {
			add("udp", urls[0], direct.URLAt)
		}
	}
	return m
}

// keepMapped has the router let others in, until ctx ends, and the node say so.
func (d *daemon) keepMapped(ctx context.Context) {
	if d.mapping == nil || len(d.mapping.ports) == 0 {
		return
	}
	m := portmap.New(portmap.Config{Public: wsnet.PublicOnly, Log: d.log.With("component", "portmap")})
	m.Run(ctx, d.mapping.ports, func(s portmap.State) {
		v := d.mapping.view(s)
		d.mapped.Store(v)
		if err := d.node.SetPublicURLs(v.URLs); err != nil {
			d.log.Error("mapped ports cannot be told to others", "err", err)
		}
		if len(v.URLs) > 0 {
			d.log.Info("the router lets others in", "by", v.By, "urls", v.URLs)
		}
	})
}

// mappedView is what the router does for the node.
type mappedView struct {
	By    string    `json:"by,omitempty"` // how it was asked: nat-pmp or upnp
	URLs  []string  `json:"urls"`         // that lead here
	Asked time.Time `json:"asked"`        // when this came to be
	Error string    `json:"error,omitempty"`
}

func (m *mapping) view(s portmap.State) *mappedView {
	v := &mappedView{By: s.By, URLs: []string{}, Asked: time.Now().UTC().Truncate(time.Second)}
	for _, p := range s.Mappings {
		v.URLs = append(v.URLs, m.url[p.Port](p.Outside))
	}
	if s.Err != nil {
		v.Error = strings.ReplaceAll(s.Err.Error(), "\n", "; ")
	}
	return v
}

// String says it in a line.
func (v *mappedView) String() string {
	switch {
	case len(v.URLs) == 0:
		return "maps no port: " + clean(v.Error)
	case v.Error != "":
		return fmt.Sprintf("maps %s by %s, and not all: %s", strings.Join(v.URLs, " "), v.By, clean(v.Error))
	}
	return fmt.Sprintf("maps %s by %s", strings.Join(v.URLs, " "), v.By)
}
