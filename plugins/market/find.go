package market

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

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

	mu     sync.Mutex
	asking map[addr.Addr]*asking // whose offer is on its way
}

func newDirectory() directory {
	return directory{Directory: pick.NewDirectory[Offer](time.Now), asking: map[addr.Addr]*asking{}}
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
// whom this one has dealt well, that are linked, that have lately shown an offer
// or that are found by asking the sea. It asks those for their offer of whom
// none is remembered, and when it is patient waits for all of them. bad says
// what came of the others.
func (m *Market) find(ctx context.Context, to []addr.Addr, patient bool) (sellers []known, bad []missed) {
	where := slices.Clone(to)
	if len(to) == 0 {
		for _, w := range m.dealt.best() {
			where = append(where, w.At)
		}
		for _, l := range m.node.Links() {
			where = append(where, l.Peer.Addr)
		}
		where = append(where, m.sellers.seen()...)
	}
	sellers, bad = m.offersOf(ctx, where, len(to) > 0, patient)
	if len(to) == 0 && !patient && (len(sellers) == 0 || m.sellers.Looking()) {
		more, also := m.offersOf(ctx, m.lookAround(ctx), false, false)
		sellers, bad = append(sellers, more...), append(bad, also...)
	}
	slices.SortFunc(sellers, func(a, b known) int { return slices.Compare(a.At[:], b.At[:]) })
	sellers = slices.CompactFunc(sellers, func(a, b known) bool { return a.At == b.At })
	return sellers, bad
}

// lookAround asks the sea for nodes near to this one and near to random
// addresses.
func (m *Market) lookAround(ctx context.Context) []addr.Addr {
	ctx, cancel := context.WithTimeout(ctx, pick.OfferWait)
	defer cancel()
	targets := []addr.Addr{m.node.Addr()}
	for range pick.Lookups {
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
		if k, ok := m.sellers.Get(at); ok && (k.Sells || !named) {
			if k.Sells {
				sellers = append(sellers, k)
			} else if k.Failed > 0 {
				bad = append(bad, missed{at, refuse(Unreachable, "node %.10s did not answer a moment ago", at)})
			}
			continue
		}
		open++
		ok := m.spawn(func(run context.Context) { // it may go on when we do not wait for it
			k, err := m.askOffer(run, at)
			k.At = at
			answers <- answer{k, err}
		})
		if !ok {
			answers <- answer{known{At: at}, ErrStopped}
		}
	}
	var hurry <-chan time.Time
	if len(sellers) > 0 && !named && !patient {
		hurry = time.After(pick.FirstOffers)
	}
	for ; open > 0; open-- {
		select {
		case a := <-answers:
			switch {
			case a.err != nil:
				bad = append(bad, missed{a.At, a.err})
			case a.Sells:
				sellers = append(sellers, a.known)
				if len(sellers) == 1 && !named && !patient {
					hurry = time.After(pick.FirstOffers)
				}
			case named:
				bad = append(bad, missed{a.At, refuse(NotSelling, "node %.10s: %s", a.At, a.Why)})
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
// answer. It may take pick.OfferWait.
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
	ctx, cancel := context.WithTimeout(ctx, pick.OfferWait)
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
	k.Seller = answer.Offer.By
	k.Offer, err = OpenOffer(answer.Offer)
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
	k.Hash, k.Sells, k.Slots = answer.Offer.Hash(OfferPurpose), true, int(k.Offer.Free)
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
