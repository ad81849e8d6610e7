package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
)

// An outlet is what channels have to say over a link. It hands the link one frame
// after the other, so that what has to wait waits here, where the less important
// gives way. While nothing waits nothing runs.
type outlet struct {
	l    *link
	used atomic.Int64 // ns since the link's since, of the last frame either way; 0 is none

	mu      sync.Mutex // guards what follows
	box     gossip.Outbox[parcel]
	pumping bool
}

// A parcel is a frame on its way, and who wants to know when it has left.
type parcel struct {
	f    frame.Frame
	sent *departure
}

// usedFor is how long after a frame of a channel its link counts as used. Partners
// exchange some more often.
const usedFor = 10 * time.Second

// use notes a frame.
func (o *outlet) use() { o.used.Store(max(1, int64(time.Since(o.l.since)))) }

// busy reports whether a channel uses the link.
func (o *outlet) busy() bool {
	at := o.used.Load()
	return at != 0 && time.Since(o.l.since)-time.Duration(at) < usedFor
}

// fits reports whether so many bytes of our own would not be dropped.
func (o *outlet) fits(size int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.box.Fits(size)
}

// push queues a frame and returns how many had to be dropped for it, itself
// included.
func (o *outlet) push(f frame.Frame, class gossip.Class, sent *departure) (dropped int) {
	o.use()
	size := 0
	if p, ok := f.(*frame.Publish); ok {
		size = len(p.Body)
	}
	o.mu.Lock()
	gone := o.box.Push(class, size, parcel{f, sent})
	start := !o.pumping
	o.pumping = true
	o.mu.Unlock()
	for _, p := range gone {
		p.sent.lose()
	}
	if start && !o.l.s.spawn(o.pump) {
		o.clear()
	}
	return len(gone)
}

// pump hands the link what waits, until nothing does.
func (o *outlet) pump() {
	for {
		o.mu.Lock()
		p, ok := o.box.Pop()
		if !ok {
			o.pumping = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		size := 0
		if m, ok := p.f.(*frame.Publish); ok {
			size = len(m.Body)
		}
		it, err := o.l.queueFor(size).push(p.f)
		if err == nil {
			select {
			case <-it.sent:
				p.sent.leave()
				continue
			case <-o.l.ending:
			}
		}
		p.sent.lose()
		o.clear()
		return
	}
}

// clear drops what waits for a link that ends.
func (o *outlet) clear() {
	o.mu.Lock()
	box := o.box
	o.box, o.pumping = gossip.Outbox[parcel]{}, false
	o.mu.Unlock()
	for {
		p, ok := box.Pop()
		if !ok {
			return
		}
		p.sent.lose()
	}
}

// A departure is a message of our own that goes over several links. A nil one
// tells nobody.
type departure struct {
	mu      sync.Mutex    // guards what follows
	links   int           // that it was given to
	waiting int           // of those, and one until wait is called
	left    bool          // over at least one
	over    chan struct{} // closed when it has left, or cannot any more
	closed  bool
}

func newDeparture() *departure { return &departure{waiting: 1, over: make(chan struct{})} }

// add counts one more link.
func (d *departure) add() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links++
	d.waiting++
}

// leave tells that the message has left over a link.
func (d *departure) leave() { d.note(true) }

// lose tells that it will not leave over a link.
func (d *departure) lose() { d.note(false) }

func (d *departure) note(left bool) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting--
	d.left = d.left || left
	if !d.closed && (d.left || d.waiting == 0) {
		d.closed = true
		close(d.over)
	}
}

// wait waits until the message has left, once all its links were added. Where
// partners get its name alone there is nothing to wait for.
func (d *departure) wait(ctx context.Context) error {
	d.lose() // ours
	select {
	case <-d.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links > 0 && !d.left {
		return ErrNoPeers
	}
	return nil
}
