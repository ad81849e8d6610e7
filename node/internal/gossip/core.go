package gossip

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
)

// The shape of a channel.
const (
	// Active is how many partners a member wants, MaxActive how many it takes.
	Active    = 5
	MaxActive = 7

	// MaxPassive is how many other members it knows of, to replace them.
	MaxPassive = 30

	// FloodMax is how many signed bytes go over all links and not by the tree.
	FloodMax = 1 << 10
)

// The times of a channel.
const (
	// aliveEvery is after how much silence a member tells a partner that it is
	// there, deadAfter after how much of it the partner is given up.
	aliveEvery = 2500 * time.Millisecond
	deadAfter  = 6 * time.Second

	// dialWait is how long a link to a member may take, answerWait its answer.
	dialWait   = 30 * time.Second
	answerWait = 3 * time.Second

	// pauseAsking is how long a member with partners waits after a refusal.
	pauseAsking = 2 * time.Second

	// goneFor is how long what a partner sent before it left may come after
	// its leave, over the link's other lane.
	goneFor = 5 * time.Second

	// fresh is how far back new partners tell each other what they have. A
	// member younger than this takes no notice, as it would hear the past.
	fresh = 15 * time.Second

	// banFor is how long a flooder may not become a partner again.
	banFor = 10 * time.Minute

	// failedFor is how long a member that could not be linked to is left alone.
	failedFor = 20 * time.Second

	// shuffleEvery is how often a member trades names with another.
	shuffleEvery = 30 * time.Second

	// AnnounceEvery is how often each of up to MaxRecords members announces
	// itself, maxAnnounce how seldom one of many.
	AnnounceEvery = 60 * time.Second
	maxAnnounce   = 24 * time.Hour

	// maxSlower is how many times the last pause between two announcements
	// the next may be, whatever the meeting places say of the members.
	maxSlower = 4

	// firstLookup and maxLookup bound the pause of a member without partners
	// between two looks for others.
	firstLookup = 5 * time.Second
	maxLookup   = 60 * time.Second
)

// maxSuitors is how many nodes may be asked to become partners at once,
// maxBanned how many floods a member remembers, maxFailed how many members that
// could not be linked to.
const (
	maxSuitors = 8
	maxBanned  = 64
	maxFailed  = 64

	// maxLed is how many of the suitors may be those that a walk led here: the
	// others are of this member's own choice.
	maxLed = maxSuitors / 2

	// maxOurs is how many partners of its own choice a member gives up for
	// nobody who asks, so that strangers cannot take all its places.
	maxOurs = 3

	// maxSources is how many neighbours' rates are kept.
	maxSources = 1024

	// maxCount is the most members that a member believes there to be.
	maxCount = 1 << 30
)

// A Config is what a Core needs.
type Config struct {
	Self    addr.Addr
	Channel addr.Addr
	Network string

	// Rand is the Core's alone.
	Rand *rand.Rand

	// Verify says whether a message is its author's: the function Verify and
	// what the network asks of keys.
	Verify func(*frame.Publish) error
}

// A Core is a member's part in a channel. It is not safe for concurrent use.
type Core struct {
	cfg   Config
	began time.Time
	now   time.Time // of the last Step

	partners []*partner
	suitors  []suitor
	passive  []addr.Addr
	gone     []leaver
	banned   []leaver
	failed   []leaver  // that could not be linked to
	askAt    time.Time // before it nobody is asked for room
	shuffle  time.Time
	lookup   time.Time
	nominal  time.Duration // how often lookups come, for the next
	pause    time.Duration // between lookups without partners
	met      bool          // there was a partner once
	count    int           // of members, as far as is known
	counted  bool          // a meeting place has said so

	seen    seen
	store   store
	wanted  map[frame.ID]*wanted
	queue   []*wanted // all of wanted, and some that came, in their order
	authors authors
	sources sources
	recall  recall
	trading bool // a Shuffle of our own has not been answered

	stats Stats
	out   []Effect
}

// A partner is a member that messages come from and go to.
type partner struct {
	at           addr.Addr
	heard, spoke time.Time
	lazy         bool // large messages go by name
	ours         bool // of our own choice
	*source
}

// A suitor is a node that was asked to become a partner, or is being dialled
// for that.
type suitor struct {
	at     addr.Addr
	want   uint64
	led    bool // by a walk
	dialed bool
	until  time.Time
}

