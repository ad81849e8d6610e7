package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/transport"
)

// The times of a session.
const (
	recordLife  = 24 * time.Hour
	recordRenew = 12 * time.Hour

	dialWait     = 10 * time.Second
	redialFirst  = time.Second
	redialLast   = time.Minute
	acceptPause  = 100 * time.Millisecond
	maxUnproven  = 64
	visitTime    = 500 * time.Millisecond // that an unproven visitor surely has
	maxBootstrap = 16
)

// A session is a node's time online, from Online to Offline.
type session struct {
	n         *Node
	ctx       context.Context // ends when Offline begins
	cancel    context.CancelCauseFunc
	static    hello.Static
	sealing   *sealed.Key // opens routed calls to this node
	directory directory
	relays    relays
	run       [8]byte
	party     atomic.Pointer[hello.Party] // renewed with the contact record
	router    *router
	channels  channels
	lobby     lobby
	joins     joins
	keeper    *keeper // nil in a Still node
	memory    budget
	backs     chan struct{} // a token for each neighbour that is being dialled back

	work sync.WaitGroup

	mu       sync.Mutex // guards what follows
	closing  bool
	visitors []*visitor // in the order in which they came
	links    map[addr.Addr]*link
	claims   map[addr.Addr]*claim // outbound handshakes that wait for a welcome
	offers   map[addr.Addr]*offering
	dials    map[addr.Addr]*connecting
	changed  chan struct{} // closed and replaced when links or claims change
	entering chan struct{} // closed and replaced when bootstraps are wanted again
}

// Online brings the node online: it takes links in at its Listeners, links to
// the bootstraps, keeps those links, and looks its own neighbourhood up. It
// returns nil once one bootstrap is linked, at once when there is none to link
// to or the Config is Patient; then it goes on trying. Otherwise the error wraps
// ErrNoBootstrap and each attempt's reason, and the node is offline.
//
// ctx bounds Online itself, not the time online. A node that has Listeners or a
// Negotiator can go online once, since Offline closes them.
func (n *Node) Online(ctx context.Context, bootstrap ...string) error {
	if len(bootstrap) > maxBootstrap {
		return fmt.Errorf("%d bootstraps, at most %d", len(bootstrap), maxBootstrap)
	}
	for _, url := range bootstrap {
		if _, err := n.dialer(url); err != nil {
			return err
		}
	}
	s, err := n.begin()
	if err != nil {
		return err
	}
	if err := s.start(ctx, bootstrap); err != nil {
		return errors.Join(err, n.stop(s))
	}
	n.mu.Lock()
	if n.state != starting { // Offline was called meanwhile
		n.mu.Unlock()
		return ErrOffline
	}
	n.state = online
	n.mu.Unlock()
	n.log.Info("online", "address", n.addr, "listening", n.Listening())
	n.events.emit(Event{Kind: Online})
	return nil
}

