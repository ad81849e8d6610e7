package simtest

import (
	"flag"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

// size is how many nodes a scenario has: few in the tests that always run, and
// what the flag says otherwise.
var nodes = flag.Int("sim.nodes", 0, "how many nodes the simulated seas have; 0 is 100, or 1000 with SEA_TEST_FULL=1")

func size() int {
	switch {
	case *nodes > 0:
		return *nodes
	case os.Getenv("SEA_TEST_FULL") == "1":
		return 1000
	case raceDetector: // the world is one goroutine anyway
		return 40
	}
	return 100
}

// grown returns a sea of n nodes that has settled.
func grown(t *testing.T, cfg Config, n int) *Sea {
	t.Helper()
	s := New(cfg)
	s.Grow(n, max(20, n/20))
	s.Run(time.Minute)
	return s
}

// wantExact makes look-ups and calls; all must be answered, and right.
func wantExact(t *testing.T, s *Sea, what string) {
	t.Helper()
	c := s.Ask(50, 5*time.Second)
	if c.Answered != c.Made || c.Exact != c.Looked {
		t.Errorf("%s: %+v, want all answered and exact", what, c)
	}
	t.Logf("%s: %+v, %.2f hops", what, c, c.MeanHops())
}

func TestSameSeedSameHash(t *testing.T) {
	play := func(seed uint64) uint64 {
		s := New(Config{Seed: seed, HardNAT: 0.3, Failing: 0.03})
		s.Grow(60, 20)
		s.Churn(time.Minute, time.Minute)
		s.Ask(5, 30*time.Second)
		return s.Hash()
	}
	a, b, c := play(1), play(1), play(2)
	if a != b {
		t.Errorf("one seed gave %x and %x", a, b)
	}
	if a == c {
		t.Error("two seeds gave one hash")
	}
}

// A join storm: everybody comes within 10 s, and everybody is exactly linked
// soon after.
func TestJoinStorm(t *testing.T) {
	s := New(Config{Seed: 1})
	n := size()
	s.Grow(n, n/10)
	s.Run(30 * time.Second)
	if got := s.Settled(); got != n {
		t.Errorf("%d of %d nodes are linked to their siblings", got, n)
	}
	var took []time.Duration
	for _, o := range s.Live()[2:] {
		took = append(took, o.Joined())
	}
	slices.Sort(took)
	if p99 := took[len(took)*99/100]; took[len(took)/20] == 0 || p99 > 20*time.Second {
		t.Errorf("the slowest of 99 %% joined in %v", p99)
	}
	t.Logf("joined in %v, the slowest of 99 %% in %v", took[len(took)/2], took[len(took)*99/100])
	s.Run(time.Minute)
	if load := s.Load(time.Minute); load.Messages > 2.2 || load.Bytes > 400 {
		t.Errorf("a quiet node sends %.2f messages and %.0f bytes a second", load.Messages, load.Bytes)
	} else {
		t.Logf("a quiet node sends %.2f messages and %.0f bytes a second", load.Messages, load.Bytes)
	}
	if d := s.Degrees(); d[len(d)*99/100] > 60 {
		t.Errorf("degrees %v", d)
	}
	wantExact(t, s, "after a join storm")
}

// Sessions of 10 minutes, 30 % of the nodes behind hard NAT, 3 % of the attempts
// at a link fail.
func TestChurn(t *testing.T) {
	s := grown(t, Config{Seed: 1, HardNAT: 0.3, Failing: 0.03}, size())
	s.Churn(10*time.Minute, time.Hour)
	s.Run(3 * time.Minute)
	load := s.Load(time.Minute)
	c := s.Ask(20, 2*time.Minute)
	t.Logf("%+v: answered %.5f, exact %.5f, %.2f hops, %+v", c, c.AnsweredShare(), c.ExactShare(), c.MeanHops(), load)
	if c.AnsweredShare() < 0.999 || c.ExactShare() < 0.995 {
		t.Errorf("answered %.5f, exact %.5f", c.AnsweredShare(), c.ExactShare())
	}
	if load.Messages > 3 || load.Bytes > 1000 {
		t.Errorf("a node sends %.2f messages and %.0f bytes a second", load.Messages, load.Bytes)
	}
}

// 30 % crash at once: at once most calls find a way, and a minute and a half
// later all of them.
func TestMassCrash(t *testing.T) {
	s := grown(t, Config{Seed: 1}, size())
	for _, n := range slices.Clone(s.Live()) {
		if s.Rand().IntN(10) < 3 {
			n.Crash()
		}
	}
	c := s.Ask(20, 5*time.Second)
	if c.AnsweredShare() < 0.95 {
		t.Errorf("at once: %+v", c)
	}
	t.Logf("at once: answered %.4f, exact %.4f, %d retried", c.AnsweredShare(), c.ExactShare(), c.Retried)
	s.Run(90 * time.Second)
	wantExact(t, s, "later")
}

// A partition for three minutes: each side is exact by itself, and after it heals
// the whole is.
func TestPartition(t *testing.T) {
	s := grown(t, Config{Seed: 1}, size())
	side := func(n *Node) bool { return n.entity[0]&1 == 0 }
	s.Cut(func(a, b *Node) bool { return side(a) != side(b) })
	s.Run(3 * time.Minute)
	for _, n := range s.Live() {
		for a := range n.links {
			if side(s.at(a)) != side(n) {
				t.Fatal("a link outlived the cut")
			}
		}
	}
	s.Cut(nil)
	s.Run(12 * time.Minute) // upkeep.RejoinEvery and a fifth
	wantExact(t, s, "healed")
}

// All bootstraps are lost; the others go on.
func TestBootstrapsLost(t *testing.T) {
	s := grown(t, Config{Seed: 1, Bootstraps: 3}, size())
	for _, n := range s.nodes[:3] {
		n.Crash()
	}
	s.Run(90 * time.Second)
	wantExact(t, s, "without bootstraps")
}

// A third of the nodes sleeps for five minutes and wakes at once.
func TestSleepStorm(t *testing.T) {
	s := grown(t, Config{Seed: 1}, size())
	for i, n := range slices.Clone(s.Live()) {
		if i%3 == 0 && n.id >= 2 {
			n.Sleep(5 * time.Minute)
		}
	}
	s.Run(2 * time.Minute)
	wantExact(t, s, "while they sleep")
	s.Run(6 * time.Minute)
	if got, all := s.Settled(), len(s.Live()); got != all {
		t.Errorf("%d of %d nodes are linked to their siblings", got, all)
	}
	wantExact(t, s, "awake")
}

// Clocks that are off by a minute, to either side, make no difference: two nodes may be
// two minutes apart.
func TestSkew(t *testing.T) {
	s := grown(t, Config{Seed: 1, Skew: time.Minute}, size())
	if got, all := s.Settled(), len(s.Live()); got != all {
		t.Errorf("%d of %d nodes are linked to their siblings", got, all)
	}
	wantExact(t, s, "with clocks that are off")
}

// A region of attackers: identities ground until they are nearer to a key than
// any honest node is. From one subnet they are two of a node's siblings at most,
// from many they own the key: that takes as many identities as there are honest
// nodes, for each of the places.
func TestSybilRegion(t *testing.T) {
	for _, c := range []struct {
		name string
		host func(i int) netip.Addr
		most int // of the six siblings of an honest node beside the key
	}{
		{"one subnet", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }, 2},
		{"many subnets", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i), 100, 1}) }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := grown(t, Config{Seed: 1}, 100)
			victim := s.Any()
			ground := 0
			for i := range 12 {
				s.AddKey(grind(s, victim.addr, &ground), c.host(i)).Join()
			}
			s.Run(2 * time.Minute)
			evil := 0
			siblings := victim.upkeep.Table().Siblings(nil)
			for _, a := range siblings {
				if s.at(a).host.IsValid() {
					evil++
				}
			}
			if evil > c.most || len(siblings) < 6 {
				t.Errorf("%d of %d siblings are the attacker's, want at most %d", evil, len(siblings), c.most)
			}
			t.Logf("%d of %d siblings are the attacker's, who ground %d identities for 12", evil, len(siblings), ground)
		})
	}
}

