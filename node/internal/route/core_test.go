package route

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
)

// A world is many Cores with one clock and no wires: a discrete simulation.
type world struct {
	t     *testing.T
	rand  *rand.Rand
	now   time.Time
	nodes []*simNode
	at    map[addr.Addr]*simNode
	reqs  map[string]*Request // by Encoded
	reps  map[string]*Reply
	queue []delivery
	sends int
	seq   int

	delivered []delivery2
	replies   map[Key]*Reply
	failed    map[Key]rpc.Code
	handed    map[Key]addr.Addr
}

type simNode struct {
	entity identity.Entity
	addr   addr.Addr
	core   *Core
	deaf   bool // takes frames and does nothing
}

type delivery struct {
	at       time.Time
	seq      int
	from, to addr.Addr
	frame    frame.Frame
}

type delivery2 struct {
	node addr.Addr
	req  *Request
}

func newWorld(t *testing.T, seed uint64, n int) *world {
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: noon, at: make(map[addr.Addr]*simNode),
		reqs: make(map[string]*Request), reps: make(map[string]*Reply), replies: make(map[Key]*Reply),
		failed: make(map[Key]rpc.Code), handed: make(map[Key]addr.Addr),
	}
	for range n {
		var e identity.Entity
		for i := range e {
			e[i] = byte(w.rand.Uint32())
		}
		node := &simNode{entity: e, addr: addr.OfNode(e)}
		node.core = New(node.addr)
		w.nodes = append(w.nodes, node)
		w.at[node.addr] = node
	}
	return w
}

func (w *world) link(a, b *simNode) {
	w.step(a, LinkUp{Addr: b.addr, RTT: 50 * time.Millisecond})
	w.step(b, LinkUp{Addr: a.addr, RTT: 50 * time.Millisecond})
}

// fill gives every node a link into every bucket that is not empty.
func (w *world) fill() {
	for _, a := range w.nodes {
		buckets := make(map[int][]*simNode)
		for _, b := range w.nodes {
			if a != b {
				d := addr.LogDist(a.addr, b.addr)
				buckets[d] = append(buckets[d], b)
			}
		}
		for d := range addr.Bits {
			if in := buckets[d]; len(in) > 0 {
				w.link(a, in[w.rand.IntN(len(in))])
			}
		}
	}
}

func (w *world) step(n *simNode, e Event) {
	for _, effect := range n.core.Step(w.now, e) {
		switch e := effect.(type) {
		case Send:
			w.sends++
			w.seq++
			w.queue = append(w.queue, delivery{w.now.Add(25 * time.Millisecond), w.seq, n.addr, e.To, e.Frame})
		case Deliver:
			w.delivered = append(w.delivered, delivery2{n.addr, e.Req})
			r := &Reply{By: n.entity, To: e.Req.Source, ID: e.Req.ID, Request: e.Req.Hash()}
			r.Encoded = append([]byte{byte(e.Key.Attempt)}, append(e.Req.ID[:], n.entity[:]...)...)
			w.reps[string(r.Encoded)] = r
			w.step(n, Answered{n.addr, e.Key.Attempt, r})
		case Done:
			w.replies[e.Key] = e.Reply
		case Failed:
			w.failed[e.Key] = e.Code
		case Handed:
			w.handed[e.Key] = e.To
		case Blame:
			w.t.Errorf("blamed %v", e.Err)
		}
	}
}

// run plays until nothing is under way, at most most frames.
func (w *world) run(most int) {
	for range most {
		// The next thing is a frame's arrival or a core's time.
		next, at := -1, time.Time{}
		for i, d := range w.queue {
			if next < 0 || d.at.Before(at) || d.at.Equal(at) && d.seq < w.queue[next].seq {
				next, at = i, d.at
			}
		}
		var late *simNode
		for _, n := range w.nodes {
			if wake := n.core.Wake(); !wake.IsZero() && (next < 0 && late == nil || wake.Before(at)) {
				next, late, at = -1, n, wake
			}
		}
		switch {
		case late != nil:
			w.now = at
			w.step(late, Tick{})
		case next >= 0:
			w.now = at
			d := w.queue[next]
			w.queue = slices.Delete(w.queue, next, next+1)
			w.arrive(d)
		default:
			return
		}
	}
	w.t.Fatalf("still busy after %d steps", most)
}

