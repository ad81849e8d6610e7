package node

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// The times and bounds of Connect.
const (
	connectWait  = 30 * time.Second
	iceWait      = 15 * time.Second
	rtcAlone     = 3 * time.Second // that WebRTC has before a relay is tried beside it
	strangerWait = 4 * time.Second // for a URL out of a contact record
	urlAlone     = 2 * time.Second // that it has before the next one, or WebRTC, is tried beside it
	maxAnswering = 16              // offers of others under way
	offerTime    = 3 * time.Second // that one of them surely has, when there are more
)

// A connecting is a Connect under way; others to the same node wait for it.
type connecting struct {
	done chan struct{}
	l    *link
	err  error
}

// Connect returns a Conn to the node at to. When there is no link yet it finds
// the node and makes one: by WebSocket if it has a public URL that can be
// dialled, else by WebRTC with an offer and an answer that other nodes carry, else
// over a relay. What takes long is not waited for: the next is tried beside it.
// It takes 30 s at most. Errors are rpc.ErrUnreachable with the reasons, those
// of a routed call, ErrOffline and ctx's.
func (n *Node) Connect(ctx context.Context, to addr.Addr) (*Conn, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	if to == n.addr {
		return nil, rpc.Errorf(rpc.BadRequest, "this is the node's own address")
	}
	l, err := s.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	return newConn(l), nil
}

// connect returns the link to a node, making it if need be.
func (s *session) connect(ctx context.Context, to addr.Addr) (*link, error) {
	return s.connectVia(ctx, to, addr.Addr{}, nil)
}

