package gossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
)

// This file is the dissemination: Plumtree (Leitão, Pereira, Rodrigues 2007).

// The times and bounds of asking for what was only named.
const (
	// firstGraft is how long a message may take after its name, nextGraft
	// after it was asked for.
	firstGraft = 400 * time.Millisecond
	nextGraft  = 200 * time.Millisecond

	// maxWanted is how many messages one partner may have named that did not
	// come yet; maxNamers how many partners are asked for one.
	maxWanted = 256
	maxNamers = MaxActive
)

// A wanted is a message that partners have named and none has sent.
type wanted struct {
	id     frame.ID
	at     time.Time // when to ask
	namers []addr.Addr
	first  addr.Addr // who named it first
	came   bool
}

// A recall is what was asked of the past.
type recall struct {
	want  int // messages
	left  int // that may still come
	asked int // partners
}

// maxRecalls is how many partners are asked for the past, one after the other
// while nothing comes.
const maxRecalls = 3

// say publishes a message of our own.
func (c *Core) say(now time.Time, f *frame.Publish) {
	id := IDOf(f)
	c.seen.add(now, id)
	c.store.add(now, id, f)
	c.spread(now, id, f, addr.Addr{}, Own)
}

// published takes a message from a neighbour: size, which the frame has, then
// what was seen, the rates, the signature, the content.
func (c *Core) published(now time.Time, from addr.Addr, p *partner, f *frame.Publish) {
	if p == nil && !c.courting(from) && !c.justLeft(from) {
		c.send(now, from, &frame.Leave{Channel: c.cfg.Channel}, Control)
		return
	}
	id, large := IDOf(f), len(f.Body) > FloodMax
	past := f.Past == 1
	if past && (p == nil || c.recall.left == 0) {
		return // nobody asked
	}
	if c.seen.has(id) {
		c.came(id)
		c.stats.Copies++
		if p != nil && large && !past {
			p.lazy = true
			c.send(now, from, &frame.Prune{Channel: c.cfg.Channel}, Control)
		}
		return
	}
	if !past && !c.within(now, from, p, f) {
		c.stats.Excess++
		return
	}
	if err := c.cfg.Verify(f); err != nil {
		c.stats.Bad++
		c.do(Blame{from, err})
		return
	}
	m, err := read(f)
	if err == nil && (m.Network != c.cfg.Network || m.Channel != c.cfg.Channel) {
		err = fmt.Errorf("%w: message: it is for another channel", ErrInvalid)
	}
	if err != nil {
		c.stats.Bad++
		c.do(Blame{from, err})
		return
	}
	// Before, anybody may have made it up.
	c.came(id)
	if past {
		c.recall.left--
		if m.Issued.After(c.began) && now.Sub(m.Issued) <= MaxAge {
			// Nobody asked for this one: it is on its way to here, too.
			live := *f
			live.Past = 0
			past, f = false, &live
		}
	}
	if !past {
		if now.Sub(m.Issued) > MaxAge || m.Issued.Sub(now) > MaxAhead {
			c.stats.Stale++
			return
		}
		if !c.authors.take(now, m.Author, len(f.Body)) {
			c.stats.Excess++
			return
		}
	}
	c.seen.add(now, id)
	c.stats.Delivered++
	c.do(Deliver{m, past})
	if past {
		return
	}
	c.store.add(now, id, f)
	if p != nil && large {
		p.lazy = false
	}
	c.spread(now, id, f, from, Forward)
}

// within reports whether a message is within the rates of its link and author.
// A partner that keeps on sending more of its own than it may is none any more.
func (c *Core) within(now time.Time, from addr.Addr, p *partner, f *frame.Publish) bool {
	src := c.source(now, from)
	if src == nil || !src.link.take(now, 1, linkRate, linkBurst) {
		return false
	}
	if c.authors.fits(now, f.Author, len(f.Body)) {
		return true
	}
	c.came(IDOf(f)) // it is wanted from nobody
	if p != nil && addr.OfNode(f.Author) == p.at && !p.excess.take(now, 1, excessRate, excessBurst) {
		c.ban(now, p)
	}
	return false
}

