package simtest

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
)

// The sizes of what is not encoded here, in bytes: a sealed frame has 16 more
// than its content, statements have the size of the real ones.
const (
	sealed       = 16
	requestSize  = 280
	offerSize    = 1100
	answerSize   = 460
	smallSize    = 12
	contactBatch = 10 + upkeep.MaxTold*addr.Size
)

// nearWait is how long a neighbour may take to say whom it knows.
const nearWait = 5 * time.Second

// A Node is the shell around a node's cores.
type Node struct {
	sea    *Sea
	id     int
	entity identity.Entity
	addr   addr.Addr
	host   netip.Addr
	hard   bool
	evil   bool // see crowd.go
	gone   bool
	asleep bool

	route  *route.Core
	upkeep *upkeep.Core
	links  map[addr.Addr]*link
	calls  map[[16]byte]*call
	known  map[addr.Addr]time.Time // contact records and when they came
	whois  map[uint64]func(known bool)
	asks   uint64
	beatAt time.Time
	began  time.Time // true time
	ready  time.Duration
}

type link struct {
	no      int // the same at both ends
	peer    *Node
	heard   time.Time
	asked   time.Time // the first and the last ping since it was heard
	pinged  time.Time
	doubt   time.Time // since when the peer owes a sign of life; zero when not
	need    table.Need
	relayed bool
	inbound bool
	passing bool // see Static.Link
	uses    int
	whois   []func(alive bool) // questions about the peer, which wait for a sign of life
}

// The messages that are not frames of routing.
type (
	routed struct {
		*frame.Routed
		req *route.Request
	}
	answer struct {
		*frame.Answer
		reply *route.Reply
	}
	ask  struct{}
	told struct{ addrs []addr.Addr }
	whom struct {
		id     uint64
		target addr.Addr
	}
	whois struct {
		id   uint64
		addr addr.Addr
	}
	contact struct {
		id    uint64
		known bool
	}
	rumor struct{ addr addr.Addr }
	named struct {
		id    uint64
		addrs []addr.Addr
	}
	need struct{ table.Need }
	ping struct{}
	pong struct{}
	bye  struct{ no int } // the link's

	setup struct{} // of a handshake, or of ICE
)

func newNode(s *Sea, e identity.Entity, host netip.Addr) *Node {
	n := &Node{sea: s, entity: e, addr: addr.OfNode(e), host: host, began: s.world.Now()}
	n.begin()
	return n
}

func (n *Node) begin() {
	n.route = route.New(n.addr)
	n.upkeep = upkeep.New(n.addr, rand.New(rand.NewPCG(n.sea.rand.Uint64(), 1)))
	n.links = make(map[addr.Addr]*link)
	n.calls = make(map[[16]byte]*call)
	n.known = make(map[addr.Addr]time.Time)
	n.whois = make(map[uint64]func(bool))
}

// Addr returns the node's address.
func (n *Node) Addr() addr.Addr { return n.addr }

// Joined returns how long the node took until it was linked to all its
// siblings, 0 when it is not yet. Only a node that joined by Join has it.
func (n *Node) Joined() time.Duration { return n.ready }

func (n *Node) now() time.Time { return n.sea.world.Clock(n.id) }

// Join links to two of the bootstraps that are online, trying until it has a
// link, and goes on from there.
func (n *Node) Join() {
	n.dial()
	n.watchJoin()
}

func (n *Node) dial() {
	if n.gone || len(n.links) > 0 {
		return
	}
	n.bootstrap()
	n.sea.After(redialFor, n.dial)
}

func (n *Node) watchJoin() {
	n.sea.After(100*time.Millisecond, func() {
		switch {
		case n.gone:
		case len(n.links) > 0 && n.settled():
			n.ready = n.sea.world.Now().Sub(n.began)
		case n.sea.world.Now().Sub(n.began) < time.Minute:
			n.watchJoin()
		}
	})
}

func (n *Node) bootstrap() {
	s := n.sea
	var up []*Node
	for _, b := range s.nodes[:min(s.cfg.Bootstraps, len(s.nodes))] {
		if !b.gone && !b.asleep && b != n {
			up = append(up, b)
		}
	}
	s.rand.Shuffle(len(up), func(i, j int) { up[i], up[j] = up[j], up[i] })
	for _, b := range up[:min(2, len(up))] {
		n.connect(b, true, func() {})
	}
}

// Crash takes the node out without a word.
func (n *Node) Crash() {
	if n.gone {
		return
	}
	n.gone = true
	n.sea.world.Remove(n.id)
	n.leaveList()
}

// Leave takes the node out and tells its neighbours.
func (n *Node) Leave() {
	for _, l := range n.upkeep.Table().All() {
		n.tell(n.links[l.Addr], smallSize, bye{n.links[l.Addr].no})
	}
	n.Crash()
}

