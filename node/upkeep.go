package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/internal/upkeep"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// What neighbours ask each other: who is near to me, or to an address? And tell: this
// one is silent.
const (
	scopeNear   = "sea:near"
	scopeSilent = "sea:silent"
)

// nearWait is how long the answer to it may take.
const nearWait = 5 * time.Second

// A keeper is the shell around upkeep.Core: it looks up, links, asks and keeps
// the time. A nil keeper does nothing.
type keeper struct {
	s    *session
	wake chan struct{} // holds a token when the core's next time may be sooner

	mu    sync.Mutex // guards what follows; held while effects are begun, so that they keep their order
	core  *upkeep.Core
	fresh Contact // what a look-up has just found
}

func newKeeper(s *session) *keeper {
	var seed [16]byte
	rand.Read(seed[:])
	source := mathrand.NewPCG(binary.LittleEndian.Uint64(seed[:]), binary.LittleEndian.Uint64(seed[8:]))
	return &keeper{s: s, wake: make(chan struct{}, 1), core: upkeep.New(s.n.addr, mathrand.New(source))}
}

// wall is the time without the monotonic clock, which stands still while the
// machine sleeps.
func wall() time.Time { return time.Now().Round(0) }

// run lets time pass in the core.
func (k *keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			k.step(upkeep.Tick{})
		case <-k.wake:
		case <-k.s.ctx.Done():
			return
		}
		k.mu.Lock()
		next := k.core.Wake()
		k.mu.Unlock()
		timer.Reset(min(max(next.Sub(wall()), time.Millisecond), upkeep.Beat))
	}
}

// step gives the core an event and begins what it says.
func (k *keeper) step(e upkeep.Event) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.stepLocked(e)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) stepLocked(e upkeep.Event) {
	for _, effect := range k.core.Step(wall(), e) {
		k.do(effect)
	}
}

// do begins an effect and does not wait for its end. k.mu is held; s.mu may be
// taken after it, never before.
func (k *keeper) do(effect upkeep.Effect) {
	s := k.s
	switch e := effect.(type) {
	case upkeep.Look:
		s.spawn(func() { k.look(e) })
	case upkeep.Link:
		var known *Contact
		if k.fresh.Peer.Addr == e.To {
			c := k.fresh
			known = &c
		}
		s.spawn(func() { k.link(e, known) })
	case upkeep.Ask:
		if l := s.link(e.To); l != nil {
			s.spawn(func() { k.ask(l) })
		}
	case upkeep.Warn:
		if l := s.link(e.To); l != nil {
			s.spawn(func() { l.warn(e.Of) })
		}
	case upkeep.Doubt:
		if l := s.link(e.Of); l != nil && l.silent() > upkeep.RumorAfter {
			l.doubt(upkeep.DoubtFor)
		}
	case upkeep.Whom:
		s.spawn(func() { k.whom(e) })
	case upkeep.Ping:
		if l := s.link(e.To); l != nil {
			l.ping(nil)
		}
	case upkeep.Say:
		if l := s.link(e.To); l != nil {
			l.pace(e.Need)
			_ = l.fast.urgent(&frame.Need{N: uint64(e.Need)}) // fails only when the link ends
		}
	case upkeep.Drop:
		if l := s.link(e.To); l != nil && !l.busy() {
			l.end(frame.ReasonUnwanted, nil)
		}
	case upkeep.Probe:
		for _, l := range s.all() {
			l.doubt(upkeep.ProbeWait)
		}
	case upkeep.Rejoin:
		s.enter()
	}
}

// look finds the node nearest to a target.
func (k *keeper) look(e upkeep.Look) {
	found, err := k.s.nearestVia(k.s.ctx, e.First, e.Target, k.s.n.addr)
	if err != nil {
		k.step(upkeep.Found{ID: e.ID})
		return
	}
	k.mu.Lock()
	k.fresh = found
	k.stepLocked(upkeep.Found{ID: e.ID, Addr: found.Peer.Addr, OK: true})
	k.fresh = Contact{}
	k.mu.Unlock()
}

