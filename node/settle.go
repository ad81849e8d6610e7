package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// How two nodes come to have one link, and the same one:
//
// The side that dialled shows who it is last, and only if it has no link to the
// other (claim). The side that was dialled then decides, says Welcome, and from
// there the link counts on both sides. When both dial at once, both see the
// other's claim: the smaller address's dialling wins. A link that exists is
// probed before a new one is refused for it, as the peer may have lost it.

const (
	// probeWait is how long a link may take to show that it lives when the
	// peer offers a new one.
	probeWait = 2 * time.Second

	// yieldWait is how long to wait for the peer's link after it has said that
	// there is one.
	yieldWait = 5 * time.Second

	// skewWarn is by how much clocks may differ without a word in the log.
	// Routed calls bear two minutes.
	skewWarn = 30 * time.Second
)

// A claim is an outbound handshake whose peer is known and has not yet said
// Welcome.
type claim struct {
	lost   bool // the peer's own dialling was taken
	cancel context.CancelFunc
	host   netip.Prefix // of an inbound one; see householdOf
}

// greet does the handshake on a wire that we dialled and returns the link to
// the node there, also when that is another one that existed or came first. It
// closes conn unless the link is on it. want, when not zero, is who it must be.
func (s *session) greet(ctx context.Context, conn transport.Conn, want addr.Addr, url string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	var to addr.Addr
	mine := &claim{cancel: cancel}
	claimed := false
	hs, err := s.party.Load().Initiate(ctx, conn, func(p hello.Proof) error {
		to = p.Addr()
		err := s.claim(ctx, p, want, mine)
		claimed = err == nil
		return err
	})
	var l *link
	if err == nil {
		l = newLink(s, conn, hs, url)
		err = l.awaitWelcome(ctx)
	}
	lost := false
	if claimed {
		s.mu.Lock()
		lost = mine.lost
		s.unclaim(to, mine)
		if err == nil {
			err = s.add(l, mine)
		}
		s.mu.Unlock()
	}
	if err == nil {
		s.up(l)
		return l, nil
	}
	conn.Close()
	if l != nil {
		l.cancel()
		l.dead()
	}
	var refused *hello.Refusal
	if lost || errors.As(err, &refused) && refused.Reason == frame.ReasonDuplicate {
		wait, stop := s.bound(context.WithoutCancel(ctx), yieldWait)
		defer stop()
		if other := s.await(wait, to); other != nil {
			return other, nil
		}
	}
	return nil, err
}

