package route

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/rpc"
)

// The times and bounds of routing.
const (
	// FlightLife is how long the way back for a reply is kept.
	FlightLife = 30 * time.Second

	// MaxFlights is how many requests may be under way through a node.
	MaxFlights = 4096

	// MaxBacks is how many neighbours may hand the same attempt to a node. KeptFor is
	// how long its reply is kept for those who come late, if it has maxKept bytes at
	// most and less than half of MaxFlights are under way.
	MaxBacks = 3
	KeptFor  = 4 * time.Second
	maxKept  = 4 << 10

	// Alternates is how many other neighbours a node tries for a request.
	Alternates = 3

	// Warm is for how long a new neighbour is no way for look-ups, unless it is
	// what is looked for: it may not know yet who is nearer.
	Warm = 5 * time.Second

	// MinAckWait and MaxAckWait bound the wait for a hop's Ack, which is 4
	// round trips.
	MinAckWait, MaxAckWait = 250 * time.Millisecond, 2 * time.Second
)

// A Key names one attempt at a request.
type Key struct {
	Source  identity.Entity
	ID      [16]byte
	Attempt uint64
}

// A Core routes for the node at one address. Step and Wake are not safe for
// concurrent use.
type Core struct {
	self    addr.Addr
	links   map[addr.Addr]neighbour
	began   time.Time // when the first link came
	flights map[Key]*flight
	hops    map[uint64]*flight
	nextHop uint64
	seen    memory
}

// A neighbour is a link as routing sees it.
type neighbour struct {
	rtt   time.Duration // 0 is not known yet
	since time.Time
	host  netip.Addr
	last  bool // see table.Crowded
}

// A flight is a request that came by and whose reply may still do.
type flight struct {
	key     Key
	req     *Request
	local   bool   // we are the source
	backs   []back // where it came from unless local, first to last
	ttl     uint64
	budget  uint64
	tried   []addr.Addr // neighbours it was handed to, the present one last
	hop     uint64      // names the present hop
	waiting bool        // for the hop's Ack, until ackBy
	ackBy   time.Time
	here    bool   // we are the end
	reply   *Reply // that has passed; the flight is kept for those who come late
	expires time.Time
}

// back is a neighbour that handed a request to us, and its name for that hop.
type back struct {
	addr addr.Addr
	hop  uint64
}

// New returns a Core for the node at self, without links.
func New(self addr.Addr) *Core {
	return &Core{
		self:    self,
		links:   make(map[addr.Addr]neighbour),
		flights: make(map[Key]*flight),
		hops:    make(map[uint64]*flight),
	}
}

// An Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// LinkUp tells of a new link, or of a better estimate of its round trip.
	LinkUp struct {
		Addr addr.Addr
		RTT  time.Duration
		Host netip.Addr // as in table.Link
	}

	// LinkDown tells that a link ended.
	LinkDown struct{ Addr addr.Addr }

	// Begin starts an attempt at a request of our own. Neighbours in Avoid
	// are taken only when there is no other. First, when it is a neighbour,
	// is where the attempt begins, however far from the target it is.
	Begin struct {
		Req     *Request
		Attempt uint64
		Avoid   []addr.Addr
		First   addr.Addr
	}

	// Arrived is a routed request from a neighbour, its signature verified.
	Arrived struct {
		From  addr.Addr
		Frame *frame.Routed
		Req   *Request
	}

	// Acked is an Ack from a neighbour.
	Acked struct {
		From addr.Addr
		Hop  uint64
	}

	// Naked is a Nak from a neighbour.
	Naked struct {
		From  addr.Addr
		Frame *frame.Nak
	}

	// Answered is a reply from a neighbour, its signature verified, or our
	// own handler's, for which From is our own address.
	Answered struct {
		From    addr.Addr
		Attempt uint64
		Reply   *Reply
	}

	// GaveUp tells that nobody waits for our own request any more.
	GaveUp struct{ Key Key }

	// Tick lets time pass; send it at Wake.
	Tick struct{}
)

func (LinkUp) event()   {}
func (LinkDown) event() {}
func (Begin) event()    {}
func (Arrived) event()  {}
func (Acked) event()    {}
func (Naked) event()    {}
func (Answered) event() {}
func (GaveUp) event()   {}
func (Tick) event()     {}

// An Effect is something to do: one of the types below.
type Effect interface{ effect() }