func (w *world) arrive(d delivery) {
	n := w.at[d.to]
	if n.deaf {
		return
	}
	switch f := d.frame.(type) {
	case *frame.Routed:
		w.step(n, Arrived{d.from, f, w.reqs[string(f.Statement)]})
	case *frame.Ack:
		w.step(n, Acked{d.from, f.Hop})
	case *frame.Nak:
		w.step(n, Naked{d.from, f})
	case *frame.Answer:
		w.step(n, Answered{d.from, f.Attempt, w.reps[string(f.Statement)]})
	}
}

func (w *world) request(from *simNode, to addr.Addr, scope string) *Request {
	r := &Request{Source: from.entity, To: to, Issued: w.now, Expires: w.now.Add(MaxLife), Scope: scope}
	for i := range r.ID {
		r.ID[i] = byte(w.rand.Uint32())
	}
	r.Signed = identity.Statement{By: from.entity, Body: r.ID[:]}
	r.Encoded = append([]byte(scope), r.ID[:]...)
	w.reqs[string(r.Encoded)] = r
	return r
}

// With a link into every bucket each request ends at its node, the look-up of
// any address at the node nearest of all, in few hops.
func TestGreedyDelivers(t *testing.T) {
	w := newWorld(t, 1, 200)
	w.fill()
	for i := range 300 {
		from := w.nodes[w.rand.IntN(len(w.nodes))]
		to := w.nodes[w.rand.IntN(len(w.nodes))]
		if from == to {
			continue
		}
		r := w.request(from, to.addr, "x")
		w.sends, w.delivered = 0, nil
		w.step(from, Begin{Req: r})
		w.run(1000)
		key := Key{r.Source, r.ID, 0}
		if w.replies[key] == nil || w.replies[key].By != to.entity || len(w.delivered) != 1 {
			t.Fatalf("call %d: reply %+v, failed %v, delivered %d times", i, w.replies[key], w.failed[key], len(w.delivered))
		}
		if w.sends > 3*12 {
			t.Errorf("call %d took %d frames", i, w.sends)
		}
	}
	for i := range 100 {
		var target addr.Addr
		for j := range target {
			target[j] = byte(w.rand.Uint32())
		}
		from := w.nodes[i]
		best := w.nodes[0]
		for _, n := range w.nodes {
			if n != from && (best == from || addr.Closer(target, n.addr, best.addr)) {
				best = n
			}
		}
		r := w.request(from, target, NearScope)
		w.step(from, Begin{Req: r})
		w.run(1000)
		if got := w.replies[Key{r.Source, r.ID, 0}]; got == nil || got.By != best.entity {
			t.Fatalf("look-up %d: %+v", i, got)
		}
	}
}

// On any graph a request ends, after a bounded number of frames, and what has
// no node ends as unreachable.
func TestAlwaysEnds(t *testing.T) {
	for seed := range uint64(30) {
		w := newWorld(t, seed, 40)
		for range 60 {
			a, b := w.nodes[w.rand.IntN(40)], w.nodes[w.rand.IntN(40)]
			if a != b {
				w.link(a, b)
			}
		}
		for i := range 40 {
			w.nodes[i].deaf = w.rand.IntN(10) == 0
		}
		for range 20 {
			from := w.nodes[w.rand.IntN(40)]
			if from.deaf {
				continue
			}
			to := w.nodes[w.rand.IntN(40)].addr
			if w.rand.IntN(2) == 0 {
				to = to.Flip(w.rand.IntN(addr.Bits))
			}
			if to == from.addr {
				continue
			}
			r := w.request(from, to, "x")
			w.sends = 0
			w.step(from, Begin{Req: r})
			w.run(3000)
			key := Key{r.Source, r.ID, 0}
			if _, failed := w.failed[key]; w.replies[key] == nil && !failed {
				t.Fatalf("seed %d: neither answered nor failed", seed)
			}
			// Ack, Nak or Answer for each hop; at most budget+1 branches of ttl hops.
			if most := 3 * (frame.MaxBudget + 1) * frame.MaxTTL; w.sends > most {
				t.Errorf("seed %d: %d frames, above %d", seed, w.sends, most)
			}
		}
		for _, n := range w.nodes {
			if len(n.core.flights) != 0 || len(n.core.hops) != 0 {
				t.Errorf("seed %d: %d flights and %d hops are left", seed, len(n.core.flights), len(n.core.hops))
			}
		}
	}
}

