package market

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/market/pick"
)

// TestRemembered shows that sellers are remembered over restarts, and that those
// that are forgotten for others are forgotten on disk, too.
func TestRemembered(t *testing.T) {
	t.Parallel()
	buyer, _ := among(t, 0)
	did := func(e identity.Entity, well ...bool) {
		t.Helper()
		for _, w := range well {
			if err := buyer.dealt.did(e, addr.Addr(e[:addr.Size]), w); err != nil {
				t.Fatal(err)
			}
		}
	}
	did(identity.Entity{1}, true)
	did(identity.Entity{2}, true, true, false)
	did(identity.Entity{3}, true, true)
	for range 2 {
		var got []byte
		for _, w := range buyer.dealt.best() {
			got = append(got, w.At[0])
		}
		// The second job of 3 came too soon to be written down.
		if !slices.Contains(got, 1) || !slices.Contains(got, 3) || len(got) != 2 {
			t.Errorf("best are %v, want 1 and 3", got)
		}
		if d := buyer.dealt.with(identity.Entity{2}); !d.Bad(time.Now()) || d.Good() || d.Done != 2 || d.Failed != 1 {
			t.Errorf("with 2: %+v", d)
		}
		buyer.halt()
		buyer.start()
	}
	for i := range pick.MaxDealings {
		did(identity.Entity{9, byte(i), byte(i >> 8)}, true)
	}
	buyer.halt()
	buyer.start()
	if n := buyer.dealt.memory.Len(); n != pick.MaxDealings {
		t.Errorf("%d are remembered after a restart, want %d", n, pick.MaxDealings)
	}
}

// slowOffers is a node on which some nodes' offers come late.
type slowOffers struct {
	plugins.Node
	slow map[addr.Addr]chan struct{}
}

func (n slowOffers) Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	if wait := n.slow[to]; wait != nil && (scope == offerMethod.Scope || scope == nearMethod.Scope) {
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	return n.Node.Call(ctx, to, scope, body)
}

// TestSlowSeller shows that a seller that answers late is waited for when all
// others are too dear.
func TestSlowSeller(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 3)
	e := testEngine(t)
	wait := make(chan struct{})
	buyer := newTrader(t, sea, 0, e, func(tr *trader) {
		tr.via = slowOffers{sea.Nodes[0], map[addr.Addr]chan struct{}{sea.Nodes[2].Addr(): wait}}
	})
	dear := newTrader(t, sea, 1, e, nil)
	dear.sell(func(p *Policy) { p.PerGfuel = 2 * ledger.Credit })
	cheap := newTrader(t, sea, 2, e, nil)
	cheap.sell(nil)
	s := primes(buyer, "100")
	s.MaxPrice = ledger.Credit
	id := buyer.submit(s)
	go func() {
		defer close(wait)
		for { // until the dear one's offer is here and refused
			if k, ok := buyer.sellers.Get(dear.node.Addr()); ok && k.Sells {
				<-time.After(2 * pick.FirstOffers)
				return
			}
			<-time.After(time.Millisecond)
		}
	}()
	if j := buyer.wait(id); j.State != Done || j.Seller != cheap.key.Entity() {
		t.Errorf("%s (%s) by %s", j.State, j.Error, j.Seller.Short())
	}
}

// TestOwn: only a link and its certificate make a peer a machine of the same
// owner, which works for nothing; a routed call proves no certificate.
func TestOwn(t *testing.T) {
	t.Parallel()
	buyer, sellers := among(t, 1)
	me, other := buyer.key.Entity(), sellers[0].key.Entity()
	for name, test := range map[string]struct {
		peer rpc.Peer
		want bool
	}{
		"acts for this one":      {rpc.Peer{Node: other, Entity: me, Direct: true}, true},
		"says so, routed":        {rpc.Peer{Node: other, Entity: me}, false},
		"acts for itself":        {rpc.Peer{Node: other, Entity: other, Direct: true}, false},
		"acts for somebody else": {rpc.Peer{Node: other, Entity: identity.Entity{1}, Direct: true}, false},
	} {
		if got := buyer.own(test.peer); got != test.want {
			t.Errorf("%s: own is %v, want %v", name, got, test.want)
		}
	}
	if own := buyer.ownAddrs(); len(own) != 0 {
		t.Errorf("own machines are %v", own)
	}
	quotes, err := buyer.Quotes(t.Context(), primes(buyer, "1"))
	if err != nil || len(quotes) != 1 || quotes[0].Own || quotes[0].Price != DefaultPolicy().Price {
		t.Errorf("%+v, %v", quotes, err)
	}
}

// TestOfferChanged shows that a seller whose remembered offer does not suit is looked
// at again: it may have become cheaper, or take more.
func TestOfferChanged(t *testing.T) {
	buyer, seller := testMarket(t)
	at := seller.node.Addr()
	older := func() { // than it is
		buyer.sellers.Change(at, func(k *known) { k.Expires = time.Now().Add(pick.OfferAge - 2*offerFresh) })
	}
	s := primes(buyer, "100")
	s.MaxPrice, s.Limits.Fuel = ledger.Credit, Gfuel/10
	for name, change := range map[string]func(*Policy){
		"cheaper":    func(p *Policy) { p.PerGfuel = ledger.Credit },
		"takes more": func(p *Policy) { p.Caps.Fuel = Gfuel },
	} {
		seller.sell(func(p *Policy) {
			p.PerGfuel, p.Caps.Fuel = ledger.Credit, Gfuel
			if name == "cheaper" {
				p.PerGfuel++
			} else {
				p.Caps.Fuel = 1000
			}
		})
		buyer.sellers.Forget(at)
		if j := buyer.run(s); j.State != Failed {
			t.Fatalf("%s: it is %+v", name, j)
		}
		older()
		seller.sell(change)
		if j := buyer.run(s); j.State != Done {
			t.Errorf("%s: it is still %s: %s", name, j.Reason, j.Error)
		}
	}
}
