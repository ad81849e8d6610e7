package ledger

import (
	"container/heap"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
)

// The simulation lets many ledgers pay each other for hours of its own time
// while processes are killed, commits fail half way, files are put back to old
// copies, and the network loses, doubles, delays and cuts in two. The ledgers are
// those in production; clock, network and disk are not. Everything happens one
// thing after the other, in an order that the seed alone decides, and after each
// thing sim_check_test.go holds what was touched to the invariants.

var (
	simSeed     = flag.Int64("sim.seed", -1, "simulate this seed only")
	simSeeds    = flag.Int("sim.seeds", max(1, 4/slow), "simulate so many seeds")
	simPayments = flag.Int("sim.payments", 100/min(slow, 2), "payments a seed")
	simNodes    = flag.Int("sim.nodes", 50/min(slow, 5), "nodes a seed")
)

// simConfig is one simulation.
type simConfig struct {
	seed     int64
	nodes    int
	payments int
	bug      *simBug // what is wrong on purpose; may be nil
}

// simBug breaks what stands round the ledgers.
type simBug struct {
	name   string
	want   string                      // the invariants that it breaks
	late   func(written []bucket) bool // the disk says so too early
	frozen bool                        // the clock stands still

	// The carrier keeps from a restored file's process what the peers hold of it.
	unfenced bool

	credulous bool                                    // sellers count vouchers that their ledger refuses
	generous  bool                                    // sellers release locks below what they were promised
	replies   bool                                    // a checkpoint is answered before it is on the disk
	alone     func(b *batch, p identity.Entity) error // opens a fenced line instead of a rebuild
	tamper    func(l *Ledger, p identity.Entity)      // changes what a process knows of its claims
}

type sim struct {
	simConfig
	rnd    *rand.Rand
	start  time.Time
	now    time.Duration
	events eventHeap
	queued uint64
	done   uint64 // events
	nodes  []*simNode
	jobs   []*simJob
	side   []int // of the cut that each node is on
	quiet  bool  // nothing goes wrong any more
	paid   int   // payments made
	refs   int
	sum    uint64 // of all that happened: equal for equal seeds
	counts map[string]int
	failed error
	noted  uint64
	last   [60]string // what happened last
}

// simNode is a process, when it is up, and its disk.
type simNode struct {
	i        int
	key      *identity.Key
	disk     *memStore
	l        *Ledger
	up       bool
	life     int
	restores int
	links    []*simLink // in the order they came
	link     map[int]*simLink
	copies   []simCopy
	holds    []*simHold
}

// simLink is what a node knows of a peer: its carrier's state, and the model of
// what it has promised.
type simLink struct {
	to      int
	met     bool
	busy    bool
	attempt int

	sum      Amount // promised for sure, beside jobs
	maybe    []simPay
	granted  bool
	limit    Amount
	expiry   time.Duration // zero is never
	left     []Entry       // what has left the process, by seq
	pacts    []Checkpoint  // and of the line's checkpoints, by n: on the low side's link
	agreed   uint64        // the newest of them that both signed, as last looked at
	acked    uint64        // the peer has acknowledged up to here
	own      chainModel    // what it has promised, by its file
	other    chainModel    // what it was promised
	jobs     []*simJob     // that it does for the other
	mine     half          // as last looked at
	theirs   half
	restored bool // the file was put back, and the peer was not met since
	lost     bool // and it turned out that it lacks what the peer holds
	forked   bool // and that it cannot be rebuilt
	recalls  int  // rebuilds begun
}

type simPay struct {
	ref    identity.Hash
	amount Amount
}

// simCopy is a backup: the file, and the model as it was.
type simCopy struct {
	disk  image
	links map[int]simLink
}

type simHold struct {
	hold *Hold
	to   int
	most Amount
	ref  identity.Hash
}

