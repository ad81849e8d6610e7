package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/peersea/sea/node/stun"
)

func TestPortOf(t *testing.T) {
	for url, want := range map[string]string{
		"ws://192.0.2.1:4160": "4160", "wss://node.example/sea": "443", "ws://[2001:db8::1]": "80", "mem://x": "", "%": "",
	} {
		if got, ok := portOf(url); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", url, got, ok)
		}
	}
}

// Servers on this machine, without a port, or named twice are not asked; nor
// more than 8.
func TestResolve(t *testing.T) {
	servers := []string{"127.0.0.1:3478", "[::1]:3478", "192.0.2.1", "192.0.2.1:99999", "192.0.2.1:3478", "192.0.2.1:3478"}
	if got := resolve(t.Context(), servers); len(got) != 1 || got[0].String() != "192.0.2.1:3478" {
		t.Errorf("got %v", got)
	}
	for i := range 20 {
		servers = append(servers, fmt.Sprintf("192.0.2.%d:3478", i+2))
	}
	if got := resolve(t.Context(), servers); len(got) != 8 {
		t.Errorf("%d servers", len(got))
	}
}

func TestOutside(t *testing.T) {
	answer := func(server, seen string) stun.Answer {
		return stun.Answer{Server: netip.MustParseAddrPort(server), Seen: netip.MustParseAddrPort(seen)}
	}
	own := []netip.Addr{netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("198.51.100.9")}
	for _, c := range []struct {
		name    string
		answers []stun.Answer
		want    string
	}{
		{"one server", []stun.Answer{answer("192.0.2.1:1", "203.0.113.5:99")}, natHidden},
		{"one machine asked twice", []stun.Answer{answer("192.0.2.1:1", "203.0.113.5:99"), answer("192.0.2.1:2", "203.0.113.5:99")}, natHidden},
		{"the same to two", []stun.Answer{answer("192.0.2.1:1", "203.0.113.5:99"), answer("192.0.2.2:1", "203.0.113.5:99")}, natKeeps},
		{"another port", []stun.Answer{answer("192.0.2.1:1", "203.0.113.5:99"), answer("192.0.2.2:1", "203.0.113.5:98")}, natDraws},
		{"also over IPv6", []stun.Answer{answer("192.0.2.1:1", "203.0.113.5:99"), answer("[2001:db8::1]:1", "[2001:db8::7]:98")}, natHidden},
		{"our own", []stun.Answer{answer("192.0.2.1:1", "198.51.100.9:99")}, natNone},
	} {
		got := outsideOf(c.answers, own)
		if got.NAT != c.want || len(got.Seen) != len(c.answers) || !strings.Contains(got.String(), got.Seen[0]) {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
	if got := outsideOf(nil, own); got != nil {
		t.Errorf("nobody asked: %+v", got)
	}
}
