package sim

import "time"

type kind uint8

const (
	kindMessage kind = iota + 1
	kindWake
	kindCall
	kindLost
	kindRemove
	kindNote
)

type event struct {
	at       time.Duration
	seq      uint64 // in the order of push, for events of one time
	msg      any    // a func() for kindCall
	from, to int32
	size     int32
	kind     kind
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// A queue is a heap of four children a node, which is flatter and so faster here
// than container/heap's two.
type queue []event

func (w *World) push(e event) {
	w.seq++
	e.seq = w.seq
	q := append(w.queue, e)
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q[parent]) {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = e
	w.queue = q
}

func (h *queue) pop() event {
	q := *h
	top, last := q[0], q[len(q)-1]
	q[len(q)-1] = event{} // let go of the message
	q = q[:len(q)-1]
	*h = q
	if len(q) == 0 {
		return top
	}
	i := 0
	for {
		least := 4*i + 1
		if least >= len(q) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(q)); c++ {
			if q[c].before(&q[least]) {
				least = c
			}
		}
		if !q[least].before(&last) {
			break
		}
		q[i] = q[least]
		i = least
	}
	q[i] = last
	return top
}