func (n *Node) leaveList() {
	if i, ok := n.sea.find(n.addr); ok {
		n.sea.live = append(n.sea.live[:i:i], n.sea.live[i+1:]...)
	}
}

// Sleep stops the node for d: what comes meanwhile is lost, and it does not
// know. It does not count as living until it wakes.
func (n *Node) Sleep(d time.Duration) {
	n.asleep = true
	n.leaveList()
	n.sea.After(d, func() {
		if n.gone {
			return
		}
		n.asleep = false
		i, _ := n.sea.find(n.addr)
		n.sea.live = append(n.sea.live[:i:i], append([]*Node{n}, n.sea.live[i:]...)...)
		n.began = n.sea.world.Now()
		n.Wake()
	})
}

// tell sends a message over a link.
func (n *Node) tell(l *link, size int, msg any) {
	n.sea.world.Send(n.id, l.peer.id, size+sealed, msg)
}

// Receive takes a message from a neighbour.
func (n *Node) Receive(from int, msg any) {
	if n.asleep {
		return
	}
	peer := n.sea.nodes[from]
	l := n.links[peer.addr]
	if l == nil {
		return // the link has ended at this end
	}
	now := n.now()
	l.heard, l.doubt = now, time.Time{}
	for _, w := range l.whois {
		w(true)
	}
	l.whois = nil
	if n.evil {
		n.mislead(l, msg)
		return
	}
	switch m := msg.(type) {
	case routed:
		n.step(route.Arrived{From: peer.addr, Frame: m.Routed, Req: m.req})
	case *frame.Ack:
		n.step(route.Acked{From: peer.addr, Hop: m.Hop})
	case *frame.Nak:
		n.step(route.Naked{From: peer.addr, Frame: m})
	case answer:
		n.step(route.Answered{From: peer.addr, Attempt: m.Attempt, Reply: m.reply})
	case ask:
		near := n.upkeep.Table().Nearest(nil, peer.addr, peer.addr, upkeep.MaxTold)
		n.tell(l, contactBatch, told{near})
	case whom:
		n.tell(l, contactBatch, named{m.id, n.upkeep.Table().Nearest(nil, m.target, peer.addr, upkeep.MaxTold)})
	case whois:
		n.vouch(l, m)
	case contact:
		if end := n.whois[m.id]; end != nil {
			end(m.known)
		}
	case rumor:
		n.keep(upkeep.Rumor{From: peer.addr, Of: m.addr})
	case named:
		n.keep(upkeep.Named{ID: m.id, Addrs: m.addrs})
	case told:
		n.keep(upkeep.Told{From: peer.addr, Addrs: m.addrs})
	case need:
		n.keep(upkeep.Needs{From: peer.addr, Need: m.Need})
	case ping:
		n.tell(l, smallSize, pong{})
	case bye:
		if m.no == l.no {
			n.unlink(l)
		}
	}
	n.rearm()
}

// Wake does what is due.
func (n *Node) Wake() {
	if n.asleep || n.evil {
		return
	}
	now := n.now()
	if at := n.route.Wake(); !at.IsZero() && !at.After(now) {
		n.step(route.Tick{})
	}
	if n.sea.fixed {
		n.rearm()
		return
	}
	if !n.beatAt.After(now) {
		n.beatAt = now.Add(time.Second)
		n.beat(now)
	}
	if !n.upkeep.Wake().After(now) {
		n.keep(upkeep.Tick{})
	}
	n.rearm()
}

func (n *Node) rearm() {
	if n.evil {
		return
	}
	if n.sea.fixed {
		n.sea.world.WakeAt(n.id, n.route.Wake())
		return
	}
	next := n.upkeep.Wake()
	for _, at := range []time.Time{n.route.Wake(), n.beatAt} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	n.sea.world.WakeAt(n.id, next)
}

// beat pings who is silent and gives up who stays so.
func (n *Node) beat(now time.Time) {
	var dead []*link
	for _, t := range n.upkeep.Table().All() {
		l := n.links[t.Addr]
		idle, most := upkeep.Pace(l.need)
		silent := now.Sub(l.heard)
		if l.asked.Before(l.heard) {
			l.asked = time.Time{}
		}
		switch {
		case silent >= most && !l.asked.IsZero() && now.Sub(l.asked) >= most-idle, !l.doubt.IsZero() && now.Sub(l.doubt) >= upkeep.DoubtFor:
			dead = append(dead, l)
		case silent >= idle && (l.asked.IsZero() || now.Sub(l.pinged) >= idle):
			l.pinged = now
			if l.asked.IsZero() {
				l.asked = now
			}
			n.keep(upkeep.Idle{Addr: t.Addr})
		}
	}
	for _, l := range dead {
		if l.doubt.IsZero() {
			n.keep(upkeep.Silent{Addr: l.peer.addr})
		}
		n.tell(l, smallSize, bye{l.no})
		n.unlink(l)
	}
}

