package wsnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

const domain = "node.sea.example"

// openACME opens a Listener that gets its certificates from p and returns its
// port. What it logs comes to the test's log when it fails.
func openACME(t *testing.T, p *pebble, cache, httpAddr string) (*Listener, int) {
	t.Helper()
	var logged lockedBuffer
	l := NewListener(Config{
		ACME: &ACME{
			Domains: []string{domain}, Cache: cache, Directory: p.directory, Roots: p.trust,
			Email: "operator@sea.example", HTTPAddr: httpAddr,
		},
		Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err := l.Open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeListener(t, l)
		if t.Failed() {
			t.Log("what the listener says:\n" + logged.String())
		}
	})
	return l, portOf(l.servers[0].addr)
}

func closeListener(t *testing.T, l *Listener) {
	t.Helper()
	start := time.Now()
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > maxPoll+5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// serial returns the certificate's that is shown at port, which p must have
// issued for the domain.
func serial(t *testing.T, p *pebble, port int) (string, error) {
	t.Helper()
	d := &tls.Dialer{Config: &tls.Config{RootCAs: p.roots, ServerName: domain, MinVersion: tls.VersionTLS13}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// firstSerial is serial as soon as there is a certificate. On a busy machine a
// handshake may end before that.
func firstSerial(t *testing.T, p *pebble, port int) string {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := serial(t, p, port)
		if err == nil {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("no certificate: %v", err)
		}
		<-tick.C
	}
}

// talkSecurely dials wss:// trusting p alone and sends a message each way.
func talkSecurely(t *testing.T, p *pebble, l *Listener, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d := NewDialer(DialConfig{TLS: &tls.Config{RootCAs: p.roots, ServerName: domain}})
	a, err := d.Dial(ctx, fmt.Sprintf("wss://127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
		if err := way[0].Send(ctx, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got, err := way[1].Recv(ctx); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if got := b.(transport.Described).Transport(); got != "wss" {
		t.Errorf("transport: got %q, want wss", got)
	}
}

// TestACME gets a certificate by a real tls-alpn-01 challenge, serves wss://
// with it, and shows it again after a restart without asking the authority.
func TestACME(t *testing.T) {
	t.Parallel()
	p := newPebble(t)
	cache := filepath.Join(t.TempDir(), "acme")
	l, port := openACME(t, p, cache, "")
	if got, want := fmt.Sprint(l.URLs()), fmt.Sprintf("[wss://%s:%d]", domain, port); got != want {
		t.Errorf("URLs: got %v, want %v", got, want)
	}
	p.start(t, port, closedPort(t), 0)
	first := firstSerial(t, p, port)
	talkSecurely(t, p, l, port)
	if !strings.Contains(p.log.String(), "VALID by completed challenge") {
		t.Error("no challenge was validated")
	}

	// Nobody else's name, no name and no trust get nowhere, and cost nothing.
	asked := p.requests.Load()
	for name, cfg := range map[string]*tls.Config{
		"another name": {RootCAs: p.roots, ServerName: "other.sea.example"},
		"no name":      {RootCAs: p.roots},
		"no trust":     {ServerName: domain},
	} {
		c, err := NewDialer(DialConfig{TLS: cfg}).Dial(t.Context(), fmt.Sprintf("wss://127.0.0.1:%d", port))
		if err == nil {
			t.Errorf("%s: want an error", name)
			c.Close()
		}
	}
	if got := p.requests.Load(); got != asked {
		t.Errorf("they made %d requests to the authority", got-asked)
	}
	checkPrivate(t, cache)

	closeListener(t, l)
	again, port := openACME(t, p, cache, "")
	second, err := serial(t, p, port)
	if err != nil || second != first {
		t.Errorf("after a restart: got certificate %s, %v, want %s", second, err, first)
	}
	talkSecurely(t, p, again, port)
	if got := p.requests.Load(); got != asked {
		t.Errorf("the restart made %d requests to the authority", got-asked)
	}
}

// checkPrivate looks at who may read the keys.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Errorf("%d files kept, want the account's and the certificate's", len(entries))
	}
	if runtime.GOOS == "windows" {
		return // which has no such bits
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s: mode %v", e.Name(), mode)
		}
	}
}

// TestACMEByHTTP is where tls-alpn-01 cannot work: http-01 takes over.
func TestACMEByHTTP(t *testing.T) {
	t.Parallel()
	p := newPebble(t)
	l, port := openACME(t, p, t.TempDir(), "127.0.0.1:0")
	answers := portOf(l.certs.(*authority).answers.addr)
	p.start(t, closedPort(t), answers, 0)
	firstSerial(t, p, port)
	talkSecurely(t, p, l, port)
	if says := p.log.String(); !strings.Contains(says, "Attempting to validate w/ HTTP") {
		t.Error("no challenge by HTTP")
	}
}

// TestACMERenew has certificates of seconds: they are renewed while the server
// runs, and the renewed one is what a restart shows.
func TestACMERenew(t *testing.T) {
	t.Parallel()
	p := newPebble(t)
	cache := t.TempDir()
	l, port := openACME(t, p, cache, "")
	p.start(t, port, closedPort(t), 6)
	first := firstSerial(t, p, port)
	renewed := first
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); renewed == first; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("not renewed")
		}
		// It may just be expiring.
		if s, err := serial(t, p, port); err == nil {
			renewed = s
		}
	}
	closeListener(t, l)
	asked := p.requests.Load()
	_, port = openACME(t, p, cache, "")
	if got, err := serial(t, p, port); err != nil || got != renewed {
		t.Errorf("after a restart: got certificate %s, %v, want %s", got, err, renewed)
	}
	if got := p.requests.Load(); got != asked {
		t.Errorf("the restart made %d requests to the authority", got-asked)
	}
}

// TestACMECloseUnderway closes while the authority does not answer, and while
// it is no authority at all.
func TestACMECloseUnderway(t *testing.T) {
	t.Parallel()
	silent := newPebble(t) // never started
	l, _ := openACME(t, silent, t.TempDir(), "127.0.0.1:0")
	closeListener(t, l)

	dead := newPebble(t)
	dead.directory = fmt.Sprintf("https://127.0.0.1:%d/dir", closedPort(t))
	l, port := openACME(t, dead, t.TempDir(), "")
	if _, err := serial(t, dead, port); err == nil {
		t.Error("a certificate from nowhere")
	}
	closeListener(t, l)
	if err := l.Open("127.0.0.1:0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Open after Close: got %v, want %v", err, net.ErrClosed)
	}
}
