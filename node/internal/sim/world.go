package sim

import (
	"math/rand/v2"
	"time"
)

// Start is when every World begins.
var Start = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// The delays between two hosts when a World has no Path of its own: drawn once
// for each pair, so messages between two hosts keep their order.
const (
	MinDelay = 20 * time.Millisecond
	MaxDelay = 120 * time.Millisecond
)

// A Host is one participant, named by the number that Add gave it.
type Host interface {
	// Receive takes a message from another host.
	Receive(from int, msg any)

	// Wake is called at the time that the host's last WakeAt named.
	Wake()
}

// A World is some hosts, what is under way between them, and a clock. It is not
// safe for concurrent use.
type World struct {
	// Path, when not nil, says how long a message between two hosts takes, and
	// whether it arrives at all. It is asked once for each message. A Path
	// that is to keep the order of messages gives a pair one delay.
	Path func(from, to int) (delay time.Duration, ok bool)

	seed  uint64
	rand  *rand.Rand
	now   time.Duration // since Start
	queue queue
	seq   uint64
	hosts []host
	hash  uint64
	steps uint64
}

type host struct {
	Host
	skew   time.Duration
	next   time.Duration // when to wake it; 0 is never
	queued time.Duration // the earliest wake in the queue; 0 is none
	stats  Stats
}

// Stats counts what a host sent and got. A message to a host that is gone, or
// that Path lost, counts as sent and as lost with its sender.
type Stats struct {
	Sent, SentBytes uint64
	Got, GotBytes   uint64
	Lost            uint64
}

// New returns an empty World.
func New(seed uint64) *World {
	return &World{seed: seed, rand: rand.New(rand.NewPCG(seed, 0x5ea)), hash: seed}
}

// Rand is the world's only source of randomness.
func (w *World) Rand() *rand.Rand { return w.rand }

// Now is the true time.
func (w *World) Now() time.Time { return Start.Add(w.now) }

// Clock is the time that host id sees; see Skew.
func (w *World) Clock(id int) time.Time { return Start.Add(w.now + w.hosts[id].skew) }

// Skew puts host id's clock d ahead of the true time. WakeAt takes that clock's
// times.
func (w *World) Skew(id int, d time.Duration) { w.hosts[id].skew = d }

// Add lets a host in and returns its number, which counts from 0.
func (w *World) Add(h Host) int {
	w.hosts = append(w.hosts, host{Host: h})
	return len(w.hosts) - 1
}

// Remove takes a host out, as if its power was cut: nothing reaches it any more.
// Its number is not given again.
func (w *World) Remove(id int) {
	w.hosts[id].Host, w.hosts[id].next = nil, 0
	w.mix(kindRemove, uint64(id), 0)
}

// Lives reports whether host id is in.
func (w *World) Lives(id int) bool { return w.hosts[id].Host != nil }

// Stats returns what host id sent and got so far, also after its Remove.
func (w *World) Stats(id int) Stats { return w.hosts[id].stats }

// Total adds all hosts' Stats up.
func (w *World) Total() Stats {
	var t Stats
	for i := range w.hosts {
		s := &w.hosts[i].stats
		t.Sent, t.SentBytes, t.Lost = t.Sent+s.Sent, t.SentBytes+s.SentBytes, t.Lost+s.Lost
		t.Got, t.GotBytes = t.Got+s.Got, t.GotBytes+s.GotBytes
	}
	return t
}

// Send puts a message of size bytes on its way. The receiver gets msg itself,
// not a copy.
func (w *World) Send(from, to, size int, msg any) {
	s := &w.hosts[from].stats
	s.Sent++
	s.SentBytes += uint64(size)
	delay, ok := w.path(from, to)
	if !ok {
		s.Lost++
		w.mix(kindLost, pair(from, to), uint64(size))
		return
	}
	w.push(event{at: w.now + delay, kind: kindMessage, from: int32(from), to: int32(to), size: int32(size), msg: msg})
}

func (w *World) path(from, to int) (time.Duration, bool) {
	if w.Path != nil {
		return w.Path(from, to)
	}
	return w.Delay(from, to), true
}

// Delay is the delay of a pair, the same both ways, between MinDelay and
// MaxDelay. It depends on the seed and nothing else.
func (w *World) Delay(a, b int) time.Duration {
	if a > b {
		a, b = b, a
	}
	return MinDelay + time.Duration(scramble(w.seed^scramble(pair(a, b)))%uint64(MaxDelay-MinDelay))
}

// WakeAt has host id's Wake called at the time at of its clock, or at once if
// that has passed, in place of what it asked for before. The zero time takes
// the wish back.
func (w *World) WakeAt(id int, at time.Time) {
	h := &w.hosts[id]
	if at.IsZero() {
		h.next = 0
		return
	}
	// 0 means never, so the world's first instant is not for waking.
	h.next = max(at.Sub(Start)-h.skew, w.now, 1)
	if h.queued == 0 || h.next < h.queued {
		h.queued = h.next
		w.push(event{at: h.next, kind: kindWake, to: int32(id)})
	}
}

// After calls f after d of true time.
func (w *World) After(d time.Duration, f func()) {
	w.push(event{at: w.now + max(d, 0), kind: kindCall, msg: f})
}

// Run lets d pass with all that happens in it.
func (w *World) Run(d time.Duration) {
	until := w.now + d
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := w.queue.pop()
		w.now = e.at
		w.steps++
		w.do(e)
	}
	w.now = until
}

// RunUntil lets time pass until done reports true after an event, or d has
// passed, and returns what done last said.
func (w *World) RunUntil(d time.Duration, done func() bool) bool {
	until := w.now + d
	for !done() {
		if len(w.queue) == 0 || w.queue[0].at > until {
			w.now = until
			return done()
		}
		e := w.queue.pop()
		w.now = e.at
		w.steps++
		w.do(e)
	}
	return true
}

func (w *World) do(e event) {
	switch e.kind {
	case kindCall:
		w.mix(kindCall, 0, 0)
		e.msg.(func())()
	case kindWake:
		h := &w.hosts[e.to]
		if e.at != h.queued {
			return // an earlier one took its place
		}
		h.queued = 0
		switch {
		case h.Host == nil || h.next == 0:
		case h.next > w.now:
			h.queued = h.next
			w.push(event{at: h.next, kind: kindWake, to: e.to})
		default:
			h.next = 0
			w.mix(kindWake, uint64(e.to), 0)
			h.Wake()
		}
	case kindMessage:
		h := &w.hosts[e.to]
		if h.Host == nil {
			w.hosts[e.from].stats.Lost++
			w.mix(kindLost, pair(int(e.from), int(e.to)), uint64(e.size))
			return
		}
		h.stats.Got++
		h.stats.GotBytes += uint64(e.size)
		w.mix(kindMessage, pair(int(e.from), int(e.to)), uint64(e.size))
		h.Receive(int(e.from), e.msg)
	}
}

// Note lets x count for the Hash: a result, a choice.
func (w *World) Note(x uint64) { w.mix(kindNote, x, 0) }

// Hash names all that has happened so far, and when.
func (w *World) Hash() uint64 { return w.hash }

// Steps is how many events have happened.
func (w *World) Steps() uint64 { return w.steps }

func (w *World) mix(k kind, a, b uint64) {
	w.hash = scramble(w.hash ^ uint64(k))
	w.hash = scramble(w.hash ^ uint64(w.now))
	w.hash = scramble(w.hash ^ a)
	w.hash = scramble(w.hash ^ b)
}

func pair(a, b int) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// scramble is the finaliser of splitmix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