type (
	// Send gives a frame to a neighbour.
	Send struct {
		To    addr.Addr
		Frame frame.Frame
	}

	// Deliver hands a request, which came from the neighbour at From with TTL
	// hops left, to our own handlers. Their reply comes back as Answered.
	Deliver struct {
		Key  Key
		Req  *Request
		From addr.Addr
		TTL  uint64
	}

	// Done is the reply to our own request; it fits.
	Done struct {
		Key   Key
		Reply *Reply
	}

	// Failed tells that an attempt of our own found no way.
	Failed struct {
		Key  Key
		Code rpc.Code
	}

	// Handed tells which neighbour has taken an attempt of our own.
	Handed struct {
		Key Key
		To  addr.Addr
	}

	// Blame tells that a neighbour sent a reply that fits no request.
	Blame struct {
		Who addr.Addr
		Err error
	}

	// Suspect tells that a neighbour did not acknowledge a request in time.
	Suspect struct{ Who addr.Addr }
)

func (Send) effect()    {}
func (Deliver) effect() {}
func (Done) effect()    {}
func (Failed) effect()  {}
func (Handed) effect()  {}
func (Blame) effect()   {}
func (Suspect) effect() {}

// Seen reports whether the attempt has been here, so that its signature need
// not be verified again.
func (c *Core) Seen(now time.Time, key Key) bool { return c.seen.has(now, key) }

// Awaits reports whether a reply to the attempt may come from a neighbour: what
// nobody waits for need not be verified.
func (c *Core) Awaits(from addr.Addr, key Key) bool {
	f := c.flights[key]
	return f != nil && f.reply == nil && slices.Contains(f.tried, from)
}

// Step takes an event and returns what to do, in order.
func (c *Core) Step(now time.Time, event Event) []Effect {
	switch e := event.(type) {
	case LinkUp:
		c.linkUp(now, e)
	case LinkDown:
		return c.linkDown(now, e.Addr)
	case Begin:
		return c.begin(now, e)
	case Arrived:
		return c.arrived(now, e)
	case Acked:
		if f := c.hops[e.Hop]; f != nil && f.at(e.From, e.Hop) {
			f.waiting = false
		}
	case Naked:
		return c.naked(now, e)
	case Answered:
		return c.answered(now, e)
	case GaveUp:
		if f := c.flights[e.Key]; f != nil && f.local {
			c.drop(f)
		}
	case Tick:
		return c.tick(now)
	}
	return nil
}

