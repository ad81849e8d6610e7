package rtcnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/pion/webrtc/v3"
)

// ErrBusy is returned by Answer when as many answers are under way as
// Config.HalfOpen allows.
var ErrBusy = errors.New("too many webrtc connections are being opened")

// Config is what a Negotiator may be told. The zero value works.
type Config struct {
	// STUN servers, host:port, that tell us our address outside a NAT, until
	// SetSTUN names others. None by default. There is no TURN: relaying goes
	// through the sea.
	STUN []string

	// Loopback has connections use 127.0.0.1 beside the machine's other
	// addresses. They do so anyway where the machine has no others, and for
	// descriptions that come over a link on this machine (see Via).
	Loopback bool

	// Private are networks of private addresses that a remote candidate may
	// lie in, beside those this machine is on.
	Private []netip.Prefix

	// HalfOpen is how many offers, and how many answers, may be under way at
	// once. The default is 32 of each.
	HalfOpen int

	// OpenTime is how long a connection may take to open once both sides have
	// heard of each other. The default is 15 s.
	OpenTime time.Duration

	// Expiry is after how long an offer or answer that nobody came back to
	// ends by itself. The default is 60 s.
	Expiry time.Duration

	// Silence is how long nothing may come from the other side before the
	// connection counts as lost. The default is 15 s.
	Silence time.Duration

	// Log hears, at debug level, why connections ended. Nil discards.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.HalfOpen <= 0 {
		c.HalfOpen = 32
	}
	if c.OpenTime <= 0 {
		c.OpenTime = 15 * time.Second
	}
	if c.Expiry <= 0 {
		c.Expiry = time.Minute
	}
	if c.Silence <= 0 {
		c.Silence = 15 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Negotiator makes WebRTC connections. All methods may be called at once.
type Negotiator struct {
	cfg     Config
	offers  chan struct{} // a token for each offer under way
	answers chan struct{} // a token for each answer under way
	closed  chan struct{}

	mu       sync.Mutex
	halfOpen map[*peer]struct{} // guarded by mu; nil once closed
	stun     []string           // guarded by mu
}

var _ transport.Negotiator = (*Negotiator)(nil)

// New returns a Negotiator. It opens no socket before the first offer or
// answer. The caller closes it.
func New(cfg Config) *Negotiator {
	cfg = cfg.withDefaults()
	return &Negotiator{
		cfg:      cfg,
		offers:   make(chan struct{}, cfg.HalfOpen),
		answers:  make(chan struct{}, cfg.HalfOpen),
		closed:   make(chan struct{}),
		halfOpen: map[*peer]struct{}{},
		stun:     cfg.STUN,
	}
}

// SetSTUN names the STUN servers that offers and answers from now on ask, as
// Config.STUN does. Name those that answer: one that does not costs each of them
// a wait of 750 ms.
func (n *Negotiator) SetSTUN(servers []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stun = slices.Clone(servers)
}

// Offer begins a connection. While Config.HalfOpen offers are under way it
// waits for one to end. ctx bounds this and the gathering of candidates, not
// the Offer, which the caller closes.
func (n *Negotiator) Offer(ctx context.Context) (transport.Offer, error) {
	return n.offer(ctx, netip.Addr{})
}

// Answer takes the other side's offer. While Config.HalfOpen answers are under
// way the error is ErrBusy; an offer that is malformed is ErrDescription.
func (n *Negotiator) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	return n.answer(ctx, offer, netip.Addr{})
}

// Via returns the Negotiator for descriptions that come over a link to remote,
// host:port as transport.Described gives it. Of loopback and the private
// networks that this machine is on, candidates may then lie only in what this
// link is on, whatever Config.Loopback says, so that a stranger from outside
// cannot have us knock at doors inside. It is closed with n and need not be
// closed itself.
func (n *Negotiator) Via(remote string) transport.Negotiator {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return via{n, ap.Addr().Unmap().WithZone("")}
	}
	// A name, or no network at all: as far away as can be.
	return via{n, netip.IPv6Unspecified()}
}

type via struct {
	n    *Negotiator
	from netip.Addr
}

func (v via) Offer(ctx context.Context) (transport.Offer, error) { return v.n.offer(ctx, v.from) }

func (v via) Answer(ctx context.Context, offer []byte) ([]byte, func(context.Context) (transport.Conn, error), error) {
	return v.n.answer(ctx, offer, v.from)
}

func (v via) Close() error { return nil }

func (n *Negotiator) offer(ctx context.Context, from netip.Addr) (transport.Offer, error) {
	select {
	case n.offers <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.closed:
		return nil, net.ErrClosed
	}
	p, err := n.begin(from, n.offers)
	if err != nil {
		return nil, fmt.Errorf("make offer: %w", err)
	}
	bytes, err := func() ([]byte, error) {
		sdp, err := p.pc.CreateOffer(nil)
		if err != nil {
			return nil, err
		}
		if err := p.pc.SetLocalDescription(sdp); err != nil {
			return nil, err
		}
		return p.describe(ctx, offer)
	}()
	if err != nil {
		p.close()
		return nil, fmt.Errorf("make offer: %w", err)
	}
	return &half{n: n, p: p, bytes: bytes}, nil
}

