package rtcnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

func TestPolicy(t *testing.T) {
	lan := network{
		addrs: prefixes("192.168.1.7/24", "fd12::7/64", "203.0.113.5/28"),
		// PrefixFrom keeps the host bits, as look does.
		loopback: netip.MustParsePrefix("127.0.0.1/8"),
	}
	alone := network{loopback: lan.loopback}
	none := []netip.Prefix(nil)
	address := netip.MustParseAddr
	for _, test := range []struct {
		name    string
		p       policy
		allowed []string
		refused []string
	}{
		{
			"on a LAN, nothing known", lan.open(false, none),
			[]string{"192.168.1.9:5000", "192.168.1.7:5000", "[fd12::9]:5000", "8.8.8.8:5000", "[2606:4700::1]:5000", "203.0.113.4:1"},
			[]string{"127.0.0.1:5000", "[::1]:5000", "192.168.2.9:5000", "10.0.0.1:5000", "172.16.0.1:22", "100.64.0.1:80", "[fd13::1]:80"},
		},
		{
			"over a link from outside", lan.via(address("198.51.100.1"), none),
			[]string{"8.8.8.8:5000"},
			[]string{"192.168.1.9:5000", "192.168.1.7:5000", "127.0.0.1:5000", "[fd12::9]:5000"},
		},
		{
			"over a link in the LAN", lan.via(address("192.168.1.1"), none),
			[]string{"192.168.1.9:5000", "8.8.8.8:5000"},
			[]string{"127.0.0.1:5000", "[fd12::9]:5000", "10.0.0.1:5000"},
		},
		{
			"over a link on this machine", lan.via(address("127.0.0.1"), none),
			[]string{"127.0.0.1:5000", "192.168.1.7:5000", "[fd12::7]:5000", "8.8.8.8:5000"},
			[]string{"192.168.1.9:5000", "10.0.0.1:5000"},
		},
		{
			"over a link to this machine's address", lan.via(address("192.168.1.7"), none),
			[]string{"127.0.0.1:5000", "192.168.1.7:5000"},
			[]string{"192.168.1.9:5000"},
		},
		{
			"over a link from outside, a network allowed", lan.via(address("198.51.100.1"), prefixes("10.1.0.0/16")),
			[]string{"10.1.2.3:5000"},
			[]string{"192.168.1.9:5000", "127.0.0.1:5000"},
		},
		{
			"over a link of unknown origin", lan.via(netip.IPv6Unspecified(), none),
			[]string{"8.8.8.8:5000"},
			[]string{"192.168.1.9:5000", "127.0.0.1:5000"},
		},
		{
			"a machine without a network", alone.open(false, none),
			[]string{"127.0.0.1:5000"},
			[]string{"192.168.1.9:5000"},
		},
		{
			"asked for", lan.open(true, prefixes("10.1.0.0/16")),
			[]string{"127.0.0.1:5000", "10.1.2.3:5000"},
			[]string{"10.2.0.1:5000"},
		},
		{
			"everything allowed", policy{loopback: true, private: prefixes("0.0.0.0/0", "::/0")},
			[]string{"10.2.0.1:5000"},
			[]string{
				"8.8.8.8:0", "0.0.0.0:80", "[::]:80", "0.1.2.3:80", "255.255.255.255:80", "240.0.0.1:80",
				"169.254.169.254:80", "169.254.1.1:80", "[fe80::1]:80", "[fe80::1%eth0]:80", "[fd00:ec2::254]:80",
				"100.100.100.200:80", "168.63.129.16:80", "224.0.0.251:5353", "[ff02::fb]:5353",
				"[::ffff:127.0.0.1]:80", "[::ffff:8.8.8.8]:80", "[::7f00:1]:80", "[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80",
			},
		},
	} {
		for _, ap := range test.allowed {
			if !test.p.allows(netip.MustParseAddrPort(ap)) {
				t.Errorf("%s: %s is refused", test.name, ap)
			}
		}
		for _, ap := range test.refused {
			if test.p.allows(netip.MustParseAddrPort(ap)) {
				t.Errorf("%s: %s is allowed", test.name, ap)
			}
		}
	}
}

func TestOnLoopback(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.1/8")
	for _, test := range []struct {
		name  string
		host  network
		asked bool
		want  bool
	}{
		{"a network", network{addrs: prefixes("192.168.1.7/24"), loopback: loopback}, false, false},
		{"a network, and asked for", network{addrs: prefixes("192.168.1.7/24"), loopback: loopback}, true, true},
		{"no network", network{loopback: loopback}, false, true},
		{"nothing at all", network{}, true, false},
	} {
		if got := test.host.onLoopback(test.asked); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestNoPortScan answers an offer that came from outside and lists places
// inside. Nothing may arrive there.
func TestNoPortScan(t *testing.T) {
	target, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	at := target.LocalAddr().(*net.UDPAddr).AddrPort()
	d := description{
		Version: version, Kind: offer, Ufrag: "abcd", Password: "abcdefghijklmnopqrstuvwxyz",
		Fingerprint: make([]byte, 32),
		Candidates: []candidate{
			{Type: hostCandidate, IP: at.Addr().Unmap().AsSlice(), Port: at.Port(), Priority: 1000},
			{Type: srflxCandidate, IP: at.Addr().Unmap().AsSlice(), Port: at.Port(), Priority: 900},
			{Type: hostCandidate, IP: []byte{169, 254, 169, 254}, Port: 80, Priority: 800},
		},
	}
	b, err := d.encode()
	if err != nil {
		t.Fatal(err)
	}
	knocks := func(n interface {
		Answer(context.Context, []byte) ([]byte, func(context.Context) (transport.Conn, error), error)
	}) bool {
		ctx, cancel := context.WithCancel(t.Context())
		_, wait, err := n.Answer(ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() {
			_, err := wait(ctx)
			waited <- err
		}()
		if err := target.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _, err = target.ReadFromUDPAddrPort(make([]byte, 1500))
		cancel()
		if werr := <-waited; !errors.Is(werr, context.Canceled) {
			t.Errorf("wait: got %v, want %v", werr, context.Canceled)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return err == nil
	}
	n := newNegotiator(t, Config{}) // with Loopback, which must not matter
	if knocks(n.Via("198.51.100.1:443")) {
		t.Error("a packet went to a port on loopback that a stranger named")
	}
	if !knocks(n.Via("127.0.0.1:9000")) {
		t.Error("no packet to a port on loopback that a node on this machine named")
	}
}
