package wsnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

// talk sends a message each way.
func talk(t testing.TB, a, b transport.Conn) {
	t.Helper()
	for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
		if err := way[0].Send(t.Context(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got, err := way[1].Recv(t.Context()); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestMounted has a Listener beside pages in somebody else's server.
func TestMounted(t *testing.T) {
	l := wsnet.NewListener(wsnet.Config{})
	mux := http.NewServeMux()
	mux.Handle("/sea", l)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page") })
	server := httptest.NewServer(mux)
	defer server.Close()
	defer l.Close()

	if got := l.URLs(); len(got) != 0 {
		t.Errorf("URLs without a socket: %v", got)
	}
	url := strings.Replace(server.URL, "http", "ws", 1) + "/sea?and=query"
	a, b := pair(t, wsnet.NewDialer(wsnet.DialConfig{}), l, url)
	defer a.Close()
	defer b.Close()
	talk(t, a, b)

	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "a page" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPages(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages http.Handler
		code  int
		says  string
	}{
		{"none", nil, http.StatusUpgradeRequired, "node of the sea"},
		{"some", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }), http.StatusOK, "/index"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := open(t, wsnet.Config{Pages: c.pages})
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			answer, err := client.Get(strings.Replace(l.URLs()[0], "ws", "http", 1) + "/index")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			got, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != c.code || !strings.Contains(string(got), c.says) {
				t.Errorf("got %d, %q, %v, want %d, %q", answer.StatusCode, got, err, c.code, c.says)
			}
			a, b := pair(t, wsnet.NewDialer(wsnet.DialConfig{}), l, l.URLs()[0])
			defer a.Close()
			defer b.Close()
			talk(t, a, b)
		})
	}
}

// TestOrigins dials as pages of other sites do.
func TestOrigins(t *testing.T) {
	l := open(t, wsnet.Config{})
	for _, origin := range []string{"https://example.org", "http://127.0.0.1:1", "null", "not an origin"} {
		ws, _, err := websocket.Dial(t.Context(), l.URLs()[0], &websocket.DialOptions{
			HTTPClient:   lonely(),
			HTTPHeader:   http.Header{"Origin": {origin}},
			Subprotocols: []string{wsnet.Subprotocol},
		})
		if err != nil {
			t.Errorf("origin %q: %v", origin, err)
			continue
		}
		c, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("page")); err != nil {
			t.Error(err)
		}
		if got, err := c.Recv(t.Context()); err != nil || string(got) != "page" {
			t.Errorf("origin %q: got %q, %v", origin, got, err)
		}
		ws.CloseNow()
		c.Close()
	}
}

// lonely returns a client that keeps no connections.
func lonely() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

func TestSubprotocol(t *testing.T) {
	l := open(t, wsnet.Config{})
	for _, protocols := range [][]string{nil, {"chat"}, {"sea.2"}, {"sea"}} {
		_, answer, err := websocket.Dial(t.Context(), l.URLs()[0], &websocket.DialOptions{
			HTTPClient: lonely(), Subprotocols: protocols,
		})
		if err == nil || answer == nil || answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: got %v, want status %d", protocols, err, http.StatusBadRequest)
			continue
		}
		if says, _ := io.ReadAll(answer.Body); !strings.Contains(string(says), wsnet.Subprotocol) {
			t.Errorf("%q: the answer %q does not name the protocol", protocols, says)
		}
	}
}

// TestDialRefused dials servers that are no nodes.
func TestDialRefused(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page") },
		"not found":  http.NotFound,
		"busy":       func(w http.ResponseWriter, r *http.Request) { http.Error(w, "x", http.StatusServiceUnavailable) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"a lie":      func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) },
		"another subprotocol": func(w http.ResponseWriter, r *http.Request) {
			if ws, err := websocket.Accept(w, r, nil); err == nil {
				_, _, _ = ws.Read(r.Context())
				_ = ws.CloseNow()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(h)
			defer server.Close()
			url := strings.Replace(server.URL, "http", "ws", 1)
			_, err := wsnet.NewDialer(wsnet.DialConfig{}).Dial(t.Context(), url)
			if !errors.Is(err, wsnet.ErrRefused) || !strings.Contains(err.Error(), url) {
				t.Errorf("got %v, want %v and the URL", err, wsnet.ErrRefused)
			}
		})
	}
}

// TestDialFailed says briefly what is wrong.
func TestDialFailed(t *testing.T) {
	closed := wsnet.NewListener(wsnet.Config{})
	if err := closed.Open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	nobody := closed.URLs()[0]
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	cfg, _ := secure(t)
	untrusted := open(t, cfg).URLs()[0]
	for _, c := range []struct{ url, says string }{
		{nobody, "connection refused"},
		{untrusted, "certificate"},
		{"http://127.0.0.1/", "scheme"},
		{"ws:///path", "host"},
		{"ws://:80/", "host"},
		{"ws://user@127.0.0.1/", "user"},
		{"ws://127.0.0.1/#fragment", "fragment"},
		{"ws://127.0.0.1:port/", "port"},
		{"ws://" + strings.Repeat("a", 3000), "3005 bytes"},
	} {
		_, err := wsnet.NewDialer(wsnet.DialConfig{}).Dial(t.Context(), c.url)
		if err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 600 {
			t.Errorf("%.60s: got %v, want it to say %q", c.url, err, c.says)
		}
	}
}

