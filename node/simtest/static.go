package simtest

import (
	"time"

	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/route"
	"github.com/peersea/sea/node/internal/table"
)

// A Static is a sea whose links were made by the rules of the table at once,
// without a message: every node has its siblings and its buckets, and nothing
// changes any more. It is for measuring routing in seas that are too large to
// grow.
type Static struct {
	*Sea
	tables map[*Node]*table.Table
}

// NewStatic returns a Static of size nodes.
func NewStatic(cfg Config, size int) *Static {
	s := &Static{Sea: New(cfg), tables: make(map[*Node]*table.Table, size)}
	for range size {
		n := s.Add()
		s.tables[n] = table.New(n.addr)
	}
	order := s.rand.Perm(size)
	for _, i := range order {
		n := s.live[i]
		for _, o := range s.Nearest(n.addr, table.Siblings, func(o *Node) bool { return o == n }) {
			s.link(n, o)
		}
	}
	// Whoever loses a link to a node that has too many finds another.
	for range 2 {
		for _, i := range order {
			s.fill(s.live[i])
			s.trim(s.live[i])
		}
	}
	for _, i := range order {
		s.fill(s.live[i])
	}
	s.fixed = true
	for _, n := range s.live {
		for _, l := range s.tables[n].All() {
			peer := s.at(l.Addr)
			n.links[l.Addr] = &link{peer: peer}
			n.step(route.LinkUp{Addr: l.Addr, RTT: 2 * s.delay(n.id, peer.id)})
		}
		delete(s.tables, n)
	}
	s.Run(Settling) // so that no node is too young to count
	return s
}

// link makes a link in both tables and has both ends weigh theirs.
func (s *Static) link(a, b *Node) {
	if s.tables[a].Get(b.addr) != nil {
		return
	}
	since := s.world.Now().Add(time.Duration(s.rand.IntN(1e9))) // an order among them
	s.tables[a].Add(table.Link{Addr: b.addr, Since: since})
	s.tables[b].Add(table.Link{Addr: a.addr, Since: since})
	s.weigh(a)
	s.weigh(b)
}

func (s *Static) unlink(a, b *Node) {
	s.tables[a].Remove(b.addr)
	s.tables[b].Remove(a.addr)
	s.weigh(a)
	s.weigh(b)
}

func (s *Static) weigh(n *Node) {
	for _, l := range s.tables[n].Weigh(s.world.Now(), 0) {
		s.tables[s.at(l.Addr)].Get(n.addr).Theirs = l.Ours
	}
}

// fill gives a node what its buckets lack.
func (s *Static) fill(n *Node) {
	t := s.tables[n]
	for bucket := 0; bucket <= t.Depth(); bucket++ {
		for try := 0; t.Count(bucket) < table.PerBucket && try < 16; try++ {
			target, err := t.Target(bucket, source{s.rand})
			if err != nil {
				panic("simtest: " + err.Error()) // source never fails
			}
			if o := s.Nearest(target, 1, nil)[0]; addr.LogDist(n.addr, o.addr) == bucket {
				s.link(n, o)
			}
		}
	}
}

func (s *Static) trim(n *Node) {
	later := s.world.Now().Add(time.Hour)
	for _, a := range s.tables[n].Excess(later) {
		s.unlink(n, s.at(a))
	}
}

// Calls makes count calls and count look-ups, each from and to random places.
func (s *Static) Calls(count int) Calls {
	before := s.Sea.Calls
	const atOnce = 1000
	for done := 0; done < count; done += atOnce {
		for range min(atOnce, count-done) {
			if from, to := s.Any(), s.Any(); from != to {
				s.Call(from, to)
			}
			s.Look(s.Any(), s.Random())
		}
		s.Run(callFor)
	}
	return s.Sea.Calls.minus(before)
}
