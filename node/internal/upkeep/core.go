package upkeep

import (
	"math/rand/v2"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/table"
)

// The times and bounds of upkeep.
const (
	// A sibling that is silent is asked for what is near, in place of a ping.
	// AskEvery is how often AskSiblings of them are asked when none is silent,
	// give or take a fifth.
	AskEvery    = 30 * time.Second
	AskSiblings = 2

	// FillEvery is how often buckets that lack links are looked for, when
	// nothing has changed.
	FillEvery = 10 * time.Second

	// MaxTold is how many addresses the answer to such a question has at most.
	MaxTold = 8

	// SelfFirst is when a node looks itself up through a far neighbour for the
	// first time. The pause doubles, to SelfLast, as long as that finds nobody
	// new.
	SelfFirst = 5 * time.Second
	SelfLast  = 4 * time.Minute

	// YoungFor is how long a node looks for all its buckets at once.
	YoungFor = 30 * time.Second

	// RejoinEvery is how often a node looks itself up through a bootstrap, so
	// that two halves of a sea that was cut find each other.
	RejoinEvery = 10 * time.Minute

	// After a sleep that is done at once, and again after RejoinFirst and ever
	// longer pauses; and for AdriftFor buckets are looked up and no neighbour is
	// asked.
	RejoinFirst = 10 * time.Second
	AdriftFor   = 5 * time.Minute

	// FillsYoung and FillsLater are how many look-ups for buckets are under
	// way at once, MaxLinking how many links are being made.
	FillsYoung = 6
	FillsLater = 2
	MaxLinking = 8

	// FillFirst and FillLast bound how long a bucket in which nothing new was
	// found is let be; the pause doubles.
	FillFirst = 10 * time.Second
	FillLast  = 5 * time.Minute

	// MissFirst and MissLast bound how long a node that could not be linked to
	// is let be, at most MaxMissed of them; the pause doubles.
	MissFirst = 30 * time.Second
	MissLast  = 10 * time.Minute
	MaxMissed = 256

	// Jump is by how much the clock must differ from what was expected to
	// count as a sleep, ProbeWait how long links then have to show that they
	// live.
	Jump      = 20 * time.Second
	ProbeWait = 3 * time.Second

	// DoubtFor is how long a neighbour has to show that it lives after it has
	// not acknowledged a routed request.
	DoubtFor = 5 * time.Second

	// Fresh is how lately a neighbour must have been heard to be vouched for.
	Fresh = 10 * time.Second

	// Warned is how many neighbours are told of one that seems dead, RumorAfter how
	// long it must have been silent for them to look.
	Warned     = 6
	RumorAfter = 3 * time.Second

	// UsedIdle and UsedDead are the Pace of a link that an application uses.
	UsedIdle = 7 * time.Second
	UsedDead = 15 * time.Second

	// SayLess is how long a link must be needed less before the peer is told.
	// That it is needed more is told at once.
	SayLess = 20 * time.Second

	// Beat is how often a core wants a Tick at least.
	Beat = 2 * time.Second
)

// A Core keeps the links of the node at one address. Step and Wake are not safe
// for concurrent use.
type Core struct {
	self  addr.Addr
	rand  *rand.Rand
	table *table.Table

	now      time.Time // of the last Step
	joined   time.Time // when the first link came
	lonely   time.Time // when to ask for bootstraps again; zero while there are links
	due      time.Time // of the next Tick
	askAt    time.Time
	selfAt   time.Time
	fillAt   time.Time
	rejoinAt time.Time
	rejoinIn time.Duration // the pause until the next time
	selfIn   time.Duration // the pause until the next look-up of oneself
	woke     time.Time     // zero when it never slept

	nextID  uint64
	looks   map[uint64]look
	linking map[addr.Addr]struct{}
	missed  map[addr.Addr]pause // nodes that could not be linked to
	pauses  map[int]pause       // of buckets
}

// A pause is how long a bucket or a node is let be.
type pause struct {
	until time.Time
	next  time.Duration
}

// New returns a Core for the node at self, without links.
func New(self addr.Addr, rand *rand.Rand) *Core {
	return &Core{
		self: self, rand: rand, table: table.New(self),
		looks:   make(map[uint64]look),
		linking: make(map[addr.Addr]struct{}),
		missed:  make(map[addr.Addr]pause),
		pauses:  make(map[int]pause),
	}
}

// Table is what the core knows of its links. Only Step changes it.
func (c *Core) Table() *table.Table { return c.table }

// Pace says after how much silence a link that a node needs so much is pinged,
// and after how much it is given up. What is needed less is given up later; a
// request that it does not acknowledge shows its death as well.
func Pace(n table.Need) (idle, dead time.Duration) {
	if n >= table.Only {
		return 20 * time.Second, 28 * time.Second
	}
	return 55 * time.Second, 120 * time.Second
}

// Wake returns when the next Tick is due.
func (c *Core) Wake() time.Time { return c.due }

