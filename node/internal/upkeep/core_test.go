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
	for i, l := range only[Whom](effects) {
		bucket := addr.LogDist(b.self, l.Target)
		if bucket != fills || addr.LogDist(b.self, l.To) <= bucket {
			t.Errorf("question %d: bucket %d to %d", i, bucket, addr.LogDist(b.self, l.To))
		}
		// A neighbour that knows nobody there: it is looked up.
		looks := only[Look](b.step(Named{ID: l.ID, Addrs: []addr.Addr{l.To, b.near(t, bucket+1)}}))
		if len(looks) != 1 || looks[0].Target != l.Target || looks[0].First != l.To {
			t.Errorf("question %d: %+v", i, looks)
		}
		fills++
	}
	if fills != FillsYoung {
		t.Errorf("%d questions at once, want %d", fills, FillsYoung)
	}
	if more := b.wait(5 * time.Second); len(only[Whom](more)) > 2 {
		t.Errorf("more while those are under way: %+v", more)
	}
	// Answers without anything new.
	count := func(d time.Duration) int {
		n := 0
		for end := b.now.Add(d); b.now.Before(end); {
			for id := range b.looks {
				n++
				b.step(Named{ID: id})
			}
			for id := range b.looks {
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

// A silent sibling is asked who is near, which shows that it lives as well;
// others are pinged. Siblings that were asked so are not asked again soon.
func TestIdle(t *testing.T) {
	b := newBench()
	far := b.near(t, 0)
	b.step(up(far))
	var siblings []addr.Addr
	for i := range table.Siblings {
		siblings = append(siblings, b.near(t, 9+i))
		b.step(up(siblings[i]))
	}
	b.wait(time.Minute)
	if got := b.step(Idle{far}); len(got) != 1 || got[0] != (Ping{far}) {
		t.Errorf("far: %+v", got)
	}
	if got := b.step(Idle{addr.MakeString("nobody")}); len(only[Ask](got)) != 0 {
		t.Errorf("nobody: %+v", got)
	}
	asked := 0
	for range 15 {
		if got := b.step(Idle{siblings[0]}); len(got) != 1 || got[0] != (Ask{siblings[0]}) {
			t.Fatalf("sibling: %+v", got)
		}
		asked += len(only[Ask](b.wait(8 * time.Second)))
	}
	if asked > AskSiblings {
		t.Errorf("%d more were asked within two minutes", asked)
	}
}

// What changes for the worse and back again is never told.
func TestSayLess(t *testing.T) {
	b := newBench()
	for i := range table.Young - 1 {
		b.step(up(b.near(t, i%5)))
	}
	if says := only[Say](b.wait(SayLess + Beat)); len(says) != 0 {
		t.Fatalf("young: %+v", says)
	}
	last := b.near(t, 0)
	if says := only[Say](b.step(up(last))); len(says) != 0 {
		t.Errorf("told at once: %+v", says)
	}
	b.wait(SayLess / 2)
	if says := only[Say](append(b.step(Down{last}), b.wait(SayLess+Beat)...)); len(says) != 0 {
		t.Errorf("told although it was over: %+v", says)
	}
	b.step(up(last))
	if says := only[Say](b.wait(SayLess + Beat)); len(says) == 0 {
		t.Error("never told")
	}
	if says := only[Say](b.step(Down{last})); len(says) == 0 {
		t.Error("that they are needed again was not told at once")
	}
}

// A neighbour that knows nodes in a bucket spares the look-up: as many as are lacking
// are linked to, through it, and nobody who is elsewhere.
func TestNamed(t *testing.T) {
	b := newBench()
	for range table.Siblings {
		b.step(up(b.near(t, 9)))
	}
	var q Whom
	for _, q = range only[Whom](b.wait(2 * time.Second)) {
		if addr.LogDist(b.self, q.Target) == 3 {
			break
		}
	}
	named := Named{ID: q.ID, Addrs: []addr.Addr{b.near(t, 4), b.self, b.near(t, 3), b.near(t, 3), b.near(t, 3)}}
	effects := b.step(named)
	links := only[Link](effects)
	if len(links) != table.PerBucket || len(links) != len(effects) || links[0] != (Link{named.Addrs[2], q.To}) || links[1] != (Link{named.Addrs[3], q.To}) {
		t.Errorf("got %+v", effects)
	}
	if again := b.step(named); len(again) != 0 {
		t.Errorf("told twice: %+v", again)
	}
	if late := b.step(Named{ID: 999, Addrs: named.Addrs}); len(late) != 0 {
		t.Errorf("not asked: %+v", late)
	}
}

// Who finds a sibling silent warns those nearest to it, who ask it for a sign of life;
// nobody else is warned, and nobody asks who is no neighbour.
func TestSilent(t *testing.T) {
	b := newBench()
	far, sibling := b.near(t, 0), b.near(t, 20)
	b.step(up(far))
	b.step(up(sibling))
	for i := range table.Siblings + 4 {
		b.step(up(b.near(t, 8+i)))
	}
	if effects := b.step(Silent{far}); len(effects) != 0 {
		t.Errorf("one that is far: %+v", effects)
	}
	warned := only[Warn](b.step(Silent{sibling}))
	for _, w := range warned {
		if w.Of != sibling || w.To == sibling || w.To == far {
			t.Errorf("warned %+v", w)
		}
	}
	if len(warned) != Warned {
		t.Errorf("%d are warned, want %d", len(warned), Warned)
	}
	if got := b.step(Rumor{From: far, Of: sibling}); len(got) != 1 || got[0] != (Doubt{sibling}) {
		t.Errorf("warned: %+v", got)
	}
	for _, r := range []Rumor{{far, b.near(t, 5)}, {b.near(t, 5), sibling}, {far, b.self}} {
		if got := b.step(r); len(got) != 0 {
			t.Errorf("%+v: %+v", r, got)
		}
	}
}

// Who slept may have none but others who did as neighbours: for a while it looks buckets
// up across the sea, and itself through the bootstraps more than once.
func TestAdrift(t *testing.T) {
	b := newBench()
	for range table.Siblings {
		b.step(up(b.near(t, 9)))
	}
	b.wait(time.Minute)
	clear(b.looks) // they came to nothing
	b.now = b.now.Add(time.Hour)
	b.step(Tick{})
	effects := b.wait(time.Minute)
	if n := len(only[Rejoin](effects)); n < 2 || n > 3 {
		t.Errorf("%d times through the bootstraps", n)
	}
	looks := 0
	for _, l := range only[Look](effects) {
		if l.Target != b.self {
			looks++
		}
	}
	if asked := len(only[Whom](effects)); asked > 0 || looks < FillsYoung {
		t.Errorf("%d look-ups, and %d neighbours are asked", looks, asked)
	}
	b.wait(AdriftFor)
	clear(b.looks)
	if len(only[Whom](b.wait(FillLast))) == 0 {
		t.Error("no neighbour is asked later")
	}
}
