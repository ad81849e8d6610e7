package town

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
)

// long asks for channels of full size: go test ./node/simtest/town -long
var long = flag.Bool("long", false, "simulate channels of 10,000 members, not 1,000")

// size is how many members a channel of the tests has.
func size() int {
	switch {
	case *long:
		return 10_000
	case raceDetector: // ten times slower, and there is one goroutine
		return 200
	}
	return 1_000
}

// few is n, or a third of it where that is enough of a wait.
func few(n int) int {
	if raceDetector {
		return n / 3
	}
	return n
}

// newTown returns a town in which nobody may get a message twice.
func newTown(t *testing.T, seed uint64) *Town {
	to := New(seed)
	t.Cleanup(func() {
		if to.twice > 0 {
			t.Errorf("%d messages came twice", to.twice)
		}
	})
	return to
}

// A channel without failures: everybody gets everything once, over a tree when
// it is large.
func TestReach(t *testing.T) {
	to := newTown(t, 1)
	to.Grow(size(), time.Duration(size())*10*time.Millisecond)
	degrees := map[int]int{}
	for _, m := range to.members {
		degrees[m.core.Partners()]++
	}
	t.Logf("%d members, partners %v, %d events", size(), degrees, to.w.Steps())
	for d, n := range degrees {
		// A few are between two partners at any moment.
		if d < 3 || d > gossip.MaxActive || d < gossip.Active && n > size()/10 {
			t.Errorf("%d members have %d partners", n, d)
		}
	}
	for range 10 {
		s := to.Any().Say(500)
		to.w.Run(2 * time.Second)
		if r := to.Reach(s); r != 1 {
			t.Errorf("a small message reached %.4f", r)
		}
	}
	all, first := to.Copies()
	var slowest time.Duration
	for range 20 {
		s := to.Any().Say(4 << 10)
		to.w.Run(3 * time.Second)
		if r := to.Reach(s); r != 1 {
			t.Errorf("a large message reached %.4f", r)
		}
		slowest = max(slowest, s.last.Sub(s.at))
	}
	all2, first2 := to.Copies()
	copies := float64(all2-all) / float64(first2-first)
	t.Logf("large messages: %.3f copies, the slowest took %s", copies, slowest)
	if copies > 1.3 {
		t.Errorf("large messages came %.2f times", copies)
	}
	before := to.w.Total()
	to.w.Run(time.Minute)
	rate := float64(to.w.Total().Sent-before.Sent) / 60 / float64(size())
	t.Logf("%.2f messages a second and member with nothing to say", rate)
	if rate > 4 {
		t.Errorf("%.1f messages a second and member with nothing to say", rate)
	}
	if _, n := to.meet[0].Members(to.w.Now(), channel, 0, to.Any().key); n < size()/2 || n > size()*2 {
		t.Errorf("%d members counted, there are %d", n, size())
	}
}

// Three of ten members fall silent at once, and nobody is told.
func TestCrash(t *testing.T) {
	to := newTown(t, 2)
	to.Grow(size(), time.Duration(size())*10*time.Millisecond)
	to.Any().Say(4 << 10) // there is a tree
	to.w.Run(5 * time.Second)
	to.Kill(0.3)
	small, large := to.Any().Say(500), to.Any().Say(4<<10)
	to.w.Run(3 * time.Second)
	t.Logf("after 3 s: small %.5f, large %.5f", to.Reach(small), to.Reach(large))
	if r := to.Reach(small); r < 0.997 {
		t.Errorf("a message after the crash reached %.4f", r)
	}
	to.w.Run(7 * time.Second)
	t.Logf("after 10 s: small %.5f, large %.5f", to.Reach(small), to.Reach(large))
	for _, s := range []*Said{small, large} {
		if r := to.Reach(s); r < 0.9999 {
			t.Errorf("10 s after the crash %.5f have the message", r)
		}
	}
	s := to.Any().Say(500)
	to.w.Run(5 * time.Second)
	if r := to.Reach(s); r < 0.9999 {
		t.Errorf("a message 10 s after the crash reached %.5f", r)
	}
}

// Members come and go, one in ten of them without a word, and are away for good.
func TestChurn(t *testing.T) {
	members := few(150)
	to := newTown(t, 3)
	to.Grow(members, time.Minute)
	var all []*Said
	var reached, asked int
	for range members {
		// One second each: sessions of as many seconds as there are members.
		leaver := to.Any()
		if to.w.Rand().IntN(10) > 0 {
			leaver.step(gossip.Quit{})
		}
		to.w.Remove(leaver.id)
		to.join()
		all = append(all, to.Any().Say([]int{500, 4 << 10}[to.w.Rand().IntN(2)]))
		to.w.Run(time.Second)
	}
	to.w.Run(15 * time.Second)
	for _, s := range all {
		for _, m := range to.alive() {
			// Whoever was there for ten seconds has partners.
			if m.joined.Before(s.at.Add(-10 * time.Second)) {
				asked++
				if s.got[m.id] {
					reached++
				}
			}
		}
	}
	share := float64(reached) / float64(asked)
	t.Logf("%d messages under churn reached %.5f", len(all), share)
	if share < 0.999 {
		t.Errorf("messages under churn reached %.4f", share)
	}
}

// A channel that was cut in two is one again soon after.
func TestPartition(t *testing.T) {
	members := few(200)
	to := newTown(t, 4)
	to.Grow(members, time.Minute)
	to.divide(true)
	to.w.Run(5 * time.Minute)
	for side := range 2 {
		s := to.members[side].Say(4 << 10)
		to.w.Run(5 * time.Second)
		if r := to.Reach(s); r != 0.5 {
			t.Errorf("a message in one half reached %.3f of both", r)
		}
	}
	to.divide(false)
	to.w.Run(2 * time.Minute)
	for side := range 2 {
		s := to.members[side].Say(4 << 10)
		to.w.Run(5 * time.Second)
		if r := to.Reach(s); r != 1 {
			t.Errorf("two minutes after the cut was healed a message reached %.3f", r)
		}
	}
}