// connectVia is connect to a node that is found through the neighbour via, or
// known already, which nil is not.
func (s *session) connectVia(ctx context.Context, to, via addr.Addr, known *Contact) (*link, error) {
	s.mu.Lock()
	if l := s.links[to]; l != nil && l.alive.Err() == nil {
		s.mu.Unlock()
		return l, nil
	}
	c := s.dials[to]
	if c == nil {
		if s.closing {
			s.mu.Unlock()
			return nil, ErrOffline
		}
		c = &connecting{done: make(chan struct{})}
		s.dials[to] = c
		s.work.Go(func() {
			// The attempt outlives its first caller if others wait for it.
			wait, stop := s.bound(context.WithoutCancel(ctx), connectWait)
			defer stop()
			c.l, c.err = s.reach(wait, to, via, known, true)
			s.mu.Lock()
			delete(s.dials, to)
			s.mu.Unlock()
			close(c.done)
		})
	}
	s.mu.Unlock()
	select {
	case <-c.done:
		return c.l, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reach finds the node at to, through the neighbour via unless it is known, and
// links to it: directly, or else over a relay if that will do.
func (s *session) reach(ctx context.Context, to, via addr.Addr, known *Contact, relayed bool) (*link, error) {
	if known == nil {
		found, err := s.contactOf(ctx, to, via)
		if err != nil { // it is no neighbour of via's, or silent
			found, err = s.nearestVia(ctx, via, to, addr.Addr{})
		}
		if err != nil {
			return nil, doing("find "+to.Short(), err)
		}
		known = &found
	}
	found := *known
	if found.Peer.Addr != to {
		return nil, rpc.Errorf(rpc.Unreachable, "nobody is at %s; the nearest is %s", to.Short(), found.Peer.Addr.Short())
	}
	var ways []way
	for _, url := range found.URLs {
		if d, err := s.n.stranger(url); err == nil {
			ways = append(ways, way{"dial " + url, urlAlone, func(ctx context.Context, _ error) (*link, error) {
				ctx, cancel := context.WithTimeout(ctx, strangerWait)
				defer cancel()
				return s.dialBy(ctx, d, url, to)
			}})
		}
	}
	ways = append(ways, way{"webrtc", rtcAlone, func(ctx context.Context, _ error) (*link, error) {
		return s.negotiate(ctx, to, via)
	}})
	if relayed {
		ways = append(ways, way{"relay", 0, func(ctx context.Context, why error) (*link, error) {
			if why == nil {
				why = errSlow
			}
			return s.relay(ctx, to, why)
		}})
	}
	l, err := race(ctx, ways)
	switch {
	case l != nil:
		return l, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, rpc.Errorf(rpc.Unreachable, "%v", err)
}

// errSlow is what is in the way of a direct link while there may still be one.
var errSlow = errors.New("it takes long: the relayed link goes on looking for it")

// A way is one to link to a node. It has alone for itself before the next is tried
// beside it; try hears why the one before has failed, nil if it has not yet.
type way struct {
	name  string
	alone time.Duration
	try   func(ctx context.Context, before error) (*link, error)
}

// race tries ways, of which there is one or more: each begins when the one before it
// has failed, or beside it when that takes long. The first link is taken, and the
// others are given up; links that two of them make at once are one, see claim.
// Without a link the error has all reasons.
func race(ctx context.Context, ways []way) (*link, error) {
	ctx, cancel := context.WithCancel(ctx)
	var trying sync.WaitGroup
	defer trying.Wait()
	defer cancel()
	type outcome struct {
		way int
		l   *link
		err error
	}
	done := make(chan outcome, len(ways))
	failed := make([]error, len(ways))
	late := time.NewTimer(0)
	defer late.Stop()
	begun := 0
	begin := func() {
		if begun == len(ways) || ctx.Err() != nil {
			return
		}
		i, before := begun, error(nil)
		if begun++; i > 0 {
			before = failed[i-1]
		}
		trying.Go(func() {
			l, err := ways[i].try(ctx, before)
			done <- outcome{i, l, err}
		})
		late.Reset(ways[i].alone)
	}
	begin()
	for ended := 0; ended < begun; {
		select {
		case got := <-done:
			if got.err == nil {
				return got.l, nil
			}
			ended++
			failed[got.way] = doing(ways[got.way].name, got.err)
			if got.way == begun-1 {
				begin()
			}
		case <-late.C:
			begin()
		}
	}
	return nil, errors.Join(failed...)
}

// An offering is our offer to a peer on its way, or the peer's that we answer.
type offering struct {
	issued    time.Time          // of the peer's; zero for ours
	since     time.Time          // when it came
	withdrawn bool               // the peer's own offer was taken instead
	cancel    context.CancelFunc // ends the attempt
	ended     chan struct{}      // closed when nothing of it is left
}

// offerBody and answerBody are what sea:rtc takes and gives.
type (
	offerBody struct {
		_     struct{} `cbor:",toarray"`
		Offer []byte
	}
	answerBody struct {
		_      struct{} `cbor:",toarray"`
		Answer []byte
	}
)

// negotiate links to a node by WebRTC, with one routed round trip that begins at the
// neighbour via, if there is one.
//
// Glare: when both sides offer at once the smaller address's offer is taken.
// The other side gives its own up before it builds anything for the answer,
// because two peer connections between the same two sockets harm each other.
func (s *session) negotiate(ctx context.Context, to, via addr.Addr) (*link, error) {
	if s.n.cfg.Negotiator == nil {
		return nil, rpc.Errorf(rpc.Unavailable, "this node has no WebRTC")
	}
	whole := ctx // which a withdrawn offer does not end
	ctx, cancel := context.WithTimeout(ctx, iceWait+routedWait)
	defer cancel()
	mine := &offering{cancel: cancel, ended: make(chan struct{})}
	s.mu.Lock()
	if s.offers[to] != nil { // the peer's offer is being answered
		s.mu.Unlock()
		return s.yield(ctx, to, rpc.ErrRefused)
	}
	s.offers[to] = mine
	s.mu.Unlock()
	l, err := s.offer(ctx, to, via)
	s.mu.Lock()
	if s.offers[to] == mine {
		delete(s.offers, to)
	}
	withdrawn := mine.withdrawn
	s.mu.Unlock()
	close(mine.ended)
	if err != nil && (withdrawn || errors.Is(err, rpc.ErrRefused)) {
		return s.yield(whole, to, err)
	}
	return l, err
}

// yield waits for the link that the peer makes, since it would not take ours.
func (s *session) yield(ctx context.Context, to addr.Addr, err error) (*link, error) {
	ctx, stop := s.bound(ctx, iceWait)
	defer stop()
	if l := s.await(ctx, to); l != nil {
		return l, nil
	}
	return nil, err
}

func (s *session) offer(ctx context.Context, to, via addr.Addr) (*link, error) {
	offer, err := s.negotiator(s.towards(to)).Offer(ctx)
	if err != nil {
		return nil, doing("offer", err)
	}
	defer offer.Close()
	body, err := cbor.Marshal(offerBody{Offer: offer.Bytes()})
	if err != nil {
		return nil, doing("offer", err)
	}
	reply, err := s.callVia(ctx, to, via, scopeRTC, body)
	if err != nil {
		return nil, err
	}
	var answer answerBody
	if err := cbor.Unmarshal(reply, &answer); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scopeRTC, err)
	}
	conn, err := offer.Accept(ctx, answer.Answer)
	if err != nil {
		return nil, doing("connect", err)
	}
	return s.greet(ctx, conn, to, "")
}

// A pathNegotiator is a Negotiator whose care about candidates depends on the
// link that descriptions come over.
type pathNegotiator interface {
	Via(remote string) transport.Negotiator
}

// negotiator returns the Negotiator for descriptions that come over l.
func (s *session) negotiator(l *link) transport.Negotiator {
	p, ok := s.n.cfg.Negotiator.(pathNegotiator)
	if !ok || l == nil {
		return s.n.cfg.Negotiator
	}
	_, remote := describe(l.conn)
	return p.Via(remote)
}

// towards returns the link that a request to a node leaves by, or nil.
func (s *session) towards(to addr.Addr) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *link
	for a, l := range s.links {
		if best == nil || addr.Closer(to, a, best.peer.Addr) {
			best = l
		}
	}
	return best
}

