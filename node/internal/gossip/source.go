package gossip

import (
	"time"

	"github.com/peersea/sea/node/addr"
)

// A source is what has come from one neighbour of late. It lasts as long as the
// link, so that nobody begins anew by leaving and coming back.
type source struct {
	wants        int // how many of wanted it named first
	link, excess bucket
	walks, asks  bucket
	gifts        bucket // bytes that it asked for
}

// idle reports whether there is nothing to remember.
func (s *source) idle(now time.Time) bool {
	for _, b := range []struct {
		*bucket
		rate float64
	}{{&s.link, linkRate}, {&s.excess, excessRate}, {&s.walks, walkRate}, {&s.asks, askRate}, {&s.gifts, giftRate}} {
		if b.fits(now, 0, b.rate, 0); b.used > 0 {
			return false
		}
	}
	return s.wants == 0
}

// sources are those of a channel's neighbours.
type sources map[addr.Addr]*source

// source returns a neighbour's, nil when there are too many.
func (c *Core) source(now time.Time, at addr.Addr) *source {
	if s := c.sources[at]; s != nil {
		return s
	}
	if len(c.sources) >= maxSources {
		for a, s := range c.sources {
			if c.partner(a) == nil && s.idle(now) {
				delete(c.sources, a)
			}
		}
	}
	if len(c.sources) >= maxSources {
		return nil
	}
	s := new(source)
	c.sources[at] = s
	return s
}