// link makes a link that the core wants.
func (k *keeper) link(e upkeep.Link, known *Contact) {
	ctx, cancel := context.WithTimeout(k.s.ctx, connectWait)
	defer cancel()
	if _, err := k.s.connectVia(ctx, e.To, e.First, known); err != nil && k.s.ctx.Err() == nil {
		k.s.n.log.Debug("wanted link not made", "addr", e.To, "err", err)
	}
	k.step(upkeep.Tried{To: e.To})
}

// ask asks a neighbour who is near.
func (k *keeper) ask(l *link) {
	began := time.Now()
	near, err := l.near(l.alive, nil)
	if err != nil {
		l.ping(nil) // who does not serve this may live all the same
		return
	}
	l.measured(time.Since(began))
	k.step(upkeep.Told{From: l.peer.Addr, Addrs: near})
}

// whom asks a neighbour who is near to a target.
func (k *keeper) whom(e upkeep.Whom) {
	named := upkeep.Named{ID: e.ID}
	if l := k.s.link(e.To); l != nil {
		named.Addrs, _ = l.near(l.alive, e.Target[:]) // nobody, when it does not answer
	}
	k.step(named)
}

// near asks the peer who of its neighbours is near to a target, or to this node when
// there is none.
func (l *link) near(ctx context.Context, target []byte) ([]addr.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, nearWait)
	defer cancel()
	body, err := l.call(ctx, scopeNear, target)
	if err != nil {
		return nil, err
	}
	if len(body)%addr.Size != 0 || len(body) > upkeep.MaxTold*addr.Size {
		err := rpc.Errorf(rpc.BadRequest, "%s: an answer of %d bytes", scopeNear, len(body))
		l.strike(err)
		return nil, err
	}
	var near []addr.Addr
	for len(body) > 0 {
		near = append(near, addr.Addr(body[:addr.Size]))
		body = body[addr.Size:]
	}
	return near, nil
}

// Near asks a linked node for those of its neighbours that are nearest to this
// one, at most 8. It takes 5 s at most. The error is rpc.ErrNotFound when there
// is no link to it, ErrOffline, or that of the call.
func (n *Node) Near(ctx context.Context, of addr.Addr) ([]addr.Addr, error) {
	s, err := n.current()
	if err != nil {
		return nil, err
	}
	l := s.link(of)
	if l == nil {
		return nil, rpc.Errorf(rpc.NotFound, "no link to %s", of.Short())
	}
	return l.near(ctx, nil)
}

// serveNear answers a neighbour: the addresses of the linked nodes that are
// nearest to it, or to the address that it asks about.
func (n *Node) serveNear(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil || s.keeper == nil {
		return nil, rpc.ErrUnavailable
	}
	target := from.Addr
	switch {
	case !from.Direct || len(body) != 0 && len(body) != addr.Size:
		return nil, rpc.Errorf(rpc.BadRequest, "%s is for neighbours and takes an address or nothing", scopeNear)
	case len(body) > 0:
		target = addr.Addr(body)
	}
	s.keeper.mu.Lock()
	near := s.keeper.core.Table().Nearest(nil, target, from.Addr, upkeep.MaxTold)
	s.keeper.mu.Unlock()
	var out []byte
	for _, a := range near {
		out = append(out, a[:]...)
	}
	return out, nil
}

// warn tells the peer that another node may be dead. Nobody waits for it.
func (l *link) warn(of addr.Addr) {
	ctx, cancel := context.WithTimeout(l.alive, nearWait)
	defer cancel()
	_, _ = l.call(ctx, scopeSilent, of[:])
}