// claim decides whether a dialled peer may know who we are.
func (s *session) claim(ctx context.Context, p hello.Proof, want addr.Addr, c *claim) error {
	refuse := func(reason frame.Reason, text string) error {
		return &hello.Refusal{Reason: reason, Text: text, Ours: true}
	}
	to := p.Addr()
	if to == s.n.addr {
		return errSelf
	}
	if want != (addr.Addr{}) && to != want {
		return refuse(frame.ReasonUnwanted, "another node was looked for")
	}
	if err := s.awaitGone(ctx, to); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		switch {
		case s.links[to] != nil, s.claims[to] != nil:
			s.mu.Unlock()
			return refuse(frame.ReasonDuplicate, "")
		case len(s.links)+len(s.claims) < s.n.cfg.MaxLinks:
			s.claims[to] = c
			s.noteChange()
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		old := s.shed()
		if old == nil {
			return refuse(frame.ReasonFull, "")
		}
		select {
		case <-old.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errSelf is what comes of dialling oneself.
var errSelf = &hello.Refusal{Reason: frame.ReasonRefused, Text: "this is the same node", Ours: true}

// awaitGone waits until a link to a peer that is ending has ended.
func (s *session) awaitGone(ctx context.Context, to addr.Addr) error {
	s.mu.Lock()
	old := s.links[to]
	s.mu.Unlock()
	if old == nil || old.alive.Err() == nil {
		return nil
	}
	select {
	case <-old.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitWelcome reads the responder's first sealed frame.
func (l *link) awaitWelcome(ctx context.Context) error {
	f, err := l.hear(ctx)
	var others string
	if e, ok := f.(*frame.Elsewhere); ok {
		others = e.URLs
		f, err = l.hear(ctx)
	}
	if err != nil {
		return doing("wait for welcome", err)
	}
	switch f := f.(type) {
	case *frame.Welcome:
		l.observed = rpc.Clean(f.Observed)
		return nil
	case *frame.Close:
		return &hello.Refusal{Reason: f.Reason, Text: rpc.Clean(f.Text), Elsewhere: others}
	}
	return fmt.Errorf("a %v instead of a welcome", f.Tag())
}

// hear reads a frame of a link that does not run yet.
func (l *link) hear(ctx context.Context) (frame.Frame, error) {
	msg, err := l.conn.Recv(ctx)
	if err != nil {
		return nil, err
	}
	if refusal := hello.ReadRefusal(msg); refusal != nil {
		return nil, refusal
	}
	plain, err := l.lanes[0].open.Open(msg)
	if err != nil {
		return nil, err
	}
	return frame.Decode(plain)
}

// welcome does the handshake on a wire that we were dialled on. It closes conn
// unless the link is on it. proven is called once the peer is known or refused;
// want, when not zero, is who it must be.
func (s *session) welcome(conn transport.Conn, want addr.Addr, proven func()) (*link, error) {
	ctx, cancel := context.WithTimeout(s.ctx, helloWait)
	defer cancel()
	hs, err := s.party.Load().Respond(ctx, conn)
	proven()
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := newLink(s, conn, hs, "")
	place, err := s.decide(ctx, l, want)
	if err == nil {
		_, remote := describe(conn)
		// The first frame of the queue; from it on the link counts.
		err = l.fast.urgent(&frame.Welcome{Observed: remote})
		s.mu.Lock()
		s.unclaim(l.peer.Addr, place)
		if err == nil {
			err = s.add(l, place)
		}
		s.mu.Unlock()
	} else {
		var refusal *hello.Refusal
		if errors.As(err, &refusal) {
			// The wire closes anyway, whether they hear it or not.
			if others := s.elsewhere(); refusal.Reason == frame.ReasonFull && others != "" {
				_ = l.say(ctx, &frame.Elsewhere{URLs: others})
			}
			_ = l.say(ctx, &frame.Close{Reason: refusal.Reason, Text: refusal.Text})
		}
	}
	if err != nil {
		conn.Close()
		l.cancel()
		l.dead()
		return nil, err
	}
	s.up(l)
	return l, nil
}

// unclaim gives up what c holds. s.mu is held.
func (s *session) unclaim(to addr.Addr, c *claim) {
	if s.claims[to] == c {
		delete(s.claims, to)
	}
	s.noteChange()
}

// say sends a frame of a link that will not run.
func (l *link) say(ctx context.Context, f frame.Frame) error {
	msg, err := l.lanes[0].seal.Seal(nil, frame.Encode(f))
	if err != nil {
		return err
	}
	return l.conn.Send(ctx, msg)
}

// decide says whether a peer that dialled us is welcome. If so its place is
// claimed, and an older link to it has ended.
func (s *session) decide(ctx context.Context, l *link, want addr.Addr) (*claim, error) {
	from := l.peer.Addr
	refuse := func(reason frame.Reason, text string) (*claim, error) {
		return nil, &hello.Refusal{Reason: reason, Text: text, Ours: true}
	}
	if from == s.n.addr {
		return nil, errSelf
	}
	if want != (addr.Addr{}) && from != want {
		return refuse(frame.ReasonUnwanted, "another node was looked for")
	}
	host := householdOf(l)
	for {
		s.mu.Lock()
		old, rival := s.links[from], s.claims[from]
		switch {
		case old != nil:
		case rival != nil && (rival.cancel == nil || bytes.Compare(s.n.addr[:], from[:]) < 0):
			// Ours wins, or another wire of theirs is being welcomed.
			s.mu.Unlock()
			return refuse(frame.ReasonDuplicate, "")
		case s.n.cfg.MaxPerHost > 0 && s.ofHost(host) >= s.n.cfg.MaxPerHost:
			same := s.linksOf(host)
			s.mu.Unlock()
			for _, other := range same { // if one of them is dead, there is room for the next
				if other.silent() > upkeep.RumorAfter {
					other.doubt(upkeep.DoubtFor)
				}
			}
			return refuse(frame.ReasonFull, "too many links from your address")
		case host.IsValid() && s.crowded(linkHost(l)):
			s.mu.Unlock()
			return refuse(frame.ReasonFull, "too many links from your subnet")
		case len(s.links)+len(s.claims) >= s.n.cfg.MaxLinks:
			s.mu.Unlock()
			if old = s.shed(); old == nil {
				return refuse(frame.ReasonFull, "")
			}
			select {
			case <-old.done:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		default:
			if rival != nil {
				rival.lost = true
				rival.cancel()
			}
			place := &claim{host: host} // until welcome has ended
			s.claims[from] = place
			s.mu.Unlock()
			return place, nil
		}
		s.mu.Unlock()
		if old.proof.Run == l.proof.Run && old.lives() {
			return refuse(frame.ReasonDuplicate, "")
		}
		old.end(frame.ReasonReplaced, nil)
		select {
		case <-old.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// carrier are the addresses behind a carrier's NAT (RFC 6598): whoever sees one is on
// that network too.
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// householdOf is the host at a link's other end.
func householdOf(l *link) netip.Prefix { return household(linkHost(l)) }

// household is the host at an address: an IPv4 address or an IPv6 /56 of the internet; the
// zero Prefix is none of it, or not known.
func household(at netip.Addr) netip.Prefix {
	if carrier.Contains(at) {
		return netip.Prefix{}
	}
	bits := 56
	if at.Is4() {
		bits = 32
	}
	host, err := at.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return host
}

// linksOf are the inbound links of a host. s.mu is held.
func (s *session) linksOf(host netip.Prefix) (links []*link) {
	for _, l := range s.links {
		if !l.hs.Initiator && householdOf(l) == host {
			links = append(links, l)
		}
	}
	return links
}

// ofHost is how many inbound links a host has, with those that are being welcomed; none
// for the zero Prefix. s.mu is held.
func (s *session) ofHost(host netip.Prefix) int {
	if !host.IsValid() {
		return 0
	}
	n := len(s.linksOf(host))
	for _, c := range s.claims {
		if c.host == host {
			n++
		}
	}
	return n
}

// lives reports whether the link answers soon.
func (l *link) lives() bool {
	ctx, cancel := context.WithTimeout(l.alive, probeWait)
	defer cancel()
	_, err := l.probe(ctx)
	return err == nil
}

// add makes l, for which c held the place, the link to its peer. up must follow.
// s.mu is held.
func (s *session) add(l *link, c *claim) error {
	if s.closing {
		return ErrOffline
	}
	if c.lost || s.links[l.peer.Addr] != nil {
		return &hello.Refusal{Reason: frame.ReasonDuplicate, Ours: true}
	}
	s.links[l.peer.Addr] = l
	s.work.Go(func() {
		<-l.told
		l.run()
		s.down(l)
		close(l.done)
		l.jobs.wait() // a handler may take its time; nobody but Offline waits for it
	})
	return nil
}

// up tells of a link that was added, and lets it run.
func (s *session) up(l *link) {
	defer close(l.told)
	wire, remote := describe(l.conn)
	s.n.log.Debug("link up", "peer", l.peer.Node, "transport", wire, "remote", remote, "outbound", l.hs.Initiator)
	if why := l.proof.Refused; why != nil {
		s.n.log.Warn("a peer's certificate does not count, it acts for itself", "peer", l.peer.Node, "err", why)
	}
	if skew := l.proof.Skew; skew.Abs() > skewWarn {
		s.n.log.Warn("a peer's clock differs from ours", "peer", l.peer.Node, "ahead", skew)
	}
	s.directory.learn(l.proof.Record)
	if h, ok := l.conn.(*handover); ok && l.hs.Initiator && s.n.cfg.Negotiator != nil {
		s.spawn(func() { s.seek(l, h) })
	}
	s.router.step(route.LinkUp{Addr: l.peer.Addr, Host: linkHost(l)})
	s.keeper.step(upkeep.Up{Link: table.Link{Addr: l.peer.Addr, Host: linkHost(l)}})
	s.n.events.emit(Event{Kind: LinkUp, Peer: l.who()})
}

// down takes a link out that has ended.
func (s *session) down(l *link) {
	s.mu.Lock()
	if s.links[l.peer.Addr] == l {
		delete(s.links, l.peer.Addr)
	}
	s.noteChange()
	s.mu.Unlock()
	s.n.log.Debug("link down", "peer", l.peer.Node, "err", l.why())
	s.router.step(route.LinkDown{Addr: l.peer.Addr})
	s.channels.lost(l.peer.Addr)
	s.keeper.step(upkeep.Down{Addr: l.peer.Addr})
	s.n.events.emit(Event{Kind: LinkDown, Peer: l.who(), Err: l.why()})
}

// await returns the link to a peer once there is one, nil when ctx ends first.
func (s *session) await(ctx context.Context, to addr.Addr) *link {
	for {
		changed := s.changes()
		if l := s.link(to); l != nil {
			return l
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
