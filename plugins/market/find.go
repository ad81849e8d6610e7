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
	"github.com/peersea/sea/plugins/market/pick"
)

// offerFresh: nobody is refused for an offer that is older.
const offerFresh = time.Second

// known is a node that was asked for its offer.
type known = pick.Known[Offer]

// directory is what this node knows of sellers.
type directory struct {
	*pick.Directory[Offer]

	mu     sync.Mutex              // guards what follows
	asking map[addr.Addr]*asking   // whose offer is on its way
	liars  map[addr.Addr]time.Time // who has shown a false notice, until when it counts
}

func newDirectory() directory {
	return directory{
		Directory: pick.NewDirectory[Offer](time.Now), asking: map[addr.Addr]*asking{}, liars: map[addr.Addr]time.Time{},
	}
}

// asking is a node that is being asked for its offer, by all who want it.
type asking struct {
	done chan struct{} // closed when the rest is set
	k    known
	near []known // the notices that it carries, if it is asked for them
	err  error
}

// missed is a node that could not be asked.
type missed struct {
	at  addr.Addr
	err error
}

// seen lists the sellers that have lately shown an offer, and the nodes that are
// being asked for one.
func (d *directory) seen() []addr.Addr {
	all := d.Seen()
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := range d.asking {
		all = append(all, at)
	}
	return all
}

// room takes in how much more the seller lets this node owe.
func (d *directory) room(at addr.Addr, change func(ledger.Amount) ledger.Amount) {
	d.Change(at, func(k *known) { k.Offer.Room = max(0, change(k.Offer.Room)) })
}

// find returns the sellers among to, or, when to is empty, among the nodes with
// whom this one has dealt well, that are linked, that have lately shown an offer,
// that are near to one of these, or that are found by asking the sea. It asks those
// for their offer of whom none is remembered, and when it is patient waits for all
// of them. bad says what came of the others.
func (m *Market) find(ctx context.Context, to []addr.Addr, patient bool) (sellers []known, bad []missed) {
	if len(to) > 0 {
		return m.offersOf(ctx, to, nil, true, patient)
	}
	var where []addr.Addr
	for _, w := range m.dealt.best() {
		where = append(where, w.At)
	}
	where = append(where, m.sellers.seen()...)
	links, first := m.carriers()
	if patient {
		first = len(links)
	}
	sellers, bad = m.offersOf(ctx, where, links[:first], false, patient)
	more := func(found []known, missed []missed) { sellers, bad = unite(sellers, found), append(bad, missed...) }
	if !patient && len(sellers) < pick.MaxAsked && first < len(links) {
		more(m.offersOf(ctx, nil, links[first:], false, false))
	}
	switch {
	case patient:
	case len(sellers) == 0 || len(sellers) < pick.MaxAsked && m.sellers.Looking():
		more(m.offersOf(ctx, nil, m.lookAround(ctx, pick.Lookups), false, false))
	case m.sellers.Looking(): // for the next job
		m.spawn(func(ctx context.Context) {
			m.offersOf(ctx, nil, m.lookAround(ctx, pick.FewLookups), false, true)
		})
	}
	return sellers, bad
}

// unite puts sellers together, each of them once: with its own answer rather than
// its notice.
func unite(all ...[]known) []known {
	sellers := slices.Concat(all...)
	slices.SortStableFunc(sellers, func(a, b known) int {
		if c := slices.Compare(a.At[:], b.At[:]); c != 0 || a.Hint == b.Hint {
			return c
		} else if a.Hint {
			return 1
		}
		return -1
	})
	return slices.CompactFunc(sellers, func(a, b known) bool { return a.At == b.At })
}

