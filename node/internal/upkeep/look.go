package upkeep

import (
	"math/rand/v2"
	"time"

	"github.com/peersea/sea/node/addr"
)

// A look is a look-up under way: for the bucket, or of ourselves. One for a bucket
// begins with a question to the neighbour first, who may be linked to what is looked
// for; only when it is not, the look-up is routed.
type look struct {
	self   bool
	bucket int
	first  addr.Addr
	target addr.Addr
}

// lookSelf looks this node up through a far neighbour, when it is time.
func (c *Core) lookSelf() []Effect {
	if c.selfAt.After(c.now) {
		return nil
	}
	c.selfIn = min(2*c.selfIn, SelfLast)
	c.selfAt = c.now.Add(c.about(c.selfIn))
	// The farther half: all of it, when there is one link.
	all := c.table.All()
	far := all[len(all)/2:]
	if len(far) == 0 {
		return nil
	}
	first := far[c.rand.IntN(len(far))].Addr
	return []Effect{c.look(look{self: true, first: first}, c.self)}
}

// lookSelfSoon begins the look-ups of oneself anew: something has changed.
func (c *Core) lookSelfSoon() {
	c.selfIn = SelfFirst
	if at := c.now.Add(c.about(c.selfIn)); !c.selfAt.After(c.now) || c.selfAt.After(at) {
		c.selfAt = at
	}
}

func (c *Core) look(l look, target addr.Addr) Look {
	c.nextID++
	c.looks[c.nextID] = l
	return Look{c.nextID, target, l.first}
}

// fill looks for nodes in buckets that have too few links, shallow ones first.
func (c *Core) fill() []Effect {
	most, again := FillsLater, FillEvery
	if c.young() {
		most, again = FillsYoung, time.Second
	}
	c.fillAt = c.now.Add(c.about(again))
	busy := make(map[int]bool)
	flying := 0
	for _, l := range c.looks {
		if !l.self {
			busy[l.bucket] = true
			flying++
		}
	}
	var effects []Effect
	for bucket := 0; bucket <= c.table.Depth() && flying < most; bucket++ {
		if busy[bucket] || !c.wants(bucket) || c.now.Before(c.pauses[bucket].until) {
			continue
		}
		target, err := c.table.Target(bucket, source{c.rand})
		if err != nil {
			panic("upkeep: " + err.Error()) // source never fails
		}
		l := look{bucket: bucket, first: c.beyond(bucket), target: target}
		if c.adrift() {
			effects = append(effects, c.look(l, target))
		} else {
			c.nextID++
			c.looks[c.nextID] = l
			effects = append(effects, Whom{c.nextID, l.first, target})
		}
		flying++
	}
	return effects
}

// adrift reports whether the node has slept until lately. What its neighbours know may
// be no more than others who slept.
func (c *Core) adrift() bool { return !c.woke.IsZero() && c.now.Sub(c.woke) < AdriftFor }

// beyond returns a neighbour that shares more bits with us than the bucket, so
// that the bucket is one of its own too; any, when there is none.
func (c *Core) beyond(bucket int) addr.Addr {
	all := c.table.All()
	n := 0
	for n < len(all) && c.table.Bucket(all[n].Addr) > bucket {
		n++
	}
	if n == 0 {
		n = len(all)
	}
	return all[c.rand.IntN(n)].Addr
}

// named links to what a neighbour knows in a bucket that lacks links, or has the bucket
// looked up when that is nothing new.
func (c *Core) named(e Named) []Effect {
	l, ok := c.looks[e.ID]
	if !ok {
		return nil
	}
	delete(c.looks, e.ID)
	var effects []Effect
	for _, a := range e.Addrs[:min(len(e.Addrs), MaxTold)] {
		if c.table.Bucket(a) == l.bucket && c.wants(l.bucket) {
			effects = append(effects, c.link(a, l.first)...)
		}
	}
	if len(effects) == 0 && c.wants(l.bucket) && c.table.Get(l.first) != nil {
		effects = []Effect{c.look(l, l.target)}
	}
	return effects
}

func (c *Core) found(e Found) []Effect {
	l, ok := c.looks[e.ID]
	delete(c.looks, e.ID)
	if !ok || !e.OK {
		return nil
	}
	bucket := c.table.Bucket(e.Addr)
	switch {
	case e.Addr == c.self:
		return nil
	case l.self:
		if c.table.Get(e.Addr) != nil || !c.table.Near(e.Addr) {
			return nil
		}
		c.lookSelfSoon()
		return c.link(e.Addr, l.first)
	case c.table.Get(e.Addr) != nil || bucket != l.bucket:
		c.letBe(l.bucket)
		return nil
	case !c.wants(bucket):
		return nil
	}
	return c.link(e.Addr, l.first)
}

// letBe pauses the search for a bucket in which there is nothing new.
func (c *Core) letBe(bucket int) {
	c.pauses[bucket] = c.pauses[bucket].longer(c.now, FillFirst, FillLast)
}

// A source reads from a generator.
type source struct{ rand *rand.Rand }

func (s source) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.rand.Uint32())
	}
	return len(b), nil
}
