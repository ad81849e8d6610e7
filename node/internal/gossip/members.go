package gossip

import (
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
)

// This file is the membership: HyParView (Leitão, Pereira, Rodrigues 2007),
// with two changes. A shuffle's answer goes back the way it came, as members
// have no links to strangers; and a member that announces itself also takes one
// partner from what the meeting place knows, so that a channel that was cut in
// two grows together again.

// partner returns the partner at a, nil when it is none.
func (c *Core) partner(a addr.Addr) *partner {
	for _, p := range c.partners {
		if p.at == a {
			return p
		}
	}
	return nil
}

func (c *Core) courting(a addr.Addr) bool {
	return slices.ContainsFunc(c.suitors, func(s suitor) bool { return s.at == a })
}

// isBanned reports whether a is a flooder that may not become a partner.
func (c *Core) isBanned(a addr.Addr) bool { return contains(c.banned, a) }

func contains(list []leaver, a addr.Addr) bool {
	return slices.ContainsFunc(list, func(g leaver) bool { return g.at == a })
}

// fail notes a member that could not be linked to, or did not answer.
func (c *Core) fail(now time.Time, a addr.Addr) {
	if len(c.failed) >= maxFailed {
		c.failed = slices.Delete(c.failed, 0, 1)
	}
	c.failed = append(c.failed, leaver{a, now.Add(failedFor)})
	c.forget(a)
}

// ban gives up a partner for banFor.
func (c *Core) ban(now time.Time, p *partner) {
	if len(c.banned) >= maxBanned {
		c.banned = slices.Delete(c.banned, 0, 1)
	}
	c.banned = append(c.banned, leaver{p.at, now.Add(banFor)})
	c.send(now, p.at, &frame.Leave{Channel: c.cfg.Channel}, Control)
	c.lose(now, p.at)
}

func (c *Core) justLeft(a addr.Addr) bool { return contains(c.gone, a) }

// maintain asks others to become partners while there are too few.
func (c *Core) maintain(now time.Time) {
	alone := len(c.partners) == 0
	if alone && len(c.suitors) == 0 && len(c.passive) == 0 {
		if soon := now.Add(c.pause); c.lookup.After(soon) {
			c.lookup = soon
		}
		return
	}
	if now.Before(c.askAt) {
		return
	}
	most, want := Active, uint64(frame.WantRoom)
	switch {
	case alone && !c.met:
		// Whoever takes a new member leads it to others.
		most, want = 2, frame.WantNew
	case alone:
		want = frame.WantNeeded
	}
	for len(c.partners)+c.courted() < most && len(c.suitors) < maxSuitors {
		at, ok := c.pick(c.passive)
		if !ok {
			return
		}
		c.court(now, at, want)
	}
}

// courted is how many suitors are of our own choice. Those that walks lead here
// do not keep us from looking for others.
func (c *Core) courted() int {
	n := 0
	for _, s := range c.suitors {
		if !s.led {
			n++
		}
	}
	return n
}

// court makes a link to a node and asks it to become a partner.
func (c *Core) court(now time.Time, at addr.Addr, want uint64) {
	if at == c.cfg.Self || c.partner(at) != nil || c.courting(at) || c.isBanned(at) || contains(c.failed, at) || len(c.suitors) >= maxSuitors {
		return
	}
	c.suitors = append(c.suitors, suitor{at: at, want: want, until: now.Add(dialWait)})
	c.do(Dial{at})
}

// pick draws one of the members in from that is neither partner nor suitor.
func (c *Core) pick(from []addr.Addr, not ...addr.Addr) (addr.Addr, bool) {
	var found addr.Addr
	n := 0
	for _, a := range from {
		if a == c.cfg.Self || c.partner(a) != nil || c.courting(a) || c.isBanned(a) || contains(c.failed, a) || slices.Contains(not, a) {
			continue
		}
		n++
		if c.cfg.Rand.IntN(n) == 0 {
			found = a
		}
	}
	return found, n > 0
}

