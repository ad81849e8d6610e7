package simtest

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/sim"
	"github.com/peersea/sea/node/internal/table"
)

// A Config says what kind of sea it is. The zero Config is one in which every
// node can be reached and nothing goes wrong by itself.
type Config struct {
	Seed uint64

	// HardNAT is the share of nodes that cannot be linked to each other
	// directly: a pair of them tries for 15 s, and is relayed then.
	HardNAT float64

	// Failing is the share of attempts at a link that come to nothing.
	Failing float64

	// Skew is by how much clocks are off at most, to either side.
	Skew time.Duration

	// Bootstraps is how many of the first nodes everybody knows; 0 is 2.
	Bootstraps int
}

// A Sea is some nodes in a world of their own.
type Sea struct {
	cfg   Config
	world *sim.World
	rand  *rand.Rand // for what the scenario draws
	nodes []*Node    // all that ever were, by number
	live  []*Node    // in order of address
	cut   func(a, b *Node) bool
	asked map[[16]byte]*request // under way
	links int                   // that ever were
	fixed bool                  // there is no upkeep: links are what the scenario makes

	// Calls counts what Call and Nearest came to.
	Calls Calls
}

// Calls counts calls by how they ended.
type Calls struct {
	Made, Answered int
	Exact          int // look-ups that ended at the nearest of all
	Looked         int // look-ups that were answered
	Hops           int // of the answered, all together
	Most           int // hops of one
	Retried        int // answered at the second attempt or later
}

// New returns a sea without nodes.
func New(cfg Config) *Sea {
	if cfg.Bootstraps == 0 {
		cfg.Bootstraps = 2
	}
	s := &Sea{cfg: cfg, world: sim.New(cfg.Seed), asked: make(map[[16]byte]*request)}
	s.rand = s.world.Rand()
	s.world.Path = func(from, to int) (time.Duration, bool) {
		if s.cut != nil && s.cut(s.nodes[from], s.nodes[to]) {
			return 0, false
		}
		return s.delay(from, to), true
	}
	return s
}

// delay is a pair's; that of a relayed pair is twice as long.
func (s *Sea) delay(a, b int) time.Duration {
	d := s.world.Delay(a, b)
	if s.nodes[a].hard && s.nodes[b].hard {
		d *= 2
	}
	return d
}

// Run lets time pass.
func (s *Sea) Run(d time.Duration) { s.world.Run(d) }

// Now is the true time.
func (s *Sea) Now() time.Time { return s.world.Now() }

// Rand is what a scenario may draw from.
func (s *Sea) Rand() *rand.Rand { return s.rand }

// After calls f after d.
func (s *Sea) After(d time.Duration, f func()) { s.world.After(d, f) }

// Hash names everything that has happened: same seed and scenario, same Hash.
func (s *Sea) Hash() uint64 { return s.world.Hash() }

// Live returns the nodes that are online, in the order of their addresses.
func (s *Sea) Live() []*Node { return s.live }

// Any draws one of them.
func (s *Sea) Any() *Node { return s.live[s.rand.IntN(len(s.live))] }

// Messages returns how many messages, and bytes of them, all nodes have sent.
func (s *Sea) Messages() (messages, bytes uint64) {
	t := s.world.Total()
	return t.Sent, t.SentBytes
}

// Cut has messages lost between those pairs that cut names; nil heals.
func (s *Sea) Cut(cut func(a, b *Node) bool) { s.cut = cut }

// Add lets a node in, without a link; see Node.Join.
func (s *Sea) Add() *Node { return s.AddKey(s.drawKey(), netip.Addr{}) }

func (s *Sea) drawKey() (e identity.Entity) {
	for i := range e {
		e[i] = byte(s.rand.Uint32())
	}
	return e
}

// AddKey is Add of a node that the scenario chose, which is seen at host; the
// zero host is exempt from bounds per subnet.
func (s *Sea) AddKey(e identity.Entity, host netip.Addr) *Node {
	n := newNode(s, e, host)
	n.hard = s.rand.Float64() < s.cfg.HardNAT && len(s.nodes) >= s.cfg.Bootstraps
	n.id = s.world.Add(n)
	s.nodes = append(s.nodes, n)
	if s.cfg.Skew > 0 {
		s.world.Skew(n.id, time.Duration(s.rand.Int64N(int64(2*s.cfg.Skew)))-s.cfg.Skew)
	}
	i, _ := s.find(n.addr)
	s.live = slices.Insert(s.live, i, n)
	return n
}

func (s *Sea) find(a addr.Addr) (int, bool) {
	return slices.BinarySearchFunc(s.live, a, func(n *Node, a addr.Addr) int {
		return slices.Compare(n.addr[:], a[:])
	})
}

// at returns the living node at an address.
func (s *Sea) at(a addr.Addr) *Node {
	if i, ok := s.find(a); ok {
		return s.live[i]
	}
	return nil
}

// Nearest returns the living nodes that are nearest to target, the nearest
// first, without those that skip names.
func (s *Sea) Nearest(target addr.Addr, most int, skip func(*Node) bool) []*Node {
	var found []*Node
	s.nearest(0, len(s.live), 0, target, most, skip, &found)
	return found
}

// nearest walks the addresses as a tree of bits, the target's side first.
func (s *Sea) nearest(from, to, bit int, target addr.Addr, most int, skip func(*Node) bool, found *[]*Node) {
	if from == to || len(*found) >= most {
		return
	}
	if to-from == 1 {
		if n := s.live[from]; skip == nil || !skip(n) {
			*found = append(*found, n)
		}
		return
	}
	middle, _ := slices.BinarySearchFunc(s.live[from:to], true, func(n *Node, _ bool) int {
		if bitOf(n.addr, bit) {
			return 0
		}
		return -1
	})
	middle += from
	if bitOf(target, bit) {
		s.nearest(middle, to, bit+1, target, most, skip, found)
		s.nearest(from, middle, bit+1, target, most, skip, found)
		return
	}
	s.nearest(from, middle, bit+1, target, most, skip, found)
	s.nearest(middle, to, bit+1, target, most, skip, found)
}

func bitOf(a addr.Addr, bit int) bool { return a[bit/8]&(0x80>>(bit%8)) != 0 }

// Degrees returns the number of links of each living node, sorted.
func (s *Sea) Degrees() []int {
	var d []int
	for _, n := range s.live {
		d = append(d, len(n.links))
	}
	slices.Sort(d)
	return d
}

// Settled counts the living nodes that are linked to all of their siblings: the
// table.Siblings others that are nearest to them.
func (s *Sea) Settled() int {
	settled := 0
	for _, n := range s.live {
		if n.settled() {
			settled++
		}
	}
	return settled
}

func (n *Node) settled() bool {
	for _, o := range n.sea.Nearest(n.addr, table.Siblings, func(o *Node) bool { return o == n }) {
		if n.links[o.addr] == nil {
			return false
		}
	}
	return true
}

// Random draws an address.
func (s *Sea) Random() addr.Addr {
	a, err := addr.Addr{}.Randomise(source{s.rand}, 0)
	if err != nil {
		panic("simtest: " + err.Error()) // source never fails
	}
	return a
}

// A source reads from a generator.
type source struct{ rand *rand.Rand }

func (s source) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.rand.Uint32())
	}
	return len(b), nil
}
