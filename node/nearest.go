package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/contact"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
)

// The node's own scopes.
const (
	scopeNearest = route.NearScope
	scopeContact = route.ContactScope
	scopePing    = "sea:ping"
	scopeRTC     = "sea:rtc"
	scopeRelays  = "sea:relays"
	scopeRelay   = "sea:relay"
	scopeRelayed = "sea:relayed"
)

// capRTC is the capability of a node that answers offers.
const capRTC = "rtc"

// A Contact is a node that was found, and how to reach it.
type Contact struct {
	// Peer is the node. Direct is false: nothing but its signature speaks for
	// it.
	Peer rpc.Peer

	// URLs are where it says that it can be dialled. Nobody has tried.
	URLs []string

	// Caps are words for what it says it can do, such as "rtc".
	Caps []string

	// Issued and Expires bound the time of the record.
	Issued, Expires time.Time
}

// contactAnswer is what sea:contact returns, and sea:nearest: the contact record
// and the certificate, or null, of the node that answers.
type contactAnswer struct {
	_           struct{} `cbor:",toarray"`
	Record      identity.Statement
	Certificate *identity.Statement
}

// Nearest returns the node that is nearest to target as far as routing can
// tell, which may be this node. The answer is signed by the node it names.
// Errors are those of a routed Call.
func (n *Node) Nearest(ctx context.Context, target addr.Addr) (Contact, error) {
	return n.nearest(ctx, target, addr.Addr{})
}

// NearestBut is Nearest without the node at not. With a node's own address as
// both arguments it finds the nearest of the others.
func (n *Node) NearestBut(ctx context.Context, target, not addr.Addr) (Contact, error) {
	return n.nearest(ctx, target, not)
}

func (n *Node) nearest(ctx context.Context, target, not addr.Addr) (Contact, error) {
	s, err := n.current()
	if err != nil {
		return Contact{}, err
	}
	found, err := s.nearestOther(ctx, target, not)
	switch {
	case not == n.addr:
		return found, err
	case err == nil && addr.Closer(target, found.Peer.Addr, n.addr):
		return found, nil
	case err == nil || errors.Is(err, rpc.ErrUnreachable):
		return s.openContact(s.own(), n.self.Entity())
	}
	return Contact{}, err
}

// nearestOther asks the sea, beginning at a neighbour: the answer is never this
// node.
func (s *session) nearestOther(ctx context.Context, target, not addr.Addr) (Contact, error) {
	return s.nearestVia(ctx, addr.Addr{}, target, not)
}

// nearestVia is nearestOther that begins at the neighbour via, if there is one.
func (s *session) nearestVia(ctx context.Context, via, target, not addr.Addr) (Contact, error) {
	req := s.request(target, scopeNearest)
	req.Not = not
	c := &routedCall{s: s, to: target, via: via, until: time.Now().Add(routedWait)}
	reply, err := c.askRouted(ctx, req)
	if err != nil {
		return Contact{}, err
	}
	return s.readContact(scopeNearest, reply)
}

// readContact reads the reply to sea:nearest or sea:contact, and keeps the key
// that calls are sealed to.
func (s *session) readContact(scope string, reply *route.Reply) (Contact, error) {
	if err := rpc.FromWire(reply.Code, reply.Text); err != nil {
		return Contact{}, err
	}
	var answer contactAnswer
	if err := cbor.Unmarshal(reply.Body, &answer); err != nil {
		return Contact{}, rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scope, err)
	}
	c, err := s.openContact(answer, reply.By)
	if err != nil {
		return Contact{}, doing(scope, err)
	}
	return c, nil
}

// own returns this node's answer to sea:nearest and sea:contact.
func (s *session) own() contactAnswer {
	p := s.party.Load()
	return contactAnswer{Record: p.Record, Certificate: p.Certificate}
}

// openContact verifies an answer that by gave.
func (s *session) openContact(a contactAnswer, by identity.Entity) (Contact, error) {
	bad := func(err error) (Contact, error) {
		return Contact{}, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if a.Record.By != by {
		return bad(fmt.Errorf("the contact record is another node's"))
	}
	if work := identity.Work(by); work < s.n.cfg.Work {
		return bad(fmt.Errorf("the key has %d bits of work, this network asks for %d", work, s.n.cfg.Work))
	}
	record, err := contact.Open(a.Record)
	if err != nil {
		return bad(err)
	}
	now := time.Now()
	if err := record.ValidAt(now); err != nil {
		return bad(err)
	}
	if record.Network != s.n.cfg.Network {
		return bad(fmt.Errorf("the contact record is of another network"))
	}
	s.directory.learn(record)
	c := Contact{
		Peer: rpc.Peer{Addr: record.Addr(), Node: by, Entity: by},
		URLs: record.URLs, Caps: record.Caps, Issued: record.Issued, Expires: record.Expires,
	}
	c.Peer.Entity, _ = s.n.actsFor(by, a.Certificate, now) // logged there
	return c, nil
}

// serveNearest answers for this node: it is the end of the path.
func (n *Node) serveNearest(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) {
	if len(body) > 0 {
		return nil, rpc.Errorf(rpc.BadRequest, "there is no body to this scope")
	}
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	return cbor.Marshal(s.own())
}

// serveContact answers for this node; or, over a link, for the neighbour whose address
// is asked about, if that one lives.
func (n *Node) serveContact(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	if !from.Direct || len(body) != addr.Size {
		return n.serveNearest(ctx, from, body)
	}
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	l := s.link(addr.Addr(body))
	if l == nil || !l.responds(ctx) {
		return nil, rpc.Errorf(rpc.NotFound, "%s is no neighbour", addr.Addr(body).Short())
	}
	return cbor.Marshal(contactAnswer{Record: l.proof.Statement})
}

// responds reports whether the peer has been heard lately, after a ping if it has not.
func (l *link) responds(ctx context.Context) bool {
	if l.silent() < upkeep.Fresh {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, freshWait)
	defer cancel()
	_, err := l.probe(ctx)
	return err == nil
}

// freshWait is how long a neighbour that is asked about has to show that it lives.
const freshWait = 2 * time.Second

// contactOf asks the neighbour via for the contact record of a neighbour of its.
func (s *session) contactOf(ctx context.Context, of, via addr.Addr) (Contact, error) {
	l := s.link(via)
	if l == nil || via == of {
		return Contact{}, rpc.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, nearWait)
	defer cancel()
	body, err := l.call(ctx, scopeContact, of[:])
	if err != nil {
		return Contact{}, err
	}
	var answer contactAnswer
	if err := cbor.Unmarshal(body, &answer); err != nil {
		return Contact{}, rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scopeContact, err)
	}
	if addr.OfNode(answer.Record.By) != of {
		return Contact{}, rpc.Errorf(rpc.BadRequest, "%s: the record is another node's", scopeContact)
	}
	return s.openContact(answer, answer.Record.By)
}

// Ping returns the round trip to the node at to: over the link, or routed.
func (n *Node) Ping(ctx context.Context, to addr.Addr) (time.Duration, error) {
	s, err := n.current()
	if err != nil {
		return 0, err
	}
	if l := s.link(to); l != nil {
		return l.probe(ctx)
	}
	began := time.Now()
	if _, err := n.Call(ctx, to, scopePing, nil); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// servePing gives a routed ping's body back.
func (n *Node) servePing(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) {
	if len(body) > 64 {
		return nil, rpc.Errorf(rpc.TooLarge, "%s takes 64 bytes", scopePing)
	}
	return body, nil
}