// serveSilent takes a neighbour's word that another, who may be one of ours too, says
// nothing any more.
func (n *Node) serveSilent(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	if !from.Direct || len(body) != addr.Size {
		return nil, rpc.Errorf(rpc.BadRequest, "%s is for neighbours and takes an address", scopeSilent)
	}
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	s.keeper.step(upkeep.Rumor{From: from.Addr, Of: addr.Addr(body)})
	return nil, nil
}

// silent is for how long the peer has not been heard.
func (l *link) silent() time.Duration {
	return time.Since(l.since) - time.Duration(l.heard.Load())
}

// least returns the link that is needed least, nil when this node needs all. A peer that
// only keeps its link busy is spared as long as there are others.
func (k *keeper) least() *link {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, spared := range []func(*link) bool{(*link).busy, (*link).used} {
		a, ok := k.core.Table().Least(wall(), func(a addr.Addr) bool {
			l := k.s.link(a)
			return l != nil && !spared(l)
		})
		if ok {
			return k.s.link(a) // nil when it has ended meanwhile
		}
	}
	return nil
}

// linkHost is where a link's other end is on the internet; the zero Addr is on a
// network of one's own, or not known.
func linkHost(l *link) netip.Addr { return remoteHost(l.conn) }

// remoteHost is linkHost of a wire.
func remoteHost(conn transport.Conn) netip.Addr {
	_, remote := describe(conn)
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	host := at.Addr().Unmap()
	if host.IsLoopback() || host.IsPrivate() || host.IsLinkLocalUnicast() {
		return netip.Addr{}
	}
	return host
}

// enter has lost bootstraps dialled that were not wanted any more, and the node
// looked up through those that are linked.
func (s *session) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.entering)
	s.entering = make(chan struct{})
}

// entry returns a channel that is closed by the next enter.
func (s *session) entry() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entering
}

// idle asks a silent peer for a sign of life.
func (l *link) idle() {
	if l.s.keeper == nil {
		l.ping(nil)
		return
	}
	l.s.keeper.step(upkeep.Idle{Addr: l.peer.Addr})
}

// pace sets how closely the link is watched, by how much the node needs it.
func (l *link) pace(need table.Need) {
	l.need.Store(uint32(need))
	l.watcher.again()
}

// patience returns after how much silence the link is pinged and given up. A
// link that applications use is watched closely.
func (l *link) patience() (idle, dead time.Duration) {
	if l.busy() {
		return upkeep.UsedIdle, upkeep.UsedDead
	}
	return upkeep.Pace(table.Need(l.need.Load()))
}

// hold keeps the link from being given up as not needed. own says that this side's
// applications or user want it; else it is the peer's, whose word counts only while there
// is room.
func (l *link) hold(own bool) {
	if own {
		l.own.Store(true)
	}
	if !l.held.Swap(true) {
		l.s.keeper.step(upkeep.Holds{Addr: l.peer.Addr, Held: true})
		l.pace(table.Only)
	}
}

// busy reports whether anybody uses the link, or a connection goes over it.
func (l *link) busy() bool {
	return l.held.Load() || l.carried.Load() > 0 || l.calls.busy() || l.jobs.busy() || l.outlet.busy()
}

// used reports whether this side needs the link for an application, whatever the peer does.
func (l *link) used() bool {
	return l.own.Load() || l.carried.Load() > 0 || l.calls.busy()
}

// busy reports whether a call is under way.
func (c *calls) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}

// busy reports whether a handler works.
func (j *jobs) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.running) > 0
}

// doubt asks the peer for a sign of life and ends the link if none comes in
// time.
func (l *link) doubt(wait time.Duration) {
	if l.doubted.Swap(true) {
		return
	}
	if !l.s.spawn(func() {
		defer l.doubted.Store(false)
		ctx, cancel := context.WithTimeout(l.alive, wait)
		defer cancel()
		before := l.heard.Load()
		if _, err := l.probe(ctx); err != nil && l.heard.Load() == before {
			l.end(frame.ReasonSilent, nil)
		}
	}) {
		l.doubted.Store(false)
	}
}
