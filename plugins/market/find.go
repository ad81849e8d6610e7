package market

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

const (
	// maxKnown is how many nodes' offers, or lack of one, are remembered.
	maxKnown = 512

	// offerAge is for how long, at most; lookAge is how often the sea is asked
	// for nodes that are not linked.
	// Nobody is refused for an offer that is older than offerFresh.
	offerAge   = 30 * time.Second
	lookAge    = 30 * time.Second
	offerFresh = time.Second

	// A node that does not answer is left alone for firstFailure, doubling up
	// to offerAge.
	firstFailure = time.Second

	// offerWait is how long one node may take to show its offer, firstOffers
	// how long others are waited for once there is one.
	offerWait   = 5 * time.Second
	firstOffers = 300 * time.Millisecond

	// lookups is how many random addresses the sea is asked about.
	lookups = 20
)

// directory is what this node knows of sellers.
type directory struct {
	mu     sync.Mutex // guards what follows
	known  map[addr.Addr]*known
	asking map[addr.Addr]*asking // whose offer is on its way
	looked time.Time             // when the sea was last asked for more
}

// asking is a node that is being asked for its offer, by all who want it.
type asking struct {
	done chan struct{} // closed when the rest is set
	k    known
	err  error
}

// missed is a node that could not be asked.
type missed struct {
	at  addr.Addr
	err error
}

// known is a node that was asked for its offer.
type known struct {
	at      addr.Addr
	seller  identity.Entity
	offer   Offer
	hash    identity.Hash // of the offer's statement
	sells   bool
	why     string // it does not, as it says
	expires time.Time
	failed  int // how often in a row it has not answered
	ours    int // our own orders there, less those that were there when it showed the offer

	own   bool     // it is a machine of the same owner; set by rank
	dealt Dealings // likewise
}

// get returns what is known of a node and not too old.
func (d *directory) get(at addr.Addr) (known, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.known[at]
	if k == nil || time.Now().After(k.expires) {
		return known{}, false
	}
	return *k, true
}

func (d *directory) put(k known) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known[k.at] == nil && len(d.known) >= maxKnown {
		now := time.Now()
		for at, old := range d.known { // the expired ones, or else any one
			if now.After(old.expires) {
				delete(d.known, at)
			}
		}
		for at := range d.known {
			if len(d.known) < maxKnown {
				break
			}
			delete(d.known, at)
		}
	}
	d.known[k.at] = &k
}

// fail takes in that a node did not answer.
func (d *directory) fail(at addr.Addr) {
	d.mu.Lock()
	failed := 0
	if old := d.known[at]; old != nil {
		failed = old.failed
	}
	d.mu.Unlock()
	rest := min(firstFailure<<min(failed, 10), offerAge)
	d.put(known{at: at, expires: time.Now().Add(rest), failed: failed + 1})
}

// forgive has all nodes asked again that did not answer or did not sell.
func (d *directory) forgive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, k := range d.known {
		if !k.sells {
			delete(d.known, at)
		}
	}
}

// forget drops what is known of a node, so that it is asked again.
func (d *directory) forget(at addr.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, at)
}

// room takes in how much more the seller lets this node owe.
func (d *directory) room(at addr.Addr, change func(ledger.Amount) ledger.Amount) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.known[at]; k != nil {
		k.offer.Room = max(0, change(k.offer.Room))
	}
}

// ordered takes in that an order of ours has gone to a seller, n is 1, or has
// ended there, n is -1.
func (d *directory) ordered(at addr.Addr, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.known[at]; k != nil {
		k.ours += n
	}
}

// free is how many of the seller's slots are free as far as this node knows; below
// zero, how many of its own orders wait there.
func (k known) free() int { return int(k.offer.Free) - k.ours }

// looking says whether it is time to ask the sea, and that it is done.
func (d *directory) looking() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.looked) < lookAge {
		return false
	}
	d.looked = time.Now()
	return true
}

// seen lists the sellers that have lately shown an offer, and the nodes that are
// being asked for one.
func (d *directory) seen() []addr.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []addr.Addr
	now := time.Now()
	for at, k := range d.known {
		if k.sells && now.Before(k.expires) {
			all = append(all, at)
		}
	}
	for at := range d.asking {
		all = append(all, at)
	}
	return all
}

// find returns the sellers among to, or, when to is empty, among the nodes with
// whom this one has dealt well, that are linked, that have lately shown an offer
// or that are found by asking the sea. It asks those for their offer of whom
// none is remembered, and when it is patient waits for all of them. bad says
// what came of the others.
func (m *Market) find(ctx context.Context, to []addr.Addr, patient bool) (sellers []known, bad []missed) {
	where := slices.Clone(to)
	if len(to) == 0 {
		for _, w := range m.dealt.best() {
			where = append(where, w.at)
		}
		for _, l := range m.node.Links() {
			where = append(where, l.Peer.Addr)
		}
		where = append(where, m.sellers.seen()...)
	}
	sellers, bad = m.offersOf(ctx, where, len(to) > 0, patient)
	if len(to) == 0 && !patient && (len(sellers) == 0 || m.sellers.looking()) {
		more, also := m.offersOf(ctx, m.lookAround(ctx), false, false)
		sellers, bad = append(sellers, more...), append(bad, also...)
	}
	slices.SortFunc(sellers, func(a, b known) int { return slices.Compare(a.at[:], b.at[:]) })
	sellers = slices.CompactFunc(sellers, func(a, b known) bool { return a.at == b.at })
	return sellers, bad
}

