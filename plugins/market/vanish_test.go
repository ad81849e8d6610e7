package market

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// paySteps are the steps of the payment of a job that runs, by who takes them.
var paySteps = map[string][]string{
	"buyer":  {"before the lock", "after the lock", "before a voucher", "after a voucher", "before the fold", "after the fold"},
	"seller": {"before it is taken", "after it was taken", "before the release", "after the release"},
}

// atEachStep calls f for every step of the payment, and of those that are taken
// again and again for the first and the third time.
func atEachStep(f func(name, who, step string, nth int)) {
	for who, steps := range paySteps {
		for _, step := range steps {
			for nth := 1; nth == 1 || nth == 3 && (strings.Contains(step, "voucher") || strings.Contains(step, "taken")); nth += 2 {
				f(fmt.Sprintf("%s %s %d", who, step, nth), who, step, nth)
			}
		}
	}
}

// lostAt runs a long job until who is in a step of its payment for the nth time,
// and ends who there.
func lostAt(buyer, seller *trader, bought, sold *watched, who, step string, nth int) ID {
	lost, gone := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n := 0
	loser, at := buyer, bought
	if who == "seller" {
		loser, at = seller, sold
	}
	at.set(func(now string) error {
		if now != step {
			return nil
		}
		if n++; n == nth {
			once.Do(func() { close(lost) })
			<-gone
			return errors.New("the process has ended")
		}
		return nil
	})
	paced(seller, testLimit)
	id := buyer.submit(longJob(buyer))
	<-lost
	loser.cut(at, gone, who == "seller")
	return id
}

// TestVoucherSteps stops the buyer's or the seller's market, storage and ledger
// at every step of the payment of a job that runs, and starts them again from
// their disks. The job ends well and is paid once.
func TestVoucherSteps(t *testing.T) {
	atEachStep(func(name, who, step string, nth int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			buyer, seller, bought, sold := vouching(t)
			id := lostAt(buyer, seller, bought, sold, who, step, nth)
			if who == "buyer" {
				buyer.start()
			} else {
				seller.start()
			}
			j := buyer.wait(id)
			if j.State != Done || !j.Paid || j.Cost != price(testLimit) {
				for _, e := range j.History {
					t.Log(e.State, e.Text, e.Reason)
				}
				t.Fatalf("%s (%s), %s: paid %v, cost %s", j.State, j.Error, j.Reason, j.Paid, j.Cost)
			}
			agree(t, buyer, seller, j.Cost)
		})
	})
}

// TestVanish stops the buyer or the seller at every step of the payment, for
// good, and holds what the other one loses against the limits: a seller what it
// set aside for a guest that runs, beside the debt that it granted; a buyer
// nothing that it has not seen work for, and never the last quantum.
func TestVanish(t *testing.T) {
	t.Parallel()
	var alone []func() // buyers whose patience ends at about the same time
	atEachStep(func(name, who, step string, nth int) {
		buyer, seller, bought, sold := vouching(t)
		id := lostAt(buyer, seller, bought, sold, who, step, nth)
		if who == "buyer" {
			sellerAlone(t, name, buyer, seller)
			seller.halt()
			return
		}
		alone = append(alone, func() { buyerAlone(t, name, buyer, seller, id) })
	})
	for _, wait := range alone {
		wait()
	}
}

// buyerAlone waits until a buyer gives its seller up, and says what that costs.
func buyerAlone(t *testing.T, name string, buyer, seller *trader, id ID) {
	j := buyer.wait(id)
	line := buyer.ledger.Line(seller.key.Entity())
	if j.State != Failed || j.Reason != SellerLost || j.Paid {
		t.Errorf("%s: %s, %s (%s), paid %v", name, j.State, j.Reason, j.Error, j.Paid)
	}
	if most := price(testLimit - testQuantum); line.Mine.Cum != 0 || line.Mine.Claim != j.Vouched || j.Vouched > most {
		t.Errorf("%s: promised %s, may be claimed %s, vouched %s, want at most %s", name, line.Mine.Cum, line.Mine.Claim, j.Vouched, most)
	}
	if done := price(workDone(t, seller)); j.Vouched > done {
		t.Errorf("%s: vouched %s for work of %s", name, j.Vouched, done)
	}
	if n := len(buyer.ledger.Holds()); n != 0 {
		t.Errorf("%s: %d holds", name, n)
	}
}

// sellerAlone ends the guest of a seller whose buyer has gone, and says what that
// costs.
func sellerAlone(t *testing.T, name string, buyer, seller *trader) {
	var sale Sale
	for sale.State != SaleDelivered && sale.State != SalePaid {
		for _, s := range seller.liveSales() {
			s.mu.Lock()
			if s.tab.held == NoVoucher {
				s.tab.since = time.Now().Add(-2 * seller.Market.cfg.InputPatience)
				s.touch()
			}
			s.mu.Unlock()
		}
		<-time.After(time.Millisecond)
		sale = seller.newest()
	}
	claim := seller.ledger.Line(buyer.key.Entity()).Claim
	if loss, most := sale.Cost-claim, price(running(testQuantum)); loss > most {
		t.Errorf("%s: the seller worked for %s and may claim %s: it loses %s, want at most %s", name, sale.Cost, claim, loss, most)
	}
	if claim > sale.Cost {
		t.Errorf("%s: the buyer promised %s for work of %s", name, claim, sale.Cost)
	}
	// What may be lost is what counts in the buyer's limit.
	for seller.ledger.Strangers().Used != sale.Cost {
		<-time.After(time.Millisecond)
	}
}

// workDone is how much fuel a seller that has been stopped had seen its guest
// use, by what it showed.
func workDone(t *testing.T, seller *trader) (fuel uint64) {
	t.Helper()
	all := seller.liveSales()
	if len(all) != 1 {
		t.Fatalf("%d sales", len(all))
	}
	all[0].mu.Lock()
	defer all[0].mu.Unlock()
	return all[0].fuel
}
