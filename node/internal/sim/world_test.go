package sim

import (
	"slices"
	"testing"
	"time"
)

// A gossiper tells a random host of each message that it gets, some time later.
type gossiper struct {
	w     *World
	id    int
	heard []time.Duration
	hops  int
}

func (g *gossiper) Receive(_ int, msg any) {
	g.heard = append(g.heard, g.w.Now().Sub(Start))
	g.hops = msg.(int)
	g.w.WakeAt(g.id, g.w.Clock(g.id).Add(time.Second))
}

func (g *gossiper) Wake() {
	if g.hops > 0 {
		g.w.Send(g.id, g.w.Rand().IntN(len(g.w.hosts)), 100, g.hops-1)
	}
}

func play(seed uint64) (*World, []*gossiper) {
	w := New(seed)
	var all []*gossiper
	for range 50 {
		g := &gossiper{w: w}
		g.id = w.Add(g)
		all = append(all, g)
	}
	for i := range 10 {
		w.Send(i, 49-i, 100, 20)
	}
	w.After(5*time.Second, func() { w.Remove(7) })
	w.Run(time.Minute)
	return w, all
}

func TestSameSeedSameHash(t *testing.T) {
	a, _ := play(1)
	b, _ := play(1)
	c, _ := play(2)
	if a.Hash() != b.Hash() || a.Steps() != b.Steps() || a.Total() != b.Total() {
		t.Errorf("one seed: %x and %x after %d and %d events", a.Hash(), b.Hash(), a.Steps(), b.Steps())
	}
	if a.Hash() == c.Hash() {
		t.Error("two seeds have one hash")
	}
	if s := a.Total(); s.Sent != s.Got+s.Lost || s.Sent < 50 || s.SentBytes != 100*s.Sent {
		t.Errorf("counted %+v", s)
	}
}

func TestEventsInOrder(t *testing.T) {
	w := New(1)
	var got []int
	for i := range 1000 {
		at := time.Duration(w.Rand().IntN(50)) * time.Millisecond
		w.After(at, func() {
			if w.Now().Sub(Start) != at {
				t.Errorf("event %d at %v, want %v", i, w.Now().Sub(Start), at)
			}
			got = append(got, int(at)*1000+i)
		})
	}
	w.Run(time.Second)
	if len(got) != 1000 || !slices.IsSorted(got) {
		t.Errorf("%d events, in order: %v", len(got), slices.IsSorted(got))
	}
}

// A sleeper wakes when it was told last.
type sleeper struct {
	w    *World
	woke []time.Duration
}

func (s *sleeper) Receive(int, any) {}
func (s *sleeper) Wake()            { s.woke = append(s.woke, s.w.Now().Sub(Start)) }

func TestWakeAt(t *testing.T) {
	w := New(1)
	s := &sleeper{w: w}
	id := w.Add(s)
	at := func(d time.Duration) time.Time { return Start.Add(d) }
	w.WakeAt(id, at(5*time.Second))
	w.WakeAt(id, at(3*time.Second)) // earlier
	w.Run(4 * time.Second)
	w.WakeAt(id, at(6*time.Second))
	w.WakeAt(id, at(9*time.Second)) // later
	w.Run(6 * time.Second)
	w.WakeAt(id, at(time.Second)) // passed
	w.Run(time.Second)
	w.WakeAt(id, at(20*time.Second))
	w.WakeAt(id, time.Time{}) // taken back
	w.Run(time.Minute)
	w.Skew(id, time.Minute)
	w.WakeAt(id, w.Clock(id).Add(time.Second))
	w.Run(time.Minute)
	want := []time.Duration{3 * time.Second, 9 * time.Second, 10 * time.Second, 72 * time.Second}
	if !slices.Equal(s.woke, want) {
		t.Errorf("woke at %v, want %v", s.woke, want)
	}
}

func TestPath(t *testing.T) {
	w := New(1)
	var all []*gossiper
	for range 3 {
		g := &gossiper{w: w}
		g.id = w.Add(g)
		all = append(all, g)
	}
	w.Path = func(from, to int) (time.Duration, bool) { return time.Second, to != 2 }
	w.Send(0, 1, 10, 0)
	w.Send(0, 2, 10, 0)
	w.Remove(0)
	w.Send(1, 0, 10, 0)
	w.Run(10 * time.Second)
	if !slices.Equal(all[1].heard, []time.Duration{time.Second}) || len(all[2].heard) != 0 {
		t.Errorf("heard %v and %v", all[1].heard, all[2].heard)
	}
	if a, b := w.Stats(0).Lost, w.Stats(1).Lost; a != 1 || b != 1 || w.Lives(0) || !w.Lives(1) {
		t.Errorf("lost %d and %d", a, b)
	}
	if d := w.Delay(1, 2); d != w.Delay(2, 1) || d < MinDelay || d >= MaxDelay {
		t.Errorf("delay %v", d)
	}
}

// A courier passes each message on at once.
type courier struct {
	w  *World
	id int
}

func (c *courier) Receive(_ int, msg any) { c.w.Send(c.id, c.w.Rand().IntN(len(c.w.hosts)), 100, msg) }
func (c *courier) Wake()                  {}

func BenchmarkWorld(b *testing.B) {
	w := New(1)
	for range 1000 {
		c := &courier{w: w}
		c.id = w.Add(c)
	}
	for i := range 100_000 {
		w.Send(i%1000, i*7%1000, 100, nil)
	}
	before := w.Steps()
	b.ReportAllocs()
	for b.Loop() {
		w.Run(time.Millisecond)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(w.Steps()-before), "ns/event")
}