// The same events give the same effects in the same order.
func TestRepeatable(t *testing.T) {
	play := func() []delivery2 {
		w := newWorld(t, 7, 60)
		w.fill()
		for i := range 60 {
			w.nodes[i].deaf = i%7 == 3
		}
		for i := range 20 {
			if !w.nodes[i].deaf {
				w.step(w.nodes[i], Begin{Req: w.request(w.nodes[i], w.nodes[59-i].addr, "x")})
			}
		}
		w.run(100000)
		return w.delivered
	}
	if a, b := play(), play(); len(a) == 0 || !reflect.DeepEqual(a, b) {
		t.Errorf("%d and %d deliveries, not the same", len(a), len(b))
	}
}

// A star's centre connects nodes however their addresses lie, and does not send
// a request back to its source.
func TestStar(t *testing.T) {
	w := newWorld(t, 3, 12)
	for _, n := range w.nodes[1:] {
		w.link(w.nodes[0], n)
	}
	for _, a := range w.nodes[1:] {
		for _, b := range w.nodes[1:] {
			if a == b {
				continue
			}
			r := w.request(a, b.addr, "x")
			w.step(a, Begin{Req: r})
			w.run(1000)
			if w.replies[Key{r.Source, r.ID, 0}] == nil {
				t.Fatalf("no reply: %v", w.failed)
			}
		}
	}
}

// line returns a source whose neighbours are all nearer to the target than it
// is, nearest first, and the target, which all of them have a link to.
func line(t *testing.T, hops int) (w *world, source, target *simNode, by []*simNode) {
	for seed := uint64(1); ; seed++ {
		w = newWorld(t, seed, hops+2)
		source, target, by = w.nodes[0], w.nodes[1], w.nodes[2:]
		if slices.ContainsFunc(by, func(n *simNode) bool { return !addr.Closer(target.addr, n.addr, source.addr) }) {
			continue
		}
		slices.SortFunc(by, func(a, b *simNode) int { return addr.Compare(target.addr, a.addr, b.addr) })
		for _, n := range by {
			w.link(source, n)
			w.link(n, target)
		}
		return w, source, target, by
	}
}

func TestAlternates(t *testing.T) {
	for _, c := range []struct {
		name string
		deaf int // so many of the nearest neighbours do not acknowledge
		want bool
	}{{"all answer", 0, true}, {"one is deaf", 1, true}, {"three are deaf", 3, true}, {"four are deaf", 4, false}} {
		t.Run(c.name, func(t *testing.T) {
			w, source, target, by := line(t, 5)
			for _, n := range by[:c.deaf] {
				n.deaf = true
			}
			r := w.request(source, target.addr, "x")
			w.step(source, Begin{Req: r})
			w.run(1000)
			key := Key{r.Source, r.ID, 0}
			if got := w.replies[key] != nil; got != c.want {
				t.Errorf("answered %v, failed %v", got, w.failed[key])
			}
			if !c.want && w.failed[key] != rpc.Unreachable {
				t.Errorf("failed with %v", w.failed[key])
			}
			if waited := w.now.Sub(noon); c.want && waited < time.Duration(c.deaf)*MinAckWait {
				t.Errorf("waited %s only", waited)
			}
		})
	}
}

func TestLinkDown(t *testing.T) {
	w, source, target, by := line(t, 3)
	by[0].deaf = true
	r := w.request(source, target.addr, "x")
	w.step(source, Begin{Req: r})
	w.step(source, LinkDown{by[0].addr}) // at once, not after the wait for Ack
	w.run(1000)
	key := Key{r.Source, r.ID, 0}
	if w.replies[key] == nil || w.handed[key] != by[1].addr {
		t.Errorf("reply %v by %v", w.replies[key], w.handed[key])
	}
}

func TestAvoid(t *testing.T) {
	w, source, target, by := line(t, 2)
	r := w.request(source, target.addr, "x")
	w.step(source, Begin{Req: r, Attempt: 1, Avoid: []addr.Addr{by[0].addr}})
	if got := w.handed[Key{r.Source, r.ID, 1}]; got != by[1].addr {
		t.Errorf("went through %v", got)
	}
	w.step(source, Begin{Req: r, Attempt: 2, Avoid: []addr.Addr{by[0].addr, by[1].addr}})
	if got := w.handed[Key{r.Source, r.ID, 2}]; got != by[0].addr {
		t.Errorf("nobody else: went through %v", got)
	}
}

// first returns the only effect, which must be a frame of type F.
func first[F frame.Frame](t *testing.T, effects []Effect) F {
	t.Helper()
	if len(effects) != 1 {
		t.Fatalf("effects %+v", effects)
	}
	send, _ := effects[0].(Send)
	f, ok := send.Frame.(F)
	if !ok {
		t.Fatalf("effects %+v", effects)
	}
	return f
}