// lookAround asks the sea for nodes near to this one and near to random
// addresses.
func (m *Market) lookAround(ctx context.Context) []addr.Addr {
	ctx, cancel := context.WithTimeout(ctx, offerWait)
	defer cancel()
	targets := []addr.Addr{m.node.Addr()}
	for range lookups {
		var a addr.Addr
		rand.Read(a[:])
		targets = append(targets, a)
	}
	found := make(chan addr.Addr, len(targets))
	for _, t := range targets {
		go func() {
			c, err := m.node.Nearest(ctx, t)
			if err != nil {
				found <- addr.Addr{}
				return
			}
			found <- c.Peer.Addr
		}()
	}
	var all []addr.Addr
	for range targets {
		if a := <-found; a != (addr.Addr{}) {
			all = append(all, a)
		}
	}
	return all
}

// offersOf gets the offers of the nodes at where, from memory or from them, all
// at once. When named they are all that is wanted, and what came of each is
// said. Otherwise, unless it is patient, it does not wait long for the others
// once there is an offer.
func (m *Market) offersOf(ctx context.Context, where []addr.Addr, named, patient bool) (sellers []known, bad []missed) {
	type answer struct {
		known
		err error
	}
	answers := make(chan answer, len(where))
	asked := map[addr.Addr]bool{m.node.Addr(): true}
	open := 0
	for _, at := range where {
		if asked[at] {
			continue
		}
		asked[at] = true
		if k, ok := m.sellers.get(at); ok && (k.sells || !named) {
			if k.sells {
				sellers = append(sellers, k)
			} else if k.failed > 0 {
				bad = append(bad, missed{at, refuse(Unreachable, "node %.10s did not answer a moment ago", at)})
			}
			continue
		}
		open++
		ok := m.spawn(func(run context.Context) { // it may go on when we do not wait for it
			k, err := m.askOffer(run, at)
			k.at = at
			answers <- answer{k, err}
		})
		if !ok {
			answers <- answer{known{at: at}, ErrStopped}
		}
	}
	var hurry <-chan time.Time
	if len(sellers) > 0 && !named && !patient {
		hurry = time.After(firstOffers)
	}
	for ; open > 0; open-- {
		select {
		case a := <-answers:
			switch {
			case a.err != nil:
				bad = append(bad, missed{a.at, a.err})
			case a.sells:
				sellers = append(sellers, a.known)
				if len(sellers) == 1 && !named && !patient {
					hurry = time.After(firstOffers)
				}
			case named:
				bad = append(bad, missed{a.at, refuse(NotSelling, "node %.10s: %s", a.at, a.why)})
			}
		case <-hurry:
			return sellers, bad
		case <-ctx.Done():
			return sellers, append(bad, missed{err: ctx.Err()})
		}
	}
	return sellers, bad
}

// askOffer is fetchOffer for all who want a node's offer now, who wait for one
// answer. It may take offerWait.
func (m *Market) askOffer(ctx context.Context, at addr.Addr) (known, error) {
	d := &m.sellers
	d.mu.Lock()
	a := d.asking[at]
	mine := a == nil
	if mine {
		a = &asking{done: make(chan struct{})}
		d.asking[at] = a
	}
	d.mu.Unlock()
	if !mine {
		select {
		case <-a.done:
			return a.k, a.err
		case <-ctx.Done():
			return known{}, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, offerWait)
	defer cancel()
	a.k, a.err = m.fetchOffer(ctx, at)
	d.mu.Lock()
	delete(d.asking, at)
	d.mu.Unlock()
	close(a.done)
	return a.k, a.err
}

// fetchOffer asks a node for its offer and remembers the answer.
func (m *Market) fetchOffer(ctx context.Context, at addr.Addr) (known, error) {
	k := known{at: at, expires: time.Now().Add(offerAge)}
	answer, err := offerMethod.Call(ctx, m.node, at, offerRequest{})
	switch {
	case errors.Is(err, rpc.ErrNoHandler), errors.Is(err, rpc.ErrRefused):
		k.why = "it does not sell"
		if said := new(rpc.Error); errors.As(err, &said) && errors.Is(err, rpc.ErrRefused) {
			k.why = said.Text
		}
		m.sellers.put(k)
		return k, nil
	case err != nil:
		m.sellers.fail(at)
		return k, refuse(Unreachable, "node %.10s cannot be asked: %v", at, err)
	}
	k.seller = answer.Offer.By
	k.offer, err = OpenOffer(answer.Offer)
	if err == nil && addr.OfNode(k.seller) != at {
		err = errors.New("it is signed by another node")
	}
	if err == nil && k.offer.For != m.key.Entity() {
		err = errors.New("it is for somebody else")
	}
	if err != nil {
		m.sellers.fail(at)
		return k, refuse(BadStatement, "the offer of node %.10s: %v", at, err)
	}
	k.hash, k.sells = answer.Offer.Hash(OfferPurpose), true
	m.sellers.put(k)
	return k, nil
}

// Offers returns what the nodes at to sell, or, when to is empty, what is sold
// by all that can be found. Those that do not answer or do not sell are left
// out. The error is ctx's, or the first one when there is no offer at all.
func (m *Market) Offers(ctx context.Context, to ...addr.Addr) ([]SellerOffer, error) {
	sellers, bad := m.find(ctx, to, false)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	all := make([]SellerOffer, len(sellers))
	for i, k := range sellers {
		all[i] = SellerOffer{k.seller, k.at, k.offer}
	}
	if len(all) == 0 && len(bad) > 0 {
		return nil, bad[0].err
	}
	return all, nil
}
