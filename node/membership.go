package node

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/rpc"
)

// channels are a session's memberships. Its zero value is empty.
type channels struct {
	mu sync.Mutex // guards what follows; taken before a membership's
	by map[addr.Addr]*membership
}

// A membership is the shell around gossip.Core: the node's part in a channel.
type membership struct {
	s       *session
	id      string
	at      addr.Addr
	ctx     context.Context // ends with the membership
	cancel  context.CancelFunc
	wake    chan struct{} // holds a token when the core's next time may be sooner
	dropped atomic.Uint64

	mu      sync.Mutex // guards what follows
	core    *gossip.Core
	rate    gossip.Rate // of what this node says
	number  uint64
	handles []*Channel
	kept    int           // bytes of the core that the node's budget counts
	looked  bool          // the meeting places were asked
	quit    bool          // the core is done
	changed chan struct{} // closed and replaced when a first partner may have come
}

// join adds ch to the membership in a channel, beginning it if need be.
func (c *channels) join(s *session, id string, ch *Channel) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := addr.OfChannel(id)
	m := c.by[at]
	if m == nil {
		if len(c.by) >= MaxChannels {
			return rpc.Errorf(rpc.Busy, "a member of %d channels already", len(c.by))
		}
		m = newMembership(s, id)
		if !s.spawn(m.run) {
			m.cancel()
			return ErrOffline
		}
		if c.by == nil {
			c.by = make(map[addr.Addr]*membership)
		}
		c.by[at] = m
	}
	ch.m = m
	m.mu.Lock()
	m.handles = append(m.handles, ch)
	m.mu.Unlock()
	return nil
}

// leave takes ch out of its membership, and ends that with the last.
func (c *channels) leave(ch *Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := ch.m
	m.mu.Lock()
	m.handles = slices.DeleteFunc(m.handles, func(o *Channel) bool { return o == ch })
	last := len(m.handles) == 0
	m.mu.Unlock()
	if last && c.by[m.at] == m {
		delete(c.by, m.at)
		m.step(gossip.Quit{})
		m.cancel()
	}
}

// take acts on a frame from a neighbour and reports whether it was a channel's.
func (c *channels) take(l *link, f frame.Frame) bool {
	at, ok := frame.ChannelOf(f)
	if !ok {
		return false
	}
	c.mu.Lock()
	m := c.by[at]
	c.mu.Unlock()
	if m != nil {
		m.step(gossip.Arrived{From: l.peer.Addr, Frame: f})
	} else if _, left := f.(*frame.Leave); !left {
		l.outlet.push(&frame.Leave{Channel: at}, gossip.Control, nil)
	}
	return true
}

// lost tells all memberships that a link has ended.
func (c *channels) lost(who addr.Addr) {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.by))
	c.mu.Unlock()
	for _, m := range all {
		m.step(gossip.Lost{Who: who})
	}
}

func newMembership(s *session, id string) *membership {
	m := &membership{
		s: s, id: id, at: addr.OfChannel(id), wake: make(chan struct{}, 1), changed: make(chan struct{}),
		number: rand.Uint64(),
	}
	m.ctx, m.cancel = context.WithCancel(s.ctx)
	m.core = gossip.New(time.Now(), gossip.Config{
		Self: s.n.addr, Channel: m.at, Network: s.n.cfg.Network,
		Rand:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		Verify: m.verify,
	})
	return m
}

// verify says whether a message is its author's, and its author one of the
// network.
func (m *membership) verify(f *frame.Publish) error {
	if work := identity.Work(f.Author); work < m.s.n.cfg.Work {
		return rpc.Errorf(rpc.Refused, "the author's key has %d bits of work, this network asks for %d", work, m.s.n.cfg.Work)
	}
	return gossip.Verify(f)
}

// run lets time pass in the core until the membership or the session ends.
func (m *membership) run() {
	defer m.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.mu.Lock()
		next := m.core.Wake()
		m.mu.Unlock()
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
			m.step(gossip.Tick{})
		case <-m.wake:
		case <-m.ctx.Done():
			return
		}
	}
}

// end tells those who are left that the node went offline.
func (m *membership) end() {
	m.mu.Lock()
	left := m.handles
	m.mu.Unlock()
	for _, ch := range left {
		ch.end(false)
	}
}

// step gives the core an event and does what it says.
func (m *membership) step(e gossip.Event) {
	m.mu.Lock()
	if m.quit {
		m.mu.Unlock()
		return
	}
	later := m.carry(m.core.Step(time.Now(), e), nil)
	switch e.(type) {
	case gossip.Found:
		m.looked = true
	case gossip.Quit:
		m.quit = true
	}
	m.count()
	m.noteChange()
	m.mu.Unlock()
	m.do(later)
}

