package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/table"
	"github.com/peersea/sea/node/rpc"
)

// A node that relays passes the messages of a connection between two of its
// neighbours that find no direct way. They are sealed between those two: it sees
// how many there are, and how large.

// The bounds of relaying for others.
const (
	relayRate  = 128 << 10         // bytes a second, each way of a connection
	relayBurst = frame.RelayWindow // that may go at once, and that is held at most
	maxRelayed = 4                 // connections that a neighbour is an end of
	relayShare = 4                 // a /24 or /48 has 1 in so many of the relays, or maxRelayed
	relayWait  = 5 * time.Second   // for the other end to take a connection
	relayIdle  = 60 * time.Second  // without a frame, either way; links ping each other each 5 s
)

// capRelay is the capability of a node that relays.
const capRelay = "relay"

// relays are the connections that a node relays for others.
type relays struct {
	rate int // relayRate, except in tests

	mu   sync.Mutex // guards what follows
	last uint64
	open map[uint64]*relaying
}

// A relaying is a connection between two neighbours. ways[i] holds what ends[i]
// has sent.
type relaying struct {
	stream uint64
	ends   [2]*link
	ways   [2]relayWay
	stop   context.CancelFunc
	ctx    context.Context
}

// A relayWay is one direction of it.
type relayWay struct {
	wake chan struct{} // holds a token when there may be something to pass on

	mu    sync.Mutex // guards what follows
	waits []*frame.Relay
	sent  int // bytes that came and the other end has not taken, those of waits included
	taken int // of those that were passed on, as far as it may say
	ended bool
}

// relayBody is what sea:relay takes, streamBody what it gives, and relayedBody
// what sea:relayed takes.
type (
	relayBody struct {
		_  struct{} `cbor:",toarray"`
		To addr.Addr
	}
	streamBody struct {
		_      struct{} `cbor:",toarray"`
		Stream uint64
	}
	relayedBody struct {
		_      struct{} `cbor:",toarray"`
		Stream uint64
		From   addr.Addr
	}
)

// serveRelay begins to relay between the neighbour that asks and another.
func (n *Node) serveRelay(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	if n.cfg.Relays <= 0 {
		return nil, rpc.Errorf(rpc.Unavailable, "this node does not relay")
	}
	if l := s.link(from.Addr); l != nil && !l.allow(time.Now()) {
		return nil, rpc.Errorf(rpc.Busy, "too many requests")
	}
	var in relayBody
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	a, b := s.link(from.Addr), s.link(in.To)
	switch {
	case !from.Direct || a == nil || a == b:
		return nil, rpc.Errorf(rpc.Refused, "only between two neighbours")
	case b == nil:
		return nil, rpc.Errorf(rpc.NotFound, "no link to %s", in.To.Short())
	case a.isRelayed() || b.isRelayed():
		return nil, rpc.Errorf(rpc.Refused, "nothing is relayed twice")
	}
	r, err := s.relays.begin(s, a, b)
	if err != nil {
		return nil, err
	}
	offer, err := cbor.Marshal(relayedBody{Stream: r.stream, From: from.Addr})
	if err != nil {
		s.relays.forget(r)
		return nil, doing("relay", err)
	}
	ask, cancel := context.WithTimeout(ctx, relayWait)
	defer cancel()
	if _, err := b.call(ask, scopeRelayed, offer); err != nil {
		s.relays.forget(r)
		return nil, rpc.Errorf(rpc.Unreachable, "the other side: %v", err)
	}
	if !s.spawn(func() { r.run(s.relays.rate); s.relays.forget(r) }) {
		s.relays.forget(r)
		return nil, rpc.ErrUnavailable
	}
	return cbor.Marshal(streamBody{Stream: r.stream})
}

// begin makes a place for a connection between a and b.
func (rs *relays) begin(s *session, a, b *link) (*relaying, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.open) >= s.n.cfg.Relays || rs.share(a, s.n.cfg.Relays) || rs.share(b, s.n.cfg.Relays) {
		return nil, rpc.Errorf(rpc.Busy, "as many connections are relayed as may be")
	}
	rs.last++
	r := &relaying{stream: rs.last, ends: [2]*link{a, b}}
	r.ctx, r.stop = context.WithCancel(s.ctx)
	for i := range r.ways {
		r.ways[i].wake = make(chan struct{}, 1)
	}
	if rs.open == nil {
		rs.open = make(map[uint64]*relaying)
	}
	rs.open[r.stream] = r
	a.bear(1)
	b.bear(1)
	return r, nil
}

