package node

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// The bounds of connections that others relay for this node.
const (
	maxStreams     = 16 // over one link
	maxRelaysNamed = 4  // relays that a node names to who asks

	// relaySlack is how much of the window the reader may keep back before it
	// gives credit. The largest message fits what is left.
	relaySlack = frame.RelayWindow / 4
)

// relaysBody is what sea:relays gives: neighbours of the node that relay.
type relaysBody struct {
	_      struct{} `cbor:",toarray"`
	Relays []addr.Addr
}

// serveRelays names neighbours that relay.
func (n *Node) serveRelays(context.Context, rpc.Peer, []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	var out relaysBody
	for _, l := range s.all() {
		if l.offersRelay() && len(out.Relays) < maxRelaysNamed {
			out.Relays = append(out.Relays, l.peer.Addr)
		}
	}
	return cbor.Marshal(out)
}

// offersRelay reports whether the peer relays for us.
func (l *link) offersRelay() bool {
	return !l.isRelayed() && slices.Contains(l.proof.Record.Caps, capRelay)
}

// isRelayed reports whether the link goes over a relay at this moment.
func (l *link) isRelayed() bool {
	h, ok := l.conn.(*handover)
	return ok && h.relayed()
}

// relay links to the node at to over a neighbour of it that relays: one that is
// our neighbour too, or becomes it. why is what was in the way of a direct link.
func (s *session) relay(ctx context.Context, to addr.Addr, why error) (*link, error) {
	b, err := s.callRouted(ctx, to, scopeRelays, nil)
	if err != nil {
		return nil, err
	}
	var named relaysBody
	if err := cbor.Unmarshal(b, &named); err != nil || len(named.Relays) > maxRelaysNamed {
		return nil, rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read", scopeRelays)
	}
	// Those that we have a link to come first.
	slices.SortStableFunc(named.Relays, func(a, b addr.Addr) int { return s.unlinked(a) - s.unlinked(b) })
	var reasons []error
	for _, a := range named.Relays {
		l, err := s.relayBy(ctx, a, to, why)
		if err == nil {
			return l, nil
		}
		reasons = append(reasons, doing("relay "+a.Short(), err))
	}
	if len(reasons) == 0 {
		return nil, rpc.Errorf(rpc.Unavailable, "no neighbour of %s relays", to.Short())
	}
	return nil, errors.Join(reasons...)
}

func (s *session) unlinked(a addr.Addr) int {
	if s.link(a) != nil {
		return 0
	}
	return 1
}

// relayBy links to the node at to over the relay at by.
func (s *session) relayBy(ctx context.Context, by, to addr.Addr, why error) (*link, error) {
	if by == s.n.addr || by == to {
		return nil, rpc.Errorf(rpc.Refused, "no node relays for itself")
	}
	l := s.link(by)
	if l == nil {
		var err error
		if l, err = s.reach(ctx, by, addr.Addr{}, nil, false); err != nil {
			return nil, err
		}
	}
	if !l.offersRelay() {
		return nil, rpc.Errorf(rpc.Unavailable, "it does not relay")
	}
	body, err := cbor.Marshal(relayBody{To: to})
	if err != nil {
		return nil, err
	}
	b, err := l.call(ctx, scopeRelay, body)
	if err != nil {
		return nil, err
	}
	var got streamBody
	if err := cbor.Unmarshal(b, &got); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scopeRelay, err)
	}
	conn, err := l.addStream(got.Stream)
	if err != nil {
		return nil, err
	}
	h := newHandover(conn)
	h.note(why)
	return s.greet(ctx, h, to, "")
}

// serveRelayed takes a connection in that a neighbour relays.
func (n *Node) serveRelayed(_ context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	s, err := n.current()
	if err != nil {
		return nil, rpc.ErrUnavailable
	}
	var in relayedBody
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	l := s.link(from.Addr)
	if !from.Direct || l == nil || !l.offersRelay() {
		return nil, rpc.Errorf(rpc.Refused, "only from a neighbour that says it relays")
	}
	stream, err := l.addStream(in.Stream)
	if err != nil {
		return nil, err
	}
	conn := newHandover(stream)
	v := s.visit(conn)
	if v == nil {
		conn.Close()
		return nil, rpc.Errorf(rpc.Busy, "too many unproven links")
	}
	if !s.spawn(func() {
		if _, err := s.welcome(conn, in.From, func() { s.leave(v) }); err != nil {
			n.log.Debug("relayed link refused", "relay", from.Node, "err", err)
		}
	}) {
		s.leave(v)
		conn.Close()
		return nil, rpc.ErrUnavailable
	}
	return nil, nil
}

// A stream is one end of a relayed connection: a transport.Conn over the link to
// the relay. What one end has sent and the other has not taken is RelayWindow at
// most, so a reader that stops stops its sender, and holds a known amount of
// memory in the relay and at its own end together.
type stream struct {
	l    *link // to the relay
	id   uint64
	turn chan struct{} // holds a token unless somebody sends

	gone     chan struct{} // closed when the relay, or this side, has ended it
	once     sync.Once
	readable chan struct{} // holds a token when there may be a message
	paid     chan struct{} // holds a token when credit has come

	mu     sync.Mutex // guards what follows
	credit int
	part   arrived // the message that is coming
	left   uint64  // of it
	come   []arrived
	held   int // bytes that came and were not taken
	owed   int // and were taken, without credit yet
	closed bool
}

// An arrived is a message, and what its pieces count against the window.
type arrived struct {
	msg  []byte
	cost int
}

