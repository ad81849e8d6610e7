package wsnet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/internal/queue"
)

// A Config holds a Listener's wishes. The zero value speaks ws:// and shows no
// pages.
type Config struct {
	// CertFile and KeyFile name PEM files of a certificate chain and its key;
	// with them, Open listens for wss://. They are read again when they
	// change.
	CertFile, KeyFile string

	// ACME, when not nil, makes Open listen for wss:// with certificates that
	// it obtains and renews itself.
	ACME *ACME

	// Pages answers requests that ask for no WebSocket. Its handlers must end
	// when their request's context does. Nil tells what this place is.
	Pages http.Handler

	// Log takes what happens; nil discards it.
	Log *slog.Logger
}

// A Listener takes WebSocket connections in. It has no sockets until Open gives
// it some; before and beside that it is an http.Handler, to be mounted in a
// server whose limits are then that server's own. All methods may be called at
// once.
type Listener struct {
	cfg Config
	log *slog.Logger

	waiting *queue.Queue[*conn] // upgraded, not accepted
	places  chan struct{}       // a token for each conn in waiting or on its way there

	mu       sync.Mutex // guards the rest
	closed   bool
	servers  []*server
	certs    certificates   // shared by the servers; nil before the first wss://
	upgrades sync.WaitGroup // requests on their way to waiting; Add only when not closed
}

var (
	_ transport.Listener = (*Listener)(nil)
	_ http.Handler       = (*Listener)(nil)
)

// NewListener returns a Listener without sockets.
func NewListener(cfg Config) *Listener {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Listener{
		cfg:     cfg,
		log:     log,
		waiting: queue.New[*conn](maxWaiting),
		places:  make(chan struct{}, maxWaiting),
	}
}

// ServeHTTP turns a WebSocket request into a Conn for Accept, at any path, and
// answers others with the Config's Pages. While maxWaiting Conns wait to be
// accepted it answers 503.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !hasToken(r.Header, "Upgrade", "websocket"):
		l.page(w, r)
	case !hasToken(r.Header, "Sec-Websocket-Protocol", Subprotocol):
		http.Error(w, "This node of the sea speaks the WebSocket subprotocol "+Subprotocol+".", http.StatusBadRequest)
	case !l.begin():
		http.Error(w, "This node of the sea is closing.", http.StatusServiceUnavailable)
	default:
		defer l.upgrades.Done()
		l.upgrade(w, r)
	}
}

func (l *Listener) page(w http.ResponseWriter, r *http.Request) {
	if l.cfg.Pages != nil {
		l.cfg.Pages.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	http.Error(w, "This is a node of the sea. It speaks WebSocket.", http.StatusUpgradeRequired)
}

// begin counts an upgrade that Close waits for, unless it is too late.
func (l *Listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.upgrades.Add(1)
	return true
}

func (l *Listener) upgrade(w http.ResponseWriter, r *http.Request) {
	select {
	case l.places <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "This node of the sea is busy.", http.StatusServiceUnavailable)
		return
	}
	taken := &hijacked{ResponseWriter: w}
	ws, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // of the Origin: see the package's words
	})
	if err != nil {
		<-l.places
		l.log.Debug("WebSocket request refused", "remote", r.RemoteAddr, "err", err)
		return
	}
	proven(taken.conn)
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	c := start(ws, taken.conn, scheme, r.RemoteAddr)
	// There is room, for c has a place; and Close will take c out if it comes.
	if err := l.waiting.Put(context.Background(), c, 1); err != nil {
		<-l.places
		_ = c.Close() // returns nil
	}
}

// hijackRoom is how much a connection that we took in buffers each way beyond
// what the cork and the caller hold: small messages, frames' heads.
const hijackRoom = 512

// hijacked remembers the connection that a handler took from its server, and
// gives it smaller buffers.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = c
	// What came after the request has to be in the buffer: there the library
	// looks for it.
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // no more than is there
	r := bufio.NewReaderSize(bytes.NewReader(bytes.Clone(early)), max(hijackRoom, len(early)))
	if _, err := r.Peek(len(early)); err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, bufio.NewReadWriter(r, bufio.NewWriterSize(c, hijackRoom)), nil
}

// Accept returns the next Conn.
func (l *Listener) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.waiting.Get(ctx)
	if err != nil {
		return nil, err
	}
	<-l.places
	return c, nil
}

// URLs returns where the sockets that Open made can be dialled, the most useful
// first: by the certificate's names where there is one, otherwise by address,
// other machines' way before this one's own. At most maxURLs.
func (l *Listener) URLs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, s := range l.servers {
		all = append(all, s.urls...)
	}
	all = slices.Compact(all)
	return all[:min(len(all), maxURLs)]
}

// Close stops listening, ends requests under way, closes Conns that nobody has
// accepted, and waits until all of it has ended. That takes a second or, while
// a certificate is just being ordered, a few.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	servers, certs := l.servers, l.certs
	l.servers, l.certs = nil, nil
	l.mu.Unlock()

	for _, s := range servers { // first, so that nothing new comes in
		s.close()
	}
	l.upgrades.Wait()
	var farewells sync.WaitGroup
	for _, c := range l.waiting.Drop() {
		<-l.places
		farewells.Go(func() { _ = c.Close() }) // returns nil
	}
	farewells.Wait()
	if certs != nil {
		certs.close()
	}
	return nil
}

// hasToken reports whether a header, a list of tokens, has the token. Case does
// not matter.
func hasToken(h http.Header, key, token string) bool {
	for _, line := range h.Values(key) {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
