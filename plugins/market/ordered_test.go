package market

import (
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/state"
)

// TestModuleOfForgotten forgets a job and a sale that were paid, and ones that
// were not: of the first the module stays known, also over a restart.
func TestModuleOfForgotten(t *testing.T) {
	buyer, seller := testMarket(t)
	j := buyer.run(primes(buyer, "100"))
	agree(t, buyer, seller, j.Cost)
	for seller.newest().State != SalePaid {
		<-time.After(time.Millisecond)
	}
	for _, tr := range []*trader{buyer, seller} {
		tr.halt()
		tr.start() // what is left to write is written
	}
	knows := func(tr *trader, kept bool, module identity.Hash) {
		t.Helper()
		orders, err := tr.Orders()
		if o := orders[j.Order]; err != nil || (o.Module == j.Spec.Module.Hash) != kept {
			t.Errorf("kept: %+v, %v, want %v", o, err, kept)
		}
		if got, err := tr.ModuleOf(j.Order); err != nil || got != module {
			t.Errorf("forgotten: %s, %v, want %s", got, err, module)
		}
	}
	for _, tr := range []*trader{buyer, seller} {
		knows(tr, true, identity.Hash{})
	}
	var b state.Batch
	for _, k := range buyer.book.index {
		if err := buyer.book.forget(&b, k); err != nil {
			t.Fatal(err)
		}
	}
	if err := buyer.book.store.Commit(&b); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(quoteTime + time.Second)
	seller.selling.Lock()
	for i := range maxSales { // so many newer ones
		var h identity.Hash
		h[0], h[1], h[2] = 1, byte(i), byte(i>>8)
		seller.selling.kept[h] = keptSale{now.UnixMilli(), h}
	}
	seller.selling.Unlock()
	if err := seller.forgetSales(now); err != nil {
		t.Fatal(err)
	}
	for _, tr := range []*trader{buyer, seller} {
		tr.halt()
		tr.start()
		knows(tr, false, j.Spec.Module.Hash)
	}

	// What was not paid leaves nothing.
	var none state.Batch
	never := newJob(jobRecord{ID: NewID(), State: Failed, Order: &identity.Statement{}}, buyer.dir)
	if err := buyer.book.save(never); err != nil {
		t.Fatal(err)
	}
	if err := buyer.book.forget(&none, never.rec.key()); err != nil || none.Len() != 1 {
		t.Errorf("%d changes, %v, want only the job's own", none.Len(), err)
	}
}