func (n *Negotiator) answer(ctx context.Context, theirs []byte, from netip.Addr) ([]byte, func(context.Context) (transport.Conn, error), error) {
	d, err := parse(theirs, offer)
	if err != nil {
		return nil, nil, err
	}
	select {
	case <-n.closed:
		return nil, nil, net.ErrClosed
	case n.answers <- struct{}{}:
	default:
		return nil, nil, ErrBusy
	}
	p, err := n.begin(from, n.answers)
	if err != nil {
		return nil, nil, fmt.Errorf("make answer: %w", err)
	}
	bytes, err := func() ([]byte, error) {
		if err := p.hear(d); err != nil {
			return nil, err
		}
		sdp, err := p.pc.CreateAnswer(nil)
		if err != nil {
			return nil, err
		}
		if err := p.pc.SetLocalDescription(sdp); err != nil {
			return nil, err
		}
		return p.describe(ctx, answer)
	}()
	if err != nil {
		p.close()
		return nil, nil, fmt.Errorf("make answer: %w", err)
	}
	wait := func(ctx context.Context) (transport.Conn, error) {
		if err := p.wait(ctx, n.cfg.OpenTime); err != nil {
			return nil, err
		}
		return conn{p}, nil
	}
	return bytes, wait, nil
}

// begin makes a peer for a description that comes over a link to from, or over
// nobody knows what.
func (n *Negotiator) begin(from netip.Addr, slots chan struct{}) (*peer, error) {
	return n.start(slots, func(host network) setup {
		if from.IsValid() {
			return setup{policy: host.via(from, n.cfg.Private)}
		}
		return setup{policy: host.open(n.cfg.Loopback, n.cfg.Private)}
	})
}

// start makes a peer that holds the token its caller has put into slots.
func (n *Negotiator) start(slots chan struct{}, how func(network) setup) (*peer, error) {
	var p *peer // guarded by n.mu, as released
	var released bool
	release := sync.OnceFunc(func() {
		<-slots
		n.mu.Lock()
		defer n.mu.Unlock()
		released = true
		delete(n.halfOpen, p)
	})
	host, err := look()
	if err != nil {
		release()
		return nil, fmt.Errorf("read the machine's addresses: %w", err)
	}
	cfg := n.cfg
	n.mu.Lock()
	cfg.STUN = n.stun
	n.mu.Unlock()
	made, err := newPeer(cfg, host, how(host), release)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	p = made
	open := n.halfOpen != nil
	if open && !released {
		n.halfOpen[p] = struct{}{}
	}
	n.mu.Unlock()
	if !open {
		made.close()
		return nil, net.ErrClosed
	}
	return made, nil
}

// Close ends the offers and answers under way and waits for them. Connections
// that are open live on.
func (n *Negotiator) Close() error {
	n.mu.Lock()
	left := n.halfOpen
	if n.halfOpen = nil; left != nil {
		close(n.closed)
	}
	n.mu.Unlock()
	for p := range left {
		p.fail(net.ErrClosed)
	}
	for p := range left {
		<-p.gone
	}
	return nil
}

// half is an Offer.
type half struct {
	n     *Negotiator
	p     *peer
	bytes []byte

	mu       sync.Mutex
	used     bool // guarded by mu, as all below
	accepted bool
}

// Bytes is what to send to the other side. The caller does not change it.
func (h *half) Bytes() []byte { return h.bytes }

// Accept takes the answer and waits for the connection. It may be called once;
// when it fails everything is closed. An answer that is malformed is
// ErrDescription.
func (h *half) Accept(ctx context.Context, theirs []byte) (transport.Conn, error) {
	h.mu.Lock()
	again := h.used
	h.used = true
	h.mu.Unlock()
	if again {
		return nil, fmt.Errorf("accept answer: %w", net.ErrClosed)
	}
	d, err := parse(theirs, answer)
	if err == nil {
		err = h.p.hear(d)
	}
	if err != nil {
		h.p.close()
		return nil, fmt.Errorf("accept answer: %w", err)
	}
	if err := h.p.wait(ctx, h.n.cfg.OpenTime); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.accepted = true
	h.mu.Unlock()
	return conn{h.p}, nil
}

// Close gives the attempt up. It does nothing after Accept succeeded.
func (h *half) Close() error {
	h.mu.Lock()
	open := h.accepted
	h.used = true
	h.mu.Unlock()
	if !open {
		h.p.close()
	}
	return nil
}

// fromPion is one of our candidates in a description.
func fromPion(c *webrtc.ICECandidate) (candidate, error) {
	ip, err := netip.ParseAddr(c.Address)
	if err != nil {
		return candidate{}, err
	}
	out := candidate{IP: ip.Unmap().AsSlice(), Port: c.Port, Priority: c.Priority}
	switch c.Typ {
	case webrtc.ICECandidateTypeHost:
		out.Type = hostCandidate
	case webrtc.ICECandidateTypeSrflx:
		out.Type = srflxCandidate
	default:
		return candidate{}, fmt.Errorf("candidate of type %v", c.Typ)
	}
	return out, out.check()
}