// pickPartner draws a partner that is none of not.
func (c *Core) pickPartner(not ...addr.Addr) *partner {
	var found *partner
	n := 0
	for _, p := range c.partners {
		if slices.Contains(not, p.at) {
			continue
		}
		n++
		if c.cfg.Rand.IntN(n) == 0 {
			found = p
		}
	}
	return found
}

func (c *Core) dialed(now time.Time, e Dialed) {
	i := slices.IndexFunc(c.suitors, func(s suitor) bool { return s.at == e.To && !s.dialed })
	if i < 0 {
		return
	}
	if !e.OK {
		c.suitors = slices.Delete(c.suitors, i, i+1)
		c.fail(now, e.To)
		return
	}
	s := &c.suitors[i]
	s.dialed, s.until = true, now.Add(answerWait)
	f := &frame.Neighbour{Channel: c.cfg.Channel, Want: s.want}
	if s.want != frame.WantNew {
		f.IDs = c.store.since(now.Add(-fresh))
	}
	c.send(now, e.To, f, Control)
}

// neighbour answers a node that wants to be a partner.
func (c *Core) neighbour(now time.Time, from addr.Addr, f *frame.Neighbour) {
	if src := c.source(now, from); c.isBanned(from) || src == nil || !src.asks.take(now, 1, askRate, askBurst) {
		return
	}
	reply := &frame.Partner{Channel: c.cfg.Channel, Members: c.sample(frame.MaxSample, from)}
	known := c.partner(from) != nil
	if !known && f.Want == frame.WantRoom && len(c.partners) >= MaxActive {
		c.remember(from)
		c.send(now, from, reply, Control)
		return
	}
	reply.Yes = 1
	if f.Want != frame.WantNew {
		reply.IDs = c.store.since(now.Add(-fresh))
	}
	if !c.join(now, from, false) {
		return
	}
	c.send(now, from, reply, Control)
	c.news(now, c.partner(from), f.IDs)
	if f.Want != frame.WantNew || known {
		return
	}
	led := []addr.Addr{from}
	for len(led) < Active {
		p := c.pickPartner(led...)
		if p == nil {
			return
		}
		led = append(led, p.at)
		c.send(now, p.at, &frame.Walk{Channel: c.cfg.Channel, Who: from, TTL: frame.MaxWalk}, Control)
	}
}

// answered takes the answer to a Neighbour.
func (c *Core) answered(now time.Time, from addr.Addr, f *frame.Partner) {
	i := slices.IndexFunc(c.suitors, func(s suitor) bool { return s.at == from && s.dialed })
	if i >= 0 { // names that nobody asked for are not taken
		for _, a := range f.Members {
			c.remember(a)
		}
	}
	switch {
	case i < 0:
		if f.Yes == 1 && c.partner(from) == nil {
			c.send(now, from, &frame.Leave{Channel: c.cfg.Channel}, Control)
		}
		return
	case f.Yes == 0:
		c.suitors = slices.Delete(c.suitors, i, i+1)
		c.remember(from)
		c.askAt = now.Add(jitter(c.cfg.Rand, pauseAsking))
		return
	}
	if !c.join(now, from, !c.suitors[i].led) {
		return
	}
	p := c.partner(from)
	if !p.lazy {
		c.send(now, from, &frame.Graft{Channel: c.cfg.Channel}, Control)
	}
	c.news(now, p, f.IDs)
}

// join makes a node a partner, of our own choice or not, in place of another when
// there are too many. It reports whether it is one now.
func (c *Core) join(now time.Time, at addr.Addr, ours bool) bool {
	c.suitors = slices.DeleteFunc(c.suitors, func(s suitor) bool { return s.at == at })
	c.gone = slices.DeleteFunc(c.gone, func(g leaver) bool { return g.at == at })
	c.passive = slices.DeleteFunc(c.passive, func(a addr.Addr) bool { return a == at })
	if c.partner(at) != nil {
		return true
	}
	src := c.source(now, at)
	if src == nil {
		return false
	}
	for len(c.partners) >= MaxActive {
		c.evict(now)
	}
	// The tree needs one way to each member. Whoever needs this one asks for it.
	hasWay := slices.ContainsFunc(c.partners, func(p *partner) bool { return !p.lazy })
	p := &partner{at: at, heard: now, spoke: now, lazy: hasWay, ours: ours, source: src}
	c.partners = append(c.partners, p)
	c.met, c.pause = true, firstLookup
	c.askPast(now, p)
	return true
}