// TestDialDeadline dials a server that takes the connection and says nothing.
func TestDialDeadline(t *testing.T) {
	silent, err := newSilent()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = wsnet.NewDialer(wsnet.DialConfig{}).Dial(ctx, "ws://"+silent.Addr().String())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAllow(t *testing.T) {
	l := open(t, wsnet.Config{})
	d := wsnet.NewDialer(wsnet.DialConfig{Allow: wsnet.PublicOnly})
	if _, err := d.Dial(t.Context(), l.URLs()[0]); err == nil || !strings.Contains(err.Error(), "127.0.0.1 is not a public address") {
		t.Errorf("got %v", err)
	}
	if _, err := d.Dial(t.Context(), strings.Replace(l.URLs()[0], "127.0.0.1", "localhost", 1)); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("by name: got %v", err)
	}
}

func TestPublicOnly(t *testing.T) {
	for _, c := range []struct {
		ip     string
		public bool
	}{
		{"1.1.1.1", true}, {"93.184.216.34", true}, {"2606:4700::1111", true}, {"172.32.0.1", true},
		{"127.0.0.1", false}, {"127.9.9.9", false}, {"::1", false}, {"0.0.0.0", false}, {"::", false},
		{"0.1.2.3", false}, {"10.0.0.1", false}, {"172.16.0.1", false}, {"192.168.1.1", false},
		{"169.254.169.254", false}, {"100.64.0.1", false}, {"192.0.0.8", false}, {"192.0.2.1", false},
		{"198.18.0.1", false}, {"198.51.100.7", false}, {"203.0.113.9", false}, {"224.0.0.1", false},
		{"240.0.0.1", false}, {"255.255.255.255", false}, {"::ffff:127.0.0.1", false}, {"::ffff:10.0.0.1", false},
		{"fe80::1", false}, {"fd00::1", false}, {"fec0::1", false}, {"ff02::1", false}, {"100::1", false},
		{"64:ff9b::7f00:1", false}, {"64:ff9b:1::1", false}, {"2001:db8::1", false}, {"2001::1", false},
		{"2002:7f00:1::", false},
	} {
		if err := wsnet.PublicOnly(netip.MustParseAddr(c.ip)); (err == nil) != c.public {
			t.Errorf("%s: got %v, want public %v", c.ip, err, c.public)
		}
	}
	if err := wsnet.PublicOnly(netip.Addr{}); err == nil {
		t.Error("no address: want an error")
	}
}

func TestOpenErrors(t *testing.T) {
	cert, key, _ := wsnet.WriteCertificate(t, t.TempDir(), "127.0.0.1")
	acme := &wsnet.ACME{Domains: []string{"sea.example"}, Cache: t.TempDir()}
	for name, cfg := range map[string]wsnet.Config{
		"certificate without key": {CertFile: cert},
		"key without certificate": {KeyFile: key},
		"files and ACME":          {CertFile: cert, KeyFile: key, ACME: acme},
		"ACME for nothing":        {ACME: &wsnet.ACME{Cache: t.TempDir()}},
		"ACME for an IP address":  {ACME: &wsnet.ACME{Cache: t.TempDir(), Domains: []string{"127.0.0.1"}}},
		"ACME for localhost":      {ACME: &wsnet.ACME{Cache: t.TempDir(), Domains: []string{"localhost"}}},
		"ACME for a wildcard":     {ACME: &wsnet.ACME{Cache: t.TempDir(), Domains: []string{"*.sea.example"}}},
		"ACME for many":           {ACME: &wsnet.ACME{Cache: t.TempDir(), Domains: slices.Repeat([]string{"a.example"}, 17)}},
		"ACME without a folder":   {ACME: &wsnet.ACME{Domains: []string{"sea.example"}}},
	} {
		if err := wsnet.NewListener(cfg).Open("127.0.0.1:0"); !errors.Is(err, wsnet.ErrConfig) {
			t.Errorf("%s: got %v, want %v", name, err, wsnet.ErrConfig)
		}
	}
	for name, cfg := range map[string]wsnet.Config{
		"no such file":    {CertFile: cert + ".no", KeyFile: key},
		"no certificate":  {CertFile: key, KeyFile: key},
		"http-01 address": {ACME: &wsnet.ACME{Domains: acme.Domains, Cache: acme.Cache, HTTPAddr: "nonsense"}},
	} {
		l := wsnet.NewListener(cfg)
		for range 2 {
			if err := l.Open("127.0.0.1:0"); err == nil {
				t.Errorf("%s: want an error", name)
			}
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
	l := wsnet.NewListener(wsnet.Config{})
	if err := l.Open("nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Open("127.0.0.1:0"); err == nil {
		t.Error("Open after Close: want an error")
	}
}

func TestURLs(t *testing.T) {
	l := open(t, wsnet.Config{})
	if err := l.Open("127.0.0.1:0"); err != nil { // a second socket
		t.Fatal(err)
	}
	urls := l.URLs()
	if len(urls) != 2 || urls[0] == urls[1] || !strings.HasPrefix(urls[0], "ws://127.0.0.1:") || strings.HasSuffix(urls[0], ":0") {
		t.Errorf("got %v", urls)
	}
	d := wsnet.NewDialer(wsnet.DialConfig{})
	for _, url := range urls {
		a, b := pair(t, d, l, url)
		talk(t, a, b)
		a.Close()
		b.Close()
	}

	dir := t.TempDir()
	cert, key, _ := wsnet.WriteCertificate(t, dir, "node.example", "*.wild.example", "127.0.0.1", "::1")
	secure := open(t, wsnet.Config{CertFile: cert, KeyFile: key})
	_, port, _ := strings.Cut(strings.TrimPrefix(secure.URLs()[0], "wss://"), ":")
	want := []string{"wss://node.example:" + port, "wss://127.0.0.1:" + port, "wss://[::1]:" + port}
	if got := secure.URLs(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