// doubts asks a neighbour for a sign of life.
func (n *Node) doubts(l *link, since time.Time) {
	if l != nil && l.doubt.IsZero() {
		l.doubt = since
		n.tell(l, smallSize, ping{})
	}
}

// vouch says whether a neighbour is one that lives, after a ping if that is not known.
func (n *Node) vouch(asker *link, m whois) {
	answer := func(alive bool) {
		if n.links[asker.peer.addr] == asker {
			n.tell(asker, answerSize, contact{m.id, alive})
		}
	}
	l := n.links[m.addr]
	switch {
	case l == nil:
		answer(false)
	case n.now().Sub(l.heard) < upkeep.Fresh:
		answer(true)
	default:
		l.whois = append(l.whois, answer)
		n.doubts(l, n.now())
	}
}

// linked begins a link on this side.
func (n *Node) linked(peer *Node, no int, relayed, inbound, entry bool) {
	if n.links[peer.addr] != nil {
		return
	}
	n.links[peer.addr] = &link{no: no, peer: peer, heard: n.now(), need: table.Only, relayed: relayed, inbound: inbound}
	n.step(route.LinkUp{Addr: peer.addr, RTT: 2 * n.sea.delay(n.id, peer.id), Host: peer.host})
	n.keep(upkeep.Up{Link: table.Link{Addr: peer.addr, Host: peer.host}})
	if entry {
		n.keep(upkeep.Entry{Addr: peer.addr})
	}
	n.rearm()
}

// unlink ends a link on this side.
func (n *Node) unlink(l *link) {
	if n.links[l.peer.addr] != l {
		return
	}
	delete(n.links, l.peer.addr)
	for _, w := range l.whois {
		w(false)
	}
	l.whois = nil
	n.step(route.LinkDown{Addr: l.peer.addr})
	n.keep(upkeep.Down{Addr: l.peer.addr})
}

// keep gives the upkeep core an event and does what it says.
func (n *Node) keep(e upkeep.Event) {
	if n.evil {
		return
	}
	for _, effect := range n.upkeep.Step(n.now(), e) {
		switch e := effect.(type) {
		case upkeep.Look:
			n.look(e)
		case upkeep.Link:
			n.reach(e.To, e.First)
		case upkeep.Ask:
			n.tell(n.links[e.To], smallSize, ask{})
		case upkeep.Whom:
			n.tell(n.links[e.To], smallSize+addr.Size, whom{e.ID, e.Target})
			n.sea.After(nearWait, func() { n.keep(upkeep.Named{ID: e.ID}) }) // as good as no event when it was answered
		case upkeep.Ping:
			n.tell(n.links[e.To], smallSize, ping{})
		case upkeep.Warn:
			n.tell(n.links[e.To], smallSize+addr.Size, rumor{e.Of})
		case upkeep.Doubt:
			if l := n.links[e.Of]; n.now().Sub(l.heard) > upkeep.RumorAfter {
				n.doubts(l, n.now())
			}
		case upkeep.Say:
			l := n.links[e.To]
			l.need = e.Need
			n.tell(l, smallSize, need{e.Need})
		case upkeep.Drop:
			l := n.links[e.To]
			n.tell(l, smallSize, bye{l.no})
			n.unlink(l)
		case upkeep.Probe:
			since := n.now()
			for _, t := range n.upkeep.Table().All() {
				n.doubts(n.links[t.Addr], since.Add(upkeep.ProbeWait-upkeep.DoubtFor))
			}
		case upkeep.Rejoin:
			n.bootstrap()
		}
	}
}

// step gives the routing core an event and does what it says.
func (n *Node) step(e route.Event) {
	if n.evil {
		return
	}
	for _, effect := range n.route.Step(n.now(), e) {
		switch e := effect.(type) {
		case route.Send:
			n.send(e)
		case route.Deliver:
			n.deliver(e, frame.MaxTTL-int(e.TTL))
		case route.Done:
			n.done(e)
		case route.Failed:
			if c := n.calls[e.Key.ID]; c != nil {
				c.failed()
			}
		case route.Handed:
			if c := n.calls[e.Key.ID]; c != nil {
				c.first = append(c.first, e.To)
			}
		case route.Suspect:
			n.doubts(n.links[e.Who], n.now())
		}
	}
}

func (n *Node) send(e route.Send) {
	l := n.links[e.To]
	if l == nil {
		return
	}
	switch f := e.Frame.(type) {
	case *frame.Routed:
		if q := n.sea.request(f.Statement); q != nil {
			n.tell(l, smallSize+q.size, routed{f, q.Request})
		}
	case *frame.Answer:
		if q := n.sea.request(f.Statement); q != nil {
			n.tell(l, smallSize+answerSize, answer{f, q.replies[f.Statement[16]]})
		}
	default:
		n.tell(l, smallSize, f)
	}
}
