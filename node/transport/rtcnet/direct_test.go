package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/transporttest"
)

// newListener returns one that listens on loopback.
func newListener(tb testing.TB, cfg ListenConfig) *Listener {
	tb.Helper()
	cert, err := NewCertificate()
	if err != nil {
		tb.Fatal(err)
	}
	l := newNegotiator(tb, Config{}).NewListener(cert, cfg)
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Errorf("close listener: %v", err)
		}
	})
	if err := l.Open("127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	return l
}

// dialled makes a connection by nothing but a sea:// URL.
func dialled(tb testing.TB) (dialler, listener transport.Conn) {
	tb.Helper()
	l := newListener(tb, ListenConfig{})
	a, err := newNegotiator(tb, Config{}).Dialer(nil).Dial(patient(tb), l.URLs()[0])
	if err != nil {
		tb.Fatal(err)
	}
	b, err := l.Accept(patient(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return a, b
}

func TestSuiteDirect(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("the suite has run over another way to connect; with SEA_TEST_FULL=1 it runs over this one too")
	}
	transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) { return dialled(t) })
}

func TestSuiteListener(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes its time; SEA_TEST_FULL=1 runs it")
	}
	transporttest.RunListener(t, func(t *testing.T) (transport.Dialer, transport.Listener) {
		return newNegotiator(t, Config{}).Dialer(nil), newListener(t, ListenConfig{})
	})
}

// Several connections on one socket do not get mixed up, and their addresses
// come back.
func TestDirectMany(t *testing.T) {
	l := newListener(t, ListenConfig{})
	dialer := newNegotiator(t, Config{OpenTime: time.Minute}).Dialer(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const many = 4
	for range 2 {
		var both sync.WaitGroup
		for range many {
			both.Go(func() {
				c, err := l.Accept(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				for { // give back what comes
					msg, err := c.Recv(ctx)
					if err != nil {
						return
					}
					if err := c.Send(ctx, msg); err != nil {
						return
					}
				}
			})
		}
		for i := range many {
			both.Go(func() {
				c, err := dialer.Dial(ctx, l.URLs()[0])
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				for j := range 50 {
					want := fmt.Sprint(i, " ", j, strings.Repeat("x", 1000))
					if err := c.Send(ctx, []byte(want)); err != nil {
						t.Error(err)
						return
					}
					if got, err := c.Recv(ctx); err != nil || string(got) != want {
						t.Errorf("got %.20q, %v", got, err)
						return
					}
				}
			})
		}
		both.Wait()
	}
	l.opens.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ports) > 0 || len(l.from) > 0 || len(l.names) > 0 {
		t.Errorf("%d ports are left, %d sources", len(l.ports), len(l.from))
	}
}

// Who shows another certificate is not whom the URL names.
func TestDirectOther(t *testing.T) {
	at, err := parsePlace(newListener(t, ListenConfig{}).URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	at.hash[0] ^= 1
	if c, err := newNegotiator(t, Config{}).Dialer(nil).Dial(patient(t), at.String()); err == nil {
		c.Close()
		t.Error("a connection to who shows another certificate")
	}
	refused := errors.New("not there")
	dialer := newNegotiator(t, Config{}).Dialer(func(netip.Addr) error { return refused })
	if _, err := dialer.Dial(patient(t), at.String()); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	for _, bad := range []string{"", "ws://127.0.0.1:1", "sea://example.org:1/#" + strings.Repeat("0", 64), "sea://169.254.169.254:80/#" + strings.Repeat("0", 64)} {
		if _, err := dialer.Dial(patient(t), bad); err == nil || errors.Is(err, refused) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A request in ICE's form, as whoever floods sends it.
func knock(number int) []byte {
	user := fmt.Sprintf("%s%024d:caller", direct, number)
	for len(user)%4 != 0 {
		user += "x"
	}
	b := []byte{0, 1, 0, byte(4 + len(user)), 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(number >> 8), byte(number)}
	return append(append(b, 0, 6, 0, byte(len(user))), user...)
}

// Those who knock and do not come in take no more than so many places, and no
// answer that belongs to others; what is no ICE request of ours gets the answer
// of the configuration.
func TestDirectFlood(t *testing.T) {
	l := newListener(t, ListenConfig{Answer: func(b []byte, _ netip.AddrPort) []byte {
		if string(b) == "hello" {
			return []byte("yes?")
		}
		return nil
	}})
	to := l.conn.LocalAddr().(*net.UDPAddr)
	var socks []*net.UDPConn
	for i := range maxFrom + 3 {
		c, err := net.DialUDP("udp", nil, to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		socks = append(socks, c)
		if _, err := c.Write(knock(i)); err != nil {
			t.Fatal(err)
		}
	}
	last := socks[len(socks)-1]
	got := make([]byte, 100)
	for {
		if _, err := last.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		n, err := last.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		if string(got[:n]) == "yes?" {
			break // and what was sent before it has been read
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ports) != maxFrom {
		t.Errorf("%d half-open connections from one network, want %d", len(l.ports), maxFrom)
	}
}

// The certificate is kept, for its owner alone.
func TestOpenCertificate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "direct.pem")
	first, err := OpenCertificate(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenCertificate(path)
	if err != nil || first.hash != second.hash {
		t.Errorf("another certificate: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCertificate(path); err == nil {
		t.Error("nonsense is a certificate")
	}
}

func FuzzPlace(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	for _, s := range []string{"sea://192.0.2.1:4160/#" + hash, "sea://[2001:db8::1]:1/#" + hash, "sea://192.0.2.1:04160/#" + hash, "sea://192.0.2.1:0/#" + hash, "sea://192.0.2.1:1/?a#" + hash, "SEA://192.0.2.1:1/#" + hash} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePlace(s)
		if err == nil && p.String() != s {
			t.Errorf("%q is read as %q", s, p)
		}
	})
}

func FuzzKnock(f *testing.F) {
	f.Add(knock(1))
	f.Add(knock(1)[:30])
	f.Fuzz(func(t *testing.T, b []byte) {
		if !admit(b) {
			return
		}
		name, theirs, ok := callers(b)
		if ok && (description{Version: version, Kind: offer, Ufrag: theirs, Password: name + anyone, Fingerprint: make([]byte, 32)}).check(offer) != nil {
			t.Errorf("%q and %q are no names for ICE", name, theirs)
		}
	})
}

// A dial that is given up leaves nothing on either side.
func TestDirectGivenUp(t *testing.T) {
	l := newListener(t, ListenConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newNegotiator(t, Config{}).Dialer(nil).Dial(ctx, l.URLs()[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
