package pick

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

// seller is a known one whose offer is its price, with so many free slots.
func seller(e byte, price ledger.Amount, free int) Known[ledger.Amount] {
	return Known[ledger.Amount]{At: addr.Addr{e}, Seller: identity.Entity{e}, Offer: price, Slots: free, Sells: true}
}

func price(k Known[ledger.Amount]) ledger.Amount { return k.Offer }

// hand is a clock that is set by hand.
type hand struct{ now time.Time }

func (h *hand) clock() time.Time { return h.now }

func newHand() *hand { return &hand{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)} }

// TestRank puts own machines before all, failures behind all, and sellers that
// did well on places that cheap strangers cannot take.
func TestRank(t *testing.T) {
	now := newHand().now
	rnd := rand.New(rand.NewPCG(1, 1))
	own, well, failed := seller(3, 50, 0), seller(1, 90, 0), seller(2, 0, 0)
	own.Own = true
	well.Dealt.Row = 1
	failed.Dealt = Dealings{Failed: 1, Missed: now.Add(-time.Minute).UnixMilli()}
	all := []Known[ledger.Amount]{failed, well, own}
	for e := range byte(20) {
		all = append(all, seller(100+e, 10+ledger.Amount(e)/10, 0))
	}
	first := map[byte]bool{}
	for range 200 {
		Rank(all, price, false, now, rnd.Shuffle)
		if all[0].At[0] != 3 || all[1].At[0] != 1 || all[len(all)-1].At[0] != 2 {
			t.Fatalf("first are %d and %d, last %d", all[0].At[0], all[1].At[0], all[len(all)-1].At[0])
		}
		if all[2].Offer != 10 || all[21].Offer != 11 {
			t.Fatalf("the cheapest stranger costs %d, the dearest %d", all[2].Offer, all[21].Offer)
		}
		first[all[2].At[0]] = true
	}
	if len(first) != 10 {
		t.Errorf("%d of 10 sellers at one price ever came first", len(first))
	}
	Rank(all, price, false, now.Add(time.Hour), rnd.Shuffle)
	if all[2].At[0] != 2 {
		t.Errorf("an hour after its failure the cheapest has not its place: %d", all[2].At[0])
	}
}

// TestPlaces: those that did well have four places first, however many they are.
func TestPlaces(t *testing.T) {
	var all []Known[ledger.Amount]
	for e := range byte(20) {
		k := seller(e, 9, 0)
		if e < 10 {
			k.Dealt.Row = 1
		} else {
			k.Offer = 1
		}
		all = append(all, k)
	}
	Rank(all, price, false, newHand().now, rand.New(rand.NewPCG(1, 1)).Shuffle)
	for i, k := range all[:MaxAsked] {
		if (i < 4) != k.Dealt.Good() {
			t.Errorf("place %d is %d's", i, k.At[0])
		}
	}
}

// TestPick: the cheapest with a free slot is ordered from, and each order counts
// before the next is picked; without a free slot it is one that did well. Who is
// less than half as dear is waited for.
func TestPick(t *testing.T) {
	d := NewDirectory[ledger.Amount](newHand().clock)
	all := []Known[ledger.Amount]{seller(1, 5, 2), seller(2, 5, 1), seller(3, 2, 0), seller(4, 5, 1)}
	all[3].Dealt.Row = 1
	for i := range all {
		all[i].Expires = d.clock().Add(OfferAge)
		d.Put(all[i])
	}
	all[1].Slots = 9 // an offer that was newer when it was asked for does not count
	taken := func() (got []byte) {
		for range 5 {
			got = append(got, all[1+d.Pick(all[1:], func(i int) ledger.Amount { return max(5, all[1+i].Offer) })].At[0])
		}
		return got
	}
	if got := taken(); !slices.Equal(got, []byte{4, 2, 4, 4, 4}) {
		t.Errorf("ordered from %v", got)
	}
	if got := all[d.Pick(all, func(i int) ledger.Amount { return all[i].Offer })].At[0]; got != 3 {
		t.Errorf("the cheapest is not ordered from, but %d", got)
	}
	all[2].Offer = 3
	if got := all[d.Pick(all, func(i int) ledger.Amount { return all[i].Offer })].At[0]; got != 1 {
		t.Errorf("one with a free slot that is less than twice as dear is not ordered from, but %d", got)
	}
	d.Ordered(addr.Addr{1}, -1)
	d.Ordered(addr.Addr{1}, 1)
	if k, _ := d.Get(addr.Addr{1}); k.Free() != 1 {
		t.Errorf("%d slots are free", k.Free())
	}
}

