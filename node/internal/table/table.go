package table

import (
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/peersea/sea/node/addr"
)

// The bounds of a table.
const (
	// Siblings is how many of the nearest nodes a node wants to be linked to.
	Siblings = 6

	// PerBucket is how many links a node wants into each bucket.
	PerBucket = 2

	// MaxBucket is how many links into one bucket a node bears, the oldest, before it
	// lets go of those that are only second to their peers.
	MaxBucket = 4

	// Young is the number of links below which a node needs every one.
	Young = 15

	// Floor is the number of links up to which none is let go.
	Floor = 32

	// Settle is how old a link must be to be let go: so long both sides have
	// to find out what it is good for.
	Settle = 30 * time.Second

	// Landing is how long a peer that needs a link has it at least, to find others,
	// however little room there is.
	Landing = 5 * time.Second

	// SiblingsPerSubnet is how many siblings may be on one IPv4 /24 or IPv6
	// /48.
	SiblingsPerSubnet = 2
)

// A Need says how much one side needs a link.
type Need uint8

// The needs.
const (
	Spare  Need = 0 // not at all
	Second Need = 1 // there is one other like it
	Only   Need = 2 // a sibling, the only one into its bucket, or the node has few links
)

// A Link is a link as the table sees it.
type Link struct {
	Addr addr.Addr

	// Host is where the peer's end is; the zero Addr is exempt from the
	// bounds per subnet, as are ends on the node's own networks.
	Host netip.Addr

	// Since is when the link began.
	Since time.Time

	// Held tells that an application or the user wants the link.
	Held bool

	// Theirs is how much the peer needs the link, as it said; a peer that has
	// not said anything needs it as its Only one.
	Theirs Need

	// Ours is how much this node needs the link, by the last call of Weigh.
	Ours Need

	// Sibling tells that it is one, by the last call of Weigh.
	Sibling bool

	last bool      // it is one of a crowd, by the last call of Weigh
	said Need      // what Weigh returned last
	fell time.Time // since when Ours is less than that; zero when it is not
}

// A Table holds the links of the node at one address. It is not safe for
// concurrent use.
type Table struct {
	self  addr.Addr
	links []*Link // nearest first
}

// New returns an empty Table.
func New(self addr.Addr) *Table { return &Table{self: self} }

// Len is the number of links.
func (t *Table) Len() int { return len(t.links) }

// All returns the links, the nearest first. The slice is the table's own and
// holds until the next change.
func (t *Table) All() []*Link { return t.links }

// Get returns the link to a peer, nil when there is none.
func (t *Table) Get(a addr.Addr) *Link {
	if i, ok := t.find(a); ok {
		return t.links[i]
	}
	return nil
}

func (t *Table) find(a addr.Addr) (int, bool) {
	return slices.BinarySearchFunc(t.links, a, func(l *Link, a addr.Addr) int {
		return addr.Compare(t.self, l.Addr, a)
	})
}

// Add puts a new link in, in place of one to the same peer. Both sides need it
// as their Only one until they say otherwise.
func (t *Table) Add(l Link) {
	if l.Addr == t.self {
		panic("table: a link to oneself")
	}
	l.Theirs, l.Ours, l.said, l.fell = Only, Only, Only, time.Time{}
	i, ok := t.find(l.Addr)
	if ok {
		t.links[i] = &l
		return
	}
	t.links = slices.Insert(t.links, i, &l)
}

// Remove takes a link out and reports whether it was in.
func (t *Table) Remove(a addr.Addr) bool {
	i, ok := t.find(a)
	if ok {
		t.links = slices.Delete(t.links, i, i+1)
	}
	return ok
}

// Bucket is the number of the bucket that a lies in: how many leading bits it
// shares with this node.
func (t *Table) Bucket(a addr.Addr) int { return addr.LogDist(t.self, a) }

// Count is the number of links into a bucket.
func (t *Table) Count(bucket int) int {
	n := 0
	for _, l := range t.links {
		if t.Bucket(l.Addr) == bucket {
			n++
		}
	}
	return n
}

// Target draws an address to look for in a bucket. When there is one link into it,
// the address lies in the bucket's other half: two links that differ in the next
// bit bring a request two bits on.
func (t *Table) Target(bucket int, rand io.Reader) (addr.Addr, error) {
	if t.Count(bucket) == 1 && bucket+1 < addr.Bits {
		for _, l := range t.links {
			if t.Bucket(l.Addr) == bucket {
				return l.Addr.Flip(bucket+1).Randomise(rand, bucket+2)
			}
		}
	}
	return t.self.Flip(bucket).Randomise(rand, bucket+1)
}

