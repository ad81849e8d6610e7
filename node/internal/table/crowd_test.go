package table

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/node/addr"
)

// standings are links a second apart, the oldest first.
func standings(n int, host func(i int) netip.Addr) []Standing {
	var all []Standing
	for i := range n {
		all = append(all, Standing{host(i), noon.Add(time.Duration(i) * time.Second)})
	}
	return all
}

func TestRanks(t *testing.T) {
	apart := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i), 0, 1}) }
	together := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }
	mixed := func(i int) netip.Addr { // 15 apart, the others together
		if i < 15 {
			return apart(i)
		}
		return together(i)
	}
	nowhere := func(int) netip.Addr { return netip.Addr{} }
	for _, tt := range []struct {
		name  string
		links []Standing
		want  [3]int // of each rank
	}{
		{"none", nil, [3]int{}},
		{"few", standings(Crowd, apart), [3]int{Crowd}},
		{"many", standings(100, apart), [3]int{Floor, 100 - Floor}},
		{"many, all at once", slices.Repeat(standings(1, nowhere), 100), [3]int{100}},
		{"many of nowhere", standings(100, nowhere), [3]int{Floor, 100 - Floor}},
		{"one subnet among others", standings(25, mixed), [3]int{17, 0, 8}},
		{"a subnet, and few others", standings(25, mixed)[1:], [3]int{24}},
		{"all of one subnet", standings(Crowd, together), [3]int{Crowd}},
		{"both", standings(100, mixed), [3]int{17, 0, 83}},
	} {
		ranks := Ranks(tt.links)
		var got [3]int
		for i, r := range ranks {
			got[r]++
			if i > 0 && r < ranks[i-1] {
				t.Errorf("%s: link %d is younger and ranks higher", tt.name, i)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Whoever comes late with many links, from one subnet or from many, pushes none of the old
// ones out that the node needs, whatever they say they need.
func TestCrowdComesLate(t *testing.T) {
	for name, host := range map[string]func(i int) netip.Addr{
		"one subnet": func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) },
		"many":       func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i), 0, 1}) },
	} {
		r, self := newSource(), addr.MakeString("self")
		tab := full(t, r, self, map[int]int{0: 8, 1: 8, 2: 4, 9: 8}) // 28 old ones
		old := make(map[addr.Addr]Need)
		for i, l := range tab.All() {
			l.Host, l.Theirs = netip.AddrFrom4([4]byte{192, 1, byte(i), 1}), Spare
		}
		tab.Weigh(noon, 0)
		for _, l := range tab.All() {
			old[l.Addr] = l.Ours
		}
		late := noon.Add(time.Hour)
		for i := range 200 {
			tab.Add(Link{Addr: in(t, r, self, i%4), Host: host(i), Since: late.Add(time.Duration(i) * time.Millisecond)})
		}
		tab.Weigh(late, 0)
		for range 3 {
			for _, a := range tab.Excess(late.Add(time.Hour)) {
				if l := tab.Get(a); l.Ours > Spare {
					t.Errorf("%s: a link goes that is needed", name)
				}
				tab.Remove(a)
			}
			tab.Weigh(late.Add(time.Hour), 0)
		}
		less := 0
		for a, was := range old {
			if l := tab.Get(a); was > Spare && (l == nil || l.Ours < was) {
				less++
			}
		}
		// The first four that came are among the oldest still.
		if most := Floor - len(old); less > most {
			t.Errorf("%s: %d old links are needed less, above %d", name, less, most)
		}
		// Of one subnet what this node does not need is gone, though it says that it
		// needs the link: two are left and what fills bucket 3, which has no other.
		if n := tab.Len() - len(old); name == "one subnet" && n > 2*SiblingsPerSubnet {
			t.Errorf("%s: %d of them are left", name, n)
		}
	}
}