// TestDirectory: what is known ages, a node that fails is left alone for longer
// each time, and the directory is full at maxKnown.
func TestDirectory(t *testing.T) {
	h := newHand()
	d := NewDirectory[ledger.Amount](h.clock)
	at := addr.Addr{1}
	knows := func(want bool) {
		t.Helper()
		if _, got := d.Get(at); got != want {
			t.Errorf("after %v it is known: %v", h.now.Sub(newHand().now), got)
		}
	}
	knows(false)
	k := seller(1, 1, 1)
	k.Expires = h.now.Add(OfferAge)
	d.Put(k)
	h.now = h.now.Add(OfferAge - 1)
	knows(true)
	if got := d.Seen(); !slices.Equal(got, []addr.Addr{at}) {
		t.Errorf("seen are %v", got)
	}
	h.now = h.now.Add(2)
	knows(false)
	if got := d.Seen(); len(got) != 0 {
		t.Errorf("seen are %v", got)
	}
	for i := range 8 {
		d.Fail(at)
		rest := min(firstFailure<<i, OfferAge)
		h.now = h.now.Add(rest - 1)
		knows(true)
		h.now = h.now.Add(2)
		knows(false)
	}
	d.Fail(at)
	d.Forgive()
	knows(false)

	if !d.Looking() || d.Looking() {
		t.Error("the sea is not asked once")
	}
	h.now = h.now.Add(LookAge)
	if !d.Looking() {
		t.Error("the sea is not asked again")
	}

	for i := range 2 * maxKnown {
		k := seller(2, 1, 1)
		k.At = addr.Addr{2, byte(i >> 8), byte(i)}
		k.Expires = h.now.Add(time.Second + time.Duration(i))
		d.Put(k)
	}
	seen := d.Seen()
	if want := (addr.Addr{2, maxKnown >> 8, maxKnown & 0xff}); len(seen) != maxKnown || seen[0] != want {
		t.Errorf("%d are known, the first %x", len(seen), seen[0][:3])
	}
	d.Forget(seen[0])
	d.Change(seen[1], func(k *Known[ledger.Amount]) { k.Offer = 7 })
	d.Change(seen[0], func(*Known[ledger.Amount]) { t.Error("a forgotten one is changed") })
	if k, _ := d.Get(seen[1]); k.Offer != 7 {
		t.Errorf("it costs %d", k.Offer)
	}
}

// TestMemory: the best come first, at most sixteen; those that are too old are
// forgotten, and the oldest when there are too many.
func TestMemory(t *testing.T) {
	var m Memory
	now := newHand().now
	did := func(e identity.Entity, well ...bool) (gone []identity.Entity) {
		for _, w := range well {
			now = now.Add(time.Millisecond)
			_, out := m.Did(e, addr.Addr{e[0]}, w, now)
			gone = append(gone, out...)
		}
		return gone
	}
	did(identity.Entity{1}, true)
	did(identity.Entity{2}, true, true, false)
	did(identity.Entity{3}, true, true)
	best := m.Best(now)
	if len(best) != 2 || best[0].At[0] != 3 || best[1].At[0] != 1 {
		t.Errorf("the best are %v", best)
	}
	if d := m.With(identity.Entity{2}, now); !d.Bad(now) || d.Bad(now.Add(badAge)) || d.Good() || d.Done != 2 || d.Failed != 1 {
		t.Errorf("with 2: %+v", d)
	}
	now = now.Add(RememberAge)
	did(identity.Entity{3}, true)
	if d := m.With(identity.Entity{1}, now); d != (Dealings{}) {
		t.Errorf("an old one: %+v", d)
	}
	if gone := did(identity.Entity{4}, true); len(gone) != 2 {
		t.Errorf("%d are forgotten, want 1 and 2", len(gone))
	}
	for i := range MaxDealings - 2 {
		if gone := did(identity.Entity{9, byte(i), byte(i >> 8)}, true); len(gone) != 0 {
			t.Fatalf("%x is forgotten", gone)
		}
	}
	if gone := did(identity.Entity{5}, false); !slices.Equal(gone, []identity.Entity{{3}}) || m.Len() != MaxDealings {
		t.Errorf("%d are forgotten, and %d remembered", len(gone), m.Len())
	}
	if best := m.Best(now); len(best) != triedFirst {
		t.Errorf("%d are tried first", len(best))
	}
}

// TestNewcomer: each eighth job goes to a seller with whom the buyer has not dealt,
// if there is one that has a free slot and is no dearer.
func TestNewcomer(t *testing.T) {
	now := newHand().now
	var m Memory
	rnd := rand.New(rand.NewPCG(1, 1))
	var turns []int
	for i := range 4 * newcomerEvery {
		if m.Newcomer() {
			turns = append(turns, i)
		}
		m.Did(identity.Entity{byte(i % 12)}, addr.Addr{byte(i % 12)}, i%5 > 0, now)
	}
	if !slices.Equal(turns, []int{7, 15, 23, 31}) {
		t.Errorf("newcomers have jobs %v", turns)
	}

	first := func(all []Known[ledger.Amount]) (asked, ordered byte) {
		all = slices.Clone(all)
		Rank(all, price, true, now, rnd.Shuffle)
		asked = all[0].At[0]
		all = all[:MaxAsked]
		d := NewDirectory[ledger.Amount](newHand().clock)
		return asked, all[d.Pick(all, func(i int) ledger.Amount { return all[i].Offer })].At[0]
	}
	var all []Known[ledger.Amount]
	for e := range byte(12) {
		k := seller(e, 5, 1)
		k.Dealt = m.With(k.Seller, now)
		all = append(all, k)
	}
	all = append(all, seller(20, 5, 0), seller(21, 5, 2), seller(22, 6, 2)) // without a free slot; too dear
	if asked, ordered := first(all); asked != 21 || ordered != 21 {
		t.Errorf("%d is asked first, and %d does it", asked, ordered)
	}
	all[13].Slots = 0
	if asked, ordered := first(all); asked != 22 || ordered >= 12 {
		t.Errorf("%d is asked first, and %d does it", asked, ordered)
	}
	all[0].Own = true
	if asked, ordered := first(all); asked != 0 || ordered != 0 {
		t.Errorf("%d is asked first, and %d does it, not an own machine", asked, ordered)
	}
}
