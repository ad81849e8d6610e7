package simtest

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/table"
)

// Two hundred nodes, each in a subnet of its own, and two thousand attackers who come after
// them, link to all who let them, and swallow what they should carry. Each node keeps two
// honest links of the eight oldest that it needs, and most calls are answered: from one /24
// the attackers have 25 links of a node and two of its siblings at most, from sixteen all of
// its siblings.
func TestCrowd(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") != "1" {
		t.Skip("two thousand attackers take 10 s each time; SEA_TEST_FULL=1 runs them")
	}
	const seeds = 1
	for _, tt := range []struct {
		subnets  int
		answered float64 // of the calls between honest nodes, at least
		attained float64 // nodes with two honest links at least among eight that they need
	}{
		{1, 0.95, 1},
		{16, 0.7, 0.99},
	} {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprintf("%d subnets, seed %d", tt.subnets, seed+1), func(t *testing.T) {
				s, honest := besieged(seed+1, tt.subnets)
				answered := s.callsAmong(honest, 300)
				safe := 0
				for _, n := range honest {
					inbound, siblings := 0, 0
					var chosen []bool // honest, of those needed, the oldest first
					links := slices.Clone(n.upkeep.Table().All())
					slices.SortFunc(links, func(a, b *table.Link) int { return a.Since.Compare(b.Since) })
					for _, l := range links {
						peer := n.links[l.Addr]
						if peer.peer.evil && peer.inbound {
							inbound++
						}
						if peer.peer.evil && l.Sibling {
							siblings++
						}
						if l.Ours > table.Spare {
							chosen = append(chosen, !peer.peer.evil)
						}
					}
					if most := tt.subnets * max(node.DefaultMaxPerHost, node.DefaultMaxLinks/20); inbound > most {
						t.Errorf("%d inbound links of attackers, above %d", inbound, most)
					}
					if most := tt.subnets * table.SiblingsPerSubnet; siblings > most {
						t.Errorf("%d siblings are attackers, above %d", siblings, most)
					}
					good := 0
					for _, h := range chosen[:min(8, len(chosen))] {
						if h {
							good++
						}
					}
					if good >= 2 {
						safe++
					}
				}
				if got := share(safe, len(honest)); answered < tt.answered || got < tt.attained {
					t.Errorf("%.3f answered, %.3f of the nodes have two honest links of eight", answered, got)
				} else {
					t.Logf("%.3f answered, %.3f of the nodes have two honest links of eight", answered, got)
				}
			})
		}
	}
}

// besieged returns a sea of 200 and the 2,000 who came after.
func besieged(seed uint64, subnets int) (s *Sea, honest []*Node) {
	const good, evil = 200, 2000
	s = New(Config{Seed: seed})
	for i := range good {
		s.After(time.Duration(i)*50*time.Millisecond, func() {
			s.AddKey(s.drawKey(), netip.AddrFrom4([4]byte{192, 1, byte(i), 1})).Join()
		})
	}
	s.Run(time.Minute)
	honest = slices.Clone(s.Live())
	for i := range evil {
		s.After(time.Duration(i)*20*time.Millisecond, func() {
			s.AddEvil(netip.AddrFrom4([4]byte{198, byte(i % subnets), 1, byte(i / subnets)}), 6, 14)
		})
	}
	s.Run(3 * time.Minute)
	return s, honest
}

// callsAmong makes calls between some nodes and returns the share that was answered.
func (s *Sea) callsAmong(nodes []*Node, count int) float64 {
	before := s.Calls
	for range count {
		from, to := nodes[s.rand.IntN(len(nodes))], nodes[s.rand.IntN(len(nodes))]
		if from != to {
			s.Call(from, to)
		}
		s.Run(100 * time.Millisecond)
	}
	s.Run(callFor)
	return s.Calls.minus(before).AnsweredShare()
}
