package wsnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"syscall"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
)

// maxURL bounds the URLs that are dialled, in bytes.
const maxURL = 2048

// A DialConfig holds a Dialer's wishes. The zero value dials any address and
// trusts the system's certificate authorities.
type DialConfig struct {
	// TLS is used for wss://; nil is the default of crypto/tls.
	TLS *tls.Config

	// Allow is asked for each IP address before it is connected to, after
	// names are resolved; an error refuses it. Nil allows all. See PublicOnly.
	Allow func(netip.Addr) error
}

// A Dialer dials ws:// and wss:// URLs. All methods may be called at once.
type Dialer struct {
	client *http.Client
}

var _ transport.Dialer = (*Dialer)(nil)

// NewDialer returns a Dialer.
func NewDialer(cfg DialConfig) *Dialer {
	dialer := &net.Dialer{Timeout: dialWait}
	if cfg.Allow != nil {
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return cfg.Allow(to.Addr().Unmap().WithZone(""))
		}
	}
	return &Dialer{client: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &corked{Conn: c}, nil
			},
			TLSClientConfig:        cfg.TLS.Clone(),
			TLSHandshakeTimeout:    dialWait,
			ResponseHeaderTimeout:  dialWait,
			MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives:      true, // an answer that is no WebSocket ends the socket
			DisableCompression:     true,
		},
		// A node is where its URL says, or nowhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Dial connects to a node that listens at a ws:// or wss:// URL. The error
// wraps ErrRefused when something answers there but not as a node.
func (d *Dialer) Dial(ctx context.Context, address string) (transport.Conn, error) {
	c, err := d.dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("dial %.300q: %w", address, err)
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, address string) (*conn, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	var raw net.Conn
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { raw = info.Conn },
	})
	ws, answer, err := websocket.Dial(traced, address, &websocket.DialOptions{
		HTTPClient:   d.client,
		Subprotocols: []string{Subprotocol},
	})
	if err != nil {
		return nil, explain(ctx, answer, err)
	}
	if ws.Subprotocol() != Subprotocol {
		cut(raw)
		_ = ws.CloseNow() // cut already
		return nil, fmt.Errorf("%w: not a node of the sea, or one that does not speak %s", ErrRefused, Subprotocol)
	}
	return start(ws, raw, u.Scheme, u.Host), nil
}

// parseURL accepts ws:// and wss:// URLs with a host, and perhaps a port, a
// path and a query.
func parseURL(address string) (*url.URL, error) {
	if len(address) > maxURL {
		return nil, fmt.Errorf("URL of %d bytes, at most %d", len(address), maxURL)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("scheme %.20q, not ws or wss", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("URL without a host")
	case u.User != nil:
		return nil, errors.New("URL with a user name")
	case u.Fragment != "":
		return nil, errors.New("URL with a fragment")
	}
	return u, nil
}

// explain keeps of the libraries' layers of words what a person can use.
func explain(ctx context.Context, answer *http.Response, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if answer != nil {
		// The status text is the other side's words, so say it in ours.
		code := answer.StatusCode
		if code == http.StatusSwitchingProtocols {
			return fmt.Errorf("%w: a faulty WebSocket answer", ErrRefused)
		}
		return fmt.Errorf("%w: answered %d %s", ErrRefused, code, http.StatusText(code))
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// PublicOnly is an Allow that refuses addresses which are not for everyone on
// the internet: loopback, private, link-local, multicast and the like. URLs
// that strangers name are dialled with it, so that they cannot make us knock
// on doors in our own house.
func PublicOnly(ip netip.Addr) error {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return fmt.Errorf("%v is not a public address", ip)
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return fmt.Errorf("%v is not a public address: it is in %v", ip, p)
		}
	}
	return nil
}

// notPublic are the ranges of the IANA special-purpose registries, RFC 6890,
// that netip does not tell by itself.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64: some IPv4 address
	netip.MustParsePrefix("64:ff9b:1::/48"),  // the same, local
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: some IPv4 address
	netip.MustParsePrefix("fec0::/10"),       // site-local of old
}
