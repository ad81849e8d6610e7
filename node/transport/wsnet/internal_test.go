package wsnet

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// address is a connection of which only the remote address is real.
type address struct {
	net.Conn
	remote string
	closed bool
}

func (a *address) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.remote))
}

func (a *address) Close() error {
	a.closed = true
	return nil
}

// TestGateFairness: a flood puts out its own.
func TestGateFairness(t *testing.T) {
	g := newGate(nil, 4)
	arrive := func(remote string) *address {
		a := &address{remote: remote}
		if out := g.enter(&visitor{Conn: a, gate: g, from: prefix(a.RemoteAddr())}); out != nil {
			out.Conn.Close()
		}
		return a
	}
	honest := arrive("192.0.2.1:1")
	other := arrive("[2001:db8::1]:1")
	flood := []*address{
		arrive("[2001:db8:5::1]:1"),
		arrive("[2001:db8:5:0:1::1]:1"), // the same /56
	}
	for range 3 {
		flood = append(flood, arrive("[2001:db8:5:ff::2]:1"))
	}
	for i, a := range flood {
		if want := i < 3; a.closed != want {
			t.Errorf("flood %d: closed %v, want %v", i, a.closed, want)
		}
	}
	if honest.closed || other.closed {
		t.Error("the flood put others out")
	}
	// When all networks have as many, the oldest goes.
	third := arrive("192.0.2.3:1") // puts one of the flood out
	fourth := arrive("192.0.2.4:1")
	if !flood[3].closed || !honest.closed || third.closed || fourth.closed {
		t.Errorf("closed: %v %v %v %v", flood[3].closed, honest.closed, third.closed, fourth.closed)
	}
	if len(g.waiting) != 4 {
		t.Errorf("%d at the gate, want 4", len(g.waiting))
	}
}