func TestArrivedBounds(t *testing.T) {
	w, source, target, by := line(t, 1)
	r := w.request(source, target.addr, "x")
	core := by[0].core
	routed := &frame.Routed{Hop: 5, TTL: 3, Budget: 2, Statement: r.Encoded}
	if effects := core.Step(w.now, Arrived{source.addr, routed, r}); len(effects) != 2 {
		t.Fatalf("effects %+v", effects)
	}
	if nak := first[*frame.Nak](t, core.Step(w.now, Arrived{source.addr, routed, r})); nak.Code != rpc.Replayed || nak.Hop != 5 || nak.Budget != 2 {
		t.Errorf("again: %+v", nak)
	}
	late := w.request(source, target.addr, "x")
	if nak := first[*frame.Nak](t, core.Step(late.Expires.Add(Slack+1), Arrived{source.addr, &frame.Routed{Statement: late.Encoded}, late})); nak.Code != rpc.Expired {
		t.Errorf("late: %+v", nak)
	}
	far := w.request(source, target.addr, "x")
	effects := core.Step(w.now, Arrived{source.addr, &frame.Routed{Hop: 6, TTL: 0, Statement: far.Encoded}, far})
	if len(effects) != 2 || effects[1].(Send).Frame.(*frame.Nak).Code != rpc.Unreachable {
		t.Errorf("no hops left: %+v", effects)
	}
	for i := range MaxFlights {
		q := w.request(source, target.addr, "x")
		q.ID[0], q.ID[1] = byte(i), byte(i>>8)
		core.Step(w.now, Arrived{source.addr, &frame.Routed{Hop: uint64(i), TTL: 3, Statement: q.Encoded}, q})
	}
	more := w.request(source, target.addr, "x")
	if nak := first[*frame.Nak](t, core.Step(w.now, Arrived{source.addr, &frame.Routed{TTL: 3, Statement: more.Encoded}, more})); nak.Code != rpc.Busy {
		t.Errorf("full: %+v", nak)
	}
	if effects := core.Step(w.now, Begin{Req: more}); effects[0].(Failed).Code != rpc.Busy {
		t.Errorf("full: %+v", effects)
	}
	core.Step(w.now.Add(FlightLife), Tick{})
	if len(core.flights) != 0 || !core.Wake().IsZero() {
		t.Errorf("%d flights are left", len(core.flights))
	}
}

// Replies are taken from those who were asked, when they fit.
func TestAnswered(t *testing.T) {
	w, source, target, by := line(t, 2)
	r := w.request(source, target.addr, "x")
	w.step(source, Begin{Req: r})
	good := &Reply{By: target.entity, To: source.entity, ID: r.ID, Request: r.Hash()}
	forged := *good
	forged.By = by[0].entity
	if effects := source.core.Step(w.now, Answered{by[1].addr, 0, good}); effects != nil {
		t.Errorf("from one not asked: %+v", effects)
	}
	if effects := source.core.Step(w.now, Answered{by[0].addr, 1, good}); effects != nil {
		t.Errorf("for another attempt: %+v", effects)
	}
	if effects := source.core.Step(w.now, Answered{by[0].addr, 0, &forged}); len(effects) != 1 || effects[0].(Blame).Who != by[0].addr {
		t.Errorf("forged: %+v", effects)
	}
	if effects := source.core.Step(w.now, Answered{by[0].addr, 0, good}); len(effects) != 1 || effects[0].(Done).Reply != good {
		t.Errorf("good: %+v", effects)
	}
	if effects := source.core.Step(w.now, Answered{by[0].addr, 0, good}); effects != nil {
		t.Errorf("again: %+v", effects)
	}
}

func TestMemory(t *testing.T) {
	var m memory
	key := func(i int) Key { return Key{ID: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}} }
	m.add(noon, key(0))
	if !m.has(noon.Add(seenFor), key(0)) || !m.has(noon.Add(2*seenFor-1), key(0)) {
		t.Error("forgotten too early")
	}
	if m.has(noon.Add(4*seenFor), key(0)) {
		t.Error("remembered too long")
	}
	for i := range 3 * maxSeen {
		m.add(noon.Add(4*seenFor), key(i))
	}
	if n := len(m.young) + len(m.old); n > 2*maxSeen {
		t.Errorf("%d keys, above %d", n, 2*maxSeen)
	}
}

