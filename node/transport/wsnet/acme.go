package wsnet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// maxDomains bounds how many names one Listener gets certificates for.
const maxDomains = 16

// ACME says how to get certificates from an authority by RFC 8555, which takes
// that its terms of service are agreed to. The authority looks at this machine
// by the name's addresses: at port 443 for tls-alpn-01, which needs nothing but
// the Listener, or at port 80 for http-01.
type ACME struct {
	// Domains are the names to get certificates for, 1 to 16 of them.
	Domains []string

	// Cache is the folder that keeps the account's and the certificates' keys.
	// It is made, for its owner only, when it is not there.
	Cache string

	// Directory is the authority's directory URL; empty is Let's Encrypt's.
	Directory string

	// Email is for the authority's warnings; it may be empty.
	Email string

	// HTTPAddr is where to answer http-01 challenges, which are tried when
	// tls-alpn-01 fails, such as ":80"; empty does without.
	HTTPAddr string

	// Roots are whom to trust for the directory itself; nil is the system's.
	Roots *x509.CertPool
}

// check finds what cannot work.
func (a *ACME) check() error {
	if n := len(a.Domains); n < 1 || n > maxDomains {
		return fmt.Errorf("%w: ACME for %d domains, not 1 to %d", ErrConfig, n, maxDomains)
	}
	for _, d := range a.Domains {
		_, err := netip.ParseAddr(d)
		if err == nil || !strings.Contains(strings.Trim(d, "."), ".") || strings.ContainsAny(d, "*/: ") || len(d) > 253 {
			return fmt.Errorf("%w: %.253q is not a domain that ACME gives certificates for", ErrConfig, d)
		}
	}
	if a.Cache == "" {
		return fmt.Errorf("%w: ACME without a folder to keep its keys in", ErrConfig)
	}
	return nil
}

const (
	// maxPoll bounds how long we let the authority make us wait between two
	// looks at an order, and so how long Close takes.
	maxPoll = 3 * time.Second

	// Pauses between attempts to get a first certificate. Let's Encrypt allows
	// five failures an hour.
	firstRetry, lastRetry = 2 * time.Minute, time.Hour
)

// An authority gets certificates by ACME and keeps them fresh.
type authority struct {
	domains []string
	manager *autocert.Manager
	log     *slog.Logger
	answers *server // http-01; nil without

	once   sync.Once
	cancel context.CancelFunc
	ctx    context.Context // ends with close: requests and orders, for which autocert takes no context
	orders sync.WaitGroup
}

func openAuthority(a ACME, log *slog.Logger) (*authority, error) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &authority{domains: a.Domains, log: log, ctx: ctx, cancel: cancel}
	m.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(a.Cache),
		HostPolicy: autocert.HostWhitelist(a.Domains...),
		Email:      a.Email,
		Client: &acme.Client{
			DirectoryURL: a.Directory,
			UserAgent:    "sea",
			RetryBackoff: backoff,
			HTTPClient: &http.Client{
				Timeout: time.Minute,
				Transport: &leash{ctx: ctx, to: &http.Transport{
					TLSClientConfig:     &tls.Config{RootCAs: a.Roots},
					Proxy:               http.ProxyFromEnvironment,
					TLSHandshakeTimeout: dialWait,
					DisableKeepAlives:   true, // a few requests in months
				}},
			},
		},
	}
	if a.Directory == "" {
		m.manager.Client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	if a.HTTPAddr != "" {
		socket, err := net.Listen("tcp", a.HTTPAddr)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("listen for http-01: %w", err)
		}
		m.answers = serve(socket, portless(m.manager.HTTPHandler(http.NotFoundHandler())), nil, log)
	}
	return m, nil
}

// portless hides the port in a request's Host: autocert compares it with the
// domains, and the authority may come through a forwarded port.
func portless(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, _, err := net.SplitHostPort(r.Host); err == nil {
			r.Host = name
		}
		h.ServeHTTP(w, r)
	})
}

func (m *authority) config() *tls.Config {
	return &tls.Config{GetCertificate: m.get, NextProtos: []string{"http/1.1", acme.ALPNProto}}
}

func (m *authority) names() []string { return m.domains }

// ready orders certificates now, so that the first visitor need not wait for
// one, and what goes wrong is in the log before.
func (m *authority) ready() {
	m.once.Do(func() {
		for _, domain := range m.domains {
			m.orders.Go(func() { m.order(domain) })
		}
	})
}

// order gets domain's certificate, again and again until there is one. After
// that autocert renews it.
func (m *authority) order(domain string) {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		cert, err := m.manager.GetCertificate(hello(domain))
		if err == nil {
			m.log.Info("certificate ready", "domain", domain, "until", cert.Leaf.NotAfter)
			return
		}
		if m.ctx.Err() != nil {
			return
		}
		m.log.Error("no certificate", "domain", domain, "retry", pause, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// get answers challenges, and shows everyone else a certificate.
func (m *authority) get(from *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(from.SupportedProtos) == 1 && from.SupportedProtos[0] == acme.ALPNProto {
		return m.manager.GetCertificate(from)
	}
	return m.manager.GetCertificate(hello(from.ServerName))
}

// hello makes autocert use ECDSA. Otherwise it orders a second certificate,
// with RSA, for clients that offer TLS 1.3 alone.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:   name,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
}

// close ends orders and challenges under way. The Manager's timers cannot be
// stopped; from now on they reach no authority and change nothing.
func (m *authority) close() {
	m.cancel()
	m.orders.Wait()
	if m.answers != nil {
		m.answers.close()
	}
}

// backoff is how long to wait before try n of a request that the authority
// could not serve; 0 gives up. Those it will not serve now, since they are too
// many, wait for the next order.
func backoff(n int, _ *http.Request, answer *http.Response) time.Duration {
	if n > 5 || answer != nil && answer.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return min(time.Duration(n)*time.Second/2, maxPoll)
}

// A leash is a RoundTripper that ends with ctx, and that lets no answer make
// its reader wait longer than maxPoll.
type leash struct {
	ctx context.Context
	to  http.RoundTripper
}

func (l *leash) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	// The body is read after this returns, so the leash is held until then.
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(l.ctx, func() { cancel(net.ErrClosed) })
	answer, err := l.to.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel(nil)
		if l.ctx.Err() != nil {
			err = errors.Join(net.ErrClosed, err)
		}
		return nil, err
	}
	if wait := answer.Header.Get("Retry-After"); wait != "" && wait != "1" && wait != "2" {
		answer.Header.Set("Retry-After", strconv.Itoa(int(maxPoll/time.Second)))
	}
	answer.Body = &leashed{ReadCloser: answer.Body, done: func() { stop(); cancel(nil) }}
	return answer, nil
}

// leashed frees the leash with its body.
type leashed struct {
	io.ReadCloser
	done func()
}

func (b *leashed) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