var _ transport.Conn = (*stream)(nil)

// addStream makes the end of a connection that the peer relays.
func (l *link) addStream(id uint64) (*stream, error) {
	c := &stream{
		l: l, id: id, turn: make(chan struct{}, 1), gone: make(chan struct{}), credit: frame.RelayWindow,
		readable: make(chan struct{}, 1), paid: make(chan struct{}, 1),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[id] != nil || len(l.streams) >= maxStreams {
		return nil, rpc.Errorf(rpc.Busy, "too many connections over one relay")
	}
	if l.streams == nil {
		l.streams = make(map[uint64]*stream)
	}
	l.streams[id] = c
	l.bear(1)
	return c, nil
}

// bear counts n more connections that go over the link. While there are any it
// is watched closely and not given up as not needed.
func (l *link) bear(n int32) {
	l.carried.Add(n)
	l.watcher.again()
}

// stream returns the end with an id; nil when there is none any more.
func (l *link) stream(id uint64) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[id]
}

// take joins a piece that the relay has passed on. What cannot be kept, or does
// not follow, ends the connection.
func (c *stream) take(f *frame.Relay) {
	c.mu.Lock()
	size := uint64(len(f.Data)) + f.Left
	cost := len(f.Data) + frame.RelayCost
	ok := (size == c.left || c.left == 0 && size <= transport.MaxMessage) && c.held+cost <= frame.RelayWindow
	if ok && !c.closed {
		c.held += cost
		c.part.msg, c.part.cost = append(c.part.msg, f.Data...), c.part.cost+cost
		if c.left = f.Left; c.left == 0 {
			c.come = append(c.come, c.part)
			c.part = arrived{}
		}
	}
	c.mu.Unlock()
	if !ok {
		c.Close()
		return
	}
	signal(c.readable)
}

// grant adds the credit for what the other end has taken.
func (c *stream) grant(n uint64) {
	c.mu.Lock()
	c.credit = min(c.credit+int(n), frame.RelayWindow)
	c.mu.Unlock()
	signal(c.paid)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Send gives msg to the relay in pieces, once it has room for all of them.
func (c *stream) Send(ctx context.Context, msg []byte) error {
	if err := transport.CheckSize(msg); err != nil {
		return err
	}
	if err := c.usable(ctx); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		return net.ErrClosed
	}
	cost := len(msg) + (len(msg)+frame.MaxRelay-1)/frame.MaxRelay*frame.RelayCost
	for !c.pay(cost) {
		select {
		case <-c.paid:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.gone:
			return net.ErrClosed
		case <-c.l.ending:
			return net.ErrClosed
		}
	}
	for rest := slices.Clone(msg); len(rest) > 0; {
		piece := rest[:min(len(rest), frame.MaxRelay)]
		rest = rest[len(piece):]
		if _, err := c.l.bulk.push(&frame.Relay{Stream: c.id, Left: uint64(len(rest)), Data: piece}); err != nil {
			return net.ErrClosed
		}
	}
	return nil
}

// usable is why nothing can be sent: ctx has ended, or the connection has.
func (c *stream) usable(ctx context.Context) error {
	select {
	case <-c.gone:
		return net.ErrClosed
	case <-c.l.ending:
		return net.ErrClosed
	default:
		return ctx.Err()
	}
}

// pay takes the credit for a message, or reports that there is not enough.
func (c *stream) pay(cost int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.credit < cost {
		return false
	}
	c.credit -= cost
	return true
}

// Recv returns the next message.
func (c *stream) Recv(ctx context.Context) ([]byte, error) {
	for {
		if msg, ok := c.next(); ok {
			return msg, nil
		}
		select {
		case <-c.readable:
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.gone:
		case <-c.l.ending:
		}
		if msg, ok := c.next(); ok { // it came before the end
			return msg, nil
		}
		return nil, net.ErrClosed
	}
}

// next takes a message, and gives the sender credit for those taken.
func (c *stream) next() (msg []byte, ok bool) {
	c.mu.Lock()
	if len(c.come) == 0 {
		c.mu.Unlock()
		return nil, false
	}
	first := c.come[0]
	c.come[0] = arrived{}
	c.come = c.come[1:]
	c.held -= first.cost
	c.owed += first.cost
	grant := 0
	if c.owed >= relaySlack {
		grant, c.owed = c.owed, 0
	}
	if len(c.come) > 0 {
		signal(c.readable)
	}
	c.mu.Unlock()
	if grant > 0 {
		_ = c.l.fast.urgent(&frame.RelayCredit{Stream: c.id, N: uint64(grant)}) // fails only when the link ends
	}
	return first.msg, true
}

// end ends the connection on this side.
func (c *stream) end() {
	c.once.Do(func() {
		close(c.gone)
		c.l.mu.Lock()
		delete(c.l.streams, c.id)
		c.l.mu.Unlock()
		c.l.bear(-1)
	})
}

// Close ends the connection; what was sent comes before its end.
func (c *stream) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.come, c.part = nil, arrived{}
	c.mu.Unlock()
	if again {
		return nil
	}
	c.end()
	_, _ = c.l.bulk.push(&frame.RelayEnd{Stream: c.id}) // fails only when the link ends
	return nil
}

// relayWire is the name of the wire over a relay.
const relayWire = "relay"

// Transport is "relay".
func (c *stream) Transport() string { return relayWire }

// Remote is the relay's address in the sea.
func (c *stream) Remote() string { return c.l.peer.Addr.String() }