// next is when it is worth one.
func (c *Core) next() time.Time {
	next := c.now.Add(Beat)
	for _, at := range []time.Time{c.askAt, c.selfAt, c.fillAt, c.rejoinAt} {
		if at.After(c.now) && at.Before(next) {
			next = at
		}
	}
	return next
}

// Step takes an event and returns what to do, in order.
func (c *Core) Step(now time.Time, event Event) []Effect {
	var effects []Effect
	if gap := now.Sub(c.now); !c.now.IsZero() && (gap > Beat+Jump || gap < -Jump) {
		effects = c.wokeUp(now)
	}
	c.now = now
	switch e := event.(type) {
	case Up:
		effects = append(effects, c.up(e.Link)...)
	case Down:
		effects = append(effects, c.down(e.Addr)...)
	case Needs:
		if l := c.table.Get(e.From); l != nil {
			l.Theirs = e.Need
			effects = append(effects, c.weigh()...)
		}
	case Holds:
		if l := c.table.Get(e.Addr); l != nil {
			l.Held = e.Held
		}
	case Told:
		effects = append(effects, c.told(e)...)
	case Named:
		effects = append(effects, c.named(e)...)
	case Found:
		effects = append(effects, c.found(e)...)
	case Entry:
		effects = append(effects, c.enter(e.Addr)...)
	case Idle:
		effects = append(effects, c.idle(e.Addr)...)
	case Silent:
		effects = append(effects, c.silent(e.Addr)...)
	case Rumor:
		if c.table.Get(e.Of) != nil && c.table.Get(e.From) != nil {
			effects = append(effects, Doubt{e.Of})
		}
	case Tried:
		delete(c.linking, e.To)
		if c.table.Get(e.To) == nil {
			c.miss(e.To)
		}
	case Tick:
		effects = append(effects, c.tick()...)
	}
	if _, theirs := event.(Needs); !theirs { // who sends many of them puts nothing off
		c.due = c.next()
	}
	return effects
}

// up takes a new link in.
func (c *Core) up(l table.Link) []Effect {
	l.Since = c.now
	delete(c.linking, l.Addr)
	delete(c.missed, l.Addr)
	if old := c.table.Get(l.Addr); old != nil {
		c.table.Remove(l.Addr)
	}
	c.table.Add(l)
	if c.table.Len() == 1 {
		c.joined, c.lonely = c.now, time.Time{}
		c.askAt, c.fillAt = c.now.Add(time.Second), c.now
		c.rejoinAt, c.rejoinIn = c.now.Add(c.about(RejoinEvery)), RejoinEvery
		clear(c.pauses)
	}
	effects := c.weigh()
	if c.isSibling(l.Addr) {
		// Its siblings are ours, or nearly so; and the others may know more
		// that are near to it.
		effects = append(effects, Ask{l.Addr})
		c.askSoon()
	}
	if c.table.Len() == 1 {
		effects = append(effects, c.enter(l.Addr)...)
	}
	return effects
}

// enter looks this node up through a neighbour.
func (c *Core) enter(first addr.Addr) []Effect {
	if c.table.Get(first) == nil {
		return nil
	}
	c.lookSelfSoon()
	return []Effect{c.look(look{self: true, first: first}, c.self)}
}

// silent warns the neighbours nearest to one that seems dead: they watch it too.
func (c *Core) silent(a addr.Addr) []Effect {
	if !c.isSibling(a) {
		return nil
	}
	var effects []Effect
	for _, to := range c.table.Nearest(nil, a, a, Warned) {
		effects = append(effects, Warn{to, a})
	}
	return effects
}

// soon is a moment in the next second or two.
func (c *Core) soon() time.Time {
	return c.now.Add(time.Second/2 + time.Duration(c.rand.Int64N(int64(time.Second))))
}

func (c *Core) askSoon() {
	if soon := c.soon(); c.askAt.After(soon) {
		c.askAt = soon
	}
}

func (c *Core) isSibling(a addr.Addr) bool {
	l := c.table.Get(a)
	return l != nil && l.Sibling // Weigh was called
}

// down forgets a link, and looks for another in its place soon.
func (c *Core) down(a addr.Addr) []Effect {
	sibling := c.isSibling(a)
	if !c.table.Remove(a) {
		return nil
	}
	if c.table.Len() == 0 {
		c.lonely = c.now
		return []Effect{Rejoin{}}
	}
	// Not all at once, when many lose the same neighbour.
	if sibling {
		c.askSoon()
	}
	if soon := c.soon(); c.fillAt.After(soon) {
		c.fillAt = soon
	}
	delete(c.pauses, c.table.Bucket(a))
	return c.weigh()
}

// weigh tells the peers whose links have become more or less needed.
func (c *Core) weigh() []Effect {
	var effects []Effect
	for _, l := range c.table.Weigh(c.now, SayLess) {
		effects = append(effects, Say{l.Addr, l.Ours})
	}
	return effects
}

