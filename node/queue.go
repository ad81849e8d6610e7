package node

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/peersea/sea/node/internal/frame"
)

// The bounds of what waits to be sent on one lane of a link.
const (
	maxControl = 4096
	maxBacklog = 8 << 20 // bytes; beyond it handlers wait, and routed frames are dropped
)

var (
	errFlooded = errors.New("the peer asks for more than it reads")
	errClosing = errors.New("the link is ending")
)

// A queue orders what a lane sends: control frames first, then in turns small
// frames in their order and pieces of at most frame.MaxOpen large ones. Control
// frames are bounded by maxControl, the others by who may wait for them: the
// calls and handlers of the link.
type queue struct {
	wake chan struct{} // holds a token when there may be something to send

	mu      sync.Mutex // guards what follows
	start   func()     // runs a writer; nil until begin
	writing bool       // one runs
	control [][]byte
	small   []*item
	large   []*item // not begun
	open    []*item // begun
	turn    int     // even: small, odd: the next of open
	nextCut uint64
	backlog int           // bytes not sent of small, large and open
	room    chan struct{} // closed when the backlog has shrunk; nil if nobody waits
	last    []byte        // to send before closing
	closed  bool
}

// An item is a frame on its way out.
type item struct {
	head []byte // of a frame that is not in one piece, before b
	b    []byte
	cut  *frame.Cut
	sent chan struct{} // closed when the wire has taken all of it
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// begin lets start run a writer when there is something to send, what waits
// already included. So a link that is idle has none.
func (q *queue) begin(start func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.start = start
	if q.closed || len(q.control)+len(q.small)+len(q.large) > 0 {
		q.signal()
	}
}

// signal wakes the writer, or has one run. q.mu is held.
func (q *queue) signal() {
	if q.start != nil && !q.writing {
		q.writing = true
		q.start()
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// urgent queues a control frame.
func (q *queue) urgent(f frame.Frame) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosing
	}
	if len(q.control) >= maxControl {
		return errFlooded
	}
	q.control = append(q.control, frame.Encode(f))
	q.signal()
	return nil
}

// size is how many bytes the frame has.
func (it *item) size() int { return len(it.head) + len(it.b) }

// push queues any other frame.
func (q *queue) push(f frame.Frame) (*item, error) {
	return q.add(&item{b: frame.Encode(f), sent: make(chan struct{})})
}

// lend queues a message whose body stays the caller's, who leaves it as it is
// until the item is sent, withdrawn or the queue closed.
func (q *queue) lend(m *frame.Message) (*item, error) {
	it := &item{sent: make(chan struct{})}
	if it.head, it.b = m.Split(); it.size() <= frame.MaxPiece {
		it.head, it.b = nil, append(it.head, it.b...)
	}
	return q.add(it)
}

func (q *queue) add(it *item) (*item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, errClosing
	}
	if it.size() > frame.MaxPiece {
		q.large = append(q.large, it)
	} else {
		q.small = append(q.small, it)
	}
	q.backlog += it.size()
	q.signal()
	return it, nil
}

// full reports whether so much waits that no more should be added.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog > maxBacklog
}

// awaitRoom waits until the queue is not full, or ctx ends.
func (q *queue) awaitRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		if q.backlog <= maxBacklog || q.closed {
			q.mu.Unlock()
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shrink counts n bytes that wait no more. q.mu is held.
func (q *queue) shrink(n int) {
	q.backlog -= n
	if q.room != nil && q.backlog <= maxBacklog {
		close(q.room)
		q.room = nil
	}
}

// close lets nothing more in but last, which may be nil. What waits is dropped.
func (q *queue) close(last frame.Frame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	if last != nil {
		q.last = frame.Encode(last)
	}
	q.control, q.small, q.large, q.open = nil, nil, nil, nil
	q.shrink(q.backlog)
	q.signal()
}

// take returns the next piece to send, which may lie in scratch, and the item
// that is all sent with it, if any. When there is no piece, none will come after
// closed, and a writer that leaves has to end.
func (q *queue) take(scratch *[]byte, leaves bool) (piece []byte, done *item, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		piece, q.last = q.last, nil
		return piece, nil, true
	}
	defer func() {
		if piece == nil && leaves {
			q.writing = false
		}
	}()
	if len(q.control) > 0 {
		piece = q.control[0]
		q.control[0] = nil
		q.control = q.control[1:]
		return piece, nil, false
	}
	for len(q.open) < frame.MaxOpen && len(q.large) > 0 {
		it := q.large[0]
		q.large[0] = nil
		q.large = q.large[1:]
		it.cut = frame.NewCutOf(q.nextCut, it.head, it.b)
		q.nextCut++
		q.open = append(q.open, it)
	}
	q.turn++
	if len(q.small) > 0 && (q.turn%2 == 0 || len(q.open) == 0) {
		it := q.small[0]
		q.small[0] = nil
		q.small = q.small[1:]
		q.shrink(it.size())
		return it.b, it, false
	}
	if len(q.open) == 0 {
		return nil, nil, false
	}
	// The first of open gives a piece and goes to the back.
	it := q.open[0]
	piece, last := it.cut.Next(*scratch)
	*scratch = piece // the writer is done with the one before
	q.open = append(q.open[:0], q.open[1:]...)
	if last {
		q.shrink(it.size())
		return piece, it, false
	}
	q.open = append(q.open, it)
	return piece, nil, false
}

// withdraw takes it back when nothing of it has been sent yet. Else what it was
// lent is its own from now on.
func (q *queue) withdraw(it *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range []*[]*item{&q.small, &q.large} {
		for i, other := range *list {
			if other == it {
				*list = append((*list)[:i], (*list)[i+1:]...)
				q.shrink(it.size())
				return true
			}
		}
	}
	if slices.Contains(q.open, it) {
		it.cut.Own()
	}
	return false
}