// Subnet is the IPv4 /24 or IPv6 /48 that host is in.
func Subnet(host netip.Addr) netip.Prefix {
	host = host.Unmap()
	bits := 24
	if host.Is6() {
		bits = 48
	}
	p, _ := host.Prefix(bits) // fails for the zero Addr only
	return p
}

// mark finds the siblings: the nearest links, at most SiblingsPerSubnet of them
// on one subnet. Old links come first among those of a subnet, so that whoever
// fills a subnet up later pushes none out.
func (t *Table) mark() {
	left := Siblings
	for i, l := range t.links {
		l.Sibling = left > 0 && t.older(i) < SiblingsPerSubnet
		if l.Sibling {
			left--
		}
	}
}

// older counts the links among the nearest that are on the subnet of link i and
// are older.
func (t *Table) older(i int) int {
	l := t.links[i]
	if !l.Host.IsValid() {
		return 0
	}
	n, subnet := 0, Subnet(l.Host)
	for k, other := range t.links[:min(len(t.links), 4*Siblings)] {
		if k != i && other.Host.IsValid() && other.Since.Before(l.Since) && Subnet(other.Host) == subnet {
			n++
		}
	}
	return n
}

// Siblings appends the siblings to to, the nearest first.
func (t *Table) Siblings(to []addr.Addr) []addr.Addr {
	t.mark()
	for _, l := range t.links {
		if l.Sibling {
			to = append(to, l.Addr)
		}
	}
	return to
}

// Depth is the bucket of the farthest sibling: what is deeper is full of
// siblings, so nothing need be looked for there. It is 0 while there are fewer
// siblings than wanted.
func (t *Table) Depth() int {
	t.mark()
	n, depth := 0, 0
	for _, l := range t.links {
		if l.Sibling {
			n++
			depth = t.Bucket(l.Addr)
		}
	}
	if n < Siblings {
		return 0
	}
	return depth
}

// Near reports whether a, which is not linked, would be a sibling.
func (t *Table) Near(a addr.Addr) bool {
	t.mark()
	n := 0
	for _, l := range t.links {
		if l.Sibling && addr.Closer(t.self, l.Addr, a) {
			n++
		}
	}
	return n < Siblings
}

// Weigh decides anew how much the node needs each link and returns those whose
// peers ought to be told at the time now: a link is needed more, or has been
// needed less for patience.
func (t *Table) Weigh(now time.Time, patience time.Duration) []*Link {
	t.mark()
	standings := make([]Standing, len(t.links))
	for i, l := range t.links {
		standings[i] = Standing{l.Host, l.Since}
	}
	for i, last := range Crowded(standings) {
		t.links[i].last = last
	}
	young := len(t.links) < Young
	// A bucket's links are neighbours in the order of distance.
	for i := 0; i < len(t.links); {
		bucket, end := t.Bucket(t.links[i].Addr), i+1
		for end < len(t.links) && t.Bucket(t.links[end].Addr) == bucket {
			end++
		}
		t.weigh(t.links[i:end], young)
		i = end
	}
	var changed []*Link
	for _, l := range t.links {
		if l.Ours < l.said {
			if l.fell.IsZero() {
				l.fell = now
			}
			if now.Sub(l.fell) < patience {
				continue
			}
		}
		l.fell = time.Time{}
		if l.Ours != l.said {
			l.said = l.Ours
			changed = append(changed, l)
		}
	}
	return changed
}

// weigh decides for the links of one bucket.
func (t *Table) weigh(links []*Link, young bool) {
	if young || len(links) == 1 {
		for _, l := range links {
			l.Ours = Only
		}
		return
	}
	// The oldest, whatever their peers say: who comes later and clings to every
	// link gets between a node and the sea no more than others do.
	var chosen [PerBucket]*Link
	for _, l := range links {
		l.Ours = Spare
		for i, c := range chosen {
			if c == nil || better(l, c) {
				chosen[i], l = l, c
			}
			if l == nil {
				break
			}
		}
	}
	for _, c := range chosen {
		if c != nil {
			c.Ours = Second
		}
	}
	for _, l := range links {
		if l.Sibling {
			l.Ours = Only
		}
	}
}

func better(a, b *Link) bool {
	if a.last != b.last {
		return b.last
	}
	if !a.Since.Equal(b.Since) {
		return a.Since.Before(b.Since)
	}
	return slices.Compare(a.Addr[:], b.Addr[:]) < 0
}

