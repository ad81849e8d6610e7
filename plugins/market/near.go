package market

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/pick"
)

const (
	// nearCost is how many other calls an answer with notices counts as: one peer
	// has 20 a second, of 8 KiB as a rule and 34 KiB at most.
	nearCost = 50

	// liarRest is for how long a node that has shown a notice that no honest one
	// carries is asked for nothing but its own offer, and maxLiars how many of
	// them are remembered.
	liarRest = time.Hour
	maxLiars = 256
)

// serveNear shows this node's offer, if it sells, and the notices that it carries.
func (m *Market) serveNear(_ context.Context, from rpc.Peer, _ nearRequest) (nearAnswer, error) {
	if !m.allow(from.Node, nearCost) {
		return nearAnswer{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	a := nearAnswer{Near: m.carried.some(from.Node, m.linkedKeys())}
	if p := m.policyFor(m.Policy(), from); m.sellsTo(p, from) == nil {
		st, err := m.signOffer(p, from)
		if err != nil {
			return nearAnswer{}, err
		}
		a.Offer = &st
	}
	return a, nil
}

// fetchNear asks a node for its offer and for the notices that it carries, and
// remembers both. A node that does not know the question, as tabs do not, is asked
// for its offer alone.
func (m *Market) fetchNear(ctx context.Context, at addr.Addr) (k known, near []known, err error) {
	if m.sellers.lied(at) {
		k, err = m.fetchOffer(ctx, at)
		return k, nil, err
	}
	answer, err := nearMethod.Call(ctx, m.node, at, nearRequest{})
	switch {
	case errors.Is(err, rpc.ErrNoHandler):
		k, err = m.fetchOffer(ctx, at)
		return k, nil, err
	case err != nil:
		m.sellers.Fail(at)
		return known{At: at}, nil, refuse(Unreachable, "node %.10s cannot be asked: %v", at, err)
	}
	if near, err = m.readNear(answer.Near); err != nil {
		m.sellers.caught(at)
		m.log.Warn("a node shows false notices", "peer", at.Short(), "err", err)
		near = nil
	}
	for _, k := range near {
		m.sellers.Hint(k)
	}
	if answer.Offer == nil {
		k = known{At: at, Why: "it does not sell", Expires: time.Now().Add(pick.OfferAge)}
		m.sellers.Put(k)
		return k, near, nil
	}
	k, err = m.readOffer(at, *answer.Offer)
	return k, near, err
}

// readNear verifies what a node carries. An error is one for which it is to blame:
// it should have verified them, too. None of them counts then.
func (m *Market) readNear(all []identity.Statement) (near []known, err error) {
	if len(all) > pick.MaxNear {
		return nil, fmt.Errorf("%d notices, at most %d", len(all), pick.MaxNear)
	}
	now := time.Now()
	for _, st := range all {
		if st.By == m.key.Entity() {
			continue
		}
		o, err := OpenOffer(st)
		if err == nil {
			err = checkNotice(o, now, shownSlack)
		}
		if err != nil {
			return nil, fmt.Errorf("the notice of %s: %w", st.By.Short(), err)
		}
		near = append(near, known{
			At: addr.OfNode(st.By), Seller: st.By, Offer: o, Hash: st.Hash(OfferPurpose), Slots: int(o.Free),
			Sells: true, Hint: true, Expires: now.Add(pick.HintAge),
		})
	}
	return near, nil
}

// caught takes in that a node has shown a false notice.
func (d *directory) caught(at addr.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.liars) >= maxLiars {
		for old := range d.liars { // any one
			delete(d.liars, old)
			break
		}
	}
	d.liars[at] = time.Now().Add(liarRest)
}

// lied says whether a node has shown a false notice not long ago.
func (d *directory) lied(at addr.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	until, lied := d.liars[at]
	if lied && time.Now().After(until) {
		delete(d.liars, at)
		lied = false
	}
	return lied
}

// carriers are the linked nodes in the order in which they are asked for what is
// near them, and how many of them come first: own machines, which sell for nothing,
// and a few others, drawn
// by lot.
func (m *Market) carriers() (all []addr.Addr, first int) {
	own := m.ownAddrs()
	var mine, others []addr.Addr
	for _, l := range m.node.Links() {
		if at := l.Peer.Addr; own[at] {
			mine = append(mine, at)
		} else {
			others = append(others, at)
		}
	}
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return slices.Concat(mine, others), len(mine) + min(len(others), pick.Carriers)
}
