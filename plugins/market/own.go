package market

import (
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

// entity is whom this node acts for: the signer of its certificate, or itself.
func (m *Market) entity() identity.Entity {
	if a := m.credit.Acting(); a != nil && a.Standing == ledger.Holds {
		return a.Entity
	}
	return m.key.Entity()
}

// own says whether a peer acts for the same entity as this node: a machine of
// the same owner, which works for nothing. Only a link proves that.
func (m *Market) own(p rpc.Peer) bool {
	return p.Direct && (p.Entity == m.entity() || p.Node == m.entity())
}

// policyFor is p towards a peer: an own machine is served at any hour, for nothing,
// and nobody is asked about it. Caps hold for all.
func (m *Market) policyFor(p Policy, from rpc.Peer) Policy {
	if m.own(from) {
		p.Price, p.PerGiB, p.Hours, p.Door, p.Program = Price{}, 0, "", Door{}, ""
	}
	return p
}

// ownAddrs are the addresses of the own machines that are linked.
func (m *Market) ownAddrs() map[addr.Addr]bool {
	all := map[addr.Addr]bool{}
	for _, l := range m.node.Links() {
		p := l.Peer
		p.Direct = true // a link is proven
		if m.own(p) {
			all[p.Addr] = true
		}
	}
	return all
}
