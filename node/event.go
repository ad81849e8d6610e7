package node

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/peersea/sea/node/rpc"
)

// maxEvents is how many events wait for one listener; then the oldest goes.
const maxEvents = 256

// A Kind is what an Event tells.
type Kind int

// The kinds.
const (
	Online    Kind = iota + 1 // the node is online
	Offline                   // the node is offline, nothing of it runs
	LinkUp                    // Peer is linked
	LinkDown                  // the link to Peer ended, Err says why
	Connected                 // an application at Peer called Connect or sent a message
	Lagged                    // this listener was too slow and missed Missed events
)

var kindText = [...]string{
	Online: "online", Offline: "offline", LinkUp: "link up", LinkDown: "link down",
	Connected: "connected", Lagged: "lagged",
}

// String returns the kind in a word or two.
func (k Kind) String() string {
	if k >= Online && int(k) < len(kindText) {
		return kindText[k]
	}
	return fmt.Sprintf("event %d", int(k))
}

// An Event is something that happened to a node.
type Event struct {
	Kind   Kind
	Peer   rpc.Peer
	Err    error
	Missed int
}

// Events returns what happens from this call on until ctx ends. One loop may
// range over it. A listener that is more than 256 events behind loses the
// oldest and gets Lagged in their place.
func (n *Node) Events(ctx context.Context) iter.Seq[Event] {
	s := &listener{wake: make(chan struct{}, 1)}
	n.events.add(s)
	context.AfterFunc(ctx, func() { n.events.remove(s) })
	return func(yield func(Event) bool) {
		defer n.events.remove(s)
		for {
			e, ok := s.next(ctx)
			if !ok || !yield(e) {
				return
			}
		}
	}
}

// A hub hands events to listeners. Its zero value is ready.
type hub struct {
	mu        sync.Mutex // guards what follows
	listeners map[*listener]struct{}
}

func (h *hub) add(s *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = make(map[*listener]struct{})
	}
	h.listeners[s] = struct{}{}
}

func (h *hub) remove(s *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, s)
}

func (h *hub) emit(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.listeners {
		s.put(e)
	}
}

// A listener is one call of Events.
type listener struct {
	wake chan struct{} // holds a token when there may be an event

	mu     sync.Mutex // guards what follows
	queue  []Event
	missed int
}

func (s *listener) put(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxEvents {
		s.queue = s.queue[1:]
		s.missed++
	}
	s.queue = append(s.queue, e)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *listener) next(ctx context.Context) (Event, bool) {
	for {
		if e, ok := s.take(); ok {
			return e, true
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, false
		}
	}
}

func (s *listener) take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missed > 0 {
		e := Event{Kind: Lagged, Missed: s.missed}
		s.missed = 0
		return e, true
	}
	if len(s.queue) == 0 {
		return Event{}, false
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	return e, true
}