// A leaver was a partner until a moment ago, or may not be one for a while.
type leaver struct {
	at    addr.Addr
	until time.Time
}

// Stats counts what became of messages.
type Stats struct {
	// Delivered are messages that were new, Copies those that were not.
	Delivered, Copies uint64

	// Excess are messages above their author's or the link's rate, Stale
	// those too old or too far ahead, Bad those that were none.
	Excess, Stale, Bad uint64

	// Grafts are messages that had to be asked for.
	Grafts uint64
}

// New returns the Core of a member that joins at the time now. It first asks for
// a Lookup, at Wake.
func New(now time.Time, cfg Config) *Core {
	return &Core{
		cfg: cfg, began: now, lookup: now, nominal: AnnounceEvery, pause: firstLookup,
		shuffle: now.Add(jitter(cfg.Rand, shuffleEvery)),
		wanted:  make(map[frame.ID]*wanted), authors: make(authors), sources: make(sources),
	}
}

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Found is what a Lookup brought: some members, and how many there are.
	Found struct {
		Members []addr.Addr
		Count   int
	}

	// Dialed answers a Dial. OK tells that there is a link.
	Dialed struct {
		To addr.Addr
		OK bool
	}

	// Lost tells that a link ended.
	Lost struct{ Who addr.Addr }

	// Arrived is a frame of this channel from a neighbour.
	Arrived struct {
		From  addr.Addr
		Frame frame.Frame
	}

	// Say publishes a message of this member's own.
	Say struct{ Frame *frame.Publish }

	// Recall asks a partner, now or the first to come, for the last Want
	// messages.
	Recall struct{ Want int }

	// Quit ends the membership. Nothing may follow.
	Quit struct{}

	// Tick lets time pass; send it at Wake.
	Tick struct{}
)

func (Found) event()   {}
func (Dialed) event()  {}
func (Lost) event()    {}
func (Arrived) event() {}
func (Say) event()     {}
func (Recall) event()  {}
func (Quit) event()    {}
func (Tick) event()    {}

// An Effect is something to do: one of the types below.
type Effect interface{ effect() }

type (
	// Send gives a frame to a neighbour.
	Send struct {
		To    addr.Addr
		Frame frame.Frame
		Class Class
	}

	// Dial asks for a link to a member. Dialed answers, in any case.
	Dial struct{ To addr.Addr }

	// Lookup asks for this member to be announced at the meeting places, and
	// for others. Found answers, in any case. Every is how often it comes.
	Lookup struct{ Every time.Duration }

	// Deliver hands a message to the application. Past tells that it answers
	// a Recall.
	Deliver struct {
		Message *Message
		Past    bool
	}

	// Blame tells that a neighbour sent what its author did not sign.
	Blame struct {
		Who addr.Addr
		Err error
	}
)

func (Send) effect()    {}
func (Dial) effect()    {}
func (Lookup) effect()  {}
func (Deliver) effect() {}
func (Blame) effect()   {}

// A Class orders what waits for a link.
type Class uint8

// The classes, the most urgent first.
const (
	Control Class = iota // names, trees, membership
	Own                  // messages of this node
	Forward              // messages of others; the oldest may be dropped
	Classes
)

// Partners returns how many partners there are.
func (c *Core) Partners() int { return len(c.partners) }

// PartnersAt returns where they are.
func (c *Core) PartnersAt() []addr.Addr {
	return c.where(func(*partner) bool { return true })
}

// Looking reports whether somebody is being asked to become a partner.
func (c *Core) Looking() bool { return len(c.suitors) > 0 }

// Count returns how many members there are, this one included, as far as the
// meeting places know.
func (c *Core) Count() int { return max(c.count, len(c.partners)+1) }

// Stats returns the counters so far.
func (c *Core) Stats() Stats { return c.stats }