// told links to those of the named who would be siblings, or fill a bucket.
func (c *Core) told(e Told) []Effect {
	var effects []Effect
	if c.table.Get(e.From) == nil {
		return nil
	}
	for _, a := range e.Addrs[:min(len(e.Addrs), MaxTold)] {
		if c.table.Near(a) || c.wants(c.table.Bucket(a)) {
			effects = append(effects, c.link(a, e.From)...)
		}
	}
	return effects
}

// wants reports whether a bucket has fewer links than it should.
func (c *Core) wants(bucket int) bool {
	return bucket <= c.table.Depth() && c.table.Count(bucket)+c.linkingInto(bucket) < table.PerBucket
}

func (c *Core) linkingInto(bucket int) int {
	n := 0
	for a := range c.linking {
		if c.table.Bucket(a) == bucket {
			n++
		}
	}
	return n
}

// link begins to link to a node, unless that is under way, or was tried just now.
func (c *Core) link(to, first addr.Addr) []Effect {
	if to == c.self || c.table.Get(to) != nil || len(c.linking) >= MaxLinking {
		return nil
	}
	if _, ok := c.linking[to]; ok || c.now.Before(c.missed[to].until) {
		return nil
	}
	c.linking[to] = struct{}{}
	return []Effect{Link{to, first}}
}

// miss lets a node be that could not be linked to.
func (c *Core) miss(a addr.Addr) {
	if len(c.missed) >= MaxMissed {
		for other, p := range c.missed {
			if !c.now.Before(p.until) {
				delete(c.missed, other)
			}
		}
	}
	p, known := c.missed[a]
	if known || len(c.missed) < MaxMissed {
		c.missed[a] = p.longer(c.now, MissFirst, MissLast)
	}
}

// longer is the pause after p, twice as long, between first and last.
func (p pause) longer(now time.Time, first, last time.Duration) pause {
	next := min(max(2*p.next, first), last)
	return pause{now.Add(next), next}
}

// tick does what is due.
func (c *Core) tick() []Effect {
	if c.table.Len() == 0 {
		if c.lonely.IsZero() || c.now.Sub(c.lonely) < Beat {
			return nil
		}
		c.lonely = c.now
		return []Effect{Rejoin{}}
	}
	var effects []Effect
	if !c.askAt.After(c.now) {
		c.askAt = c.now.Add(c.about(AskEvery))
		effects = append(effects, c.ask()...)
	}
	effects = append(effects, c.weigh()...)
	effects = append(effects, c.lookSelf()...)
	if !c.fillAt.After(c.now) {
		effects = append(effects, c.fill()...)
	}
	if !c.rejoinAt.After(c.now) {
		c.rejoinAt = c.now.Add(c.about(c.rejoinIn))
		c.rejoinIn = min(4*c.rejoinIn, RejoinEvery)
		effects = append(effects, Rejoin{})
	}
	for _, a := range c.table.Excess(c.now) {
		effects = append(effects, Drop{a})
	}
	return effects
}

func (c *Core) young() bool { return c.now.Sub(c.joined) < YoungFor }

// about returns d give or take a fifth.
func (c *Core) about(d time.Duration) time.Duration {
	return d - d/5 + time.Duration(c.rand.Int64N(int64(2*d/5)))
}

// idle asks a silent neighbour for a sign of life, and a sibling for what is near
// as well.
func (c *Core) idle(a addr.Addr) []Effect {
	if !c.isSibling(a) {
		return []Effect{Ping{a}}
	}
	if at := c.now.Add(c.about(AskEvery)); c.askAt.After(c.now.Add(2 * time.Second)) {
		c.askAt = at
	}
	return []Effect{Ask{a}}
}

// ask asks some siblings.
func (c *Core) ask() []Effect {
	siblings := c.table.Siblings(nil)
	c.rand.Shuffle(len(siblings), func(i, j int) { siblings[i], siblings[j] = siblings[j], siblings[i] })
	var effects []Effect
	for _, a := range siblings[:min(len(siblings), AskSiblings)] {
		effects = append(effects, Ask{a})
	}
	return effects
}

// wokeUp begins anew after the clock has jumped: nobody knows which links live.
func (c *Core) wokeUp(now time.Time) []Effect {
	c.joined, c.askAt, c.selfAt, c.fillAt = now, now.Add(ProbeWait), now.Add(ProbeWait), now.Add(ProbeWait)
	c.selfIn = SelfFirst
	c.woke = now
	// Whoever slept at the same time may be all that is left of the links.
	c.rejoinAt, c.rejoinIn = now.Add(ProbeWait), RejoinFirst
	clear(c.missed)
	clear(c.pauses)
	for _, l := range c.table.All() {
		l.Since = now
	}
	if c.table.Len() == 0 {
		c.lonely = now
		return []Effect{Rejoin{}}
	}
	return []Effect{Probe{}}
}
