package market

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// quorumOf is a small job that k sellers run.
func quorumOf(tr *trader, k int) Spec {
	s := primes(tr, "1000")
	s.Verify, s.MaxCredit = VerifyQuorum(k), ledger.Credit
	return s
}

// told is what a history says.
func told(j Job) (all string) {
	for _, e := range j.History {
		all += e.Text + "\n"
	}
	return all
}

// TestQuorum shows that a quorum's sellers are asked for the very same job, that
// each of them is paid its own price, and that nothing is shown before they agree.
func TestQuorum(t *testing.T) {
	for _, k := range []int{2, 3} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			buyer, sellers := auditMarket(t, 3)
			j := buyer.run(quorumOf(buyer, k))
			if j.State != Done || j.Check != Matched || len(j.Votes) != k-1 {
				t.Fatalf("got %+v", j)
			}
			if got := buyer.log(j.ID, Stdout); got != "168\n" {
				t.Errorf("stdout %q", got)
			}
			var paid ledger.Amount
			for i, s := range sellers {
				cost := ledger.Amount(0)
				if i < k { // the cheapest of them
					cost, _ = Price{PerGfuel: ledger.Amount(i+1) * ledger.Credit}.Cost(j.Fuel)
					if r, _ := buyer.Trust(s.key.Entity()); r.Straight != 1 {
						t.Errorf("seller %d has %+v", i, r)
					}
				}
				agreeLine(t, buyer, s, cost, cost)
				paid += cost
			}
			if j.Cost+j.Spent != paid || paid > j.Spec.MaxCredit {
				t.Errorf("the job says %s and %s, %s are paid", j.Cost, j.Spent, paid)
			}
			for _, id := range j.Votes {
				if v := buyer.wait(id); v.JobHash != j.JobHash || v.CheckOf != j.ID || !v.Paid || v.Check != Matched {
					t.Errorf("a vote is %+v", v)
				}
			}
		})
	}
}

// TestQuorumCap shows that all sellers of a quorum together cost no more than the
// cap, and that a job that comes to it ends alike at each of them.
func TestQuorumCap(t *testing.T) {
	buyer, sellers := auditMarket(t, 3)
	s := quorumOf(buyer, 3)
	s.MaxCredit = 100 // micro-credits: 11 for a Gfuel's millionth at the dearest
	j := buyer.run(s)
	if j.State != Failed || j.Reason != OutOfFuel || j.Check != Matched || j.Fuel != 11_000 {
		t.Fatalf("got %+v, %s", j, told(j))
	}
	var paid ledger.Amount
	for i, seller := range sellers {
		cost, _ := Price{PerGfuel: ledger.Amount(i+1) * ledger.Credit}.Cost(j.Fuel)
		waitPaid(t, buyer, seller, cost)
		paid += cost
	}
	if paid > s.MaxCredit || j.Cost+j.Spent != paid {
		t.Errorf("%d are paid, the cap is %d, the job says %d and %d", paid, s.MaxCredit, j.Cost, j.Spent)
	}
}

// TestQuorumLiar shows that the majority's result is taken, that who said something
// else is not paid and asked no more, whichever it was, and that a proof is kept.
func TestQuorumLiar(t *testing.T) {
	for liar := range 3 {
		for name, lie := range map[string]func(*compute.Result){
			"output":   wrongOutput,
			"one fuel": func(r *compute.Result) { r.Fuel++ },
		} {
			t.Run(fmt.Sprintf("%d %s", liar, name), func(t *testing.T) {
				buyer, sellers := auditMarket(t, 3)
				lieWith(sellers[liar], lie)
				j := buyer.run(quorumOf(buyer, 3))
				if j.State != Done || j.Check != Matched || !j.Contradiction || buyer.log(j.ID, Stdout) != "168\n" {
					t.Fatalf("got %+v", j)
				}
				var paid ledger.Amount
				for i, s := range sellers {
					cost, _ := Price{PerGfuel: ledger.Amount(i+1) * ledger.Credit}.Cost(j.Fuel)
					if i == liar {
						cost = 0
					}
					waitPaid(t, buyer, s, cost)
					paid += cost
					if r, _ := buyer.Trust(s.key.Entity()); r.Excluded() != (i == liar) {
						t.Errorf("seller %d has %+v", i, r)
					}
				}
				if j.Cost+j.Spent != paid {
					t.Errorf("the job says %s and %s, %s are paid", j.Cost, j.Spent, paid)
				}
				e, err := buyer.book.Contradiction(j.ID)
				if err != nil || !e.Contradicts() {
					t.Errorf("the proof is %+v, %v", e, err)
				}
			})
		}
	}
}

// waitPaid waits until a buyer owes a seller so much, and the seller knows it.
func waitPaid(t *testing.T, buyer, seller *trader, want ledger.Amount) {
	t.Helper()
	changed := make(chan struct{}, 100)
	defer seller.ledger.Watch(func(ledger.Change) { changed <- struct{}{} })()
	for seller.ledger.Line(buyer.key.Entity()).Balance != want {
		select {
		case <-changed:
		case <-t.Context().Done():
			return
		}
	}
	if got := -buyer.ledger.Line(seller.key.Entity()).Balance; got != want {
		t.Errorf("the buyer owes %s, want %s", got, want)
	}
}