// A member that says 10,000 messages a second is cut off, and others are heard as
// before.
func TestFlood(t *testing.T) {
	const flood = 10_000
	members := few(200)
	to := newTown(t, 5)
	to.Grow(members, time.Minute)
	talk := func(n int) (p99 time.Duration) {
		var took []time.Duration
		for range n {
			s := to.members[1+to.w.Rand().IntN(members-1)].Say(500)
			to.w.Run(500 * time.Millisecond)
			took = append(took, s.last.Sub(s.at))
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	quiet := talk(20)
	flooder := to.members[0]
	partners := flooder.core.PartnersAt()
	held := func() bool {
		return slices.ContainsFunc(partners, func(a addr.Addr) bool { return slices.Contains(to.at[a].core.PartnersAt(), flooder.at) })
	}
	began, cut := to.w.Now(), time.Time{}
	before := to.Any().core.Stats()
	var tick func()
	tick = func() {
		if !held() {
			cut = to.w.Now()
			return
		}
		f, s := flooder.write(100)
		s.got = map[int]bool{}
		for _, a := range partners {
			to.w.Send(flooder.id, to.at[a].id, 200, f)
		}
		to.w.After(time.Second/flood, tick)
	}
	tick()
	loud := talk(20)
	t.Logf("cut off after %s; p99 %s, %s before", cut.Sub(began), loud, quiet)
	if cut.IsZero() || cut.Sub(began) > 5*time.Second {
		t.Errorf("the flooder was cut off after %s", cut.Sub(began))
	}
	if loud > 2*quiet {
		t.Errorf("the slowest messages took %s, without the flood %s", loud, quiet)
	}
	for _, m := range to.members[1:] {
		if heard := m.core.Stats().Delivered - before.Delivered; heard > 20+gossip.AuthorBurst+10*gossip.AuthorRate {
			t.Errorf("member %d heard %d messages in 10 s", m.id, heard)
		}
		if m.core.Stats().Bad > 0 {
			t.Error("a flood is no forgery")
		}
	}
}

// A member whose links take 6 KiB a second each slows nobody down, and what waits for
// it is bounded.
func TestSlowConsumer(t *testing.T) {
	members := few(150)
	to := newTown(t, 6)
	to.Grow(members, time.Minute)
	slow := to.members[7]
	slow.slow, slow.outbox, slow.busy = 6<<10, make(map[int]*gossip.Outbox[frame.Frame]), make(map[int]bool)
	var all []*Said
	for i := range 100 {
		all = append(all, to.members[8+i%10].Say(16<<10))
		to.w.Run(300 * time.Millisecond)
	}
	to.w.Run(5 * time.Second)
	for _, s := range all {
		missing := members - len(s.got)
		if missing > 1 || missing == 1 && s.got[slow.id] {
			t.Errorf("%d members miss a message", missing)
		}
		if !s.got[slow.id] && s.last.Sub(s.at) > 3*time.Second {
			t.Errorf("a message took %s", s.last.Sub(s.at))
		}
	}
	t.Logf("%d messages dropped on the way to the slow member, at most %d bytes waited", slow.dropped, slow.most)
	if slow.dropped == 0 || slow.most > gossip.MaxOutbox {
		t.Errorf("%d dropped, %d bytes waited", slow.dropped, slow.most)
	}
}

// Clocks that are wrong by up to a minute keep nobody from hearing.
func TestClockSkew(t *testing.T) {
	to := newTown(t, 7)
	to.skew = time.Minute
	for range few(200) {
		to.join()
		to.w.Run(100 * time.Millisecond)
	}
	to.w.Run(time.Minute)
	for range 20 {
		s := to.Any().Say(4 << 10)
		to.w.Run(2 * time.Second)
		if r := to.Reach(s); r != 1 {
			t.Errorf("a message reached %.3f", r)
		}
	}
}

// One seed, one history.
func TestSameSeed(t *testing.T) {
	play := func(seed uint64) (hash, steps uint64) {
		to := newTown(t, seed)
		to.Grow(100, 10*time.Second)
		to.Kill(0.2)
		for range 10 {
			to.Any().Say(4 << 10)
			to.w.Run(time.Second)
		}
		return to.w.Hash(), to.w.Steps()
	}
	a, n := play(1)
	if b, m := play(1); a != b || n != m {
		t.Errorf("one seed gave %x after %d events and %x after %d", a, n, b, m)
	}
	if c, _ := play(2); c == a {
		t.Error("two seeds gave one history")
	}
}

// Who comes late hears the last messages if it asks, and nothing old if not.
func TestRecall(t *testing.T) {
	to := newTown(t, 8)
	to.Grow(50, 10*time.Second)
	for range 20 {
		to.Any().Say(500)
		to.w.Run(time.Second)
	}
	to.w.Run(time.Minute)
	late, deaf := to.join(), to.join()
	late.step(gossip.Recall{Want: 16})
	to.w.Run(time.Minute)
	if late.past != 16 || deaf.past != 0 {
		t.Errorf("%d and %d past messages, want 16 and 0", late.past, deaf.past)
	}
	for _, m := range []*Member{late, deaf} {
		if n := m.core.Stats().Delivered; n != uint64(m.past) {
			t.Errorf("%d messages heard besides", n-uint64(m.past))
		}
	}
}
