package gossip

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/sim"
)

// This file is what a neighbour, a member or a meeting place may try.

// Whatever a meeting place says of how many there are, a member goes on
// announcing itself, and comes less often only step by step.
func TestForgedCount(t *testing.T) {
	for _, count := range []int{1 << 62, 1 << 40, 1<<40 - 1, 9_900_000_000, 20_000_000_000, maxCount + 1, 1e6} {
		b := newBench(t).with(1)
		last := AnnounceEvery
		for range 12 {
			b.step(Found{Count: count})
			for {
				b.now = b.core.Wake()
				b.got(peer(0), &frame.Have{Channel: testChannel})
				out := b.step(Tick{})
				every := time.Duration(0)
				for _, e := range out {
					if l, ok := e.(Lookup); ok {
						every = l.Every
					}
				}
				if every == 0 {
					continue
				}
				if every < time.Second || every > maxAnnounce || every > maxSlower*last {
					t.Fatalf("%d members: announced every %s after %s", count, every, last)
				}
				last = every
				break
			}
			if last >= time.Hour {
				break
			}
		}
	}
}

// Of a message that came twice, as one can after the clock was put back, one is
// kept.
func TestStoredTwice(t *testing.T) {
	b := newBench(t)
	f := b.message("author", 1, 10)
	var s store
	s.add(b.now, frame.ID{1}, f)
	s.add(b.now, frame.ID{1}, f)
	for i := range 2 * maxStored {
		s.add(b.now, frame.ID{2, byte(i), byte(i >> 8)}, f)
	}
	if len(s.all) != maxStored || len(s.by) != maxStored || s.bytes != maxStored*len(f.Body) {
		t.Errorf("%d kept, %d by name, %d bytes", len(s.all), len(s.by), s.bytes)
	}
}

// Who sends a message with a broken signature does not end the wait for it.
func TestForgeryEndsNoWait(t *testing.T) {
	b := newBench(t).with(2)
	b.now = b.now.Add(fresh)
	b.got(peer(0), &frame.Have{Channel: testChannel})
	f := b.message("author", 1, 4096)
	b.got(peer(0), &frame.Have{Channel: testChannel, IDs: []frame.ID{IDOf(f)}})
	forged := *f
	forged.Sig[0] ^= 1
	b.got(peer(1), &forged)
	b.now = b.now.Add(firstGraft)
	if out := b.step(Tick{}); sent[*frame.Graft](out) != 1 {
		t.Errorf("not asked for after a forgery: %+v", out)
	}
	b.got(peer(0), f)
	if len(b.core.wanted) != 0 || b.core.sources[peer(0)].wants != 0 {
		t.Error("still wanted when it has come")
	}
}

// Names of members that nobody asked for are not taken.
func TestUnaskedNames(t *testing.T) {
	b := newBench(t).with(3)
	for i := range 50 {
		names := []addr.Addr{peer(1000 + 2*i), peer(1001 + 2*i)}
		b.got(peer(500), &frame.Partner{Channel: testChannel, Members: names}) // a neighbour
		b.got(peer(0), &frame.Partner{Channel: testChannel, Yes: 1, Members: names})
		b.got(peer(1), &frame.Shuffled{Channel: testChannel, Members: names})
	}
	if n := len(b.core.passive) + len(b.core.suitors); n != 0 {
		t.Errorf("%d names taken", n)
	}
	b.core.trade(b.now)
	b.got(peer(1), &frame.Shuffled{Channel: testChannel, Members: []addr.Addr{peer(1000)}})
	b.got(peer(1), &frame.Shuffled{Channel: testChannel, Members: []addr.Addr{peer(1001)}})
	if n := len(b.core.passive); n != 1 {
		t.Errorf("%d names taken after one shuffle", n)
	}
}

