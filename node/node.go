package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// DefaultNetwork is the network of a Config that names none.
const DefaultNetwork = "sea"

// DefaultMaxLinks is how many links a Node keeps unless its Config says
// otherwise.
const DefaultMaxLinks = 512

// DefaultMaxPerHost is how many nodes of one host may link to a Node unless its Config
// says otherwise: a household, not a crowd of made-up ones.
const DefaultMaxPerHost = 8

var (
	// ErrOffline is returned when the node is not online, or stops being so.
	ErrOffline = errors.New("node is offline")

	// ErrOnline is returned by Online when the node is online already.
	ErrOnline = errors.New("node is online already")

	// ErrNoBootstrap is returned by Online, wrapped with the reasons, when
	// none of the bootstraps could be linked to.
	ErrNoBootstrap = errors.New("no bootstrap can be reached")
)

// A Config holds a Node's wishes. Its zero value makes a node that belongs to
// the public sea, listens nowhere and can dial nobody.
type Config struct {
	// Network is the network's name; empty is DefaultNetwork. Nodes of
	// different networks do not get past the handshake.
	Network string

	// Work is how many bits of work (see identity.Work) other nodes' keys
	// need. 0 is identity.DefaultWork, -1 asks for none, for simulations.
	Work int

	// Certificate, when not nil, lets the node act for its signer.
	Certificate *identity.Statement

	// Revoked says whether entity has taken back a certificate that it signed;
	// nil says that none is. It is called often and at once.
	Revoked func(entity identity.Entity, c identity.Certificate) bool

	// Dialers are the wires that can be dialled, by URL scheme ("ws", "wss").
	Dialers map[string]transport.Dialer

	// Strangers are the wires for URLs that other nodes name in their contact
	// records, which may be anywhere; nil means Dialers. Give ones that keep
	// away from addresses that are none of a stranger's business.
	Strangers map[string]transport.Dialer

	// Back returns the wires by which a neighbour is dialled back at one address,
	// and no other, to tell it whether it can be reached; nil, or nil for an
	// address, does not.
	Back func(only netip.Addr) map[string]transport.Dialer

	// Listeners take links in. The node owns them: Offline closes them.
	Listeners []transport.Listener

	// Negotiator makes WebRTC links; nil does without them. The node owns it:
	// Offline closes it.
	Negotiator transport.Negotiator

	// LAN, when not nil, finds nodes on the local network, which are then
	// linked to, and has them find this one.
	LAN Finder

	// PublicURLs are where anyone can dial this node, at most 4. They are
	// part of its contact record. See SetPublicURLs.
	PublicURLs []string

	// MaxLinks bounds the links; 0 is DefaultMaxLinks.
	MaxLinks int

	// MaxPerHost bounds the inbound links from one IPv4 address, or from one IPv6
	// /56; 0 is DefaultMaxPerHost, less is no bound. Loopback and private networks
	// have none.
	MaxPerHost int

	// Relays is how many connections the node relays at once, for pairs of its
	// neighbours that find no direct way, each 128 KiB/s each way at most; 0
	// is none.
	Relays int

	// Still keeps the node from making and giving up links by itself: there are
	// only those that someone asks for. It is for tests and measurements.
	Still bool

	// Patient makes Online succeed when no bootstrap answers yet. The node
	// goes on trying either way.
	Patient bool

	// Version names the program towards peers, at most 64 bytes.
	Version string

	// Log takes what happens; nil discards it.
	Log *slog.Logger
}

// A Node is a peer in the sea. All methods may be called at once.
type Node struct {
	self    identity.Signer
	cfg     Config
	log     *slog.Logger
	addr    addr.Addr
	granted *identity.Certificate // what cfg.Certificate says

	handling sync.RWMutex
	handlers map[string]rpc.Handler

	seekEvery, backEvery time.Duration // as the constants, except in tests

	events hub

	mu      sync.Mutex // guards what follows; never held while calling out
	state   state
	session *session // nil unless online
	public  []string // where anyone can dial this node
}

// A Node's state:
//
//	offline ──Online──▶ starting ──▶ online ──Offline──▶ stopping ──▶ offline
//	                       └──────────failed───────────────▲
type state int

const (
	offline state = iota
	starting
	online
	stopping
)