// TestQuorumSplit shows that two sellers who contradict each other have a third
// one asked, and that where there is none this node's own run decides: also when
// most sellers lie in the same way, and nobody who told the truth is there.
func TestQuorumSplit(t *testing.T) {
	buyer, sellers := auditMarket(t, 3)
	lieWith(sellers[0], wrongOutput)
	s := quorumOf(buyer, 2)
	s.Limits.Fuel = Gfuel / 10
	j := buyer.run(s)
	if j.State != Done || len(j.Votes) != 2 || buyer.log(j.ID, Stdout) != "168\n" || !strings.Contains(told(j), "asking one more") {
		t.Fatalf("got %+v, %s", j, told(j))
	}

	buyer, sellers = auditMarket(t, 2)
	lieWith(sellers[1], wrongOutput)
	j = buyer.run(quorumOf(buyer, 2))
	if j.State != Done || buyer.log(j.ID, Stdout) != "168\n" || !strings.Contains(told(j), "running it here") {
		t.Fatalf("got %+v, %s", j, told(j))
	}
	waitPaid(t, buyer, sellers[1], 0)

	buyer, sellers = auditMarket(t, 2)
	lieWith(sellers[0], wrongOutput)
	lieWith(sellers[1], func(r *compute.Result) { r.Stdout = []byte("170\n") })
	j = buyer.run(quorumOf(buyer, 2))
	if j.State != Failed || j.Reason != Mismatch || buyer.log(j.ID, Stdout) != "" || j.Cost+j.Spent != 0 {
		t.Fatalf("got %+v, %s", j, told(j))
	}
	for _, s := range sellers {
		waitPaid(t, buyer, s, 0)
		if r, _ := buyer.Trust(s.key.Entity()); !r.Excluded() {
			t.Errorf("a liar has %+v", r)
		}
	}
}

// TestQuorumLacks shows that a quorum that cannot be had is refused before
// anything runs, and that a seller that fails is replaced.
func TestQuorumLacks(t *testing.T) {
	buyer, sellers := auditMarket(t, 3)
	j := buyer.run(quorumOf(buyer, 4))
	if j.State != Failed || j.Reason != NoSeller || !strings.Contains(j.Error, "quorum of 4") {
		t.Fatalf("got %+v", j)
	}
	sellers[1].engine.(*tricky).engine = broken{}
	j = buyer.run(quorumOf(buyer, 2))
	if j.State != Done || j.Check != Matched || len(j.Votes) != 2 {
		t.Fatalf("got %+v, %s", j, told(j))
	}
	waitPaid(t, buyer, sellers[1], 0)
	for _, bad := range []Verify{"quorum=1", "quorum=8", "quorum=", "quorum=03", "quorum=3 ", "many"} {
		s := quorumOf(buyer, 3)
		s.Verify = bad
		if _, err := buyer.Submit(t.Context(), s); reasonOf(err) != BadJob {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestQuorumRestart shows that a quorum goes on after its buyer has ended while
// its sellers ran, and that each of them is paid once.
func TestQuorumRestart(t *testing.T) {
	buyer, sellers := auditMarket(t, 3)
	gate, reached := make(chan struct{}), make(chan int, 3)
	for i, s := range sellers {
		scriptedAs(s, func() { reached <- i; <-gate })
	}
	id := buyer.submit(quorumOf(buyer, 3))
	var seen []int
	for range sellers {
		seen = append(seen, <-reached)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []int{0, 1, 2}) {
		t.Fatalf("it ran at %v", seen)
	}
	buyer.halt()
	close(gate)
	buyer.start()
	j := buyer.wait(id)
	if j.State != Done || j.Check != Matched {
		t.Fatalf("got %+v, %s", j, told(j))
	}
	var paid ledger.Amount
	for i, s := range sellers {
		cost, _ := Price{PerGfuel: ledger.Amount(i+1) * ledger.Credit}.Cost(j.Fuel)
		waitPaid(t, buyer, s, cost)
		paid += cost
	}
	if j.Cost+j.Spent != paid {
		t.Errorf("the job says %s and %s, %s are paid", j.Cost, j.Spent, paid)
	}
}

// broken is an engine that fails.
type broken struct{}

func (broken) Run(context.Context, compute.Job, compute.Blobs, compute.Live) (compute.Result, error) {
	return compute.Result{}, compute.ErrEngine
}

// scriptedAs has a seller do something before each run.
func scriptedAs(seller *trader, before func()) {
	seller.engine.(*tricky).before = func(context.Context) { before() }
}

// TestQuorumAlone shows that no seller of a quorum can get what another one came
// to: neither from it nor from the buyer.
func TestQuorumAlone(t *testing.T) {
	buyer, sellers := auditMarket(t, 2)
	out := []byte(strings.Repeat("168\n", inlineBytes))
	long := compute.Blob{Hash: identity.HashOf(out), Size: uint64(len(out))}
	for _, s := range sellers {
		lieWith(s, func(r *compute.Result) { r.Stdout = out })
	}
	gate := make(chan struct{})
	scriptedAs(sellers[1], func() { <-gate })
	id := buyer.submit(quorumOf(buyer, 2))
	buyer.until(id, func(r *jobRecord) bool { return r.Delivery != nil })
	for _, from := range []*trader{buyer, sellers[0]} {
		if err := sellers[1].blobs.Fetch(t.Context(), from.node.Addr(), long, nil); err == nil {
			t.Error("the second seller has the first one's output")
		}
	}
	close(gate)
	buyer.wait(id)
}

// until waits for a job that has not ended to be as ok wants it.
func (tr *trader) until(id ID, ok func(*jobRecord) bool) {
	tr.t.Helper()
	tr.book.mu.Lock()
	j := tr.book.live[id]
	tr.book.mu.Unlock()
	if j == nil {
		tr.t.Fatal("the job has ended")
	}
	for {
		j.mu.Lock()
		changed, is := j.changed, ok(&j.rec)
		j.mu.Unlock()
		if is {
			return
		}
		<-changed
	}
}
