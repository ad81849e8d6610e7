package wasi

import (
	"encoding/binary"
	"math"

	"github.com/peersea/sea/compute/internal/meter"
)

// WASI's clocks. The realtime one begins at the job's start, the others at 0.
// All move by one nanosecond per fuel, and those that are not CPU clocks also by
// sleeping.
const (
	clockReal    = 0
	clockMono    = 1
	clockProcess = 2
	clockThread  = 3
)

// now is what clock id shows.
func (w *World) now(id uint32) (uint64, errno) {
	switch id {
	case clockReal:
		return uint64(w.cfg.Start) + min(w.elapsed(), w.clockMax()), ok
	case clockMono:
		return min(w.elapsed(), w.clockMax()), ok
	case clockProcess, clockThread:
		return w.meter.Used(), ok
	}
	return 0, eINVAL
}

func clockResGet(w *World, m memory, p []uint64) errno {
	if _, e := w.now(u32(p[0])); e != ok {
		return e
	}
	return m.put64(u32(p[1]), 1)
}

func clockTimeGet(w *World, m memory, p []uint64) errno {
	t, e := w.now(u32(p[0]))
	if e != ok {
		return e
	}
	return m.put64(u32(p[2]), t)
}

func randomGet(w *World, m memory, p []uint64) errno {
	b, e := m.span(u32(p[0]), u32(p[1]))
	if e != ok {
		return e
	}
	// Piece by piece, so that a guest that asks for gigabytes can be stopped.
	for len(b) > 0 {
		piece := b[:min(len(b), randomPiece)]
		w.pay(uint64(len(piece)) * meter.HostByte)
		_, _ = w.rand.Read(piece) // never fails
		b = b[len(piece):]
	}
	return ok
}

// Sizes and tags of WASI's subscriptions and events.
const (
	subscriptionSize = 48
	eventSize        = 32
	tagClock         = 0
	tagRead          = 1
	tagWrite         = 2
)

// pollOneoff is ready at once for whatever is open: reads find bytes or the
// end, writes are taken. Only when all subscriptions are clocks does it sleep,
// which moves the clock to the earliest of them.
func pollOneoff(w *World, m memory, p []uint64) errno {
	n := u32(p[2])
	if n == 0 || n > maxIovs {
		return eINVAL
	}
	in, e := m.span(u32(p[0]), n*subscriptionSize)
	if e != ok {
		return e
	}
	out, e := m.span(u32(p[1]), n*eventSize)
	if e != ok {
		return e
	}
	result, e := m.span(u32(p[3]), 4)
	if e != ok {
		return e
	}
	w.pay(uint64(len(in)+len(out)) * meter.HostByte)
	// The guest may have put the events over the subscriptions.
	w.subs = append(w.subs[:0], in...)
	wake := w.earliest(w.subs)
	events := 0
	for sub := w.subs; len(sub) > 0; sub = sub[subscriptionSize:] {
		if w.event(sub, out[events*eventSize:][:eventSize], wake) {
			events++
		}
	}
	w.sleepUntil(wake)
	binary.LittleEndian.PutUint32(result, uint32(events))
	return ok
}

// earliest is when, by elapsed, the first of subs is due: now, if one is ready
// or wrong.
func (w *World) earliest(subs []byte) uint64 {
	wake := uint64(math.MaxUint64)
	for ; len(subs) > 0; subs = subs[subscriptionSize:] {
		left, e := w.left(subs)
		if subs[8] != tagClock || e != ok {
			return w.elapsed()
		}
		wake = min(wake, addSat(w.elapsed(), left))
	}
	return wake
}

// left is how far the clock of a subscription is from being due.
func (w *World) left(sub []byte) (uint64, errno) {
	id := binary.LittleEndian.Uint32(sub[16:])
	timeout := binary.LittleEndian.Uint64(sub[24:])
	flags := binary.LittleEndian.Uint16(sub[40:])
	now, e := w.now(id)
	switch {
	case e != ok:
		return 0, e
	case id != clockReal && id != clockMono:
		return 0, eNOTSUP // sleeping does not move the CPU's clocks
	case flags > 1:
		return 0, eINVAL
	case flags == 0: // relative
		return timeout, ok
	case timeout <= now:
		return 0, ok
	}
	return timeout - now, ok
}

// sleepUntil moves the clock forward to when elapsed is wake, or to its end.
func (w *World) sleepUntil(wake uint64) {
	wake = min(wake, w.clockMax())
	if now := w.elapsed(); wake > now {
		w.slept += wake - now
	}
}

// event writes the event of sub to b, if there is one at wake.
func (w *World) event(sub, b []byte, wake uint64) bool {
	var e errno
	var nbytes uint64
	switch tag := sub[8]; tag {
	case tagClock:
		left, err := w.left(sub)
		if err == ok && addSat(w.elapsed(), left) > wake {
			return false
		}
		e = err
	case tagRead, tagWrite:
		d, err := w.get(binary.LittleEndian.Uint32(sub[16:]))
		switch {
		case err != ok:
			e = err
		case tag == tagRead && !d.read, tag == tagWrite && !d.write:
			e = eBADF
		case tag == tagRead && d.kind != folder:
			nbytes = d.node.size - min(d.pos, d.node.size)
		case tag == tagWrite:
			nbytes = maxTransfer
		}
	default:
		e = eINVAL
	}
	clear(b)
	copy(b, sub[:8])
	binary.LittleEndian.PutUint16(b[8:], uint16(e))
	b[10] = sub[8]
	binary.LittleEndian.PutUint64(b[16:], nbytes)
	return true
}

func addSat(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}
