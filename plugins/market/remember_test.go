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
)

// TestRemembered shows that sellers are remembered over restarts, the best first,
// at most maxDealings of them, and none for longer than rememberAge.
func TestRemembered(t *testing.T) {
	t.Parallel()
	buyer, _ := among(t, 0)
	well := func(e byte, well ...bool) {
		t.Helper()
		for _, w := range well {
			if err := buyer.dealt.did(identity.Entity{e}, addr.Addr{e}, w); err != nil {
				t.Fatal(err)
			}
		}
	}
	well(1, true)
	well(2, true, true, false)
	well(3, true, true)
	for range 2 {
		var got []byte
		for _, w := range buyer.dealt.best() {
			got = append(got, w.at[0])
		}
		// The second job of 3 came too soon to be written down.
		if !slices.Contains(got, 1) || !slices.Contains(got, 3) || len(got) != 2 {
			t.Errorf("best are %v, want 1 and 3", got)
		}
		if d := buyer.dealt.with(identity.Entity{2}); !d.bad() || d.good() || d.Done != 2 || d.Failed != 1 {
			t.Errorf("with 2: %+v", d)
		}
		buyer.halt()
		buyer.start()
	}

	// Old ones are forgotten, and the oldest when there are too many.
	m := buyer.dealt
	m.mu.Lock()
	m.all[identity.Entity{1}].Seen = time.Now().Add(-rememberAge - time.Hour).UnixMilli()
	m.all[identity.Entity{2}].Seen = time.Now().Add(-time.Hour).UnixMilli()
	m.mu.Unlock()
	if d := m.with(identity.Entity{1}); d != (Dealings{}) {
		t.Errorf("an old one: %+v", d)
	}
	for i := range maxDealings - 1 {
		if err := m.did(identity.Entity{9, byte(i), byte(i >> 8)}, addr.Addr{}, true); err != nil {
			t.Fatal(err)
		}
	}
	for e, want := range map[byte]bool{1: false, 2: false, 3: true} {
		if _, got := m.all[identity.Entity{e}]; got != want {
			t.Errorf("seller %d is remembered: %v, want %v", e, got, want)
		}
	}
	buyer.halt()
	buyer.start()
	if n := len(buyer.dealt.all); n != maxDealings {
		t.Errorf("%d are remembered after a restart, want %d", n, maxDealings)
	}
}

// TestRank puts own machines before all, failures behind all, and sellers that
// did well on places that cheap strangers cannot take.
func TestRank(t *testing.T) {
	t.Parallel()
	buyer, _ := among(t, 0)
	seller := func(e byte, price ledger.Amount) known {
		return known{seller: identity.Entity{e}, at: addr.Addr{e}, offer: Offer{Price: Price{PerGfuel: price}}}
	}
	for e, well := range map[byte]bool{1: true, 2: false} {
		if err := buyer.dealt.did(identity.Entity{e}, addr.Addr{e}, well); err != nil {
			t.Fatal(err)
		}
	}
	sellers := []known{seller(2, 0), seller(1, 9)} // one failed, one did well
	for e := range byte(20) {
		sellers = append(sellers, seller(100+e, 1+ledger.Amount(e)/10))
	}
	first := map[byte]bool{}
	for range 200 {
		buyer.rank(Spec{}, sellers)
		if sellers[0].at[0] != 1 || sellers[len(sellers)-1].at[0] != 2 {
			t.Fatalf("first is %d, last %d", sellers[0].at[0], sellers[len(sellers)-1].at[0])
		}
		if sellers[1].offer.PerGfuel != 1 || sellers[20].offer.PerGfuel != 2 {
			t.Fatalf("the cheapest stranger costs %s, the dearest %s", sellers[1].offer.PerGfuel, sellers[20].offer.PerGfuel)
		}
		first[sellers[1].at[0]] = true
	}
	if len(first) != 10 {
		t.Errorf("%d of 10 sellers at one price ever came first", len(first))
	}
}

// slowOffers is a node on which some nodes' offers come late.
type slowOffers struct {
	plugins.Node
	slow map[addr.Addr]chan struct{}
}

func (n slowOffers) Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	if wait := n.slow[to]; wait != nil && scope == offerMethod.Scope {
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
			if k, ok := buyer.sellers.get(dear.node.Addr()); ok && k.sells {
				<-time.After(2 * firstOffers)
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
		buyer.sellers.mu.Lock()
		defer buyer.sellers.mu.Unlock()
		buyer.sellers.known[at].expires = time.Now().Add(offerAge - 2*offerFresh)
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
		buyer.sellers.forget(at)
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
