package pick

import (
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
)

const (
	// maxKnown is how many nodes' offers, or lack of one, are remembered. Of
	// more, those go that expire first.
	maxKnown = 512

	// OfferAge is for how long an offer is remembered, at most; LookAge is how
	// often the sea is asked for nodes that are not linked.
	OfferAge = 30 * time.Second
	LookAge  = 30 * time.Second

	// A node that does not answer is left alone for firstFailure, doubling up
	// to OfferAge.
	firstFailure = time.Second
)

// Known is a node that was asked for its offer, an O.
type Known[O any] struct {
	At     addr.Addr
	Seller identity.Entity
	Offer  O
	Hash   identity.Hash // of the offer's statement
	Slots  int           // how many were free when it showed the offer
	Sells  bool
	Why    string // it does not, as it says
	Hint   bool   // it is a notice, minutes old perhaps, which another node has shown

	Expires time.Time
	Failed  int // how often in a row it has not answered

	Own   bool     // it is a machine of the same owner
	Dealt Dealings // what the buyer has had to do with it

	turn bool // it is a newcomer that has its turn, see Rank
	ours int  // the buyer's own orders there, less those that were there when it showed the offer
}

// Free is how many of the seller's slots are free as far as the buyer knows; below
// zero, how many of its own orders wait there.
func (k Known[O]) Free() int { return k.Slots - k.ours }

// Directory is what a buyer knows of sellers. Its methods may be called at once.
type Directory[O any] struct {
	clock func() time.Time

	mu     sync.Mutex // guards what follows
	known  map[addr.Addr]*Known[O]
	looked time.Time // when the sea was last asked for more
}

// NewDirectory returns an empty one that has the time from clock.
func NewDirectory[O any](clock func() time.Time) *Directory[O] {
	return &Directory[O]{clock: clock, known: map[addr.Addr]*Known[O]{}}
}

// Get returns what is known of a node and not too old.
func (d *Directory[O]) Get(at addr.Addr) (Known[O], bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.known[at]
	if k == nil || d.clock().After(k.Expires) {
		return Known[O]{}, false
	}
	return *k, true
}

// Put takes in what a node said.
func (d *Directory[O]) Put(k Known[O]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(k)
}

func (d *Directory[O]) put(k Known[O]) {
	if d.known[k.At] == nil && len(d.known) >= maxKnown {
		d.makeRoom()
	}
	d.known[k.At] = &k
}

// Hint takes in a notice, unless more is known of the node: that its own answer
// is not too old, or that it did not answer.
func (d *Directory[O]) Hint(k Known[O]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.known[k.At]; old != nil && !old.Hint && !d.clock().After(old.Expires) {
		return
	} else if old != nil {
		k.ours, k.Failed = old.ours, old.Failed // until it has answered
	}
	k.Hint = true
	d.put(k)
}

// makeRoom forgets what is too old, or else what will be first.
func (d *Directory[O]) makeRoom() {
	now := d.clock()
	var first *Known[O]
	for at, k := range d.known {
		if now.After(k.Expires) {
			delete(d.known, at)
		} else if first == nil || k.Expires.Before(first.Expires) || k.Expires.Equal(first.Expires) && compare(at, first.At) < 0 {
			first = k
		}
	}
	if len(d.known) >= maxKnown {
		delete(d.known, first.At)
	}
}

// Fail takes in that a node did not answer.
func (d *Directory[O]) Fail(at addr.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	failed := 0
	if old := d.known[at]; old != nil {
		failed = old.Failed
	}
	rest := min(firstFailure<<min(failed, 10), OfferAge)
	d.put(Known[O]{At: at, Expires: d.clock().Add(rest), Failed: failed + 1})
}

// Forgive has all nodes asked again that did not answer or did not sell.
func (d *Directory[O]) Forgive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, k := range d.known {
		if !k.Sells {
			delete(d.known, at)
		}
	}
}

// Forget drops what is known of a node, so that it is asked again.
func (d *Directory[O]) Forget(at addr.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, at)
}

// Change changes the offer that is known of a node, if there is one. change is
// called at once, with the directory locked, and must not use it.
func (d *Directory[O]) Change(at addr.Addr, change func(*Known[O])) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.known[at]; k != nil {
		change(k)
	}
}

// Ordered takes in that an order of the buyer's has gone to a seller, n is 1, or
// has ended there, n is -1.
func (d *Directory[O]) Ordered(at addr.Addr, n int) {
	d.Change(at, func(k *Known[O]) { k.ours += n })
}

// Looking says whether it is time to ask the sea, and that it is done.
func (d *Directory[O]) Looking() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	if now.Sub(d.looked) < LookAge {
		return false
	}
	d.looked = now
	return true
}

// Seen lists the sellers that have lately shown an offer, in the order of their
// addresses.
func (d *Directory[O]) Seen() []addr.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []addr.Addr
	now := d.clock()
	for at, k := range d.known {
		if k.Sells && now.Before(k.Expires) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, compare)
	return all
}

func compare(a, b addr.Addr) int { return slices.Compare(a[:], b[:]) }

// Pick is the place in all of the seller to order from, by what is known of their
// free slots now: others may have been ordered from since they were asked. It
// counts as an order there until the caller says otherwise. cost is what the job
// would cost at each; there is at least one.
func (d *Directory[O]) Pick(all []Known[O], cost func(place int) ledger.Amount) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, best := d.clock(), 0
	for i := range all {
		if k := d.known[all[i].At]; k != nil {
			all[i].Slots, all[i].ours = k.Slots, k.ours
		}
		if i > 0 && Prefer(all[i], all[best], cost(i), cost(best), now) < 0 {
			best = i
		}
	}
	if k := d.known[all[best].At]; k != nil {
		k.ours++
	}
	return best
}
