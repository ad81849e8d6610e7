package upkeep

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/table"
)

var noon = time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)

// A bench is a core with a clock.
type bench struct {
	*Core
	now time.Time
}

func newBench() *bench {
	b := &bench{New(addr.MakeString("self"), rand.New(rand.NewPCG(1, 2))), noon}
	b.step(Tick{}) // so that it knows the time
	return b
}

func (b *bench) step(e Event) []Effect { return b.Step(b.now, e) }

// wait lets time pass in the core's own steps and returns all effects.
func (b *bench) wait(d time.Duration) (all []Effect) {
	for end := b.now.Add(d); ; {
		next := b.Wake()
		if next.After(end) {
			b.now = end
			return all
		}
		b.now = next
		all = append(all, b.step(Tick{})...)
	}
}

func only[E Effect](effects []Effect) (found []E) {
	for _, e := range effects {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// near is an address in a bucket of the core's.
func (b *bench) near(t *testing.T, bucket int) addr.Addr {
	t.Helper()
	a, err := b.self.Flip(bucket).Randomise(source{b.rand}, bucket+1)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func up(a addr.Addr) Up { return Up{Link: table.Link{Addr: a}} }

// The first link leads to a look-up of oneself through it, the node found to a
// link, and that link to the question who else is near.
func TestJoin(t *testing.T) {
	b := newBench()
	if effects := b.wait(time.Minute); len(effects) != 0 {
		t.Fatalf("without a link: %+v", effects)
	}
	entry := b.near(t, 0)
	effects := b.step(up(entry))
	looks := only[Look](effects)
	if len(looks) != 1 || looks[0].Target != b.self || looks[0].First != entry {
		t.Fatalf("on the first link: %+v", effects)
	}
	sibling, other := b.near(t, 9), b.near(t, 10)
	links := only[Link](b.step(Found{ID: looks[0].ID, Addr: sibling, OK: true}))
	if len(links) != 1 || links[0] != (Link{sibling, entry}) {
		t.Fatalf("on the answer: %+v", links)
	}
	if asks := only[Ask](b.step(up(sibling))); len(asks) != 1 || asks[0].To != sibling {
		t.Fatalf("on the sibling's link: %+v", asks)
	}
	links = only[Link](b.step(Told{sibling, []addr.Addr{other, b.self, entry, other}}))
	if len(links) != 1 || links[0] != (Link{other, sibling}) {
		t.Fatalf("on the siblings' names: %+v", links)
	}
	// What came to nothing is let be for a while.
	b.step(Tried{other})
	if links := only[Link](b.step(Told{sibling, []addr.Addr{other}})); len(links) != 0 {
		t.Errorf("at once again: %+v", links)
	}
	b.wait(MissFirst)
	if links := only[Link](b.step(Told{sibling, []addr.Addr{other}})); len(links) != 1 {
		t.Errorf("later: %+v", links)
	}
}

// Buckets are looked for the shallow ones first, through neighbours that have
// them too, so many at once, and less and less where there is nothing.
func TestFill(t *testing.T) {
	b := newBench()
	for range table.Siblings {
		b.step(up(b.near(t, 9)))
	}
	effects := b.wait(2 * time.Second)
	fills := 0
	for i, l := range only[Look](effects) {
		bucket := addr.LogDist(b.self, l.Target)
		if l.Target == b.self {
			continue
		}
		if bucket != fills || addr.LogDist(b.self, l.First) <= bucket {
			t.Errorf("look-up %d: bucket %d through %d", i, bucket, addr.LogDist(b.self, l.First))
		}
		fills++
	}
	if fills != FillsYoung {
		t.Errorf("%d look-ups at once, want %d", fills, FillsYoung)
	}
	if more := b.wait(5 * time.Second); len(only[Look](more)) > 2 {
		t.Errorf("more while those are under way: %+v", more)
	}
	// Answers without anything new.
	count := func(d time.Duration) int {
		n := 0
		for end := b.now.Add(d); b.now.Before(end); {
			for id := range b.looks {
				n++
				b.step(Found{ID: id, Addr: b.table.All()[0].Addr, OK: true})
			}
			b.wait(time.Second)
		}
		return n
	}
	first, later := count(time.Minute), 0
	count(20 * time.Minute)
	later = count(time.Minute)
	if later > 12 || first < 20 {
		t.Errorf("%d look-ups in the first minute, %d in a later one", first, later)
	}
}

// The bounds hold whatever neighbours say.
func TestBounds(t *testing.T) {
	b := newBench()
	liar := b.near(t, 0)
	b.step(up(liar))
	links := 0
	for range 100 {
		var names []addr.Addr
		for range 50 {
			names = append(names, b.near(t, 20))
		}
		links += len(only[Link](b.step(Told{liar, names})))
	}
	if links != MaxLinking || len(b.linking) != MaxLinking {
		t.Errorf("%d links are being made, %d", links, len(b.linking))
	}
	for range 2 * MaxMissed {
		b.step(Tried{b.near(t, 3)})
	}
	if len(b.missed) != MaxMissed {
		t.Errorf("%d are let be", len(b.missed))
	}
	if effects := b.step(Told{b.near(t, 1), []addr.Addr{b.near(t, 30)}}); len(effects) != 0 {
		t.Errorf("a stranger was heard: %+v", effects)
	}
	if effects := b.step(Found{ID: 999, Addr: b.near(t, 30), OK: true}); len(effects) != 0 {
		t.Errorf("an answer that nobody asked for: %+v", effects)
	}
}

// A neighbour that says each tenth of a second how much it needs us puts nothing
// off.
func TestFloodOfNeeds(t *testing.T) {
	b := newBench()
	a := b.near(t, 3)
	b.step(up(a))
	ticks := 0
	for range 600 {
		b.now = b.now.Add(Beat / 20)
		b.step(Needs{From: a, Need: table.Only})
		for !b.Wake().After(b.now) {
			b.step(Tick{})
			ticks++
		}
	}
	if ticks < 30 {
		t.Errorf("%d ticks in a minute, want 30", ticks)
	}
}

// After a jump of the clock all links are probed; when all are lost the
// bootstraps are asked for, again and again.
func TestSleep(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		b := newBench()
		peer := b.near(t, 0)
		b.step(up(peer))
		b.wait(time.Minute)
		b.now = b.now.Add(jump)
		if effects := b.step(Tick{}); len(only[Probe](effects)) != 1 {
			t.Fatalf("after a jump by %v: %+v", jump, effects)
		}
		if effects := b.step(Down{peer}); len(only[Rejoin](effects)) != 1 {
			t.Fatalf("without links: %+v", effects)
		}
		if again := only[Rejoin](b.wait(20 * time.Second)); len(again) < 3 {
			t.Errorf("asked for bootstraps %d times more", len(again))
		}
		if again := only[Look](b.step(up(peer))); len(again) != 1 {
			t.Errorf("joined again by %+v", again)
		}
	}
}

// A way into the sea is looked for now and then, in case the sea was cut.
func TestRejoin(t *testing.T) {
	b := newBench()
	b.step(up(b.near(t, 0)))
	if n := len(only[Rejoin](b.wait(time.Hour))); n < 5 || n > 8 {
		t.Errorf("%d times in an hour", n)
	}
	entry := b.near(t, 1)
	b.step(up(entry))
	if looks := only[Look](b.step(Entry{entry})); len(looks) != 1 || looks[0].First != entry || looks[0].Target != b.self {
		t.Errorf("through the bootstrap: %+v", looks)
	}
}
