package simtest

import (
	"slices"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/route"
)

// scopeService is what a scenario's own calls have.
const scopeService = "app:service"

// Neighbours returns the nodes that this one is linked to, in the order of their
// addresses.
func (n *Node) Neighbours() []*Node {
	all := make([]*Node, 0, len(n.links))
	for _, l := range n.links {
		all = append(all, l.peer)
	}
	slices.SortFunc(all, func(a, b *Node) int { return slices.Compare(a.addr[:], b.addr[:]) })
	return all
}

// Ask makes a call of size bytes to another node, over a link or routed, which a
// plugin would serve there: serve is called when it arrives, end when the answer
// has come, or with false when none came.
func (n *Node) Ask(to *Node, size int, serve func(), end func(answered bool)) {
	c := n.ask(to.addr, addr.Addr{}, scopeService, size, addr.Addr{}, func(r *route.Reply) { end(r != nil) })
	c.req.serve = serve
}

// Find looks for the node nearest to target that is not this one; found is nil
// when no answer came.
func (n *Node) Find(target addr.Addr, end func(found *Node)) {
	n.ask(target, n.addr, route.NearScope, requestSize, addr.Addr{}, func(r *route.Reply) {
		if r == nil {
			end(nil)
			return
		}
		end(n.sea.at(addr.OfNode(r.By)))
	})
}

// Link makes a link for as long as it is used, beside those of the table, after an
// offer and an answer. end is called when there is one, or with false. Each Link
// that ended with true wants an Unlink.
func (s *Static) Link(from, to *Node, end func(linked bool)) {
	if l := from.links[to.addr]; l != nil {
		l.uses++
		end(true)
		return
	}
	from.ask(to.addr, addr.Addr{}, scopeService, offerSize, addr.Addr{}, func(r *route.Reply) {
		if r == nil {
			end(false)
			return
		}
		s.After(roundsFor*s.delay(from.id, to.id), func() {
			l := from.links[to.addr]
			if l == nil {
				l = s.linkNow(from, to)
			}
			l.uses++
			end(true)
		})
	})
}

func (s *Static) linkNow(from, to *Node) *link {
	l, back := &link{peer: to, passing: true}, &link{peer: from, inbound: true}
	from.links[to.addr], to.links[from.addr] = l, back
	rtt := 2 * s.delay(from.id, to.id)
	from.step(route.LinkUp{Addr: to.addr, RTT: rtt})
	to.step(route.LinkUp{Addr: from.addr, RTT: rtt})
	for range roundsFor / 2 {
		from.tell(l, smallSize, setup{})
		to.tell(back, smallSize, setup{})
	}
	return l
}

// Unlink says that a Link is not used any more, from whom it began.
func (s *Static) Unlink(from, to *Node) {
	l := from.links[to.addr]
	if l == nil || !l.passing { // it is of the table, or the other side's
		return
	}
	if l.uses--; l.uses > 0 {
		return
	}
	delete(from.links, to.addr)
	delete(to.links, from.addr)
	from.step(route.LinkDown{Addr: to.addr})
	to.step(route.LinkDown{Addr: from.addr})
}

// Entity returns the node's key.
func (n *Node) Entity() identity.Entity { return n.entity }
