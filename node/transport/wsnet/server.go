package wsnet

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// Open listens at addr, host:port, where an empty or unspecified host means all
// of this machine's addresses and port 0 any free port. It may be called again
// for further addresses. With certificates in the Config it speaks wss:// only.
// The error is net.ErrClosed after Close, and wraps ErrConfig when the Config
// contradicts itself.
func (l *Listener) Open(addr string) error {
	if err := l.open(addr); err != nil {
		return fmt.Errorf("listen at %q: %w", addr, err)
	}
	return nil
}

func (l *Listener) open(addr string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	if err := l.cfg.check(); err != nil {
		return err
	}
	socket, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if l.certs == nil {
		certs, err := openCertificates(l.cfg, l.log)
		if err != nil {
			return errors.Join(err, socket.Close())
		}
		l.certs = certs
	}
	s := serve(socket, l, l.certs, l.log)
	s.urls = urls(s.addr, l.certs)
	l.servers = append(l.servers, s)
	if l.certs != nil {
		l.certs.ready()
	}
	return nil
}

// A server is one listening socket with its HTTP server.
type server struct {
	http    *http.Server
	addr    net.Addr
	urls    []string
	serving sync.WaitGroup // http.Serve
	conns   sync.WaitGroup // connections that the HTTP server has; Add only while serving
}

// serve starts a server on socket, with TLS unless certs is nil. Every wait and
// every size of it is bounded.
func serve(socket net.Listener, h http.Handler, certs certificates, log *slog.Logger) *server {
	s := &server{addr: socket.Addr()}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerWait, // and of the TLS handshake
		ReadTimeout:       pageWait,
		WriteTimeout:      pageWait,
		IdleTimeout:       pageIdle,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.count,
		// Mostly strangers' broken handshakes, not worth more.
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols: new(http.Protocols),
	}
	s.http.Protocols.SetHTTP1(true) // WebSocket over HTTP/2 is another protocol
	var gated net.Listener = newGate(socket, maxSilent)
	if certs != nil {
		gated = tls.NewListener(gated, certs.config())
	}
	s.serving.Go(func() {
		if err := s.http.Serve(gated); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listening socket failed", "addr", s.addr.String(), "err", err)
		}
	})
	return s
}

// count keeps conns.
func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateHijacked, http.StateClosed:
		s.conns.Done()
	}
}

// close ends the socket and every connection that was not handed on, and waits
// for their goroutines.
func (s *server) close() {
	_ = s.http.Close() // of sockets that we are done with
	s.serving.Wait()
	s.conns.Wait()
}