// evict gives up a partner, if it can one that carries nothing, and none of our
// own choice while they are few.
func (c *Core) evict(now time.Time) {
	keep := c.where(func(p *partner) bool { return p.ours })
	if len(keep) > maxOurs {
		keep = nil
	}
	p := c.pickPartner(append(c.where(func(p *partner) bool { return !p.lazy }), keep...)...)
	if p == nil {
		p = c.pickPartner(keep...)
	}
	c.send(now, p.at, &frame.Leave{Channel: c.cfg.Channel}, Control)
	c.part(now, p.at)
	c.remember(p.at)
}

// left takes a partner's leave.
func (c *Core) left(now time.Time, from addr.Addr) {
	c.suitors = slices.DeleteFunc(c.suitors, func(s suitor) bool { return s.at == from && s.dialed })
	if c.partner(from) == nil {
		return
	}
	c.part(now, from)
	c.remember(from)
	// Where members are few ways apart each would push another out for ever; so
	// this takes a breath, a longer one when nobody is left.
	pause := pauseAsking / 8
	if len(c.partners) == 0 {
		pause = pauseAsking / 2
	}
	if c.askAt.Before(now.Add(pause)) {
		c.askAt = now.Add(jitter(c.cfg.Rand, pause))
	}
}

// part makes a partner none. Its last messages may still come.
func (c *Core) part(now time.Time, at addr.Addr) {
	if len(c.gone) >= MaxActive {
		c.gone = slices.Delete(c.gone, 0, 1)
	}
	c.gone = append(c.gone, leaver{at, now.Add(goneFor)})
	c.lose(now, at)
}

// lose forgets a node that cannot be reached any more. If messages came that
// way, all that were behind it would notice at once and ask back each for
// itself; so another way is opened before.
func (c *Core) lose(now time.Time, at addr.Addr) {
	lost := c.partner(at)
	c.partners = slices.DeleteFunc(c.partners, func(p *partner) bool { return p.at == at })
	c.suitors = slices.DeleteFunc(c.suitors, func(s suitor) bool { return s.at == at && s.dialed })
	c.forget(at)
	if lost == nil || lost.lazy {
		return
	}
	if p := c.pickPartner(c.where(func(p *partner) bool { return !p.lazy })...); p != nil {
		p.lazy = false
		c.send(now, p.at, &frame.Graft{Channel: c.cfg.Channel}, Control)
	}
}

// where returns the partners that match.
func (c *Core) where(match func(*partner) bool) []addr.Addr {
	var at []addr.Addr
	for _, p := range c.partners {
		if match(p) {
			at = append(at, p.at)
		}
	}
	return at
}

// walk leads a new member on, or asks it to become a partner at the end.
func (c *Core) walk(now time.Time, from *partner, f *frame.Walk) {
	if f.Who == c.cfg.Self || !from.walks.take(now, 1, walkRate, walkBurst) {
		return
	}
	if f.TTL == frame.MaxWalk/2 {
		c.remember(f.Who)
	}
	next := c.pickPartner(from.at, f.Who)
	if f.TTL > 0 && next != nil {
		c.send(now, next.at, &frame.Walk{Channel: c.cfg.Channel, Who: f.Who, TTL: f.TTL - 1}, Control)
		return
	}
	if len(c.suitors)-c.courted() >= maxLed {
		return
	}
	before := len(c.suitors)
	if c.court(now, f.Who, frame.WantRoom); len(c.suitors) > before {
		c.suitors[before].led = true
	}
}

// trade offers some names to whoever a walk ends at.
func (c *Core) trade(now time.Time) {
	p := c.pickPartner()
	if p == nil {
		return
	}
	c.trading = true
	c.send(now, p.at, &frame.Shuffle{
		Channel: c.cfg.Channel, Path: []addr.Addr{c.cfg.Self}, Members: c.sample(frame.MaxSample-1, p.at),
	}, Control)
}