// New returns a Node that acts with the key self. It does no I/O.
func New(self identity.Signer, cfg Config) *Node {
	if cfg.Network == "" {
		cfg.Network = DefaultNetwork
	}
	switch {
	case cfg.Work == 0:
		cfg.Work = identity.DefaultWork
	case cfg.Work < 0:
		cfg.Work = 0
	}
	if cfg.MaxLinks <= 0 {
		cfg.MaxLinks = DefaultMaxLinks
	}
	if cfg.MaxPerHost == 0 {
		cfg.MaxPerHost = DefaultMaxPerHost
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		self:     self,
		cfg:      cfg,
		log:      cfg.Log,
		addr:     addr.OfNode(self.Entity()),
		handlers: make(map[string]rpc.Handler),
		public:   slices.Clone(cfg.PublicURLs),

		seekEvery: seekEvery, backEvery: backEvery,
	}
	if cfg.Certificate != nil {
		if c, err := identity.OpenCertificate(*cfg.Certificate); err != nil || c.Node != self.Entity() {
			n.log.Error("the certificate is not this node's: it acts for itself", "err", err)
			n.cfg.Certificate = nil
		} else {
			n.granted = &c
		}
	}
	n.handlers[scopeNearest] = n.serveNearest
	n.handlers[scopeContact] = n.serveContact
	n.handlers[scopeNear] = n.serveNear
	n.handlers[scopeSilent] = n.serveSilent
	n.handlers[scopePing] = n.servePing
	n.handlers[scopeRTC] = n.serveRTC
	n.handlers[scopeRelays] = n.serveRelays
	n.handlers[scopeRelay] = n.serveRelay
	n.handlers[scopeRelayed] = n.serveRelayed
	n.handlers[scopeBack] = n.serveBack
	n.handlers[scopeMembers] = n.serveMembers
	return n
}

// Addr returns the node's address.
func (n *Node) Addr() addr.Addr { return n.addr }

// Key returns the node's public key.
func (n *Node) Key() identity.Entity { return n.self.Entity() }

// IsOnline reports whether the node is online.
func (n *Node) IsOnline() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state == online
}

// Listening returns the URLs at which the node takes links in, with real ports.
func (n *Node) Listening() []string {
	var urls []string
	for _, l := range n.cfg.Listeners {
		urls = append(urls, l.URLs()...)
	}
	return urls
}

// SetPublicURLs says where anyone can dial this node from now on, instead of
// the Config's PublicURLs, and signs its contact record afresh. Who asks for the
// record is told; neighbours have the old one until they link anew. The error is
// that of a record that cannot be signed, as of five URLs, and changes nothing.
func (n *Node) SetPublicURLs(urls []string) error {
	n.mu.Lock()
	s, old := n.session, n.public
	n.public = slices.Clone(urls)
	n.mu.Unlock()
	if s == nil {
		return nil
	}
	err := s.renew()
	if err != nil {
		n.mu.Lock()
		n.public = old
		n.mu.Unlock()
	}
	return err
}

// publicURLs are where anyone can dial this node. The caller changes nothing.
func (n *Node) publicURLs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.public
}

// Handle serves scope with h until remove is called, also before Online and
// across Offline. It panics when the scope is not one that rpc.CheckScope
// allows, begins with "sea:", or is served already: those are mistakes in the
// program.
func (n *Node) Handle(scope string, h rpc.Handler) (remove func()) {
	if err := rpc.CheckScope(scope); err != nil {
		panic("node: handle: " + err.Error())
	}
	if strings.HasPrefix(scope, "sea:") {
		panic("node: handle: scope " + scope + " is the node's own")
	}
	n.handling.Lock()
	defer n.handling.Unlock()
	if n.handlers[scope] != nil {
		panic("node: handle: scope " + scope + " is served already")
	}
	n.handlers[scope] = h
	return sync.OnceFunc(func() {
		n.handling.Lock()
		defer n.handling.Unlock()
		delete(n.handlers, scope)
	})
}

// serve carries a request out.
func (n *Node) serve(ctx context.Context, from rpc.Peer, scope string, body []byte) ([]byte, error) {
	n.handling.RLock()
	h := n.handlers[scope]
	n.handling.RUnlock()
	if h == nil {
		return nil, rpc.Errorf(rpc.NoHandler, "scope %s is not served here", scope)
	}
	answer, err := h(ctx, from, body)
	if err != nil {
		if code, _ := rpc.Outcome(err); code == rpc.Internal {
			n.log.Warn("handler failed", "scope", scope, "peer", from.Node, "err", err)
		}
		return nil, err
	}
	return answer, nil
}

// Call asks the node at to and returns its answer. Over a link to it, bodies
// and answers may have 1 MiB and there is no deadline but ctx's. Otherwise the
// call is routed, sealed so that only that node can read it: 64 KiB, and 10 s at
// most. A call to the node's own address
// goes to its own handler.
//
// Errors are the codes of package rpc, ctx's, and ErrOffline.
func (n *Node) Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	if err := rpc.CheckScope(scope); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	if to == n.addr {
		me := rpc.Peer{Addr: n.addr, Node: n.self.Entity(), Entity: n.Entity(), Direct: true}
		return n.serve(ctx, me, scope, body)
	}
	if l := s.link(to); l != nil {
		return l.call(ctx, scope, body)
	}
	return s.callRouted(ctx, to, scope, body)
}

// current returns the session while the node is online.
func (n *Node) current() (*session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil || n.state != online && n.state != starting {
		return nil, ErrOffline
	}
	return n.session, nil
}

// doing says what a node was doing when err came up.
func doing(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }
