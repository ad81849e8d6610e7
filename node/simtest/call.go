package simtest

import (
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
)

// The times of a routed call and of a link, as the node has them.
const (
	callFor   = 10 * time.Second
	retryFor  = 3 * time.Second
	iceFor    = 15 * time.Second
	redialFor = 5 * time.Second
	knownFor  = time.Minute
	roundsFor = 4 // delays until a link that is agreed on is proven

	// Settling is how long a node may take to be found by others: look-ups
	// are not held against nodes that are younger.
	Settling = 10 * time.Second
)

const (
	scopeCall = "app:call"
	scopeRTC  = "sea:rtc"
)

// A request is one that is under way. Its encoded form is its id, and that of a
// reply the id and the reply's number.
type request struct {
	*route.Request
	size    int
	hops    int // of the first that was delivered
	replies []*route.Reply
	serve   func() // by whom it ends at, once; nil for one that nobody serves
}

func (s *Sea) request(encoded []byte) *request { return s.asked[[16]byte(encoded[:16])] }

// A call is a node's own request.
type call struct {
	n       *Node
	req     *request
	via     addr.Addr
	attempt uint64
	flying  int
	first   []addr.Addr
	end     func(*route.Reply)
	over    bool
}

// ask sends a request on its way. end is called once, with nil when no reply
// came.
func (n *Node) ask(to, not addr.Addr, scope string, size int, via addr.Addr, end func(*route.Reply)) *call {
	now := n.now()
	q := &request{size: size, Request: &route.Request{
		Source: n.entity, To: to, Not: not, Issued: now, Expires: now.Add(route.MaxLife), Scope: scope,
	}}
	for i := range q.ID {
		q.ID[i] = byte(n.sea.rand.Uint32())
	}
	q.Signed = identity.Statement{By: n.entity, Body: q.ID[:]}
	q.Encoded = q.ID[:]
	n.sea.asked[q.ID] = q
	c := &call{n: n, req: q, via: via, end: end}
	n.calls[q.ID] = c
	n.sea.After(callFor, func() { c.finish(nil) })
	c.begin()
	n.rearm()
	return c
}

func (c *call) begin() {
	c.flying++
	attempt := c.attempt
	e := route.Begin{Req: c.req.Request, Attempt: attempt, Avoid: c.first}
	if attempt == 0 {
		e.First = c.via
	}
	if attempt < frame.MaxAttempt {
		c.n.sea.After(retryFor, func() {
			if !c.over && c.attempt == attempt && !c.n.gone && !c.n.asleep {
				c.attempt++
				c.begin()
				c.n.rearm()
			}
		})
	}
	c.n.step(e)
}

// failed tells that an attempt found no way.
func (c *call) failed() {
	c.flying--
	switch {
	case c.over || c.flying > 0:
	case c.attempt == frame.MaxAttempt:
		c.finish(nil)
	default:
		c.attempt++
		c.begin()
	}
}

func (c *call) finish(r *route.Reply) {
	if c.over {
		return
	}
	c.over = true
	n := c.n
	delete(n.calls, c.req.ID)
	delete(n.sea.asked, c.req.ID)
	if n.gone {
		return
	}
	for attempt := range c.attempt + 1 {
		n.step(route.GaveUp{Key: route.Key{Source: n.entity, ID: c.req.ID, Attempt: attempt}})
	}
	c.end(r)
}

func (n *Node) done(e route.Done) {
	if c := n.calls[e.Key.ID]; c != nil {
		c.finish(e.Reply)
	}
}

// deliver answers a request that ends here after so many hops.
func (n *Node) deliver(d route.Deliver, hops int) {
	q := n.sea.asked[d.Req.ID]
	if q == nil {
		return // the source has given up
	}
	if q.hops == 0 {
		q.hops = hops
	}
	if len(q.replies) == 0 && q.serve != nil {
		q.serve()
	}
	r := &route.Reply{By: n.entity, To: q.Source, ID: q.ID, Request: q.Hash()}
	if d.Req.Scope == scopeRTC && n.links[addr.OfNode(q.Source)] != nil {
		r.Code = rpc.Refused
	}
	r.Encoded = append(q.ID[:len(q.ID):len(q.ID)], byte(len(q.replies)))
	q.replies = append(q.replies, r)
	n.step(route.Answered{From: n.addr, Attempt: d.Key.Attempt, Reply: r})
}

// look is upkeep's look-up.
func (n *Node) look(e upkeep.Look) {
	n.ask(e.Target, n.addr, route.NearScope, requestSize, e.First, func(r *route.Reply) {
		found := upkeep.Found{ID: e.ID, OK: r != nil}
		if r != nil {
			found.Addr = addr.OfNode(r.By)
			n.know(found.Addr)
		}
		n.keep(found)
		n.rearm()
	})
}

