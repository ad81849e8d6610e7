package market

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
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
	all := debts{maxUnpaidAll, most / unpaidShareAll}
	share := debts{maxUnpaidAll / strangersShare, most / unpaidShareAll / strangersShare}
	for _, tt := range []struct {
		name      string
		of        identity.Entity
		one       debts
		all       debts
		strangers debts
		refused   bool
		granted   bool // from here on the buyer has a grant
	}{
		{name: "nothing", of: me},
		{name: "a few", of: me, one: debts{maxUnpaid - 1, most/unpaidShare - 1}, all: debts{all.sales - 1, all.bytes - 1}, strangers: debts{share.sales - 1, share.bytes - 1}},
		{name: "too many", of: me, one: debts{maxUnpaid, 0}, all: debts{maxUnpaid, 0}, refused: true},
		{name: "too large", of: me, one: debts{1, most / unpaidShare}, all: debts{1, most / unpaidShare}, refused: true},
		{name: "of another", of: other, one: debts{maxUnpaid, 0}, all: debts{maxUnpaid, 0}},
		{name: "too many of others", of: other, all: debts{all.sales, 0}, refused: true},
		{name: "too large of others", of: other, all: debts{1, all.bytes}, refused: true},
		{name: "too many of strangers", of: other, all: debts{share.sales, 0}, strangers: debts{share.sales, 0}, refused: true},
		{name: "too large of strangers", of: other, all: debts{1, share.bytes}, strangers: debts{1, share.bytes}, refused: true},
		{name: "all of strangers, with a grant", of: other, all: share, strangers: share, granted: true},
		{name: "all, with a grant", of: other, all: all, refused: true, granted: true},
	} {
		if tt.granted {
			if err := seller.ledger.Grant(me, ledger.Credit, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		seller.selling.Lock()
		seller.selling.unpaid = map[identity.Entity]debts{tt.of: tt.one}
		seller.selling.unpaidAll, seller.selling.strangers = tt.all, tt.strangers
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

// TestStrangersMakeRoom shows that strangers who do not pay close a seller to
// other strangers for a while only, and to peers with a grant not at all.
func TestStrangersMakeRoom(t *testing.T) {
	sea := nodetest.New(t, 4)
	seller := newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.keeps.MaxBytes = 4 << 20 })
	seller.sell(nil)
	const size = 600 << 10 // of a MiB that strangers may have
	scripted(seller, func(_ context.Context, job compute.Job, live compute.Live) compute.Result {
		out := bytes.Repeat([]byte(job.Args[1]), size)
		write(t, live, string(out))
		return compute.Result{End: compute.Exit, Stdout: out, Fuel: Gfuel}
	})
	push := func(scope string) error {
		if scope == "credit:push" {
			return errors.New("it promises and does not say so")
		}
		return nil
	}
	var buyers [3]*trader
	for i := range buyers {
		wire := &tap{Node: sea.Nodes[i+1]}
		wire.set(push, nil)
		buyers[i] = newTrader(t, sea, i+1, &tricky{}, func(tr *trader) { tr.via = wire })
	}
	strangers := func(want debts) {
		t.Helper()
		seller.selling.Lock()
		defer seller.selling.Unlock()
		if got := seller.selling.strangers; got != want {
			t.Errorf("strangers have %+v, want %+v", got, want)
		}
	}
	first := buyers[0].run(primes(buyers[0], "a"))
	if first.State != Done {
		t.Fatalf("%s (%s)", first.State, first.Error)
	}
	strangers(debts{1, size})
	if j := buyers[1].run(primes(buyers[1], "b")); j.State != Failed || !strings.Contains(fmt.Sprint(j.History), string(EngineFailed)) {
		t.Errorf("there was no room for its output: %s (%s)", j.State, j.Error)
	}
	strangers(debts{1, size})

	seller.selling.Lock()
	old := seller.selling.sales[first.Order]
	seller.selling.Unlock()
	old.update(func(r *saleRecord) { r.Ended -= (strangersAge + time.Minute).Milliseconds() })
	second := buyers[1].run(primes(buyers[1], "b"))
	if second.State != Done {
		t.Fatalf("%s (%s)", second.State, second.Error)
	}
	strangers(debts{2, size})
	if _, pinned := seller.blobs.Usage(); pinned != size {
		t.Errorf("%d bytes are pinned, want those of the second, %d", pinned, size)
	}
	if used := seller.ledger.Strangers().Used; used != first.Cost+second.Cost { // what is owed stays so
		t.Errorf("strangers use %s, want %s", used, first.Cost+second.Cost)
	}

	// Too many: one that is old ends, and what it was for can be read.
	old.mu.Lock()
	ended := old.changed
	old.mu.Unlock()
	mayTake := func() *Refused {
		seller.selling.Lock()
		seller.selling.strangers.sales = maxUnpaidAll / strangersShare
		seller.selling.Unlock()
		return seller.mayTake(seller.Policy(), rpc.Peer{Node: identity.Entity{1}})
	}
	if no := mayTake(); no != nil {
		t.Fatalf("no room was made: %v", no)
	}
	<-ended
	if s := old.copy().sale(); s.State != SaleRefused || s.Reason != NotPaid || s.Cost != first.Cost {
		t.Errorf("%+v", s)
	}
	if no := mayTake(); no == nil || no.Reason != Busy {
		t.Errorf("nothing was old any more: %v", no)
	}
	if err := seller.ledger.Grant(buyers[2].key.Entity(), 10*ledger.Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if j := buyers[2].run(primes(buyers[2], "c")); j.State != Done {
		t.Errorf("with a grant: %s (%s)", j.State, j.Error)
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
	}
	no := seller.mayTakeLocked(seller.selling.policy, rpc.Peer{Node: buyer.key.Entity()})
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
		kept := len(seller.selling.kept)
		seller.selling.Unlock()
		if kept != tt.want {
			t.Errorf("%d sales are remembered, want %d", kept, tt.want)
		}
	}
	if j := buyer.run(primes(buyer, "100")); j.State != Done || j.End != compute.Exit {
		t.Errorf("%s (%s)", j.State, j.Error)
	}
}
