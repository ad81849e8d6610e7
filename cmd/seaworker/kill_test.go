package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market"
)

// The points of the protocol at which TestKill kills a side, in the order of a
// trade.
var (
	buyerPoints = []string{
		"market:job-persisted", "market:ask-sent", "market:quote-received",
		"market:order-persisted", "market:order-sent", "market:locked", "market:vouched",
		"market:delivery-persisted", "market:output-fetched",
		"market:pay-before", "ledger:pay-before-commit", "ledger:pay-committed", "market:pay-after",
		"ledger:ack-received", "ledger:ack-committed",
	}
	sellerPoints = []string{
		"market:quote-signed", "market:sale-persisted", "market:inputs-fetched",
		"market:running", "market:voucher-taken", "market:ran", "market:receipt-signed",
		"market:delivery-kept", "market:delivery-sent",
		"ledger:receive-verified", "ledger:receive-committed", "market:paid",
	}
)

// longPoints are those of a job that is paid as it runs.
var longPoints = map[string]bool{"market:locked": true, "market:vouched": true, "market:voucher-taken": true}

// beforeDisk are the points at which the buyer's job may not be on its disk yet:
// asking commits to nothing and does not wait for it. A job that was lost there
// was never acknowledged.
var beforeDisk = map[string]bool{"market:ask-sent": true, "market:quote-received": true}

// TestKill kills one of two trading daemons with SIGKILL at each point, starts
// it again, and demands that every job ends well, that it is paid once and
// nothing else is, and that both ledgers verify and agree.
func TestKill(t *testing.T) {
	buyerDir, sellerDir := t.TempDir(), t.TempDir()
	seller := startProcess(t, sellerDir, "", "--listen", "127.0.0.1:0", "--sell")
	url := seller.status.Listening[0]
	startSeller := func(t *testing.T, point string) *process {
		return startProcess(t, sellerDir, point, "--listen", strings.TrimPrefix(url, "ws://"), "--sell")
	}
	startBuyer := func(t *testing.T, point string) *process {
		return startProcess(t, buyerDir, point, "--bootstrap", url)
	}
	buyer := startBuyer(t, "")
	// Enough for all of it: what is tested here is not the limit.
	if err := seller.api.do(t.Context(), http.MethodPut, "/credit/"+buyer.status.Entity.String()+"/limit", creditAmount{Micro: 1e9}, nil); err != nil {
		t.Fatal(err)
	}
	quantum := uint64(100e6)
	if err := seller.api.do(t.Context(), http.MethodPut, "/offer", offerChange{Quantum: &quantum}, nil); err != nil {
		t.Fatal(err)
	}
	trade := func(t *testing.T, long bool) error {
		if long { // 3 Gfuel, half a second and more
			_, err := buyer.submit(t, examples.Primes, nil, market.Spec{Name: "primes", Args: []string{"primes", "60000000"}})
			return err
		}
		_, err := buyer.submit(t, examples.WordFreq, examples.Loomings, market.Spec{Name: "wordfreq", Args: []string{"wordfreq", "3"}})
		return err
	}

	jobs := 0
	for _, point := range buyerPoints {
		t.Logf("killing the buyer at %s", point)
		buyer.stop(t)
		buyer = startBuyer(t, point)
		err := trade(t, longPoints[point]) // the daemon may die before it answers
		buyer.died(t)
		buyer = startBuyer(t, "")
		if err == nil || !beforeDisk[point] || buyer.jobs(t) > jobs {
			jobs++
		}
		checkTrades(t, buyer, seller, jobs)
	}
	for _, point := range sellerPoints {
		t.Logf("killing the seller at %s", point)
		seller.stop(t)
		seller = startSeller(t, point)
		buyer.linked(t)
		if err := trade(t, longPoints[point]); err != nil {
			t.Fatal(err)
		}
		seller.died(t)
		seller = startSeller(t, "")
		jobs++
		checkTrades(t, buyer, seller, jobs)
	}
	buyer.stop(t)
	seller.stop(t)
}

// jobs is how many jobs the daemon has.
func (p *process) jobs(t *testing.T) int {
	t.Helper()
	var jobs []market.Job
	p.get(t, "/jobs", &jobs)
	return len(jobs)
}

// checkTrades waits for the end of all jobs, of which there are want, and
// demands that money and work fit at both sides.
func checkTrades(t *testing.T, buyer, seller *process, want int) {
	t.Helper()
	var jobs []market.Job
	buyer.get(t, "/jobs", &jobs)
	if len(jobs) != want {
		t.Errorf("the buyer has %d jobs, want %d", len(jobs), want)
	}
	var spent ledger.Amount
	for _, j := range jobs {
		j = buyer.wait(t, j.ID)
		if (j.State == market.Done) != j.Paid {
			t.Errorf("job %s is %s and paid is %t", j.ID, j.State, j.Paid)
		}
		if j.State != market.Done {
			t.Errorf("job %s is %s, though both are back: %s, %s", j.ID, j.State, j.Reason, j.Error)
		}
		spent += j.Cost
	}
	ours, theirs := agreed(t, buyer, seller)
	if ours.Balance != -theirs.Balance || ours.Mine != theirs.Theirs || ours.Theirs != theirs.Mine {
		t.Errorf("the ledgers disagree: buyer %+v, seller %+v", ours, theirs)
	}
	if ours.Mine.Cum != spent {
		t.Errorf("the buyer promised %d micro-credits for jobs that cost %d", ours.Mine.Cum, spent)
	}
	if e := seller.settled(t); e.Amount != spent || e.Payments != uint64(len(jobs)) {
		t.Errorf("the seller was paid %d micro-credits for %d jobs, want %d for %d", e.Amount, e.Payments, spent, len(jobs))
	}
	var sales []market.Sale
	seller.get(t, "/sales", &sales)
	for _, s := range sales {
		if s.State != market.SalePaid && s.State != market.SaleRefused {
			t.Errorf("sale %s is still %s", s.Order, s.State)
		}
	}
	buyer.checked(t)
	seller.checked(t)
}
