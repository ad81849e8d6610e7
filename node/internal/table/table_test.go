package table

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/node/addr"
)

var noon = time.Date(2030, time.June, 1, 12, 0, 0, 0, time.UTC)

type source struct{ *rand.Rand }

func (s source) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return len(b), nil
}

func newSource() source { return source{rand.New(rand.NewPCG(1, 2))} }

// in draws an address in a bucket of self.
func in(t *testing.T, r source, self addr.Addr, bucket int) addr.Addr {
	t.Helper()
	a, err := self.Flip(bucket).Randomise(r, bucket+1)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// full returns a table with count links in each of the given buckets, one
// second between two of them.
func full(t *testing.T, r source, self addr.Addr, buckets map[int]int) *Table {
	t.Helper()
	tab, age := New(self), 0
	for bucket := range addr.Bits {
		for range buckets[bucket] {
			tab.Add(Link{Addr: in(t, r, self, bucket), Since: noon.Add(time.Duration(age) * time.Second)})
			age++
		}
	}
	tab.Weigh(time.Time{}, 0)
	return tab
}

func TestOrderAndLookups(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	tab := New(self)
	var all []addr.Addr
	for range 200 {
		a := in(t, r, self, r.IntN(20))
		all = append(all, a)
		tab.Add(Link{Addr: a})
		tab.Add(Link{Addr: a, Held: true}) // takes the first one's place
	}
	if tab.Len() != 200 || !slices.IsSortedFunc(tab.All(), func(a, b *Link) int { return addr.Compare(self, a.Addr, b.Addr) }) {
		t.Fatalf("%d links, or not in order", tab.Len())
	}
	target := addr.MakeString("target")
	slices.SortFunc(all, func(a, b addr.Addr) int { return addr.Compare(target, a, b) })
	if got := tab.Nearest(nil, target, all[2], 5); !slices.Equal(got, slices.Concat(all[:2], all[3:6])) {
		t.Errorf("nearest %v", got)
	}
	slices.SortFunc(all, func(a, b addr.Addr) int { return addr.Compare(self, a, b) })
	if got := tab.Siblings(nil); !slices.Equal(got, all[:Siblings]) {
		t.Errorf("siblings %v", got)
	}
	if got := tab.Depth(); got != addr.LogDist(self, all[Siblings-1]) {
		t.Errorf("depth %d", got)
	}
	for _, a := range all {
		if !tab.Remove(a) || tab.Remove(a) || tab.Get(a) != nil {
			t.Fatal("not removed once")
		}
	}
}

func TestYoungNodesNeedAll(t *testing.T) {
	tab := full(t, newSource(), addr.MakeString("self"), map[int]int{0: Young - 1})
	for _, l := range tab.All() {
		if l.Ours != Only {
			t.Fatalf("need %d of one of %d links", l.Ours, tab.Len())
		}
	}
}

func TestNeeds(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	tab := full(t, r, self, map[int]int{0: 6, 1: 2, 2: 1, 10: 4, 11: 3})
	count := func(bucket int) (n [3]int) {
		for _, l := range tab.All() {
			if tab.Bucket(l.Addr) == bucket {
				n[l.Ours]++
			}
		}
		return n
	}
	for bucket, want := range map[int][3]int{0: {4, 2, 0}, 1: {0, 2, 0}, 2: {0, 0, 1}, 11: {0, 0, 3}} {
		if got := count(bucket); got != want {
			t.Errorf("bucket %d: spare, second, only %v, want %v", bucket, got, want)
		}
	}
	// Of the many the two oldest count, however much the peers need the others.
	var links []*Link
	for _, l := range tab.All() {
		if tab.Bucket(l.Addr) == 0 {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b *Link) int { return a.Since.Compare(b.Since) })
	links[0].Theirs, links[1].Theirs = Spare, Second
	if changed := tab.Weigh(time.Time{}, 0); len(changed) != 0 || links[0].Ours != Second || links[1].Ours != Second {
		t.Errorf("%d have changed; the oldest links are not the ones that count", len(changed))
	}
	tab.Remove(links[0].Addr)
	changed := tab.Weigh(time.Time{}, 0)
	if len(changed) != 1 || changed[0] != links[2] || links[2].Ours != Second {
		t.Errorf("%d have changed", len(changed))
	}
	if again := tab.Weigh(time.Time{}, 0); len(again) != 0 {
		t.Errorf("%d are told twice", len(again))
	}
}

func TestExcess(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	late := noon.Add(time.Hour)
	tab := full(t, r, self, map[int]int{0: 20, 1: 20, 12: 6})
	if gone := tab.Excess(late); len(gone) != 0 {
		t.Errorf("%d links go that the peers need", len(gone))
	}
	for _, l := range tab.All() {
		l.Theirs = Spare
	}
	tab.Weigh(time.Time{}, 0)
	if gone := tab.Excess(noon); len(gone) != 0 {
		t.Errorf("%d links go that are new", len(gone))
	}
	gone := tab.Excess(late)
	if len(gone) != tab.Len()-Floor {
		t.Errorf("%d links go of %d", len(gone), tab.Len())
	}
	for _, a := range gone {
		if l := tab.Get(a); l.Ours != Spare || l.Sibling {
			t.Error("a link goes that is needed")
		}
	}
	for _, l := range tab.All() {
		l.Held = true
	}
	if gone := tab.Excess(late); len(gone) != 0 {
		t.Errorf("%d links go that are in use", len(gone))
	}
	// What is second to the peers goes where a bucket is too full.
	tab = full(t, r, self, map[int]int{0: 20, 1: 20, 12: 6})
	for _, l := range tab.All() {
		l.Theirs = Second
	}
	tab.Weigh(time.Time{}, 0)
	if gone := tab.Excess(late); len(gone) != tab.Len()-Floor {
		t.Errorf("%d links go of %d", len(gone), tab.Len())
	}
}

func TestLeast(t *testing.T) {
	self := addr.MakeString("self")
	tab := full(t, newSource(), self, map[int]int{0: 10, 12: 6})
	least := func(now time.Time, spared ...addr.Addr) (addr.Addr, bool) {
		return tab.Least(now, func(a addr.Addr) bool { return !slices.Contains(spared, a) })
	}
	// Of the ten in bucket 0 the two oldest count; the siblings are in 12.
	at := func(i int) *Link {
		for _, l := range tab.All() {
			if tab.Bucket(l.Addr) == 0 && l.Since.Equal(noon.Add(time.Duration(i)*time.Second)) {
				return l
			}
		}
		t.Fatal("no such link")
		return nil
	}
	want := func(what string, now time.Time, link int, spared ...addr.Addr) {
		t.Helper()
		if got, ok := least(now, spared...); !ok || got != at(link).Addr {
			t.Errorf("%s: %v goes, want link %d", what, got, link)
		}
	}
	if _, ok := least(noon.Add(2*time.Second + Landing - 1)); ok {
		t.Error("room is made by one that had no time to find others")
	}
	late := noon.Add(time.Hour)
	want("all alike", late, 2)
	want("the oldest is spared", late, 3, at(2).Addr)
	at(4).Theirs = Second
	want("one needs it less", late, 4)
	for _, i := range []int{5, 6, 7} {
		at(i).Host = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
	}
	at(4).Host = netip.MustParseAddr("198.51.100.1")
	want("a crowd", late, 5)
	at(8).Theirs, at(9).Theirs = Spare, Spare
	want("nobody needs two", late, 9)
	want("nobody needs two, too young", noon, 9)
	for _, l := range tab.All() {
		l.Ours = Second
	}
	if _, ok := least(late); ok {
		t.Error("room is made where all is needed")
	}
}

// Whoever has many nodes on one subnet has two of a node's siblings at most.
func TestSubnets(t *testing.T) {
	for _, c := range []struct {
		name string
		host func(i int) netip.Addr
		most int
	}{
		{"one /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }, SiblingsPerSubnet},
		{"one /24, mapped", func(i int) netip.Addr {
			return netip.AddrFrom16(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).As16())
		}, SiblingsPerSubnet},
		{"one /48", func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i)})
		}, SiblingsPerSubnet},
		{"many /24", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, byte(i), 113, 1}) }, Siblings},
		{"exempt", func(int) netip.Addr { return netip.Addr{} }, Siblings},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, self := newSource(), addr.MakeString("self")
			tab := full(t, r, self, map[int]int{3: 10})
			for i := range 10 {
				tab.Add(Link{Addr: in(t, r, self, 20), Host: c.host(i), Since: noon.Add(time.Hour + time.Duration(i)*time.Second)})
			}
			deep := 0
			siblings := tab.Siblings(nil)
			for _, a := range siblings {
				if tab.Bucket(a) == 20 {
					deep++
				}
			}
			if deep != c.most || len(siblings) != Siblings {
				t.Errorf("%d of %d siblings, want %d", deep, len(siblings), c.most)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	r, self := newSource(), addr.MakeString("self")
	tab := New(self)
	for range 100 {
		a, err := tab.Target(7, r)
		if err != nil || addr.LogDist(self, a) != 7 {
			t.Fatalf("%v, %v", a, err)
		}
	}
	one := in(t, r, self, 7)
	tab.Add(Link{Addr: one})
	for range 100 {
		a, err := tab.Target(7, r)
		if err != nil || addr.LogDist(self, a) != 7 || addr.LogDist(one, a) != 8 {
			t.Fatalf("%v, %v", a, err)
		}
	}
}