// Leaving and coming back makes nobody's rates new, and what a neighbour asks
// for again and again it gets seldom.
func TestRatesOutliveLeaving(t *testing.T) {
	b := newBench(t).with(2)
	var published, walks, answers int
	note := func(out []Effect) {
		published += sent[*frame.Publish](out)
		walks += sent[*frame.Walk](out)
		answers += sent[*frame.Partner](out)
	}
	b.got(peer(1), b.message("author", 1, frame.MaxPublished))
	var ids []frame.ID
	for range frame.MaxIDs {
		ids = append(ids, IDOf(b.message("author", 1, frame.MaxPublished)))
	}
	for i := range 1000 {
		note(b.got(peer(0), &frame.Leave{Channel: testChannel}))
		note(b.got(peer(0), &frame.Neighbour{Channel: testChannel, Want: frame.WantNew}))
		note(b.got(peer(0), &frame.Graft{Channel: testChannel, IDs: ids}))
		note(b.got(peer(0), &frame.Past{Channel: testChannel, Want: frame.MaxPast}))
		var names []frame.ID
		for j := range frame.MaxIDs {
			names = append(names, frame.ID{byte(i), byte(i >> 8), byte(j)})
		}
		note(b.got(peer(0), &frame.Have{Channel: testChannel, IDs: names}))
	}
	if answers > askBurst || walks > askBurst*(Active-1) || published > giftBurst/frame.MaxPublished {
		t.Errorf("%d answers, %d walks, %d messages", answers, walks, published)
	}
	if n := len(b.core.queue); n > maxWanted {
		t.Errorf("%d messages wanted", n)
	}
	// Nor does a flood of new authors come through the door of who just left.
	b = newBench(t).with(2)
	b.core.cfg.Verify = func(*frame.Publish) error { return nil }
	f := b.message("author", 1, 10)
	delivers := 0
	for i := range 2 * linkBurst {
		if i%100 == 0 {
			b.got(peer(0), &frame.Neighbour{Channel: testChannel, Want: frame.WantNeeded})
			b.got(peer(0), &frame.Leave{Channel: testChannel})
		}
		g := *f
		g.Author = identity.Entity{byte(i), byte(i >> 8)}
		delivers += delivered(b.got(peer(0), &g))
	}
	if delivers > linkBurst {
		t.Errorf("%d messages over one link at once", delivers)
	}
}

// A partner that leads here one after the other does not keep a member from
// others of its own choice, nor do those that push in take all its places.
func TestEclipse(t *testing.T) {
	b := newBench(t).with(1)
	for i := range 100 {
		b.now = b.now.Add(time.Second / walkRate)
		b.got(peer(0), &frame.Walk{Channel: testChannel, Who: peer(2000 + i)})
	}
	if n := len(b.core.suitors); n > maxLed {
		t.Errorf("%d led here", n)
	}
	honest := []addr.Addr{peer(10), peer(11), peer(12)}
	b.step(Found{Members: honest})
	for i := range 3 {
		for _, a := range honest {
			b.step(Dialed{a, true})
			b.got(a, &frame.Partner{Channel: testChannel, Yes: 1})
		}
		b.now = b.now.Add(time.Duration(i) * time.Second)
		b.step(Found{Members: honest})
	}
	for _, a := range honest {
		if b.core.partner(a) == nil {
			t.Fatalf("%s is no partner", a.Short())
		}
	}
	for i := range 200 {
		b.got(peer(3000+i), &frame.Neighbour{Channel: testChannel, Want: frame.WantNeeded})
	}
	for _, a := range honest {
		if b.core.partner(a) == nil {
			t.Errorf("%s was pushed out", a.Short())
		}
	}
	if n := b.core.Partners(); n != MaxActive {
		t.Errorf("%d partners", n)
	}
}

// An answer about the past that holds a message on its way does not keep that
// from the others.
func TestPastHidesNothing(t *testing.T) {
	b := newBench(t).with(2)
	b.now = b.now.Add(time.Second)
	old := Message{Network: testNetwork, Channel: testChannel, Issued: sim.Start.Add(-time.Minute), Scope: "text"}
	f, err := old.Sign(fixed.Key("author"))
	if err != nil {
		t.Fatal(err)
	}
	b.step(Recall{Want: 2})
	f.Past = 1
	out := b.got(peer(0), f)
	if count(out, func(d Deliver) bool { return d.Past }) != 1 || sent[*frame.Publish](out) != 0 {
		t.Errorf("a past message: %+v", out)
	}
	f = b.message("author", 2, 10)
	f.Past = 1
	out = b.got(peer(0), f)
	if count(out, func(d Deliver) bool { return !d.Past }) != 1 || count(out, func(s Send) bool {
		p, ok := s.Frame.(*frame.Publish)
		return ok && p.Past == 0 && s.To == peer(1)
	}) != 1 {
		t.Errorf("a message on its way: %+v", out)
	}
}

