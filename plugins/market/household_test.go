package market

import (
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/market/trust"
)

// household is a buyer that is linked to the first and the last of three sellers. The
// first two act for one owner; that the second does shows on a link to it only.
func household(t *testing.T) (buyer *trader, sellers []*trader) {
	t.Helper()
	sea := nodetest.Loose(t, 0)
	owner := nodetest.Key(t)
	dialled := func(c *node.Config) { c.PublicURLs = c.Listeners[0].URLs() }
	sea.Add(dialled)
	for i := range 3 {
		key := nodetest.Key(t)
		cert, err := identity.Certificate{
			Node: key.Entity(), Can: []string{ledger.CanSell}, NotBefore: time.Now().Unix() - 60, NotAfter: time.Now().Unix() + 3600,
		}.Sign(owner)
		if err != nil {
			t.Fatal(err)
		}
		sea.AddKey(key, func(c *node.Config) {
			dialled(c)
			if i < 2 {
				c.Certificate = &cert
			}
		})
	}
	sea.Link(0, 1)
	sea.Link(1, 2)
	sea.Link(0, 3)
	sea.Link(2, 3)
	e := testEngine(t)
	buyer = newTrader(t, sea, 0, e, func(tr *trader) { tr.cfg.Audits = trust.Rule{Sure: 1, Floor: 1} })
	for i := range 3 {
		s := newTrader(t, sea, i+1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
		s.sell(func(p *Policy) { p.PerGfuel = ledger.Amount(i+1) * ledger.Credit })
		sellers = append(sellers, s)
	}
	return buyer, sellers
}

// TestQuorumOfOneHousehold: two machines of one owner are one voice, also where the
// buyer has never been linked to one of them.
func TestQuorumOfOneHousehold(t *testing.T) {
	t.Parallel()
	buyer, sellers := household(t)
	j := buyer.run(quorumOf(buyer, 2))
	if j.State != Done || j.Check != Matched || len(j.Votes) != 1 {
		t.Fatalf("got %+v", j)
	}
	if by := buyer.wait(j.Votes[0]).Seller; j.Seller != sellers[0].key.Entity() || by != sellers[2].key.Entity() {
		t.Errorf("ran by %s and %s, want %s and %s", j.Seller.Short(), by.Short(), sellers[0].key.Entity().Short(), sellers[2].key.Entity().Short())
	}
	j = buyer.run(quorumOf(buyer, 3))
	if j.State != Failed || j.Reason != NoSeller {
		t.Errorf("a quorum of three of two owners: %+v", j)
	}
}

// TestAuditOfOneHousehold: nobody is audited by a machine of its own owner, wherever
// the lot falls: eight lots.
func TestAuditOfOneHousehold(t *testing.T) {
	t.Parallel()
	for range 8 {
		buyer, sellers := household(t)
		for _, s := range sellers[1:] { // both may audit
			if err := buyer.trust.Update(s.key.Entity(), func(r trust.Record) trust.Record {
				r.Straight, r.Checked, r.Matches, r.Jobs = 1, 1, 1, 1
				return r
			}); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := buyer.Offers(t.Context()); err != nil || len(all) != 3 {
			t.Fatalf("%d offers, %v", len(all), err)
		}
		j := buyer.run(audited(buyer, "1000", sellers[0]))
		if j.State != Done || j.Check != Matched || j.Auditor == (ID{}) {
			t.Fatalf("got %+v", j)
		}
		if by := buyer.wait(j.Auditor).Seller; by != sellers[2].key.Entity() {
			t.Fatalf("audited by %s, want %s", by.Short(), sellers[2].key.Entity().Short())
		}
		agreeLine(t, buyer, sellers[1], 0, 0)
	}
}