// spread gives a message to the partners but the one that it came from.
func (c *Core) spread(now time.Time, id frame.ID, f *frame.Publish, from addr.Addr, class Class) {
	for _, p := range c.partners {
		switch {
		case p.at == from:
		case p.lazy && len(f.Body) > FloodMax:
			c.send(now, p.at, &frame.Have{Channel: c.cfg.Channel, IDs: []frame.ID{id}}, Control)
		default:
			c.send(now, p.at, f, class)
		}
	}
}

// news takes what a new partner has had of late.
func (c *Core) news(now time.Time, p *partner, ids []frame.ID) {
	if now.Sub(c.began) >= fresh {
		c.have(now, p, ids)
	}
}

// have notes what a partner says it has.
func (c *Core) have(now time.Time, p *partner, ids []frame.ID) {
	for _, id := range ids {
		if c.seen.has(id) {
			continue
		}
		if w := c.wanted[id]; w != nil {
			if len(w.namers) < maxNamers && !slices.Contains(w.namers, p.at) {
				w.namers = append(w.namers, p.at)
			}
			continue
		}
		if p.wants >= maxWanted {
			continue
		}
		p.wants++
		w := &wanted{id: id, at: now.Add(firstGraft), namers: []addr.Addr{p.at}, first: p.at}
		c.wanted[id] = w
		c.queue = append(c.queue, w)
	}
}

// came ends the wait for a message.
func (c *Core) came(id frame.ID) {
	if w := c.wanted[id]; w != nil {
		c.drop(w)
	}
}

func (c *Core) drop(w *wanted) {
	w.came = true
	delete(c.wanted, w.id)
	if src := c.sources[w.first]; src != nil && src.wants > 0 {
		src.wants--
	}
}

// graft asks for what has not come.
func (c *Core) graft(now time.Time) {
	if len(c.queue) == 0 {
		return
	}
	asks := make(map[addr.Addr][]frame.ID)
	for _, w := range c.queue {
		if w.came || now.Before(w.at) {
			continue
		}
		var p *partner
		for p == nil && len(w.namers) > 0 {
			p = c.partner(w.namers[0])
			if p != nil && len(asks[p.at]) >= frame.MaxIDs {
				break // the next tick is soon
			}
			w.namers = w.namers[1:]
		}
		if p == nil {
			c.drop(w)
			continue
		}
		w.at = now.Add(nextGraft)
		if len(asks[p.at]) < frame.MaxIDs {
			asks[p.at] = append(asks[p.at], w.id)
		}
	}
	c.queue = slices.DeleteFunc(c.queue, func(w *wanted) bool { return w.came })
	for _, p := range c.partners {
		ids := asks[p.at]
		if len(ids) == 0 {
			continue
		}
		c.stats.Grafts += uint64(len(ids))
		p.lazy = false
		c.send(now, p.at, &frame.Graft{Channel: c.cfg.Channel, IDs: ids}, Control)
	}
}

// grafted gives a partner what it asks for, and all later messages in full.
func (c *Core) grafted(now time.Time, p *partner, ids []frame.ID) {
	p.lazy = false
	for _, id := range ids {
		if f := c.store.by[id]; f != nil && p.gifts.take(now, float64(len(f.Body)), giftRate, giftBurst) {
			c.send(now, p.at, f, Forward)
		}
	}
}

// askPast asks a partner for the last messages, if any are wanted.
func (c *Core) askPast(now time.Time, p *partner) {
	if c.recall.want == 0 || c.recall.left < c.recall.want || c.recall.asked >= maxRecalls {
		return
	}
	c.recall.asked++
	c.send(now, p.at, &frame.Past{Channel: c.cfg.Channel, Want: uint64(c.recall.want)}, Control)
}

// Last returns the last n messages that this member has kept, the oldest first.
func (c *Core) Last(n int) []*Message {
	var last []*Message
	for _, f := range c.store.last(n) {
		if m, err := read(f); err == nil { // it was read before
			last = append(last, m)
		}
	}
	return last
}

// past answers a member that came late.
func (c *Core) past(now time.Time, p *partner, want int) {
	if !p.walks.take(now, 1, walkRate, walkBurst) {
		return
	}
	for _, f := range c.store.last(want) {
		if !p.gifts.take(now, float64(len(f.Body)), giftRate, giftBurst) {
			return
		}
		old := *f
		old.Past = 1
		c.send(now, p.at, &old, Forward)
	}
}