// grind draws an identity nearer to target than all honest nodes but target
// itself.
func grind(s *Sea, target addr.Addr, count *int) (e identity.Entity) {
	near := s.Nearest(target, 1, func(n *Node) bool { return n.addr == target || n.host.IsValid() })[0].addr
	for {
		*count++
		for i := range e {
			e[i] = byte(s.rand.Uint32())
		}
		if addr.Closer(target, addr.OfNode(e), near) {
			return e
		}
	}
}

// Without a single message: the tables' rules alone make a sea in which every
// look-up is exact.
func TestStatic(t *testing.T) {
	n := size()
	if *nodes == 0 {
		n = 1000
	}
	s := NewStatic(Config{Seed: 1}, n)
	c, d := s.Calls(2000), s.Degrees()
	if c.Answered != c.Made || c.Exact != c.Looked || c.MeanHops() > 5.6 || d[len(d)*99/100] > 60 {
		t.Errorf("%+v, %.2f hops, degree %d of 99 %%", c, c.MeanHops(), d[len(d)*99/100])
	}
	t.Logf("%d nodes: %.2f hops, most %d; degree %d, of 99 %% %d", len(s.Live()), c.MeanHops(), c.Most, d[len(d)/2], d[len(d)*99/100])
}

// A third of the nodes is behind hard NAT: two of them try for 15 s and are relayed then.
// All find their siblings, and all calls are answered and exact, over relays too.
func TestHardNAT(t *testing.T) {
	s := New(Config{Seed: 1, HardNAT: 0.3})
	s.Grow(size(), size()/10)
	s.Run(2 * time.Minute)
	if got, all := s.Settled(), len(s.Live()); got != all {
		t.Errorf("%d of %d nodes are linked to their siblings", got, all)
	}
	links, relayed, hard := 0, 0, 0
	for _, n := range s.Live() {
		if n.hard {
			hard++
		}
		for _, l := range n.links {
			links++
			if l.relayed {
				relayed++
			}
			if l.relayed != (n.hard && l.peer.hard) {
				t.Errorf("a link between two of whom %v and %v are behind hard NAT: relayed %v", n.hard, l.peer.hard, l.relayed)
			}
		}
	}
	if got := share(relayed, links); hard < size()/5 || got < 0.02 || got > 0.12 {
		t.Errorf("%d nodes behind hard NAT, %.3f of the links relayed", hard, got)
	}
	t.Logf("%d nodes behind hard NAT, %.3f of %d links relayed", hard, share(relayed, links), links/2)
	wantExact(t, s, "with 30 % hard NAT")
}
