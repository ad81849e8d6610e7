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

func TestCrowded(t *testing.T) {
	apart := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i), 0, 1}) }
	together := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }
	mixed := func(i int) netip.Addr { // 15 apart, the others together
		if i < 15 {
			return apart(i)
		}
		return together(i)
	}
	for _, tt := range []struct {
		name  string
		links []Standing
		want  int
	}{
		{"none", nil, 0},
		{"many subnets", standings(100, apart), 0},
		{"not known where", standings(100, func(int) netip.Addr { return netip.Addr{} }), 0},
		{"one subnet among others", standings(25, mixed), 8},
		{"a subnet, and few others", standings(25, mixed)[1:], 0},
		{"all of one subnet", standings(100, together), 0},
	} {
		got := 0
		for i, crowded := range Crowded(tt.links) {
			if crowded {
				got++
			} else if i >= len(tt.links)-tt.want {
				t.Errorf("%s: link %d is one of the youngest", tt.name, i)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Whoever comes with many links from one subnet pushes none out that the node needs,
// whatever they say they need, and two of them are left, and what nobody else could be.
func TestCrowdComes(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	tab := full(t, r, self, map[int]int{0: 8, 1: 8, 2: 4, 9: 8})
	for i, l := range tab.All() {
		l.Host, l.Theirs = netip.AddrFrom4([4]byte{192, 1, byte(i), 1}), Spare
	}
	tab.Weigh(noon, 0)
	needed := make(map[addr.Addr]bool)
	for _, l := range tab.All() {
		if l.Ours > Spare {
			needed[l.Addr] = true
		}
	}
	late := noon.Add(time.Hour)
	crowd := make(map[addr.Addr]bool)
	for i := range 200 {
		a := in(t, r, self, i%4)
		crowd[a] = true
		tab.Add(Link{Addr: a, Host: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Since: late.Add(time.Duration(i) * time.Millisecond)})
	}
	tab.Weigh(late, 0)
	if gone := tab.Excess(late.Add(Settle)); len(gone) != 0 {
		t.Errorf("%d go before their time", len(gone))
	}
	for _, a := range tab.Excess(late.Add(time.Hour)) {
		if !crowd[a] {
			t.Error("one goes that is none of the crowd")
		}
		tab.Remove(a)
	}
	tab.Weigh(late.Add(time.Hour), 0)
	pushed := 0
	for a := range needed {
		if l := tab.Get(a); l == nil || l.Ours == Spare {
			pushed++
		}
	}
	left := 0
	for _, l := range tab.All() {
		if crowd[l.Addr] {
			left++
		}
	}
	// Two are not crowded, and two fill bucket 3.
	if pushed > SiblingsPerSubnet || left > SiblingsPerSubnet+PerBucket {
		t.Errorf("%d of %d old links are needed no more; %d of the crowd are left", pushed, len(needed), left)
	}
}

// Whoever comes from many subnets and clings to each link pushes none of the oldest out,
// even of those that the node does not need and that their peers have another of.
func TestClinging(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	tab := full(t, r, self, map[int]int{0: 8, 1: 8, 2: 8, 9: 8})
	old := make(map[addr.Addr]bool)
	count := make(map[int]int)
	for i, l := range tab.All() {
		l.Host, l.Theirs = netip.AddrFrom4([4]byte{192, 1, byte(i), 1}), Second
	}
	links := slices.Clone(tab.All())
	slices.SortFunc(links, func(a, b *Link) int { return a.Since.Compare(b.Since) })
	for _, l := range links {
		bucket := tab.Bucket(l.Addr)
		old[l.Addr] = count[bucket] < MaxBucket
		count[bucket]++
	}
	late := noon.Add(time.Hour)
	for i := range 64 {
		tab.Add(Link{Addr: in(t, r, self, i%4), Host: netip.AddrFrom4([4]byte{203, byte(i), 113, 1}), Since: late})
	}
	tab.Weigh(late, 0)
	gone := tab.Excess(late.Add(time.Hour))
	if len(gone) == 0 {
		t.Error("none goes")
	}
	for _, a := range gone {
		if old[a] {
			t.Errorf("one of the oldest of bucket %d goes", tab.Bucket(a))
		}
	}
}
