// Package queue is the bounded buffer between a wire and its caller. A full
// one makes its filler wait, which is how a slow reader slows its sender.
//
// It starts no goroutine and reads no clock, and it waits on channels only, so
// it may live in a testing/synctest bubble.
package queue

import (
	"context"
	"net"
	"sync"
)

// A Queue holds items first in, first out, up to a sum of their sizes. All
// methods may be called at once.
type Queue[T any] struct {
	limit int

	filled  chan struct{} // at most one token: there may be something to take
	drained chan struct{} // at most one token: there may be room
	ended   chan struct{} // closed by End and Drop: no more comes in

	mu    sync.Mutex // guards the rest
	items []entry[T] // those before head are taken
	head  int
	size  int
	end   bool
}

// keep is how many entries' memory an empty queue holds on to.
const keep = 8

type entry[T any] struct {
	item T
	size int
}

// New returns a Queue that holds items up to limit together. One item is
// always taken in, however large it is.
func New[T any](limit int) *Queue[T] {
	return &Queue[T]{
		limit:   limit,
		filled:  make(chan struct{}, 1),
		drained: make(chan struct{}, 1),
		ended:   make(chan struct{}),
	}
}

// Put adds an item. It blocks while the queue is full. It returns ctx's error
// when ctx ends first and net.ErrClosed after End or Drop; in both cases the
// item is not in the queue.
func (q *Queue[T]) Put(ctx context.Context, item T, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		added, err := q.tryPut(item, size)
		if added || err != nil {
			return err
		}
		select {
		case <-q.drained:
		case <-q.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *Queue[T]) tryPut(item T, size int) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end {
		return false, net.ErrClosed
	}
	if len(q.items) > q.head && q.size+size > q.limit {
		return false, nil
	}
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		// More than half is taken: move the rest down instead of growing.
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, entry[T]{item, size})
	q.size += size
	tell(q.filled)
	if q.size < q.limit {
		tell(q.drained) // another Put may be waiting behind this one
	}
	return true, nil
}

// Get takes the oldest item. It blocks while there is none. It returns ctx's
// error when ctx ends first, and net.ErrClosed when the queue is empty after
// End, and at once after Drop.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	for {
		item, got, err := q.TryGet()
		if got || err != nil {
			return item, err
		}
		select {
		case <-q.filled:
		case <-q.ended:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// TryGet is Get that does not block: got is false when there is nothing yet.
func (q *Queue[T]) TryGet() (item T, got bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == q.head {
		if q.end {
			err = net.ErrClosed
		}
		return item, false, err
	}
	first := q.items[q.head]
	q.items[q.head] = entry[T]{} // so that the array does not keep the item alive
	q.head++
	q.size -= first.size
	tell(q.drained)
	switch {
	case q.head < len(q.items):
		tell(q.filled) // another Get may be waiting behind this one
	case cap(q.items) > keep:
		q.items, q.head = nil, 0
	default:
		q.items, q.head = q.items[:0], 0
	}
	return first.item, true, nil
}

// End lets nothing more in. What is in the queue may still be taken.
func (q *Queue[T]) End() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stop()
}

// Drop lets nothing more in or out and returns what was in the queue.
func (q *Queue[T]) Drop() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stop()
	var left []T
	for _, e := range q.items[q.head:] {
		left = append(left, e.item)
	}
	q.items, q.head, q.size = nil, 0, 0
	return left
}

func (q *Queue[T]) stop() {
	if !q.end {
		q.end = true
		close(q.ended)
	}
}

// Ended is closed by End and Drop.
func (q *Queue[T]) Ended() <-chan struct{} { return q.ended }

// tell leaves a token for one waiter, unless there is one already.
func tell(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