// lookAround asks the sea for nodes near to so many random addresses, and near to
// this one when that is not few.
func (m *Market) lookAround(ctx context.Context, lookups int) []addr.Addr {
	ctx, cancel := context.WithTimeout(ctx, pick.OfferWait)
	defer cancel()
	targets := make([]addr.Addr, lookups)
	for i := range targets {
		rand.Read(targets[i][:])
	}
	if lookups > pick.FewLookups {
		targets = append(targets, m.node.Addr())
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

// offersOf gets the offers of the nodes at where, and of carriers also what is near
// them, from memory or from them, all at once. When named they are all that is
// wanted, and what came of each is said. Otherwise, unless it is patient, it does
// not wait long for the others once there is an offer.
func (m *Market) offersOf(ctx context.Context, where, carriers []addr.Addr, named, patient bool) (sellers []known, bad []missed) {
	type answer struct {
		known
		near []known
		err  error
	}
	answers := make(chan answer, len(where)+len(carriers))
	asked := map[addr.Addr]bool{m.node.Addr(): true}
	open := 0
	var near []known
	defer func() { sellers = unite(sellers, near) }()
	for i, at := range slices.Concat(carriers, where) {
		if asked[at] {
			continue
		}
		asked[at] = true
		carrier := i < len(carriers)
		if k, ok := m.sellers.Get(at); ok && (k.Sells || !named) && !(k.Hint && (carrier || named)) {
			if k.Sells {
				sellers = append(sellers, k)
			} else if k.Failed > 0 {
				bad = append(bad, missed{at, refuse(Unreachable, "node %.10s did not answer a moment ago", at)})
			}
			continue
		}
		open++
		ok := m.spawn(func(run context.Context) { // it may go on when we do not wait for it
			k, near, err := m.askOffer(run, at, carrier)
			k.At = at
			answers <- answer{k, near, err}
		})
		if !ok {
			answers <- answer{known: known{At: at}, err: ErrStopped}
		}
	}
	var hurry <-chan time.Time
	if len(sellers) > 0 && !named && !patient {
		hurry = time.After(pick.FirstOffers)
	}
	for ; open > 0; open-- {
		select {
		case a := <-answers:
			near = append(near, a.near...)
			switch {
			case a.err != nil:
				bad = append(bad, missed{a.At, a.err})
			case a.Sells:
				sellers = append(sellers, a.known)
			case named:
				bad = append(bad, missed{a.At, refuse(NotSelling, "node %.10s: %s", a.At, a.Why)})
			}
			if hurry == nil && len(sellers)+len(near) > 0 && !named && !patient {
				hurry = time.After(pick.FirstOffers)
			}
		case <-hurry:
			return sellers, bad
		case <-ctx.Done():
			return sellers, append(bad, missed{err: ctx.Err()})
		}
	}
	return sellers, bad
}

// askOffer is fetchOffer, or of a carrier fetchNear, for all who want a node's offer
// now, who wait for one answer. It may take pick.OfferWait.
func (m *Market) askOffer(ctx context.Context, at addr.Addr, carrier bool) (k known, near []known, err error) {
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
			return a.k, a.near, a.err
		case <-ctx.Done():
			return known{}, nil, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pick.OfferWait)
	defer cancel()
	if carrier {
		a.k, a.near, a.err = m.fetchNear(ctx, at)
	} else {
		a.k, a.err = m.fetchOffer(ctx, at)
	}
	d.mu.Lock()
	delete(d.asking, at)
	d.mu.Unlock()
	close(a.done)
	return a.k, a.near, a.err
}

// fetchOffer asks a node for its offer and remembers the answer.
func (m *Market) fetchOffer(ctx context.Context, at addr.Addr) (known, error) {
	k := known{At: at, Expires: time.Now().Add(pick.OfferAge)}
	answer, err := offerMethod.Call(ctx, m.node, at, offerRequest{})
	switch {
	case errors.Is(err, rpc.ErrNoHandler), errors.Is(err, rpc.ErrRefused):
		k.Why = "it does not sell"
		if said := new(rpc.Error); errors.As(err, &said) && errors.Is(err, rpc.ErrRefused) {
			k.Why = said.Text
		}
		m.sellers.Put(k)
		return k, nil
	case err != nil:
		m.sellers.Fail(at)
		return k, refuse(Unreachable, "node %.10s cannot be asked: %v", at, err)
	}
	return m.readOffer(at, answer.Offer)
}

// readOffer verifies and remembers what a node answered.
func (m *Market) readOffer(at addr.Addr, st identity.Statement) (known, error) {
	k := known{At: at, Seller: st.By, Expires: time.Now().Add(pick.OfferAge)}
	o, err := OpenOffer(st)
	k.Offer = o
	if err == nil && addr.OfNode(k.Seller) != at {
		err = errors.New("it is signed by another node")
	}
	if err == nil && k.Offer.For != m.key.Entity() {
		err = errors.New("it is for somebody else")
	}
	if err != nil {
		m.sellers.Fail(at)
		return k, refuse(BadStatement, "the offer of node %.10s: %v", at, err)
	}
	k.Hash, k.Sells, k.Slots = st.Hash(OfferPurpose), true, int(k.Offer.Free)
	m.sellers.Put(k)
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
		all[i] = SellerOffer{k.Seller, k.At, k.Offer}
	}
	if len(all) == 0 && len(bad) > 0 {
		return nil, bad[0].err
	}
	return all, nil
}