// count keeps what the core keeps within the node's budget: where there is no
// room, the oldest messages go. m.mu is held.
func (m *membership) count() {
	if m.quit {
		m.core.Keep(0)
	}
	more := m.core.Kept() - m.kept
	if more > 0 && !m.s.memory.take(more) {
		m.core.Keep(m.kept)
		more = m.core.Kept() - m.kept
	}
	if more < 0 {
		m.s.memory.give(-more)
	}
	m.kept += more
}

// noteChange wakes whoever waits for partners, and the loop. m.mu is held.
func (m *membership) noteChange() {
	close(m.changed)
	m.changed = make(chan struct{})
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// settled reports whether there is a partner, or nobody to wait for. Else changed
// is closed once that may be so.
func (m *membership) settled() (settled bool, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core.Partners() > 0 || m.looked && !m.core.Looking(), m.changed
}

// carry queues what the core wants to be sent and heard, which has to happen in
// order, and returns the rest. Messages of our own report to d. m.mu is held.
func (m *membership) carry(effects []gossip.Effect, d *departure) (later []gossip.Effect) {
	for _, effect := range effects {
		switch e := effect.(type) {
		case gossip.Send:
			l := m.s.link(e.To)
			if l == nil {
				continue // Lost is on its way
			}
			var report *departure
			if p, ok := e.Frame.(*frame.Publish); ok && e.Class == gossip.Own && p.Past == 0 {
				report = d
			}
			report.add()
			m.dropped.Add(uint64(l.outlet.push(e.Frame, e.Class, report)))
		case gossip.Deliver:
			m.tell(e.Message, e.Past, nil)
		default:
			later = append(later, effect)
		}
	}
	return later
}

// tell hands a message to all handles but one. m.mu is held.
func (m *membership) tell(msg *gossip.Message, past bool, but *Channel) {
	for _, ch := range m.handles {
		if ch != but {
			ch.hear(published(msg, past))
		}
	}
}

// recall tells one handle what this node has of the last n messages, and returns
// how many they are.
func (m *membership) recall(ch *Channel, n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.core.Last(n)
	for _, msg := range last {
		ch.hear(published(msg, true))
	}
	return len(last)
}

// published is a message as an application sees it, with a body of its own.
func published(msg *gossip.Message, past bool) Published {
	return Published{
		Author: msg.Author, At: addr.OfNode(msg.Author), Issued: msg.Issued, Scope: msg.Scope,
		Body: slices.Clone(msg.Body), Past: past,
	}
}

// do carries out what may take time.
func (m *membership) do(effects []gossip.Effect) {
	for _, effect := range effects {
		switch e := effect.(type) {
		case gossip.Dial:
			m.s.spawn(func() {
				_, err := m.s.connect(m.ctx, e.To)
				if err != nil {
					m.s.n.log.Debug("channel member not reached", "at", e.To.Short(), "err", err)
				}
				m.step(gossip.Dialed{To: e.To, OK: err == nil})
			})
		case gossip.Lookup:
			m.s.spawn(func() { m.step(m.s.lookUp(m.ctx, m.id, &e.Every)) })
		case gossip.Blame:
			if l := m.s.link(e.Who); l != nil {
				l.strike(e.Err)
			}
		}
	}
}

// say signs and publishes a message of the node's own.
func (m *membership) say(ctx context.Context, from *Channel, scope string, body []byte) error {
	msg := gossip.Message{
		Author: m.s.n.self.Entity(), Network: m.s.n.cfg.Network, Channel: m.at,
		Issued: time.Now().Truncate(time.Millisecond), Scope: scope, Body: slices.Clone(body),
	}
	m.mu.Lock()
	m.number++
	msg.Number = m.number
	m.mu.Unlock()
	f, err := msg.Sign(m.s.n.self)
	if err != nil {
		return doing("publish", err)
	}
	d := newDeparture()
	m.mu.Lock()
	if m.quit || m.ctx.Err() != nil {
		m.mu.Unlock()
		return net.ErrClosed
	}
	alone := m.core.Partners() == 0
	switch {
	case alone && len(m.handles) == 1:
		m.mu.Unlock()
		return ErrNoPeers
	case !alone && !m.hasRoom(len(f.Body)), !m.rate.Allow(time.Now(), len(f.Body)):
		m.mu.Unlock()
		return ErrBackpressure
	}
	m.tell(&msg, false, from)
	later := m.carry(m.core.Step(time.Now(), gossip.Say{Frame: f}), d)
	m.count()
	m.noteChange()
	m.mu.Unlock()
	m.do(later)
	if alone {
		return nil // others on this node have it
	}
	return d.wait(ctx)
}

// hasRoom reports whether a link to a partner has room for so many bytes of our
// own. m.mu is held.
func (m *membership) hasRoom(size int) bool {
	return slices.ContainsFunc(m.core.PartnersAt(), func(a addr.Addr) bool {
		l := m.s.link(a)
		return l != nil && l.outlet.fits(size)
	})
}