// Step takes an event and returns what to do, in order.
func (c *Core) Step(now time.Time, event Event) []Effect {
	c.now = now
	switch e := event.(type) {
	case Found:
		c.found(now, e)
	case Dialed:
		c.dialed(now, e)
	case Lost:
		c.lose(now, e.Who)
		delete(c.sources, e.Who)
	case Arrived:
		c.arrived(now, e.From, e.Frame)
	case Say:
		c.say(now, e.Frame)
	case Recall:
		c.recall = recall{want: min(e.Want, frame.MaxPast), left: min(e.Want, frame.MaxPast)}
		for _, p := range c.partners {
			c.askPast(now, p)
		}
	case Quit:
		for _, p := range c.partners {
			// Behind the last messages of our own.
			c.send(now, p.at, &frame.Leave{Channel: c.cfg.Channel}, Own)
		}
		c.partners, c.suitors = nil, nil
	case Tick:
		c.tick(now)
	}
	if _, quit := event.(Quit); !quit {
		c.maintain(now)
	}
	out := c.out
	c.out = nil
	return out
}

// Wake returns when the next Tick is due.
func (c *Core) Wake() time.Time {
	next := c.shuffle
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	sooner(c.lookup)
	for _, p := range c.partners {
		sooner(p.spoke.Add(aliveEvery))
		sooner(p.heard.Add(deadAfter))
	}
	for _, s := range c.suitors {
		sooner(s.until)
	}
	for _, w := range c.queue {
		sooner(w.at)
	}
	if len(c.partners)+c.courted() < Active && c.askAt.After(c.now) {
		sooner(c.askAt)
	}
	for _, f := range c.failed {
		sooner(f.until)
	}
	return next
}

func (c *Core) tick(now time.Time) {
	for _, p := range slices.Clone(c.partners) {
		switch {
		case now.Sub(p.heard) >= deadAfter:
			c.send(now, p.at, &frame.Leave{Channel: c.cfg.Channel}, Control)
			c.lose(now, p.at)
			// It may be only slow.
			c.remember(p.at)
		case now.Sub(p.spoke) >= aliveEvery:
			c.send(now, p.at, &frame.Have{Channel: c.cfg.Channel}, Control)
		}
	}
	c.suitors = slices.DeleteFunc(c.suitors, func(s suitor) bool {
		if now.Before(s.until) {
			return false
		}
		c.fail(now, s.at)
		return true
	})
	over := func(g leaver) bool { return !now.Before(g.until) }
	c.gone = slices.DeleteFunc(c.gone, over)
	c.banned = slices.DeleteFunc(c.banned, over)
	c.failed = slices.DeleteFunc(c.failed, over)
	c.graft(now)
	if !now.Before(c.shuffle) {
		c.shuffle = now.Add(jitter(c.cfg.Rand, shuffleEvery))
		c.trade(now)
	}
	if !now.Before(c.lookup) {
		c.look(now)
	}
}

// arrived acts on a frame from a neighbour.
func (c *Core) arrived(now time.Time, from addr.Addr, f frame.Frame) {
	p := c.partner(from)
	if p != nil {
		p.heard = now
	}
	switch f := f.(type) {
	case *frame.Neighbour:
		c.neighbour(now, from, f)
		return
	case *frame.Partner:
		c.answered(now, from, f)
		return
	case *frame.Leave:
		c.left(now, from)
		return
	case *frame.Publish:
		c.published(now, from, p, f)
		return
	}
	if p == nil {
		// It takes us for a partner. What crossed our own leave is let be.
		if !c.courting(from) && !c.justLeft(from) {
			c.send(now, from, &frame.Leave{Channel: c.cfg.Channel}, Control)
		}
		return
	}
	switch f := f.(type) {
	case *frame.Have:
		c.have(now, p, f.IDs)
	case *frame.Graft:
		c.grafted(now, p, f.IDs)
	case *frame.Prune:
		p.lazy = true
	case *frame.Walk:
		c.walk(now, p, f)
	case *frame.Shuffle:
		c.shuffled(now, p, f)
	case *frame.Shuffled:
		c.traded(now, p, f)
	case *frame.Past:
		c.past(now, p, int(f.Want))
	}
}

func (c *Core) do(e Effect) { c.out = append(c.out, e) }

func (c *Core) send(now time.Time, to addr.Addr, f frame.Frame, class Class) {
	if p := c.partner(to); p != nil {
		p.spoke = now
	}
	c.do(Send{to, f, class})
}

// jitter is d, a fifth more or less.
func jitter(r *rand.Rand, d time.Duration) time.Duration {
	return d - d/5 + time.Duration(r.Int64N(int64(2*d/5)))
}