// serveRTC answers a direct sea:rtc: whoever can ask has a link already, which
// may be relayed and look for a direct way.
func (n *Node) serveRTC(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	if l := s.link(from.Addr); l != nil {
		if h, ok := l.conn.(*handover); ok && h.relayed() {
			return s.takeDirect(ctx, l, h, body)
		}
	}
	return nil, errLinked
}

var errLinked = rpc.Errorf(rpc.Refused, "there is a link already")

// takeOffer answers a peer's offer, which came through the neighbour at via and was
// made at issued.
func (s *session) takeOffer(ctx context.Context, from rpc.Peer, via addr.Addr, issued time.Time, body []byte) ([]byte, error) {
	n := s.n
	if n.cfg.Negotiator == nil {
		return nil, rpc.Errorf(rpc.Unavailable, "this node has no WebRTC")
	}
	var in offerBody
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if !s.joins.offers.allow(time.Now(), from.Node) {
		return nil, rpc.Errorf(rpc.Busy, "too many offers of yours")
	}
	life, cancel := context.WithCancel(s.ctx)
	place := &offering{issued: issued, since: time.Now(), cancel: cancel, ended: make(chan struct{})}
	if err := s.admitOffer(ctx, from.Addr, place); err != nil {
		cancel()
		return nil, err
	}
	leave := func() {
		cancel()
		s.mu.Lock()
		if s.offers[from.Addr] == place {
			delete(s.offers, from.Addr)
		}
		s.mu.Unlock()
		close(place.ended)
	}
	making, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(life, stop)()
	answer, wait, err := s.negotiator(s.link(via)).Answer(making, in.Offer)
	if err != nil {
		leave()
		return nil, rpc.Errorf(rpc.BadRequest, "the offer cannot be answered: %v", err)
	}
	finish := func() {
		defer leave()
		ctx, cancel := context.WithTimeout(life, iceWait)
		defer cancel()
		conn, err := wait(ctx)
		if err == nil {
			_, err = s.welcome(conn, from.Addr, func() {})
		}
		if err != nil {
			n.log.Debug("offer came to nothing", "peer", from.Node, "err", err)
		}
	}
	if !s.spawn(finish) {
		finish() // s.ctx has ended, so it only closes
		return nil, rpc.ErrUnavailable
	}
	out, err := cbor.Marshal(answerBody{Answer: answer})
	if err != nil {
		return nil, doing("answer", err)
	}
	return out, nil
}

// admitOffer settles glare and gives place, a peer's offer, its place. Of two offers
// of one peer the later one counts: whoever makes it has given the other up.
func (s *session) admitOffer(ctx context.Context, from addr.Addr, place *offering) error {
	if l := s.link(from); l != nil {
		if l.lives() {
			return errLinked
		}
		l.end(frame.ReasonReplaced, nil)
	}
	if err := s.awaitGone(ctx, from); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		other := s.offers[from]
		switch {
		case other == nil:
			if !s.roomForOffer(place.since) {
				s.mu.Unlock()
				return rpc.Errorf(rpc.Busy, "too many offers")
			}
			s.offers[from] = place
			s.mu.Unlock()
			return nil
		case !other.issued.IsZero() && !place.issued.After(other.issued):
			s.mu.Unlock()
			return rpc.Errorf(rpc.Refused, "a later offer is being answered")
		case other.issued.IsZero() && bytes.Compare(s.n.addr[:], from[:]) < 0:
			s.mu.Unlock()
			return rpc.Errorf(rpc.Refused, "our own offer is on its way")
		}
		other.withdrawn = true
		delete(s.offers, from)
		s.mu.Unlock()
		other.cancel()
		select {
		case <-other.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// roomForOffer reports whether one more offer may be answered. When as many are under way
// as may be the oldest has to go, if it has had the time that an honest one takes: so who
// offers and does not connect keeps nobody out. s.mu is held.
func (s *session) roomForOffer(now time.Time) bool {
	var oldest *offering
	var of addr.Addr
	answering := 0
	for a, o := range s.offers {
		if o.issued.IsZero() {
			continue
		}
		answering++
		if oldest == nil || o.since.Before(oldest.since) {
			oldest, of = o, a
		}
	}
	if answering < maxAnswering {
		return true
	}
	if now.Sub(oldest.since) < offerTime {
		return false
	}
	delete(s.offers, of)
	oldest.cancel()
	return true
}
