package node

import (
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/internal/hello"
	"github.com/peersea/sea/node/rpc"
)

// Whom a node acts for is asked each time it matters, not once: a certificate
// ends, or is taken back, while a link is up. A node whose certificate does not
// hold is still the node that it has proven to be; it acts for itself only.

// actsFor returns whom node acts for by the certificate s, which may be nil, at
// the time now; without one that holds that is itself, and err says why.
func (n *Node) actsFor(node identity.Entity, s *identity.Statement, now time.Time) (identity.Entity, error) {
	if s == nil {
		return node, nil
	}
	c, err := hello.CheckCertificate(*s, node, now)
	if err == nil && n.cfg.Revoked != nil && n.cfg.Revoked(s.By, c) {
		err = identity.ErrRevoked
	}
	if err != nil {
		n.log.Debug("a node acts for itself only", "peer", node, "entity", s.By, "err", err)
		return node, err
	}
	return s.By, nil
}

// Entity returns who the node acts for at this moment: its certificate's signer
// while that holds and, as far as is known here, is not taken back, else its key.
func (n *Node) Entity() identity.Entity {
	c, void := n.granted, n.cfg.Revoked
	if c == nil || c.ValidAt(time.Now()) != nil || void != nil && void(n.cfg.Certificate.By, *c) {
		return n.Key()
	}
	return n.cfg.Certificate.By
}

// who is the link's peer as it stands at this moment.
func (l *link) who() rpc.Peer {
	p := l.peer
	c := l.proof.Granted
	if c == nil {
		return p
	}
	void := l.s.n.cfg.Revoked
	if c.ValidAt(time.Now()) == nil && (void == nil || !void(p.Entity, *c)) {
		return p
	}
	p.Entity = p.Node
	return p
}