// know keeps a contact record for a while.
func (n *Node) know(a addr.Addr) {
	now := n.now()
	if len(n.known) > 64 {
		for other, at := range n.known {
			if now.Sub(at) > knownFor {
				delete(n.known, other)
			}
		}
	}
	n.known[a] = now
}

// reach makes a link, as upkeep asks for it: find the node, unless its record
// has just come, and give it an offer.
func (n *Node) reach(to, via addr.Addr) {
	tried := func() {
		n.keep(upkeep.Tried{To: to})
		n.rearm()
	}
	if at, ok := n.known[to]; ok && n.now().Sub(at) < knownFor {
		n.offer(to, via, tried)
		return
	}
	n.contact(to, via, func(known bool) {
		if known {
			n.offer(to, via, tried)
			return
		}
		n.ask(to, addr.Addr{}, route.NearScope, requestSize, via, func(r *route.Reply) {
			if r == nil || addr.OfNode(r.By) != to {
				tried()
				return
			}
			n.offer(to, via, tried)
		})
	})
}

// contact asks a neighbour for the record of a neighbour of its.
func (n *Node) contact(of, via addr.Addr, end func(known bool)) {
	l := n.links[via]
	if l == nil || via == of {
		end(false)
		return
	}
	n.asks++
	id := n.asks
	n.whois[id] = func(known bool) {
		delete(n.whois, id)
		end(known)
	}
	n.tell(l, smallSize+addr.Size, whois{id, of})
	n.sea.After(nearWait, func() {
		if end := n.whois[id]; end != nil && !n.gone {
			end(false)
		}
	})
}

func (n *Node) offer(to, via addr.Addr, tried func()) {
	n.ask(to, addr.Addr{}, scopeRTC, offerSize, via, func(r *route.Reply) {
		peer := n.sea.at(to)
		if r == nil || r.Code != rpc.OK || peer == nil {
			tried()
			return
		}
		n.connect(peer, false, tried)
	})
}

func (n *Node) connect(to *Node, entry bool, tried func()) {
	s := n.sea
	wait := roundsFor * s.delay(n.id, to.id)
	relayed := n.hard && to.hard
	fails := s.rand.Float64() < s.cfg.Failing
	if relayed || fails {
		wait += iceFor
	}
	s.After(wait, func() {
		switch {
		case n.gone || n.asleep:
		case n.links[to.addr] != nil:
			tried()
		case fails || to.gone || to.asleep || s.cut != nil && s.cut(n, to):
			tried()
		default:
			// An end that does not know of its link's death takes the new one.
			if old := to.links[n.addr]; old != nil {
				to.unlink(old)
			}
			if !to.accepts(n) {
				tried()
				return
			}
			s.links++
			to.linked(n, s.links, relayed, true, false)
			n.linked(to, s.links, relayed, false, entry)
			tried()
		}
	})
}

// Call makes a routed call between two nodes and counts what comes of it, unless
// one of the two goes meanwhile.
func (s *Sea) Call(from, to *Node) {
	var c *call
	c = from.ask(to.addr, addr.Addr{}, scopeCall, requestSize, addr.Addr{}, func(r *route.Reply) {
		switch {
		case r != nil:
			s.Calls.Made++
			s.answered(c)
		case !to.gone && !to.asleep:
			s.Calls.Made++
		}
	})
}

// answered counts a call that was answered. c is nil when that was before ask
// returned, which is when the node itself was meant.
func (s *Sea) answered(c *call) {
	s.Calls.Answered++
	if c == nil {
		return
	}
	s.Calls.Hops += c.req.hops
	s.Calls.Most = max(s.Calls.Most, c.req.hops)
	if c.attempt > 0 {
		s.Calls.Retried++
	}
}

// Look looks target up from a node and counts whether the answer is the node
// that is nearest of all, it and those that have just come aside.
func (s *Sea) Look(from *Node, target addr.Addr) {
	nearest := func() addr.Addr {
		now := s.world.Now()
		all := s.Nearest(target, 1, func(n *Node) bool { return n == from || now.Sub(n.began) < Settling })
		if len(all) == 0 {
			return addr.Addr{}
		}
		return all[0].addr
	}
	before := nearest()
	var c *call
	c = from.ask(target, from.addr, route.NearScope, requestSize, addr.Addr{}, func(r *route.Reply) {
		s.Calls.Made++
		if r == nil {
			return
		}
		s.answered(c)
		s.Calls.Looked++
		got, after := addr.OfNode(r.By), nearest()
		if got == before || got == after || addr.Closer(target, got, after) {
			s.Calls.Exact++
		}
	})
}