type event struct {
	at time.Duration
	n  uint64
	do func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// simKeys are made once: deriving them takes longer than a short simulation.
var simKeys []*identity.Key

func newSim(t testing.TB, c simConfig) *sim {
	s := &sim{
		simConfig: c, rnd: rand.New(rand.NewPCG(uint64(c.seed), 0x5ea)), start: testTime,
		side: make([]int, c.nodes), counts: map[string]int{},
	}
	for i := range c.nodes {
		n := &simNode{i: i, key: simKeys[i], disk: newMemStore(), link: map[int]*simLink{}}
		if err := n.disk.update(func(w setter) error { return writeMeta(newPen(w), n.key.Entity()) }); err != nil {
			t.Fatal(err)
		}
		if c.bug != nil {
			n.disk.late = c.bug.late
		}
		s.nodes = append(s.nodes, n)
		s.open(n)
	}
	return s
}

// simulate runs a seed to its end and returns what went wrong.
func simulate(t testing.TB, c simConfig) (*sim, error) {
	s := newSim(t, c)
	defer func() {
		for _, n := range s.nodes {
			if n.up {
				n.l.Close()
			}
		}
	}()
	s.after(0, s.work)
	s.runUntilIdle()
	if s.failed == nil {
		s.calm()
		s.runUntilIdle()
		s.atRest()
	}
	return s, s.failed
}

func (s *sim) runUntilIdle() {
	for len(s.events) > 0 && s.failed == nil {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		s.done++
		if s.done > uint64(1000*s.payments) {
			s.fail("stuck: there is no end to it")
		}
		e.do()
	}
}

// after has f done so much later.
func (s *sim) after(d time.Duration, f func()) {
	s.queued++
	heap.Push(&s.events, event{s.now + d, s.queued, f})
}

// some returns a random time up to d.
func (s *sim) some(d time.Duration) time.Duration { return time.Duration(s.rnd.Int64N(int64(d) + 1)) }

// chance is true once in n times, and never when all is quiet.
func (s *sim) chance(n int) bool { return s.rnd.IntN(n) == 0 && !s.quiet }

func (s *sim) clock() time.Time {
	if s.bug != nil && s.bug.frozen {
		return s.start
	}
	return s.start.Add(s.now)
}

// note takes in what happened, for the sum and for people.
func (s *sim) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.noted++
	s.last[s.noted%uint64(len(s.last))] = fmt.Sprintf("%12v %s", s.now, text)
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %s", s.sum, s.now, text)
	s.sum = h.Sum64()
}

// fail ends the simulation; the first reason counts.
func (s *sim) fail(format string, args ...any) {
	if s.failed == nil {
		s.failed = fmt.Errorf(format, args...)
	}
}

func (s *sim) story() string {
	var b strings.Builder
	for k := range uint64(len(s.last)) {
		if text := s.last[(s.noted+1+k)%uint64(len(s.last))]; text != "" {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

func (s *sim) entity(i int) identity.Entity { return s.nodes[i].key.Entity() }

// open starts a node's process.
func (s *sim) open(n *simNode) {
	cfg, err := Config{Now: s.clock}.filled()
	if err == nil {
		n.l, err = start(n.disk, n.key.Entity(), n.key, s.done%8 == 0, cfg)
	}
	if err != nil {
		s.fail("node %d does not start: %w", n.i, err)
		return
	}
	n.up = true
}

// crash ends a node's process: what is on the disk is left.
func (s *sim) crash(n *simNode) {
	if !n.up {
		return
	}
	s.counts["crashes"]++
	s.note("%d crashes", n.i)
	s.jobsCrash(n.i, false)
	if n.disk.crash == 0 && s.rnd.IntN(4) > 0 {
		n.disk.crash = 1 // else it closes in time to write its last vouchers
	}
	n.l.Close()
	n.disk.reboot()
	n.up = false
	n.life++
	n.holds = nil
	for _, k := range n.links {
		k.met, k.busy = false, false
		if back := s.nodes[k.to].link[n.i]; back != nil {
			back.met = false
		}
	}
	s.after(s.some(20*time.Second), func() { s.restart(n) })
}

func (s *sim) restart(n *simNode) {
	if n.up {
		return
	}
	s.open(n)
	if !n.up {
		return
	}
	s.note("%d starts", n.i)
	defer s.jobsCrash(n.i, true)
	for _, k := range n.links {
		for _, p := range k.maybe {
			e, found, err := n.l.PaidFor(s.entity(k.to), p.ref)
			if err != nil {
				s.fail("node %d: %w", n.i, err)
			}
			if found && e.Side == accountOf(n.l.self, s.entity(k.to)).mine.side {
				k.sum += p.amount
			}
		}
		k.maybe = nil
		if k.restored && s.state(n.i, k.to) == StateFenced { // by a commit that failed, and is on the disk
			s.met(n.i, k.to)
		}
		s.reread(n.i, k.to)
		s.check(n.i, k.to)
		switch {
		case k.lost && !k.restored && s.state(n.i, k.to) == StateOpen: // likewise
			s.rebuilt(n.i, k.to)
		case k.lost:
			s.after(s.some(5*time.Second), func() { s.rebuild(n.i, k.to) })
		}
		s.deliver(n.i, k.to)
		s.deliver(k.to, n.i)
	}
}

// linkOf makes both ends of a link when they meet first.
func (s *sim) linkOf(i, j int) *simLink {
	for _, pair := range [2][2]int{{i, j}, {j, i}} {
		n := s.nodes[pair[0]]
		if n.link[pair[1]] == nil {
			k := &simLink{to: pair[1]}
			n.link[pair[1]] = k
			n.links = append(n.links, k)
		}
	}
	return s.nodes[i].link[j]
}

// TestSimulation simulates a few short seeds, or what the flags say.
func TestSimulation(t *testing.T) {
	first, seeds, payments := int64(0), *simSeeds, *simPayments
	if *simSeed >= 0 {
		first, seeds = *simSeed, 1
	}
	makeSimKeys(t, *simNodes)

	next := make(chan int64)
	var mu sync.Mutex // guards total
	total := map[string]int{}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for seed := range next {
				s, err := simulate(t, simConfig{seed: seed, nodes: *simNodes, payments: payments})
				if err != nil {
					t.Errorf("seed %d: %v\n%sagain: go test -run '^TestSimulation$' ./ledger -sim.seed %d -sim.payments %d -sim.nodes %d",
						seed, err, s.story(), seed, payments, *simNodes)
				}
				mu.Lock()
				for k, n := range s.counts {
					total[k] += n
				}
				mu.Unlock()
			}
		})
	}
	for seed := range int64(seeds) {
		next <- first + seed
	}
	close(next)
	wg.Wait()
	t.Logf("%d seeds: %v", seeds, total)
}