// Wake returns when the next Tick is due; the zero time when none is.
func (c *Core) Wake() time.Time {
	var next time.Time
	for _, f := range c.flights {
		at := f.expires
		if f.waiting && f.ackBy.Before(at) {
			at = f.ackBy
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// at reports whether hop is the flight's present one and went to peer.
func (f *flight) at(peer addr.Addr, hop uint64) bool {
	return len(f.tried) > 0 && f.hop == hop && f.tried[len(f.tried)-1] == peer
}

func (c *Core) begin(now time.Time, e Begin) []Effect {
	key := Key{e.Req.Source, e.Req.ID, e.Attempt}
	if len(c.flights) >= MaxFlights {
		return []Effect{Failed{key, rpc.Busy}}
	}
	c.seen.add(now, key)
	f := &flight{
		key: key, req: e.Req, local: true, ttl: frame.MaxTTL, budget: frame.MaxBudget,
		expires: now.Add(FlightLife),
	}
	c.flights[key] = f
	return c.forward(now, f, e.Avoid, e.First)
}

func (c *Core) arrived(now time.Time, e Arrived) []Effect {
	key := Key{e.Req.Source, e.Req.ID, e.Frame.Attempt}
	nak := func(code rpc.Code) []Effect {
		return []Effect{Send{e.From, &frame.Nak{Hop: e.Frame.Hop, Code: code, Budget: e.Frame.Budget}}}
	}
	if f := c.flights[key]; f != nil && f.joins(e.From) {
		return f.join(e)
	}
	switch {
	case c.seen.has(now, key):
		return nak(rpc.Replayed)
	case e.Req.Over(now):
		return nak(rpc.Expired)
	case len(c.flights) >= MaxFlights:
		return nak(rpc.Busy)
	}
	c.seen.add(now, key)
	f := &flight{
		key: key, req: e.Req, backs: []back{{e.From, e.Frame.Hop}},
		ttl: e.Frame.TTL, budget: e.Frame.Budget, expires: now.Add(FlightLife),
	}
	c.flights[key] = f
	return append([]Effect{Send{e.From, &frame.Ack{Hop: e.Frame.Hop}}}, c.forward(now, f, nil, addr.Addr{})...)
}

// from is the neighbour that it came from first; the zero Addr when we are the source.
func (f *flight) from() addr.Addr {
	if f.local {
		return addr.Addr{}
	}
	return f.backs[0].addr
}

// joins reports whether a request that is here already may come from another
// neighbour too: one on its way took it for lost, and found another way to us.
func (f *flight) joins(from addr.Addr) bool {
	return !f.local && len(f.backs) < MaxBacks && !slices.ContainsFunc(f.backs, func(b back) bool { return b.addr == from })
}

// join has the reply go back this way as well.
func (f *flight) join(e Arrived) []Effect {
	f.backs = append(f.backs, back{e.From, e.Frame.Hop})
	effects := []Effect{Send{e.From, &frame.Ack{Hop: e.Frame.Hop}}}
	if f.reply != nil {
		effects = append(effects, f.answer(e.From))
	}
	return effects
}

// answer passes the reply on.
func (f *flight) answer(to addr.Addr) Effect {
	return Send{to, &frame.Answer{Attempt: f.key.Attempt, Statement: f.reply.Encoded}}
}

// forward finds the next neighbour for f, or makes this node its end, or gives
// it back.
func (c *Core) forward(now time.Time, f *flight, avoid []addr.Addr, first addr.Addr) []Effect {
	if f.hop != 0 {
		delete(c.hops, f.hop)
		f.hop, f.waiting = 0, false
	}
	if f.req.To == c.self && f.req.Not != c.self {
		return c.arrive(f)
	}
	next := first
	_, ok := c.links[first]
	ok = ok && first != f.req.Not
	if !ok {
		next, ok = c.next(now, f, avoid)
	}
	switch {
	case ok && f.ttl > 0 && len(f.tried) <= Alternates:
	case f.req.Near() && !f.local && f.req.Not != c.self:
		// Nobody nearer can be reached, so the end is here.
		return c.arrive(f)
	default:
		return c.giveBack(f, rpc.Unreachable)
	}
	c.nextHop++
	f.hop = c.nextHop
	f.tried = append(f.tried, next)
	f.waiting, f.ackBy = true, now.Add(min(max(4*c.links[next].rtt, MinAckWait), MaxAckWait))
	c.hops[f.hop] = f
	effects := []Effect{Send{next, &frame.Routed{
		Hop: f.hop, TTL: f.ttl - 1, Attempt: f.key.Attempt, Budget: f.budget, Statement: f.req.Encoded,
	}}}
	if f.local {
		effects = append(effects, Handed{f.key, next})
	}
	return effects
}

// next returns the best neighbour for f that has not been tried.
func (c *Core) next(now time.Time, f *flight, avoid []addr.Addr) (addr.Addr, bool) {
	source := addr.OfNode(f.req.Source)
	var best addr.Addr
	var found, avoided bool
	fresh := c.warm(now) && f.req.Near() && f.req.Not != f.req.To
	for a, l := range c.links {
		if a == f.req.Not || a == source || !f.local && a == f.from() || slices.Contains(f.tried, a) {
			continue
		}
		if !f.local && !addr.Closer(f.req.To, a, c.self) {
			continue
		}
		young := fresh && now.Sub(l.since) < Warm && a != f.req.To
		if young && !f.local {
			continue
		}
		// A neighbour to avoid is better than none, worse than all others.
		shun := young || l.last && a != f.req.To || slices.Contains(avoid, a)
		if !found || avoided && !shun || avoided == shun && c.before(f, a, best) {
			best, found, avoided = a, true, shun
		}
	}
	return best, found
}

// before reports whether neighbour a is a better next hop for f than b: nearer to the
// target. A retry goes by the oldest of those that are a bit nearer at least: who came
// last, or came to swallow requests, is not on its way.
func (c *Core) before(f *flight, a, b addr.Addr) bool {
	if to := f.req.To; f.key.Attempt > 0 && a != to && b != to {
		bit := addr.LogDist(c.self, to)
		nearer := addr.LogDist(a, to) > bit
		if nearer != (addr.LogDist(b, to) > bit) {
			return nearer
		}
		if older := c.links[a].since.Compare(c.links[b].since); nearer && older != 0 {
			return older < 0
		}
	}
	return addr.Closer(f.req.To, a, b)
}

// linkUp takes a new link in, or a better estimate of its round trip.
func (c *Core) linkUp(now time.Time, e LinkUp) {
	if len(c.links) == 0 {
		c.began = now
	}
	l, known := c.links[e.Addr]
	if !known {
		l.since = now
	}
	l.rtt = e.RTT
	if !known {
		l.host = e.Host
	}
	c.links[e.Addr] = l
	if !known {
		c.rank()
	}
}

// rank says anew which neighbours are tried last.
func (c *Core) rank() {
	addrs := slices.SortedFunc(maps.Keys(c.links), func(a, b addr.Addr) int { return slices.Compare(a[:], b[:]) })
	standings := make([]table.Standing, len(addrs))
	for i, a := range addrs {
		standings[i] = table.Standing{Host: c.links[a].host, Since: c.links[a].since}
	}
	for i, last := range table.Crowded(standings) {
		l := c.links[addrs[i]]
		l.last = last
		c.links[addrs[i]] = l
	}
}

// warm reports whether this node has been here for long enough to say who is nearest:
// it does not leave that to one who has just come.
func (c *Core) warm(now time.Time) bool { return now.Sub(c.began) >= 2*Warm }

// arrive makes this node the end of f's path.
func (c *Core) arrive(f *flight) []Effect {
	f.here, f.waiting = true, false
	return []Effect{Deliver{f.key, f.req, f.from(), f.ttl}}
}

// giveBack ends f here without an answer.
func (c *Core) giveBack(f *flight, code rpc.Code) []Effect {
	c.drop(f)
	if f.local {
		return []Effect{Failed{f.key, code}}
	}
	var effects []Effect
	for _, b := range f.backs {
		effects = append(effects, Send{b.addr, &frame.Nak{Hop: b.hop, Code: code, Budget: f.budget}})
	}
	return effects
}

func (c *Core) naked(now time.Time, e Naked) []Effect {
	f := c.hops[e.Frame.Hop]
	if f == nil || !f.at(e.From, e.Frame.Hop) {
		return nil
	}
	f.budget = min(f.budget, e.Frame.Budget)
	return c.another(now, f)
}

// another tries f's next alternate, as far as its budget goes.
func (c *Core) another(now time.Time, f *flight) []Effect {
	if f.budget == 0 {
		delete(c.hops, f.hop)
		if f.req.Near() && !f.local && f.req.Not != c.self {
			return c.arrive(f)
		}
		return c.giveBack(f, rpc.Unreachable)
	}
	f.budget--
	return c.forward(now, f, nil, addr.Addr{})
}

func (c *Core) answered(now time.Time, e Answered) []Effect {
	key := Key{e.Reply.To, e.Reply.ID, e.Attempt}
	f := c.flights[key]
	if f == nil || f.reply != nil {
		return nil // too late
	}
	if e.From != c.self {
		if !slices.Contains(f.tried, e.From) {
			return nil
		}
		if err := e.Reply.Fits(f.req); err != nil {
			return []Effect{Blame{e.From, err}}
		}
	}
	c.drop(f)
	if f.local {
		return []Effect{Done{key, e.Reply}}
	}
	f.reply = e.Reply
	var effects []Effect
	for _, b := range f.backs {
		effects = append(effects, f.answer(b.addr))
	}
	if len(c.flights) < MaxFlights/2 && len(e.Reply.Encoded) <= maxKept {
		f.here, f.waiting, f.hop, f.expires = true, false, 0, now.Add(KeptFor)
		c.flights[key] = f
	}
	return effects
}

func (c *Core) linkDown(now time.Time, gone addr.Addr) []Effect {
	delete(c.links, gone)
	c.rank()
	var effects []Effect
	for _, f := range c.sorted(func(f *flight) bool {
		return !f.here && len(f.tried) > 0 && f.tried[len(f.tried)-1] == gone
	}) {
		effects = append(effects, c.another(now, f)...)
	}
	return effects
}

func (c *Core) tick(now time.Time) []Effect {
	var effects []Effect
	for _, f := range c.sorted(func(f *flight) bool {
		return !f.expires.After(now) || f.waiting && !f.ackBy.After(now)
	}) {
		switch {
		case !f.expires.After(now) && f.local:
			effects = append(effects, c.giveBack(f, rpc.Timeout)...)
		case !f.expires.After(now):
			c.drop(f)
		default:
			effects = append(effects, Suspect{f.tried[len(f.tried)-1]})
			effects = append(effects, c.another(now, f)...)
		}
	}
	return effects
}

// sorted returns the flights that match in the order of their hops, so that
// the same events always give the same effects.
func (c *Core) sorted(match func(*flight) bool) []*flight {
	var found []*flight
	for _, f := range c.flights {
		if match(f) {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b *flight) int {
		if a.hop != b.hop {
			if a.hop < b.hop {
				return -1
			}
			return 1
		}
		return slices.Compare(a.key.ID[:], b.key.ID[:])
	})
	return found
}

func (c *Core) drop(f *flight) {
	delete(c.flights, f.key)
	delete(c.hops, f.hop)
}
