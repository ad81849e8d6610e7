package wsnet_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/transporttest"
	"github.com/peersea/sea/node/transport/wsnet"
)

// open listens on loopback.
func open(t testing.TB, cfg wsnet.Config) *wsnet.Listener {
	t.Helper()
	l := wsnet.NewListener(cfg)
	if err := l.Open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// pair returns the two ends of a connection to l.
func pair(t testing.TB, d transport.Dialer, l transport.Listener, url string) (a, b transport.Conn) {
	t.Helper()
	a, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	b, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// secure returns a Config with a fresh certificate for 127.0.0.1 and a Dialer
// that trusts it.
func secure(t testing.TB) (wsnet.Config, *wsnet.Dialer) {
	t.Helper()
	cert, key, leaf := wsnet.WriteCertificate(t, t.TempDir(), "127.0.0.1")
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return wsnet.Config{CertFile: cert, KeyFile: key},
		wsnet.NewDialer(wsnet.DialConfig{TLS: &tls.Config{RootCAs: roots}})
}

func TestConn(t *testing.T) {
	plain := wsnet.NewDialer(wsnet.DialConfig{})
	t.Run("ws", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) {
			l := open(t, wsnet.Config{})
			return pair(t, plain, l, l.URLs()[0])
		})
	})
	t.Run("wss from the listener's side", func(t *testing.T) {
		cfg, dialer := secure(t)
		transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) {
			l := open(t, cfg)
			b, a = pair(t, dialer, l, l.URLs()[0])
			return a, b
		})
	})
}

func TestListener(t *testing.T) {
	t.Run("ws", func(t *testing.T) {
		transporttest.RunListener(t, func(t *testing.T) (transport.Dialer, transport.Listener) {
			return wsnet.NewDialer(wsnet.DialConfig{}), open(t, wsnet.Config{})
		})
	})
	t.Run("wss", func(t *testing.T) {
		cfg, dialer := secure(t)
		transporttest.RunListener(t, func(t *testing.T) (transport.Dialer, transport.Listener) {
			return dialer, open(t, cfg)
		})
	})
	t.Run("every address", func(t *testing.T) {
		transporttest.RunListener(t, func(t *testing.T) (transport.Dialer, transport.Listener) {
			l := wsnet.NewListener(wsnet.Config{})
			if err := l.Open(":0"); err != nil {
				t.Fatal(err)
			}
			return wsnet.NewDialer(wsnet.DialConfig{}), l
		})
	})
}