// shuffled leads names on, or takes them and gives others back.
func (c *Core) shuffled(now time.Time, from *partner, f *frame.Shuffle) {
	last := len(f.Path) - 1
	if f.Path[last] != from.at || slices.Contains(f.Path, c.cfg.Self) || !from.walks.take(now, 1, walkRate, walkBurst) {
		return
	}
	if next := c.pickPartner(f.Path...); len(f.Path) < frame.MaxWalk && next != nil {
		path := append(slices.Clone(f.Path), c.cfg.Self)
		c.send(now, next.at, &frame.Shuffle{Channel: c.cfg.Channel, Path: path, Members: f.Members}, Control)
		return
	}
	c.send(now, from.at, &frame.Shuffled{
		Channel: c.cfg.Channel, Path: f.Path[:last], Members: c.sample(frame.MaxSample, f.Path[0]),
	}, Control)
	c.remember(f.Path[0])
	for _, a := range f.Members {
		c.remember(a)
	}
}

// traded takes the names that came back, if any were asked for, or sends them on.
func (c *Core) traded(now time.Time, from *partner, f *frame.Shuffled) {
	if last := len(f.Path) - 1; last >= 0 {
		if c.partner(f.Path[last]) != nil && from.walks.take(now, 1, walkRate, walkBurst) {
			c.send(now, f.Path[last], &frame.Shuffled{
				Channel: c.cfg.Channel, Path: f.Path[:last], Members: f.Members,
			}, Control)
		}
		return
	}
	if !c.trading {
		return
	}
	c.trading = false
	for _, a := range f.Members {
		c.remember(a)
	}
}

// sample draws some members, partners or not, that are not the one at not.
func (c *Core) sample(n int, not addr.Addr) []addr.Addr {
	var all []addr.Addr
	for _, p := range c.partners {
		if p.at != not {
			all = append(all, p.at)
		}
	}
	for _, a := range c.passive {
		if a != not {
			all = append(all, a)
		}
	}
	c.cfg.Rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

// remember puts a member to those that may become partners.
func (c *Core) remember(a addr.Addr) {
	switch {
	case a == c.cfg.Self, a == addr.Addr{}, c.partner(a) != nil, slices.Contains(c.passive, a), c.isBanned(a):
	case len(c.passive) < MaxPassive:
		c.passive = append(c.passive, a)
	default:
		c.passive[c.cfg.Rand.IntN(len(c.passive))] = a
	}
}

func (c *Core) forget(a addr.Addr) {
	c.passive = slices.DeleteFunc(c.passive, func(b addr.Addr) bool { return a == b })
}

// look asks the meeting places.
func (c *Core) look(now time.Time) {
	every := c.nominal
	if len(c.partners) > 0 {
		c.nominal = min(c.every(), maxSlower*max(every, AnnounceEvery))
		c.lookup = now.Add(jitter(c.cfg.Rand, c.nominal))
	} else {
		c.nominal = c.pause
		c.lookup = now.Add(c.pause)
		c.pause = min(2*c.pause, maxLookup)
	}
	c.do(Lookup{every})
}

// every is how often to announce: about one member a second does.
func (c *Core) every() time.Duration {
	return min(AnnounceEvery*time.Duration(max(1, c.Count()/MaxRecords)), maxAnnounce)
}

// found takes what the meeting places know.
func (c *Core) found(now time.Time, e Found) {
	if e.Count > 0 {
		c.count = min(e.Count, maxCount)
		if every := c.every(); every > AnnounceEvery && !c.counted {
			// Those who come at once to a large channel spread out.
			c.nominal = min(every, maxSlower*AnnounceEvery)
			c.lookup = now.Add(AnnounceEvery + time.Duration(c.cfg.Rand.Int64N(int64(c.nominal-AnnounceEvery))))
		}
		c.counted = true
	}
	for _, a := range e.Members {
		c.remember(a)
	}
	if len(c.partners) == 0 {
		return // maintain asks them
	}
	if at, ok := c.pick(e.Members); ok {
		if len(c.partners) >= Active {
			c.evict(now)
		}
		c.court(now, at, frame.WantNeeded)
	}
}
