package simtest

import (
	"net/netip"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
)

// A crowd of attackers: nodes that know all others, link to as many as let them, never
// give a link up, name only each other, and swallow what they should carry: each request
// is acknowledged and goes no further.

// AddEvil is AddKey of an attacker, which links to the near nearest of the others and to
// far more.
func (s *Sea) AddEvil(host netip.Addr, near, far int) *Node {
	n := s.AddKey(s.drawKey(), host)
	n.evil = true
	for _, to := range s.Nearest(n.addr, near, func(o *Node) bool { return o.evil }) {
		n.connect(to, false, func() {})
	}
	for range far {
		if to := s.Any(); !to.evil {
			n.connect(to, false, func() {})
		}
	}
	return n
}

// mislead does what an attacker does with a message.
func (n *Node) mislead(l *link, msg any) {
	switch m := msg.(type) {
	case routed:
		n.tell(l, smallSize, &frame.Ack{Hop: m.Hop})
		if m.req.To == n.addr && m.req.Scope == scopeRTC {
			// It takes every link that it is offered.
			n.connect(l.peer.sea.at(addr.OfNode(m.req.Source)), false, func() {})
		}
	case ask:
		n.tell(l, contactBatch, told{n.accomplices(l.peer.addr)})
	case whom:
		n.tell(l, contactBatch, named{m.id, n.accomplices(m.target)})
	case whois:
		peer := n.sea.at(m.addr)
		n.tell(l, answerSize, contact{m.id, peer != nil && peer.evil})
	case ping:
		n.tell(l, smallSize, pong{})
	case bye:
		if m.no == l.no {
			n.unlink(l)
		}
	}
}

// accomplices are the attackers nearest to an address.
func (n *Node) accomplices(target addr.Addr) []addr.Addr {
	var all []addr.Addr
	for _, o := range n.sea.Nearest(target, upkeep.MaxTold, func(o *Node) bool { return !o.evil || o == n }) {
		all = append(all, o.addr)
	}
	return all
}

// bootstrapLinks is how many links a bootstrap that many come to is given.
const bootstrapLinks = 1024

// accepts says whether a node takes a link in from another, by the bounds of node.Config.
func (n *Node) accepts(from *Node) bool {
	if from.host.IsValid() && !n.evil {
		host, subnet := 0, 0
		for _, l := range n.links {
			if !l.inbound || !l.peer.host.IsValid() {
				continue
			}
			if l.peer.host == from.host {
				host++
			}
			if table.Subnet(l.peer.host) == table.Subnet(from.host) {
				subnet++
			}
		}
		if host >= node.DefaultMaxPerHost || subnet >= max(node.DefaultMaxPerHost, node.DefaultMaxLinks/20) {
			return false
		}
	}
	most := node.DefaultMaxLinks
	if n.id < n.sea.cfg.Bootstraps {
		most = bootstrapLinks
	}
	if len(n.links) < most {
		return true
	}
	least, ok := n.upkeep.Table().Least(n.now(), func(addr.Addr) bool { return true })
	if ok {
		l := n.links[least]
		n.tell(l, smallSize, bye{l.no})
		n.unlink(l)
	}
	return ok
}
