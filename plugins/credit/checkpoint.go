package credit

import (
	"context"
	"errors"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

const (
	// tickTime is how often a round of checkpoints is proposed, on the lines that
	// changed.
	tickTime = 10 * time.Second

	// maxTries is how often a line is proposed again when that failed: then its
	// next change, or its next link, is waited for.
	maxTries = 3

	// maxAsked is how many messages about checkpoints a peer may send in a tick.
	maxAsked = 8

	// maxRounds is how many messages are sent for one: ask, show and propose.
	maxRounds = 4

	// maxAgreeing is how many peers are asked at one time, each for a tick at
	// most. Payments do not wait for them.
	maxAgreeing = 8
)

// changed notes that a line may need a new checkpoint, where proposing it is up
// to us: that is the low side.
func (c *Credit) changed(peer identity.Entity) {
	if ledger.SideOf(c.ledger.Entity(), peer) != ledger.Low {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.stale[peer]; there || len(c.stale) < maxPeers {
		c.stale[peer] = 0
	}
}

// agreeAll proposes a checkpoint on every line that has changed, unless the
// round before still goes on.
func (c *Credit) agreeAll(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.asked)
	if c.agreeing > 0 {
		return
	}
	type turn struct {
		peer  identity.Entity
		tries int
	}
	round := make(chan turn, len(c.stale))
	for peer, tries := range c.stale {
		round <- turn{peer, tries}
	}
	close(round)
	clear(c.stale)
	for range min(maxAgreeing, len(round)) {
		c.agreeing++
		c.work.Go(func() {
			for t := range round {
				c.propose(ctx, t.peer, t.tries)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.agreeing--
		})
	}
}

// seal has the ledger move the oldest part of its log out of the live file, if it
// is time for that, unless it still does.
func (c *Credit) seal(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealing {
		return
	}
	c.sealing = true
	c.work.Go(func() {
		made, err := c.ledger.Seal(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			c.log.Warn("the ledger's file grows: its log is not sealed", "err", err)
		case made > 0:
			c.log.Info("sealed a part of the ledger's log", "segments", made)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sealing = false
	})
}

// propose tries to agree with a peer, which failed so many times before.
func (c *Credit) propose(ctx context.Context, peer identity.Entity, tries int) {
	ctx, cancel := context.WithTimeout(ctx, tickTime)
	defer cancel()
	err := c.agree(ctx, peer)
	if err == nil {
		return
	}
	c.log.Debug("no checkpoint", "peer", peer, "err", err)
	if final(err) || errors.Is(err, rpc.ErrUnreachable) || tries+1 >= maxTries {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.stale[peer]; !there && len(c.stale) < maxPeers {
		c.stale[peer] = tries + 1
	}
}

// agree has the peer sign a checkpoint if there is anything new.
func (c *Credit) agree(ctx context.Context, peer identity.Entity) error {
	for range maxRounds {
		message, err := c.ledger.Checkpoint(ctx, peer)
		if err != nil || message == nil {
			return err
		}
		answer, err := c.ask(ctx, peer, ScopeCheckpoint, message)
		if err != nil {
			return err
		}
		if _, err := c.ledger.TakeCheckpoint(ctx, peer, answer); err != nil {
			return err
		}
	}
	return nil
}

// Agree returns nil when both sides have signed a checkpoint of all that is on
// the line with the peer, as far as it can be delivered. The high side asks the
// low one to propose. Errors are those of delivering and of the call, and the
// ledger's.
func (c *Credit) Agree(ctx context.Context, with identity.Entity) error {
	if err := c.Deliver(ctx, with); err != nil {
		return err
	}
	if ledger.SideOf(c.ledger.Entity(), with) == ledger.Low {
		return c.agree(ctx, with)
	}
	_, err := c.ask(ctx, with, ScopePropose, nil)
	return err
}

// proposal has the low side propose at once, because the high one asked.
func (c *Credit) proposal(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	switch {
	case len(body) > 0:
		return nil, rpc.Errorf(rpc.BadRequest, "nothing is said with it")
	case ledger.SideOf(c.ledger.Entity(), from.Node) == ledger.High:
		return nil, rpc.Errorf(rpc.BadRequest, "the high side of a line does not propose")
	case !c.mayAsk(from.Node):
		return nil, rpc.Errorf(rpc.Busy, "more than %d messages about checkpoints in %v", maxAsked, tickTime)
	}
	if !c.ledger.Line(from.Node).Known() {
		return nil, nil
	}
	if err := c.Agree(ctx, from.Node); errors.Is(err, rpc.ErrUnreachable) || final(err) {
		return nil, rpc.Errorf(rpc.Unavailable, "%v", err)
	} else if err != nil {
		return nil, c.refuse(from, err)
	}
	return nil, nil
}

// checkpoint signs what a low side proposes, if it is true.
func (c *Credit) checkpoint(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	if ledger.SideOf(c.ledger.Entity(), from.Node) == ledger.Low {
		return nil, rpc.Errorf(rpc.BadRequest, "the low side of a line asks, and is not asked")
	}
	if !c.mayAsk(from.Node) {
		return nil, rpc.Errorf(rpc.Busy, "more than %d messages about checkpoints in %v", maxAsked, tickTime)
	}
	answer, err := c.ledger.TakeCheckpoint(ctx, from.Node, body)
	if err != nil {
		return nil, c.refuse(from, err)
	}
	return answer, nil
}

// mayAsk counts a message about checkpoints. When so many have asked as are
// counted, there is room for as many again to whom this node gave a grant.
func (c *Credit) mayAsk(peer identity.Entity) bool {
	most := maxPeers
	if c.ledger.Granted(peer) {
		most = 2 * maxPeers
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.asked[peer]; !there && len(c.asked) >= most || c.asked[peer] >= maxAsked {
		return false
	}
	c.asked[peer]++
	return true
}