// Excess returns the links to let go at the time now: what neither side needs,
// and what is only second to the peer if MaxBucket older ones into the same bucket stay,
// so that links whose peers cling to them push out no old one; of a crowd what this side
// does not need. Weigh comes first.
func (t *Table) Excess(now time.Time) []addr.Addr {
	if len(t.links) <= Floor {
		return nil
	}
	var gone []addr.Addr
	over := -Floor
	for _, l := range t.links {
		if !l.last {
			over++
		} else if !l.Held && l.Ours == Spare && now.Sub(l.Since) >= Settle {
			gone = append(gone, l.Addr)
		}
	}
	// The farthest first: there is most to choose from.
	for end := len(t.links); end > 0 && over > 0; {
		bucket, begin := t.Bucket(t.links[end-1].Addr), end-1
		for begin > 0 && t.Bucket(t.links[begin-1].Addr) == bucket {
			begin--
		}
		for _, least := range []Need{Spare, Second} {
			// Of the same worth the youngest goes.
			next := func() int { return t.youngest(begin, end, now, least, gone) }
			for i := next(); i >= 0 && over > 0; i = next() {
				if least == Second && t.olderThan(i, begin, end, gone) < MaxBucket {
					break
				}
				gone = append(gone, t.links[i].Addr)
				over--
			}
		}
		end = begin
	}
	return gone
}

// olderThan counts the links of links[begin:end] that stay and are older than link i.
func (t *Table) olderThan(i, begin, end int, gone []addr.Addr) int {
	n := 0
	for _, l := range t.links[begin:end] {
		if l.Since.Before(t.links[i].Since) && !slices.Contains(gone, l.Addr) {
			n++
		}
	}
	return n
}

// youngest returns the youngest link of links[begin:end] that may go and is
// worth least to its peer, -1 if there is none.
func (t *Table) youngest(begin, end int, now time.Time, worth Need, gone []addr.Addr) int {
	best := -1
	for i := begin; i < end; i++ {
		l := t.links[i]
		if l.Held || l.Ours != Spare || l.Theirs != worth || now.Sub(l.Since) < Settle || slices.Contains(gone, l.Addr) {
			continue
		}
		if best < 0 || l.Since.After(t.links[best].Since) {
			best = i
		}
	}
	return best
}

// Least returns the link to end when there is no room for a new one at the time now,
// false when there is none that this node does not need and may lets go. What the peer
// does not need either goes first, the youngest of them. Else whoever has had Landing to
// find others makes room: of the subnet that has most links, so that a crowd from one
// place pushes out its own, the one that needs the link less, the oldest.
func (t *Table) Least(now time.Time, may func(addr.Addr) bool) (addr.Addr, bool) {
	crowds := make(map[netip.Prefix]int)
	for _, l := range t.links {
		if l.Host.IsValid() {
			crowds[Subnet(l.Host)]++
		}
	}
	crowd := func(l *Link) int {
		if l.Host.IsValid() {
			return crowds[Subnet(l.Host)]
		}
		return 1
	}
	before := func(a, b *Link) bool {
		switch {
		case (a.Theirs == Spare) != (b.Theirs == Spare):
			return a.Theirs == Spare
		case a.Theirs == Spare:
			return a.Since.After(b.Since)
		case crowd(a) != crowd(b):
			return crowd(a) > crowd(b)
		case a.Theirs != b.Theirs:
			return a.Theirs < b.Theirs
		}
		return a.Since.Before(b.Since)
	}
	var best *Link
	for _, l := range t.links {
		landed := l.Theirs == Spare || now.Sub(l.Since) >= Landing
		if l.Ours == Spare && landed && (best == nil || before(l, best)) && may(l.Addr) {
			best = l
		}
	}
	if best == nil {
		return addr.Addr{}, false
	}
	return best.Addr, true
}

// Nearest appends the links nearest to target, at most most, the nearest first,
// without the one to not.
func (t *Table) Nearest(to []addr.Addr, target, not addr.Addr, most int) []addr.Addr {
	first := len(to)
	for _, l := range t.links {
		if l.Addr == not {
			continue
		}
		i, _ := slices.BinarySearchFunc(to[first:], l.Addr, func(a, b addr.Addr) int { return addr.Compare(target, a, b) })
		if i < most {
			to = slices.Insert(to, first+i, l.Addr)
			to = to[:min(len(to), first+most)]
		}
	}
	return to
}
