package credit

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// deliver empties the outbox for one peer, however often that takes.
func (c *Credit) deliver(ctx context.Context, to identity.Entity, p *peer) {
	pause := minPause
	for {
		err := c.attempt(ctx, to, p)
		c.tell(to, err)
		if err == nil {
			pause = minPause
			if c.leave(to, p) {
				return
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		c.log.Debug("not delivered", "peer", to, "err", err, "pause", pause)
		if line := c.ledger.Line(to); (!line.Undelivered || line.State == ledger.StateFenced) && c.leave(to, p) {
			return // there was only a meeting to be had; the next link brings another
		}
		// Half of the pause is chance, so that peers who lost a third one at the
		// same time do not come back at the same time.
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
			pause = min(2*pause, maxPause)
		case <-p.wake:
			timer.Stop()
			pause = minPause
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// leave forgets the peer unless there is news.
func (c *Credit) leave(to identity.Entity, p *peer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-p.wake:
		return false
	default:
		delete(c.peers, to)
		return true
	}
}

// tell wakes those who wait for the peer.
func (c *Credit) tell(to identity.Entity, outcome error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waiters {
		if w.peer != to {
			continue
		}
		select {
		case <-w.news: // an older outcome
		default:
		}
		w.news <- outcome // only we send, under mu
	}
}

// attempt meets the peer if need be and sends until the outbox is empty.
func (c *Credit) attempt(ctx context.Context, to identity.Entity, p *peer) error {
	select {
	case c.calls <- struct{}{}:
		defer func() { <-c.calls }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.show(ctx, to)
	for again := range 3 {
		since := c.linkedSince(to)
		if c.mustMeet(to, p, since) || again > 0 {
			if err := c.meet(ctx, to); err != nil {
				c.parted(to)
				return err
			}
		}
		err := c.empty(ctx, to, !since.IsZero())
		if err == nil {
			c.show(ctx, to) // for a line that has just begun
			c.inStep(to, since)
			return nil
		}
		c.parted(to) // an answer may have been lost
		if !errors.Is(err, ledger.ErrOutOfStep) {
			return err
		}
	}
	return ledger.ErrOutOfStep
}

// linkedSince is since when there is a link to the peer, zero without one.
func (c *Credit) linkedSince(to identity.Entity) time.Time {
	for _, l := range c.node.Links() {
		if l.Peer.Node == to {
			return l.Since
		}
	}
	return time.Time{}
}

// mustMeet tells that positions are to be exchanged before anything is sent:
// once on each link, because a peer that was restored from an older file has a
// new one, and always without a link.
func (c *Credit) mustMeet(to identity.Entity, p *peer, since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := p.meet
	p.meet = false
	return asked || since.IsZero() || !c.met[to].Equal(since)
}

// inStep notes that both have met on the link that is up since then.
func (c *Credit) inStep(to identity.Entity, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.met[to]; !there && len(c.met) >= maxPeers {
		clear(c.met) // they meet once more
	}
	c.met[to] = since
}

// parted has positions exchanged before anything else is sent.
func (c *Credit) parted(to identity.Entity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.met, to)
}

// meet exchanges positions.
func (c *Credit) meet(ctx context.Context, to identity.Entity) error {
	mine, err := c.ledger.Position(to)
	if err != nil {
		return err
	}
	theirs, err := c.ask(ctx, to, ScopeSync, mine)
	if err != nil {
		return err
	}
	return c.ledger.Compare(ctx, to, theirs)
}

// empty sends until the outbox is empty. One push is under way at a time, so
// that they come in order. What comes after it is read from the file meanwhile,
// and the newest answer, which says as much as those before it, is taken in while
// others go on: that waits for a commit.
func (c *Credit) empty(ctx context.Context, to identity.Entity, linked bool) error {
	room := ledger.MaxMessage
	if linked {
		room = ledger.MaxPush
	}
	taken := make(chan error, 1) // the outcome of taking in an answer
	taken <- nil
	next, end, err := c.ledger.Outbox(to, ledger.Mark{}, room)
	for err == nil && next != nil {
		ahead := make(chan func() ([]byte, ledger.Mark, error), 1)
		go func(end ledger.Mark) {
			after, last, err := c.ledger.Outbox(to, end, room)
			ahead <- func() ([]byte, ledger.Mark, error) { return after, last, err }
		}(end)
		answer, failed := c.ask(ctx, to, ScopePush, next)
		next, end, err = (<-ahead)()
		if err = errors.Join(failed, err); err != nil {
			break
		}
		if next == nil { // more may have been signed since
			next, end, err = c.ledger.Outbox(to, end, room)
		}
		if next == nil || err != nil { // all answers are to be taken in; then there may be what was recovered
			if err = errors.Join(err, <-taken, c.ledger.Acked(ctx, to, answer)); err == nil {
				next, end, err = c.ledger.Outbox(to, ledger.Mark{}, room)
			}
			taken <- nil
			continue
		}
		select {
		case err = <-taken:
			go func() { taken <- c.ledger.Acked(ctx, to, answer) }()
		default: // one is still being taken in
		}
	}
	return errors.Join(err, <-taken)
}

func (c *Credit) ask(ctx context.Context, to identity.Entity, scope string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.node.Call(ctx, addr.OfNode(to), scope, body)
}
