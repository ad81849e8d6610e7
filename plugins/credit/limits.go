package credit

import (
	"context"
	"sync"

	"github.com/peersea/sea/identity"
)

// limits are the lines whose limits are to be looked at in the next tick.
type limits struct {
	mu       sync.Mutex                   // guards what follows
	lines    map[identity.Entity]struct{} // maxPeers: the others are looked at when they change again
	warnings map[identity.Entity]string   // what was said of a line last: maxPeers, with more some are said again
	full     bool                         // said that the strangers' budget is nearly used up
}

// changed notes a line; it is called by the ledger and does not wait.
func (s *limits) changed(peer identity.Entity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil {
		s.lines, s.warnings = map[identity.Entity]struct{}{}, map[identity.Entity]string{}
	}
	if len(s.lines) < maxPeers {
		s.lines[peer] = struct{}{}
	}
}

// take returns the lines that have changed since it was called last.
func (s *limits) take() map[identity.Entity]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	if len(lines) > 0 {
		s.lines = map[identity.Entity]struct{}{}
	}
	return lines
}

// fresh says whether a warning is one that has not been given.
func (s *limits) fresh(peer identity.Entity, warning string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.warnings[peer]
	if warning == "" {
		delete(s.warnings, peer)
	} else {
		for other := range s.warnings { // any one makes room
			if old != "" || len(s.warnings) < maxPeers {
				break
			}
			delete(s.warnings, other)
		}
		s.warnings[peer] = warning
	}
	return warning != "" && warning != old
}

// mindLimits lets the limits of lines that have changed grow, and warns of those
// that are nearly used up or end soon.
func (c *Credit) mindLimits(ctx context.Context) {
	changed := c.limits.take()
	for peer := range changed {
		if !c.cfg.NoGrowth {
			by, err := c.ledger.Grow(ctx, peer)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				c.log.Warn("a limit cannot grow", "peer", peer, "err", err)
			case by > 0:
				g := c.ledger.Line(peer).Growth
				c.log.Info("a limit grew because the peer repaid", "peer", peer, "by", by.String(), "grown", g.By.String(), "repaid", g.Repaid.String())
			}
		}
		if w := c.ledger.Line(peer).Warning; c.limits.fresh(peer, w) {
			c.log.Warn("a limit needs a look", "peer", peer, "why", w)
		}
	}
	if len(changed) == 0 {
		return
	}
	full := c.ledger.Strangers().Nearly()
	c.limits.mu.Lock()
	said := c.limits.full
	c.limits.full = full
	c.limits.mu.Unlock()
	if full && !said {
		c.log.Warn("80 % or more of what strangers may owe is used")
	}
}