// begin makes the session.
func (n *Node) begin() (*session, error) {
	static, err := hello.NewStatic(nil)
	if err != nil {
		return nil, err
	}
	sealing, err := sealed.NewKey()
	if err != nil {
		return nil, err
	}
	s := &session{
		n: n, static: static, sealing: sealing,
		links:   make(map[addr.Addr]*link),
		claims:  make(map[addr.Addr]*claim),
		offers:  make(map[addr.Addr]*offering),
		dials:   make(map[addr.Addr]*connecting),
		changed: make(chan struct{}), entering: make(chan struct{}),
		backs:  make(chan struct{}, maxBacks),
		relays: relays{rate: relayRate},
	}
	rand.Read(s.run[:])
	if err := s.renew(); err != nil {
		return nil, err
	}
	s.router = newRouter(s)
	s.lobby.init(n.addr)
	if !n.cfg.Still {
		s.keeper = newKeeper(s)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != offline {
		return nil, ErrOnline
	}
	// A session's context is the session: it ends with Offline, not with the
	// context of Online.
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	n.state, n.session = starting, s
	return s, nil
}

// renew signs the contact record afresh.
func (s *session) renew() error {
	var caps []string
	if s.n.cfg.Relays > 0 {
		caps = append(caps, capRelay)
	}
	if s.n.cfg.Negotiator != nil {
		caps = append(caps, capRTC) // they are sorted
	}
	now := time.Now()
	record, err := contact.Record{
		Network: s.n.cfg.Network, Key: s.static.Public(), Seal: s.sealing.Public(), URLs: s.n.publicURLs(), Caps: caps,
		Issued: now, Expires: now.Add(recordLife),
	}.Sign(s.n.self)
	if err != nil {
		return err
	}
	s.party.Store(&hello.Party{
		Network: s.n.cfg.Network, Work: s.n.cfg.Work, Static: s.static, Record: record,
		Certificate: s.n.cfg.Certificate, Run: s.run, Agent: s.n.cfg.Version, Now: time.Now,
	})
	return nil
}

// start brings everything up that runs while the node is online.
func (s *session) start(ctx context.Context, bootstrap []string) error {
	for _, l := range s.n.cfg.Listeners {
		s.spawn(func() { s.accept(l) })
	}
	if s.n.cfg.LAN != nil {
		s.spawn(s.meet)
	}
	s.spawn(s.router.run)
	if s.keeper != nil {
		s.spawn(s.keeper.run)
	}
	s.spawn(s.renewing)
	first := make(chan error, len(bootstrap))
	for _, url := range bootstrap {
		s.spawn(func() { s.keep(url, first) })
	}
	if len(bootstrap) == 0 {
		return nil
	}
	if s.n.cfg.Patient {
		return nil
	}
	var reasons []error
	for range bootstrap {
		select {
		case err := <-first:
			if err == nil {
				return nil
			}
			reasons = append(reasons, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return ErrOffline
		}
	}
	return fmt.Errorf("%w: %w", ErrNoBootstrap, errors.Join(reasons...))
}

// Offline ends all links, telling the peers, closes the Listeners and the
// Negotiator, and returns when nothing of the node runs any more, handlers
// included; so it must not be called from one. It returns nil when the node is
// offline already.
func (n *Node) Offline() error {
	n.mu.Lock()
	s := n.session
	n.mu.Unlock()
	if s == nil {
		return nil
	}
	return n.stop(s)
}

func (n *Node) stop(s *session) error {
	n.mu.Lock()
	mine := n.session == s && n.state != stopping
	if mine {
		n.state = stopping
	}
	n.mu.Unlock()
	if !mine { // another call does it
		s.work.Wait()
		return nil
	}
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.cancel(ErrOffline)
	for _, l := range s.all() { // none is added any more
		l.end(frame.ReasonOffline, ErrOffline)
	}
	var errs []error
	for _, l := range n.cfg.Listeners {
		errs = append(errs, l.Close())
	}
	if n.cfg.Negotiator != nil {
		errs = append(errs, n.cfg.Negotiator.Close())
	}
	s.work.Wait()
	n.mu.Lock()
	n.state, n.session = offline, nil
	n.mu.Unlock()
	n.log.Info("offline", "address", n.addr)
	n.events.emit(Event{Kind: Offline})
	return errors.Join(errs...)
}

// spawn runs f in a goroutine that Offline waits for. It reports false, and
// does nothing, when the session is ending.
func (s *session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.work.Go(f)
	return true
}

// pause waits for d; false means that the session ends.
func (s *session) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *session) renewing() {
	for s.pause(recordRenew) {
		if err := s.renew(); err != nil {
			s.n.log.Error("contact record cannot be renewed", "err", err)
		}
	}
}

// accept takes links in at a Listener.
func (s *session) accept(from transport.Listener) {
	for {
		conn, err := from.Accept(s.ctx)
		switch {
		case s.ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case errors.Is(err, net.ErrClosed):
			s.n.log.Error("listener closed", "urls", from.URLs())
			return
		case err != nil:
			s.n.log.Warn("accept", "err", err)
			s.pause(acceptPause)
			continue
		}
		if host := household(remoteHost(conn)); host.IsValid() && s.n.cfg.MaxPerHost > 0 && !s.joins.hosts.allow(time.Now(), host) {
			s.n.log.Debug("too many links begun from one address", "host", host)
			conn.Close()
			continue
		}
		v := s.visit(conn)
		if v == nil {
			// Closing here, in turn, slows down whoever floods.
			s.n.log.Debug("too many unproven links")
			conn.Close()
			continue
		}
		if !s.spawn(func() {
			_, err := s.welcome(conn, addr.Addr{}, func() { s.leave(v) })
			if err != nil {
				wire, remote := describe(conn)
				s.n.log.Debug("inbound link refused", "transport", wire, "remote", remote, "err", err)
			}
		}) {
			conn.Close()
		}
	}
}

// A visitor is an inbound wire whose other end has not proven itself yet.
type visitor struct {
	conn  transport.Conn
	since time.Time
}

// visit gives conn a place among the unproven. When all are taken the oldest
// has to go, if it has had the time that an honest handshake takes: so whoever
// only sits there keeps nobody out. It returns nil when there is no place.
func (s *session) visit(conn transport.Conn) *visitor {
	v := &visitor{conn: conn, since: time.Now()}
	s.mu.Lock()
	var oldest *visitor
	if len(s.visitors) >= maxUnproven {
		oldest = s.visitors[0]
		if v.since.Sub(oldest.since) < visitTime {
			s.mu.Unlock()
			return nil
		}
		s.visitors = s.visitors[1:]
	}
	s.visitors = append(s.visitors, v)
	s.mu.Unlock()
	if oldest != nil {
		oldest.conn.Close() // which ends its handshake
	}
	return v
}

// leave frees v's place.
func (s *session) leave(v *visitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visitors = slices.DeleteFunc(s.visitors, func(o *visitor) bool { return o == v })
}

// link returns the link to a peer, nil when there is none that lives.
func (s *session) link(to addr.Addr) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.links[to]; l != nil && l.alive.Err() == nil {
		return l
	}
	return nil
}

// all returns the live links, those nearest to the node first.
func (s *session) all() []*link {
	s.mu.Lock()
	links := slices.Collect(maps.Values(s.links))
	s.mu.Unlock()
	slices.SortFunc(links, func(a, b *link) int { return addr.Compare(s.n.addr, a.peer.Addr, b.peer.Addr) })
	return links
}

// Links returns the node's links, those nearest to its address first.
func (n *Node) Links() []Link {
	s, err := n.current()
	if err != nil {
		return nil
	}
	links := s.all()
	shown := make([]Link, len(links))
	for i, l := range links {
		shown[i] = l.info()
	}
	return shown
}

// changes returns a channel that is closed at the next change of links or
// claims.
func (s *session) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// noteChange wakes whoever waits for a change. s.mu is held.
func (s *session) noteChange() {
	close(s.changed)
	s.changed = make(chan struct{})
}
