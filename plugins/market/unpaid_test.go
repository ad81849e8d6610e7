package market

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

func (tr *trader) debts(of identity.Entity) (one, all debts) {
	tr.selling.Lock()
	defer tr.selling.Unlock()
	return tr.selling.unpaid[of], tr.selling.unpaidAll
}

// TestUnpaidCounted shows that deliveries count against their buyer until they
// are paid, also over a restart.
func TestUnpaidCounted(t *testing.T) {
	buyer, seller, wire := tapped(t)
	wire.set(func(scope string) error {
		if scope == "credit:push" {
			return errors.New("not yet")
		}
		return nil
	}, nil)
	var want debts
	for range 3 {
		j := buyer.run(Spec{Module: buyer.put(mandelbrotModule), Args: []string{"m", "32", "24"}})
		if j.State != Done || len(j.Files) != 1 {
			t.Fatalf("%s (%s)", j.State, j.Error)
		}
		want.add(1, j.Files[0].Blob.Size)
	}
	me := buyer.key.Entity()
	for range 2 {
		if one, all := seller.debts(me); one != want || all != want {
			t.Errorf("counted %+v and %+v in all, want %+v", one, all, want)
		}
		seller.halt()
		seller.start()
	}
	wire.set(nil, nil)
	if err := seller.forgetSales(time.Now().Add(saleAge + time.Minute)); err != nil { // as good as paid
		t.Fatal(err)
	}
	if one, all := seller.debts(me); one != (debts{}) || all != (debts{}) {
		t.Errorf("%+v and %+v are left", one, all)
	}
	j := buyer.run(primes(buyer, "100"))
	if j.State != Done {
		t.Fatalf("%s (%s)", j.State, j.Error)
	}
	// A payment is in the ledger before the sale that it is for knows.
	for one, all := seller.debts(me); one != (debts{}) || all != (debts{}); one, all = seller.debts(me) {
		<-time.After(10 * time.Millisecond)
	}
}

// TestUnpaidBounds shows that who has not paid for too many deliveries, or too
// large ones, is told to wait, and others only when all together have.
func TestUnpaidBounds(t *testing.T) {
	buyer, seller := testMarket(t)
	me, other := buyer.key.Entity(), identity.Entity{1}
	most := uint64(seller.blobs.MaxBytes())
	for _, tt := range []struct {
		name    string
		of      identity.Entity
		one     debts
		all     debts
		refused bool
	}{
		{"nothing", me, debts{}, debts{}, false},
		{"a few", me, debts{maxUnpaid - 1, most/unpaidShare - 1}, debts{maxUnpaidAll - 1, most/unpaidShareAll - 1}, false},
		{"too many", me, debts{maxUnpaid, 0}, debts{maxUnpaid, 0}, true},
		{"too large", me, debts{1, most / unpaidShare}, debts{1, most / unpaidShare}, true},
		{"of another", other, debts{maxUnpaid, 0}, debts{maxUnpaid, 0}, false},
		{"too many of others", other, debts{}, debts{maxUnpaidAll, 0}, true},
		{"too large of others", other, debts{}, debts{1, most / unpaidShareAll}, true},
	} {
		seller.selling.Lock()
		seller.selling.unpaid = map[identity.Entity]debts{tt.of: tt.one}
		seller.selling.unpaidAll = tt.all
		seller.selling.Unlock()
		quotes, err := buyer.Quotes(t.Context(), primes(buyer, "100"))
		if err != nil || len(quotes) != 1 {
			t.Fatalf("%s: %+v, %v", tt.name, quotes, err)
		}
		if refused := quotes[0].Reason == Busy; refused != tt.refused || !refused && quotes[0].Reason != "" {
			t.Errorf("%s: %s (%s)", tt.name, quotes[0].Reason, quotes[0].Error)
		}
	}
}

// TestForget shows that a sale is remembered for as long as its quote holds, so
// that its order cannot run twice, and that there is an end to that.
func TestForget(t *testing.T) {
	buyer, seller := testMarket(t)
	now := time.UnixMilli(time.Now().UnixMilli()) // as it is kept
	seller.selling.Lock()
	for i := range 2 * maxSales {
		var h identity.Hash
		binary.BigEndian.PutUint64(h[:], uint64(i))
		seller.selling.kept[h] = keptSale{now.UnixMilli(), h}
		seller.selling.quotes[h] = h
	}
	no := seller.mayTakeLocked(seller.selling.policy, buyer.key.Entity())
	seller.selling.Unlock()
	if no == nil || no.Reason != Busy {
		t.Errorf("%d sales are remembered, and one more is taken: %v", 2*maxSales, no)
	}
	for _, tt := range []struct {
		at   time.Time
		want int
	}{{now.Add(quoteTime), 2 * maxSales}, {now.Add(quoteTime + time.Second), maxSales}} {
		if err := seller.forgetSales(tt.at); err != nil {
			t.Fatal(err)
		}
		seller.selling.Lock()
		kept, quotes := len(seller.selling.kept), len(seller.selling.quotes)
		seller.selling.Unlock()
		if kept != tt.want || quotes != tt.want {
			t.Errorf("%d sales and %d quotes are remembered, want %d", kept, quotes, tt.want)
		}
	}
	if j := buyer.run(primes(buyer, "100")); j.State != Done || j.End != compute.Exit {
		t.Errorf("%s (%s)", j.State, j.Error)
	}
}