func makeSimKeys(t testing.TB, n int) {
	for i := len(simKeys); i < n; i++ {
		simKeys = append(simKeys, keyOf(t, byte(i+1)))
	}
}

// TestSimulationReplays shows that a seed is the same each time, to the bit.
func TestSimulationReplays(t *testing.T) {
	makeSimKeys(t, 8)
	c := simConfig{seed: 7, nodes: 8, payments: 100}
	a, err := simulate(t, c)
	b, err2 := simulate(t, c)
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if a.sum != b.sum || a.done != b.done {
		t.Errorf("got %x after %d events, then %x after %d", a.sum, a.done, b.sum, b.done)
	}
}

// TestSimulationFinds has the simulation find what is wrong on purpose.
func TestSimulationFinds(t *testing.T) {
	if slow > 1 {
		t.Skip("the race detector has no part in this")
	}
	makeSimKeys(t, 8)
	for _, bug := range []*simBug{
		{name: "send before fsync", want: "I2 I3 I5", late: func(w []bucket) bool { return has(w, bHead) && has(w, bOut) }},
		{name: "reply before fsync", want: "I3 I5", late: func(w []bucket) bool { return has(w, bHead) && !has(w, bOut) }},
		{name: "proposal only in memory", want: "I3 I5 I6 I10", late: func(w []bucket) bool { return has(w, bCheckpoint) }},
		{name: "unfenced restore", want: "I1 I2 I3 I4 stuck", unfenced: true},
		{name: "a clock that stands still", want: "I7 stuck", frozen: true},
		{name: "a reply to a proposal before fsync", want: "I3 I5 I6 I10", replies: true},
		{name: "vouchers only in memory", want: "I3", late: onlyClaims},
		{name: "a claim without its vouchers", want: "claim", tamper: forgetVouchers},
		{name: "a VOID before expiry that counts without the payee", want: "claim stuck", tamper: forgetVoid},
		{name: "a FOLD below the highest voucher", want: "claim", generous: true},
		{name: "a recovery without the peer's head", want: "I1 I2 I3 I4", alone: unfenced},
		{name: "an epoch that the peer has not agreed to", want: "I1 I2 I3 I4", alone: reused},
		{name: "a voucher above its lock", want: "loss", credulous: true},
	} {
		t.Run(bug.name, func(t *testing.T) {
			for seed := range int64(40) {
				s, err := simulate(t, simConfig{seed: seed, nodes: 8, payments: 300, bug: bug})
				if err == nil {
					continue
				}
				if !strings.Contains(bug.want, strings.Split(err.Error(), ":")[0]) {
					t.Errorf("seed %d: got %v, want %s broken", seed, err, bug.want)
				}
				t.Logf("seed %d, event %d: %v", seed, s.done, err)
				return
			}
			t.Error("not found in 40 seeds")
		})
	}
}

// forgetVouchers has a ledger claim nothing for what is not folded.
func forgetVouchers(l *Ledger, peer identity.Entity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.standing[peer]
	for _, k := range s.other.locks {
		delete(l.said, k.id)
	}
	l.restand(peer, s)
}

// forgetVoid has a ledger take a lock that its payer made void for closed.
func forgetVoid(l *Ledger, peer identity.Entity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.standing[peer]
	for _, k := range s.other.locks {
		if k.void {
			s.other = s.other.without(k.id)
		}
	}
	l.restand(peer, s)
}

func onlyClaims(written []bucket) bool {
	for _, b := range written {
		if b != bClaim {
			return false
		}
	}
	return len(written) > 0
}

func has(written []bucket, b bucket) bool {
	for _, w := range written {
		if w == b {
			return true
		}
	}
	return false
}