// An attempt that comes by two ways is one: the reply goes back along both, also to who
// comes after it has passed; the same neighbour, and one too many, are told that it is known.
func TestJoins(t *testing.T) {
	w := newWorld(t, 1, 8)
	at, source := w.nodes[0], w.nodes[1]
	ways := w.nodes[2:]
	for _, n := range ways {
		w.link(at, n)
	}
	r := w.request(source, at.addr, "x")
	hop := uint64(0)
	arrive := func(from *simNode) []Effect {
		hop++
		return at.core.Step(w.now, Arrived{from.addr, &frame.Routed{Hop: hop, TTL: 3, Budget: 2, Statement: r.Encoded}, r})
	}
	if got := arrive(ways[0]); len(got) != 2 || got[1].(Deliver).From != ways[0].addr {
		t.Fatalf("the first: %+v", got)
	}
	if ack := first[*frame.Ack](t, arrive(ways[1])); ack.Hop != 2 {
		t.Errorf("the second: %+v", ack)
	}
	if nak := first[*frame.Nak](t, arrive(ways[1])); nak.Code != rpc.Replayed {
		t.Errorf("the second again: %+v", nak)
	}
	reply := &Reply{By: at.entity, To: source.entity, ID: r.ID, Request: r.Hash(), Encoded: []byte("reply")}
	effects := at.core.Step(w.now, Answered{at.addr, 0, reply})
	if len(effects) != 2 || effects[0].(Send).To != ways[0].addr || effects[1].(Send).To != ways[1].addr {
		t.Errorf("answered: %+v", effects)
	}
	if again := at.core.Step(w.now, Answered{at.addr, 0, reply}); len(again) != 0 || at.core.Awaits(at.addr, Key{r.Source, r.ID, 0}) {
		t.Errorf("answered twice: %+v", again)
	}
	late := arrive(ways[2])
	if len(late) != 2 || late[0].(Send).To != ways[2].addr || string(late[1].(Send).Frame.(*frame.Answer).Statement) != "reply" {
		t.Errorf("late: %+v", late)
	}
	if nak := first[*frame.Nak](t, arrive(ways[3])); nak.Code != rpc.Replayed {
		t.Errorf("one too many: %+v", nak)
	}
	w.now = w.now.Add(KeptFor)
	at.core.Step(w.now, Tick{})
	if len(at.core.flights) != 0 {
		t.Errorf("%d flights are left", len(at.core.flights))
	}
	if nak := first[*frame.Nak](t, arrive(ways[4])); nak.Code != rpc.Replayed {
		t.Errorf("too late: %+v", nak)
	}

	// A large reply, and one among many, is not kept.
	big := w.request(source, at.addr, "x")
	r = big
	arrive(ways[0])
	at.core.Step(w.now, Answered{at.addr, 0, &Reply{By: at.entity, To: source.entity, ID: r.ID, Request: r.Hash(), Encoded: make([]byte, maxKept+1)}})
	if len(at.core.flights) != 0 {
		t.Errorf("%d bytes are kept", maxKept+1)
	}
}

// A node that has been here for a while leaves it to nobody who has just come to say who
// is nearest, unless that one is looked for; a node that is new itself does.
func TestWarm(t *testing.T) {
	w := newWorld(t, 1, 40)
	at, source := w.nodes[0], w.nodes[1]
	target := w.nodes[2].addr
	var nearer *simNode
	for _, n := range w.nodes[3:] {
		if addr.Closer(target, n.addr, at.addr) {
			nearer = n
		}
	}
	look := func(to addr.Addr) Effect {
		r := w.request(source, to, NearScope)
		effects := at.core.Step(w.now, Arrived{source.addr, &frame.Routed{Hop: uint64(w.now.UnixNano()), TTL: 3, Budget: 2, Statement: r.Encoded}, r})
		return effects[len(effects)-1]
	}
	goes := func(e Effect) bool { s, ok := e.(Send); return ok && s.To == nearer.addr }
	w.link(at, source)
	w.link(at, nearer)
	if !goes(look(target)) {
		t.Error("a new node has nobody who knows more")
	}
	w.step(at, LinkDown{nearer.addr})
	w.now = w.now.Add(2 * Warm)
	w.link(at, nearer)
	if goes(look(target)) {
		t.Error("it leaves a look-up to who has just come")
	}
	if !goes(look(nearer.addr)) {
		t.Error("who has just come is not found")
	}
	w.now = w.now.Add(Warm - 1)
	w.step(at, LinkUp{Addr: nearer.addr, RTT: time.Millisecond}) // no new link, a new round trip
	if goes(look(target)) {
		t.Error("too soon")
	}
	w.now = w.now.Add(1)
	if !goes(look(target)) {
		t.Error("not yet")
	}
}