// One member counts once, however often it comes, and has no more rooms than a
// node has channels.
func TestPlacesOfOne(t *testing.T) {
	self := addr.Make([]byte("self"))
	p := NewPlaces(self, rand.New(rand.NewPCG(1, 1)))
	now := sim.Start
	announce := func(channel addr.Addr, i int, every time.Duration) {
		who := identity.Entity{byte(i), byte(i >> 8)}
		p.Announce(now, self, Record{Member: who, Channel: channel, Every: every}, identity.Statement{By: who})
	}
	for i := range 40 {
		announce(testChannel, i, AnnounceEvery)
	}
	for range 1000 {
		announce(testChannel, 1, maxAnnounce)
	}
	if _, n := p.Members(now, testChannel, 1, identity.Entity{}); n != 40 {
		t.Errorf("%d members, of 40", n)
	}
	for i := range 2 * MaxRooms {
		announce(addr.Make([]byte{1, byte(i), byte(i >> 8)}), 1, AnnounceEvery)
	}
	if n := p.Rooms(); n > MaxRooms/2 {
		t.Errorf("one member took %d rooms", n)
	}
	announce(addr.Make([]byte("another")), 2, AnnounceEvery)
	if _, n := p.Members(now, addr.Make([]byte("another")), 1, identity.Entity{}); n != 1 {
		t.Error("no room for another member's channel")
	}
}

// A few identities that fill every room at a meeting place keep nobody out: what a member
// with fewer rooms looks for takes the place of what they made up, until all have as many.
func TestPlacesOfSixteen(t *testing.T) {
	self := addr.Make([]byte("self"))
	p := NewPlaces(self, rand.New(rand.NewPCG(1, 1)))
	now := sim.Start
	announce := func(place, channel addr.Addr, i int) bool {
		who := identity.Entity{byte(i), byte(i >> 8), 1}
		p.Announce(now, place, Record{Member: who, Channel: channel, Every: AnnounceEvery}, identity.Statement{By: who})
		_, n := p.Members(now, channel, 1, identity.Entity{})
		return n > 0
	}
	fill := func(liars int) {
		for i := range 2 * MaxRooms {
			// They say that they look at the node's own address.
			announce(self, addr.Make([]byte{9, byte(i), byte(i >> 8)}), 10000+i%liars)
		}
	}
	const liars = 16
	fill(liars)
	if n := p.Rooms(); n != MaxRooms {
		t.Fatalf("%d rooms, they were to fill %d", n, MaxRooms)
	}
	// 64 honest members of 4 channels each that nobody else is in.
	far := self.Flip(0)
	honest := func(i int) addr.Addr { return addr.Make([]byte{7, byte(i), byte(i >> 8)}) }
	for i := range 256 {
		if !announce(far, honest(i), i%64) {
			t.Fatalf("channel %d has no room", i)
		}
	}
	fill(liars)
	for i := range 256 {
		if _, n := p.Members(now, honest(i), 1, identity.Entity{}); n != 1 {
			t.Fatalf("channel %d was pushed out", i)
		}
	}
	// It takes as many identities as there are rooms for one each.
	fill(MaxRooms)
	if announce(far, honest(999), 999) {
		t.Error("a thousand identities that are nearer leave room for one that is farther")
	}
	records, counted := 0, 0
	for _, r := range p.rooms {
		records += len(r.records)
	}
	for _, n := range p.has {
		counted += n
	}
	if counted != records {
		t.Errorf("%d records are counted, there are %d", counted, records)
	}
	now = now.Add(RecordLife)
	for c := range p.rooms {
		p.Members(now, c, 1, identity.Entity{})
	}
	if len(p.rooms) != 0 || len(p.has) != 0 {
		t.Errorf("after their time: %d rooms, %d members", len(p.rooms), len(p.has))
	}
}
