package credit

import (
	"context"
	"errors"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

// ScopeCredentials is where a node shows for whom it acts, and what its entity has
// revoked.
const ScopeCredentials = "credit:credentials"

// credentials are what was shown to whom.
type credentials struct {
	to map[identity.Entity]identity.Hash // the message that a peer took, or refused for good: maxPeers
}

// knows says whether there is something to exchange with a peer: a line, or that
// it acts for our entity, or does so no longer and may not know.
func (c *Credit) knows(peer rpc.Peer) bool {
	return c.ledger.Ours(peer.Entity) || c.ledger.Disowns(peer.Node) || c.ledger.Line(peer.Node).Known()
}

// showAll has those who are linked and have not taken it yet shown for whom this
// node acts. That changes each half hour, and with a revocation.
func (c *Credit) showAll(ctx context.Context) {
	message, err := c.ledger.Credentials(ctx)
	if err != nil || message == nil {
		return // Writable says why, to whoever asks
	}
	hash := identity.HashOf(message)
	for _, link := range c.node.Links() {
		if !c.took(link.Peer.Node, hash) && c.knows(link.Peer) {
			c.call(link.Peer.Node, false)
		}
	}
}

// took says whether a peer has been shown a message.
func (c *Credit) took(peer identity.Entity, message identity.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.to[peer] == message
}

// Show hands on at once what has been revoked: to all who are linked, and to those
// with whom there is a line, through the sea; maxPeers of them. Who is away hears
// of it with the next link, or the next delivery.
func (c *Credit) Show(ctx context.Context) {
	c.showAll(ctx)
	lines := c.ledger.Lines()
	for _, line := range lines[:min(len(lines), maxPeers)] {
		if line.State != ledger.StateDamaged {
			c.call(line.Peer, false)
		}
	}
}

// show shows a peer for whom this node acts, unless it knows. That the peer does
// not take it holds nothing up: what was promised counts either way.
func (c *Credit) show(ctx context.Context, to identity.Entity) {
	message, err := c.ledger.Credentials(ctx)
	if err != nil || message == nil {
		return // Writable says why, to whoever asks
	}
	hash := identity.HashOf(message)
	if c.took(to, hash) {
		return
	}
	_, err = c.ask(ctx, to, ScopeCredentials, message)
	if err != nil {
		c.log.Debug("credentials not taken", "peer", to, "err", err)
	}
	if err != nil && !final(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown.to == nil || len(c.shown.to) >= maxPeers {
		c.shown.to = map[identity.Entity]identity.Hash{} // the others are shown again
	}
	c.shown.to[to] = hash
}

// credentials takes in for whom a peer acts.
func (c *Credit) credentials(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	if !c.mayAsk(from.Node) {
		return nil, rpc.Errorf(rpc.Busy, "more than %d messages in %v", maxAsked, tickTime)
	}
	before, had := c.ledger.Line(from.Node).State, c.ledger.Disowned()
	if err := c.ledger.TakeCredentials(ctx, from.Node, body); errors.Is(err, ledger.ErrUnmet) {
		return nil, rpc.Errorf(rpc.Busy, "%v", err) // nothing to warn of
	} else if err != nil {
		return nil, c.refuse(from, err)
	}
	if c.ledger.Disowned() != had {
		c.Show(ctx) // what our own entity has revoked goes on from here
	}
	if after := c.ledger.Line(from.Node); after.State != before {
		c.log.Info("a line has changed", "peer", from.Node, "state", string(after.State), "why", after.Reason)
	}
	return nil, nil
}
