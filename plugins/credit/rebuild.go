package credit

import (
	"context"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

// ScopeRecover is where a node asks for what a peer holds of its own half-chain.
const ScopeRecover = "credit:recover"

// Rebuild takes back from peer what it holds of this ledger's own half-chain, and
// has both sign that the line goes on from there. Then it is an ordinary line
// again, and what the peer has signed comes as ever. Errors are the ledger's and
// those of the call; it may be tried again.
func (c *Credit) Rebuild(ctx context.Context, peer identity.Entity) error {
	message, err := c.ledger.Recall(peer)
	for err == nil && message != nil {
		var answer []byte
		if answer, err = c.ask(ctx, peer, ScopeRecover, message); err == nil {
			message, err = c.ledger.TakeRecalled(ctx, peer, answer)
		}
	}
	if err != nil {
		return err
	}
	c.call(peer, true)
	c.changed(peer)
	return nil
}

// recall answers a peer that has lost its ledger.
func (c *Credit) recall(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	answer, err := c.ledger.AnswerRecall(ctx, from.Node, body)
	if err != nil {
		return nil, c.refuse(from, err)
	}
	return answer, nil
}

// Fenced lists the lines that wait to be rebuilt.
func (c *Credit) Fenced() []identity.Entity {
	var all []identity.Entity
	for _, line := range c.ledger.Lines() {
		if line.State == ledger.StateFenced {
			all = append(all, line.Peer)
		}
	}
	return all
}