func TestGateForgets(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(socket, 2)
	defer g.Close()
	var inside []net.Conn
	for range 5 {
		outside, err := net.Dial("tcp", socket.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer outside.Close()
		c, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		inside = append(inside, c)
		proven(tls.Server(c, nil)) // through TLS too
	}
	if len(g.waiting) != 0 {
		t.Errorf("%d at the gate, want none", len(g.waiting))
	}
	for i, c := range inside { // none was put out
		if err := c.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// TestCertificateReload replaces the files beneath a running server.
func TestCertificateReload(t *testing.T) {
	var logged bytes.Buffer
	dir := t.TempDir()
	certFile, keyFile, first := WriteCertificate(t, dir, "one.example")
	f, err := openFiles(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want *x509.Certificate) {
		t.Helper()
		got, err := f.get(nil)
		if err != nil || !got.Leaf.Equal(want) {
			t.Errorf("got %v, %v, want %v", got.Leaf.DNSNames, err, want.DNSNames)
		}
	}
	_, _, second := WriteCertificate(t, dir, "another.example")
	shows(first) // not looked at again so soon
	f.recheck = 0
	shows(second)
	if got := f.names(); !slices.Equal(got, []string{"another.example"}) {
		t.Errorf("names: got %v", got)
	}
	if err := os.WriteFile(keyFile, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows(second)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	shows(second)
	if got := strings.Count(logged.String(), "cannot be read again"); got != 2 {
		t.Errorf("warned %d times, want 2: %s", got, logged.String())
	}
	_, _, last := WriteCertificate(t, dir, "third.example")
	shows(last)
}

func TestAddresses(t *testing.T) {
	parse := netip.MustParseAddr
	if got := addresses(parse("192.0.2.7")); !slices.Equal(got, []netip.Addr{parse("192.0.2.7")}) {
		t.Errorf("got %v", got)
	}
	if got := addresses(parse("::1")); !slices.Equal(got, []netip.Addr{parse("::1")}) {
		t.Errorf("got %v", got)
	}
	for _, any := range []string{"0.0.0.0", "::"} {
		got := addresses(parse(any))
		if len(got) == 0 || got[len(got)-1] != parse("127.0.0.1") {
			t.Errorf("%s: got %v, want loopback last", any, got)
		}
		for _, ip := range got {
			if ip.IsUnspecified() || ip.IsLinkLocalUnicast() || any == "0.0.0.0" && !ip.Is4() {
				t.Errorf("%s: %v cannot be dialled", any, ip)
			}
		}
	}
	at := &net.TCPAddr{IP: net.IPv6loopback, Port: 80}
	if got := urls(at, nil); !slices.Equal(got, []string{"ws://[::1]"}) {
		t.Errorf("got %v", got)
	}
	at.Port = 443
	if got := urls(at, nil); !slices.Equal(got, []string{"ws://[::1]:443"}) {
		t.Errorf("got %v", got)
	}
	if got := urls(at, &authority{domains: []string{"sea.example"}}); !slices.Equal(got, []string{"wss://sea.example"}) {
		t.Errorf("got %v", got)
	}
}

func TestHasToken(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{"sea.1"}, true}, {[]string{"SEA.1"}, true},
		{[]string{"chat, sea.1"}, true}, {[]string{"chat", "x ,\tsea.1"}, true}, {[]string{"sea.10"}, false},
		{[]string{"sea.1x, xsea.1"}, false},
	} {
		h := http.Header{"Sec-Websocket-Protocol": c.lines}
		if got := hasToken(h, "Sec-WebSocket-Protocol", Subprotocol); got != c.want {
			t.Errorf("%q: got %v, want %v", c.lines, got, c.want)
		}
	}
}

// TestBackoff bounds what an authority can make us wait.
func TestBackoff(t *testing.T) {
	total := time.Duration(0)
	for n := range 100 {
		d := backoff(n, nil, &http.Response{StatusCode: http.StatusInternalServerError})
		if d > maxPoll {
			t.Errorf("try %d: wait %v", n, d)
		}
		total += d
	}
	if total > 20*time.Second {
		t.Errorf("gives up after %v", total)
	}
	if d := backoff(1, nil, &http.Response{StatusCode: http.StatusTooManyRequests}); d != 0 {
		t.Errorf("too many requests: wait %v", d)
	}
}

// FuzzParseURL: what may be dialled names a host by one of our two schemes, and
// hides nothing.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"ws://127.0.0.1:7700", "wss://sea.example/path?query", "ws://[::1]:1/", "http://sea.example", "ws://", "",
		"ws://user:secret@sea.example", "ws://sea.example/#fragment", "ws:sea.example", "WS://sea.example", "ws://:80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseURL(s)
		if err != nil {
			return
		}
		if u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(s) > maxURL {
			t.Errorf("%q: accepted as %#v", s, u)
		}
	})
}

// writes notes each write of a connection.
type writes struct {
	net.Conn
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.all = append(w.all, string(b))
	return len(b), nil
}

// A cork holds writes together until it is drawn, a message at most, and is
// found beneath whatever lies over it.
func TestCork(t *testing.T) {
	w := &writes{}
	c := &corked{Conn: w}
	say := func(s string) {
		t.Helper()
		if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	big, most := strings.Repeat("b", corkRoom+1), strings.Repeat("m", corkRoom)
	say("at once")
	c.cork()
	c.cork()
	say("held")
	say(", and more")
	if err := c.uncork(); err != nil {
		t.Fatal(err)
	}
	c.cork()
	say(most)
	say("next")
	say(big)
	if err := errors.Join(c.uncork(), c.uncork()); err != nil {
		t.Fatal(err)
	}
	say("again at once")
	if want := []string{"at once", "held, and more", most, "next", big, "again at once"}; !slices.Equal(w.all, want) {
		t.Errorf("%d writes, want %d", len(w.all), len(want))
	}
	var none *corked
	none.cork()
	if err := none.uncork(); err != nil {
		t.Error(err)
	}
	for name, over := range map[string]net.Conn{
		"itself": c, "a gate": &visitor{Conn: c}, "TLS": tls.Client(c, nil), "TLS over a gate": tls.Server(&visitor{Conn: c}, nil),
	} {
		if findCork(over) != c {
			t.Errorf("not found beneath %s", name)
		}
	}
	if findCork(w) != nil {
		t.Error("found where there is none")
	}
}
