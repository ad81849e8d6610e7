package node

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
)

// seekEvery is how often a relayed link looks for a direct way.
const seekEvery = 60 * time.Second

// moved is the last message of a way that is left: the rest comes on the other.
// No sealed message and no refusal is one byte long.
var moved = []byte{0}

// A handover is a transport.Conn that begins over a relay and can move to a
// direct way without losing a message: each side says on the old way that it has
// moved, and reads the old way up to there. What travels is sealed by the link,
// whichever way it takes. One goroutine at a time receives.
type handover struct {
	old    transport.Conn
	turn   chan struct{} // holds a token while somebody sends
	direct chan struct{} // closed when next is set
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex // guards what follows
	next  transport.Conn
	sent  bool  // we have moved
	got   bool  // the other side has
	seeks bool  // a direct way is being looked for
	why   error // there is none yet
}

var _ transport.Conn = (*handover)(nil)

func newHandover(old transport.Conn) *handover {
	return &handover{
		old: old, turn: make(chan struct{}, 1), direct: make(chan struct{}), closed: make(chan struct{}),
	}
}

// relayed reports whether we send over the relay.
func (h *handover) relayed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.sent
}

// way returns the way that we send on.
func (h *handover) way() transport.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent {
		return h.next
	}
	return h.old
}

// take waits for the turn to send.
func (h *handover) take(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-h.closed:
		return net.ErrClosed
	}
}

// Send sends msg on the present way.
func (h *handover) Send(ctx context.Context, msg []byte) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer func() { <-h.turn }()
	return h.way().Send(ctx, msg)
}

// move sends everything from now on over next, which it takes over.
func (h *handover) move(ctx context.Context, next transport.Conn) error {
	if err := h.take(ctx); err != nil {
		next.Close()
		return err
	}
	defer func() { <-h.turn }()
	if err := h.old.Send(ctx, moved); err != nil {
		next.Close()
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		next.Close()
		return net.ErrClosed
	default:
	}
	h.next, h.sent = next, true
	close(h.direct)
	h.leave()
	return nil
}

// leave closes the old way when both sides have left it. h.mu is held.
func (h *handover) leave() {
	if h.sent && h.got {
		h.old.Close()
	}
}

// Recv returns the next message, from the old way until the other side has left
// it, from the direct one after that.
func (h *handover) Recv(ctx context.Context) ([]byte, error) {
	h.mu.Lock()
	got := h.got
	h.mu.Unlock()
	if !got {
		msg, err := h.old.Recv(ctx)
		if err != nil || len(msg) != 1 {
			return msg, err
		}
		if err := h.follow(ctx); err != nil {
			return nil, err
		}
	}
	return h.next.Recv(ctx)
}

// follow waits until the direct way is open on this side too.
func (h *handover) follow(ctx context.Context) error {
	late := time.NewTimer(iceWait)
	defer late.Stop()
	select {
	case <-h.direct:
	case <-late.C:
		return errors.New("the peer has moved to a way that does not open here")
	case <-ctx.Done():
		return ctx.Err()
	case <-h.closed:
		return net.ErrClosed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = true
	h.leave()
	return nil
}

// Close closes both ways.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	h.mu.Lock()
	next := h.next
	h.mu.Unlock()
	err := h.old.Close()
	if next != nil {
		err = errors.Join(err, next.Close())
	}
	return err
}

// Transport is that of the way we send on.
func (h *handover) Transport() string { wire, _ := describe(h.way()); return wire }

// Remote is that of the way we send on.
func (h *handover) Remote() string { _, remote := describe(h.way()); return remote }

// begin reports whether a direct way may be looked for now, and notes that it is.
func (h *handover) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent || h.seeks {
		return false
	}
	h.seeks = true
	return true
}

// note keeps why there is no direct way.
func (h *handover) note(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why = why
}

// obstacle says why there is no direct way; empty when there is one.
func (h *handover) obstacle() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.sent:
		return ""
	case h.why == nil:
		return "the other side looks for a direct way"
	}
	return rpc.Clean(h.why.Error())
}

// gaveUp notes that nothing was found.
func (h *handover) gaveUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seeks = false
}

// hurry reports whether the first look for a direct way was cut short.
func (h *handover) hurry() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Is(h.why, errSlow)
}

// seek looks for a direct way for a relayed link that we have made, each
// seekEvery, until it has one or ends; the first time at once when WebRTC was not
// done as the relay was taken. The link goes on over the relay meanwhile.
func (s *session) seek(l *link, h *handover) {
	pause := s.n.seekEvery
	if h.hurry() {
		pause = 0
	}
	for ; ; pause = s.n.seekEvery {
		select {
		case <-time.After(pause):
		case <-l.ending:
			return
		}
		ctx, stop := context.WithTimeout(l.alive, iceWait+routedWait)
		err := s.seekOnce(ctx, l, h)
		stop()
		if err == nil {
			s.n.log.Info("link has a direct way now", "peer", l.peer.Node)
			return
		}
		h.note(err)
		s.n.log.Debug("no direct way yet", "peer", l.peer.Node, "err", err)
	}
}

func (s *session) seekOnce(ctx context.Context, l *link, h *handover) error {
	offer, err := s.negotiator(l).Offer(ctx)
	if err != nil {
		return doing("offer", err)
	}
	defer offer.Close()
	body, err := cbor.Marshal(offerBody{Offer: offer.Bytes()})
	if err != nil {
		return doing("offer", err)
	}
	reply, err := l.call(ctx, scopeRTC, body)
	if err != nil {
		return err
	}
	var answer answerBody
	if err := cbor.Unmarshal(reply, &answer); err != nil {
		return rpc.Errorf(rpc.BadRequest, "%s: the answer cannot be read: %v", scopeRTC, err)
	}
	conn, err := offer.Accept(ctx, answer.Answer)
	if err != nil {
		return doing("connect", err)
	}
	return h.move(ctx, conn)
}

// takeDirect answers the offer of a direct way for a relayed link.
func (s *session) takeDirect(ctx context.Context, l *link, h *handover, body []byte) ([]byte, error) {
	if s.n.cfg.Negotiator == nil {
		return nil, rpc.Errorf(rpc.Unavailable, "this node has no WebRTC")
	}
	var in offerBody
	if err := cbor.Unmarshal(body, &in); err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if !h.begin() {
		return nil, rpc.Errorf(rpc.Refused, "an offer is being answered")
	}
	answer, wait, err := s.negotiator(l).Answer(ctx, in.Offer)
	if err != nil {
		h.gaveUp()
		return nil, rpc.Errorf(rpc.BadRequest, "the offer cannot be answered: %v", err)
	}
	finish := func() {
		defer h.gaveUp()
		ctx, cancel := context.WithTimeout(l.alive, iceWait)
		defer cancel()
		conn, err := wait(ctx)
		if err == nil {
			err = h.move(ctx, conn)
		}
		if err != nil {
			h.note(err)
			s.n.log.Debug("no direct way yet", "peer", l.peer.Node, "err", err)
		}
	}
	if !s.spawn(finish) {
		finish() // the link has ended, so it only closes
		return nil, rpc.ErrUnavailable
	}
	return cbor.Marshal(answerBody{Answer: answer})
}