// share reports whether a neighbour, or its subnet on the internet, has its share of so
// many relays. rs.mu is held.
func (rs *relays) share(l *link, relays int) bool {
	host := linkHost(l)
	own, subnet := 0, 0
	for _, r := range rs.open {
		near := false
		for _, end := range r.ends {
			if end == l {
				own++
			}
			at := linkHost(end)
			near = near || host.IsValid() && at.IsValid() && table.Subnet(at) == table.Subnet(host)
		}
		if near {
			subnet++
		}
	}
	return own >= maxRelayed || subnet >= max(maxRelayed, relays/relayShare)
}

// forget takes a connection out.
func (rs *relays) forget(r *relaying) {
	r.stop()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open[r.stream] != r {
		return
	}
	delete(rs.open, r.stream)
	for _, l := range r.ends {
		l.bear(-1)
	}
}

// find returns a connection and which of its ends l is; nil when it has ended.
func (rs *relays) find(l *link, stream uint64) (r *relaying, end int) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r = rs.open[stream]
	if r == nil {
		return nil, 0
	}
	if end = slices.Index(r.ends[:], l); end < 0 {
		return nil, 0
	}
	return r, end
}

// pass takes a frame that a neighbour wants passed on. Who sends more than the
// window ends the connection.
func (rs *relays) pass(l *link, f *frame.Relay) {
	r, i := rs.find(l, f.Stream)
	if r == nil {
		return
	}
	w := &r.ways[i]
	w.mu.Lock()
	w.sent += len(f.Data) + frame.RelayCost
	fits := w.sent <= frame.RelayWindow
	if fits {
		w.waits = append(w.waits, f)
	}
	w.mu.Unlock()
	if !fits {
		r.stop()
		return
	}
	w.signal()
}

// credit tells the other end that this one has taken what was passed on to it. Who
// says so of more than that ends the connection.
func (rs *relays) credit(l *link, f *frame.RelayCredit) {
	r, i := rs.find(l, f.Stream)
	if r == nil {
		return
	}
	w := &r.ways[1-i]
	n := int(f.N)
	w.mu.Lock()
	fits := n <= w.taken
	if fits {
		w.taken -= n
		w.sent -= n
	}
	w.mu.Unlock()
	if !fits || r.ends[1-i].fast.urgent(&frame.RelayCredit{Stream: f.Stream, Out: 1, N: f.N}) != nil {
		r.stop()
	}
}

// end takes the end of a connection, which follows what was sent before it.
func (rs *relays) end(l *link, stream uint64) {
	if r, i := rs.find(l, stream); r != nil {
		w := &r.ways[i]
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		w.signal()
	}
}

func (w *relayWay) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next returns the next frame to pass on; ended tells that there will be none.
func (w *relayWay) next() (f *frame.Relay, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waits) == 0 {
		return nil, w.ended
	}
	f = w.waits[0]
	w.waits[0] = nil
	w.waits = w.waits[1:]
	return f, false
}

// run passes frames on until an end, or the link to it, ends.
func (r *relaying) run(rate int) {
	var ways sync.WaitGroup
	for i, l := range r.ends {
		stop := context.AfterFunc(l.alive, r.stop)
		defer stop()
		ways.Go(func() {
			defer r.stop()
			r.carry(i, rate)
		})
	}
	ways.Wait()
	for _, l := range r.ends {
		_, _ = l.bulk.push(&frame.RelayEnd{Stream: r.stream, Out: 1}) // fails only when the link ends
	}
}

// carry passes on what ends[i] sends, one frame at a time and each byte in its time.
// A frame waits until the link has sent the one before, so that no more is held
// than the window.
func (r *relaying) carry(i, rate int) {
	to, w := r.ends[1-i], &r.ways[i]
	paid := time.Now() // until when what was sent is within the rate
	for {
		f, ended := w.next()
		if f == nil {
			if ended {
				return
			}
			select {
			case <-w.wake:
				continue
			case <-time.After(relayIdle):
				return
			case <-r.ctx.Done():
				return
			}
		}
		cost := len(f.Data) + frame.RelayCost
		now := time.Now()
		if earliest := now.Add(-relayBurst * time.Second / time.Duration(rate)); paid.Before(earliest) {
			paid = earliest
		}
		paid = paid.Add(time.Duration(cost) * time.Second / time.Duration(rate))
		select {
		case <-time.After(time.Until(paid)):
		case <-r.ctx.Done():
			return
		}
		if to.bulk.awaitRoom(r.ctx) != nil {
			return
		}
		w.mu.Lock()
		w.taken += cost // before it leaves: the answer may be quick
		w.mu.Unlock()
		it, err := to.bulk.push(&frame.Relay{Stream: r.stream, Out: 1, Left: f.Left, Data: f.Data})
		if err != nil {
			return
		}
		select {
		case <-it.sent:
		case <-r.ctx.Done():
			return
		}
	}
}
