package market

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/golden"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/market/trust"
)

// auditMarket is a buyer that checks every job, and sellers, the first the
// cheapest. One match makes a seller an auditor.
func auditMarket(t *testing.T, n int) (buyer *trader, sellers []*trader) {
	t.Helper()
	sea := nodetest.New(t, n+1)
	e := testEngine(t)
	buyer = newTrader(t, sea, 0, e, func(tr *trader) { tr.cfg.Audits = trust.Rule{Sure: 1, Floor: 1} })
	for i := range n {
		s := newTrader(t, sea, i+1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
		s.sell(func(p *Policy) { p.PerGfuel = ledger.Amount(i+1) * ledger.Credit })
		sellers = append(sellers, s)
	}
	return buyer, sellers
}

// audited is a small job that is checked.
func audited(tr *trader, upTo string, to ...*trader) Spec {
	s := primes(tr, upTo)
	s.Verify, s.Limits.Fuel = VerifyAudit, Gfuel // what everybody lends a newcomer for
	for _, seller := range to {
		s.To = append(s.To, seller.node.Addr())
	}
	return s
}

func lieWith(tr *trader, lie func(*compute.Result)) { tr.engine.(*tricky).lie = lie }

func wrongOutput(r *compute.Result) { r.Stdout = []byte("169\n") }

// TestAuditLiar shows that a lie about the output, and one about the meter however
// small, is not accepted and not paid, ends the trade with that seller, and leaves
// a proof that anyone can check.
func TestAuditLiar(t *testing.T) {
	lies := map[string]func(*compute.Result){
		"output":    wrongOutput,
		"one fuel":  func(r *compute.Result) { r.Fuel++ },
		"ten times": func(r *compute.Result) { r.Fuel *= 10 },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			buyer, sellers := auditMarket(t, 2)
			liar, honest := sellers[0], sellers[1]
			lieWith(liar, lie)
			honest.sell(func(p *Policy) { p.Selling = false })
			liar.engine.(*tricky).before = func(context.Context) { // the order is the liar's
				honest.sell(nil)
			}
			j := buyer.run(audited(buyer, "1000", liar, honest))
			liar.engine.(*tricky).before = nil
			if j.State != Done || j.Seller != honest.key.Entity() || j.Check != Matched || !j.Contradiction || !j.Paid {
				t.Fatalf("%s (%s), check %q by %s", j.State, j.Error, j.Check, j.Seller.Short())
			}
			if got := buyer.log(j.ID, Stdout); got != "168\n" {
				t.Errorf("stdout %q", got)
			}
			agreeLine(t, buyer, honest, j.Cost, j.Cost)
			if b := buyer.ledger.Line(liar.key.Entity()).Balance; b != 0 {
				t.Errorf("the liar was paid %s", -b)
			}
			if rec, rule := buyer.Trust(liar.key.Entity()); !rec.Excluded() || rec.Mismatches != 1 || !strings.HasPrefix(rec.Explain(rule), "excluded") {
				t.Errorf("the liar's record: %+v", rec)
			}
			proof, err := buyer.book.Contradiction(j.ID)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := proof.Encode()
			if err != nil {
				t.Fatal(err)
			}
			shown, err := OpenEvidence(raw)
			if err != nil || !shown.Contradicts() {
				t.Fatalf("the proof: %v", err)
			}
			blobs := compute.MapBlobs{}
			blobs.Add(examples.Primes)
			all, err := shown.Verify(t.Context(), blobs, buyer.engine)
			if err != nil || len(all) != 2 {
				t.Fatal(err)
			}
			for i, v := range all {
				if liars := shown.Receipts[i].By == liar.key.Entity(); v.Match == liars {
					t.Errorf("the receipt of %s: %+v", shown.Receipts[i].By.Short(), v)
				}
			}

			// It is asked no more, not even by name, until it is forgiven.
			j = buyer.run(audited(buyer, "10", liar))
			if j.State != Failed || j.Reason != Excluded || j.Order != (identity.Hash{}) {
				t.Errorf("asked again: %s, %s (%s)", j.State, j.Reason, j.Error)
			}
			if err := buyer.Forgive(liar.key.Entity()); err != nil {
				t.Fatal(err)
			}
			lieWith(liar, nil)
			if j = buyer.run(audited(buyer, "10", liar)); j.State != Done {
				t.Errorf("forgiven: %s (%s)", j.State, j.Error)
			}
		})
	}
}

// TestAuditNobodyElse shows what a buyer is told when the only seller lies: exit
// by mismatch, no output shown, nothing paid.
func TestAuditNobodyElse(t *testing.T) {
	buyer, sellers := auditMarket(t, 1)
	lieWith(sellers[0], wrongOutput)
	id := buyer.submit(audited(buyer, "1000"))
	var shown []byte
	for u, err := range buyer.Watch(t.Context(), id, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, u.Stdout...)
	}
	j := buyer.wait(id)
	if j.State != Failed || j.Reason != Mismatch || j.Cost != 0 || j.Paid || j.Hint == "" || len(shown) > 0 || j.Receipt != (identity.Hash{}) {
		t.Errorf("%s, %s (%s), cost %s, shown %q", j.State, j.Reason, j.Error, j.Cost, shown)
	}
	if b := buyer.ledger.Line(sellers[0].key.Entity()).Balance; b != 0 {
		t.Errorf("the liar was paid %s", -b)
	}
}

// TestAuditor has sellers check each other, once they are trusted; who lies as
// the auditor is found out as well.
func TestAuditor(t *testing.T) {
	buyer, sellers := auditMarket(t, 2)
	a, b := sellers[0], sellers[1]
	first := buyer.run(audited(buyer, "100", a)) // nobody may check it yet but the buyer
	second := buyer.run(audited(buyer, "101", b))
	if first.Check != Matched || first.Auditor != (ID{}) || second.Check != Matched || second.Auditor == (ID{}) {
		t.Fatalf("%+v\n%+v", first, second)
	}
	part, err := buyer.book.Job(second.Auditor)
	if err != nil || part.State != Done || part.Seller != a.key.Entity() || part.CheckOf != second.ID || part.JobHash != second.JobHash || !part.Paid {
		t.Errorf("%v: %+v", err, part)
	}
	if second.Spent != part.Cost || second.Cost+second.Spent > second.Spec.MaxCredit {
		t.Errorf("spent %s, the check cost %s", second.Spent, part.Cost)
	}
	agreeLine(t, buyer, a, first.Cost+part.Cost, first.Cost+part.Cost)

	// What the check may cost is left over: the job itself may have half.
	dear := audited(buyer, "102", b)
	if dear.MaxCredit = 3 * ledger.Credit; buyer.run(dear).Reason != RefusedPrice { // it costs up to 2
		t.Error("a job took what its check may cost")
	}

	lieWith(b, wrongOutput) // as the auditor of a
	third := buyer.run(audited(buyer, "1000", a))
	if third.State != Done || third.Check != Matched || third.Seller != a.key.Entity() || !third.Contradiction {
		t.Errorf("%s (%s), check %q", third.State, third.Error, third.Check)
	}
	if rec, _ := buyer.Trust(a.key.Entity()); rec.Straight != 2 || rec.Excluded() {
		t.Errorf("a's record: %+v", rec)
	}
	if rec, _ := buyer.Trust(b.key.Entity()); !rec.Excluded() {
		t.Errorf("b's record: %+v", rec)
	}
}

// TestAuditLot shows that a trusted seller is checked as the lot has it, that the
// lot is shown with the receipt, and that who is not checked is paid as ever.
func TestAuditLot(t *testing.T) {
	buyer, sellers := auditMarket(t, 1)
	buyer.cfg.Audits = trust.Rule{Sure: 1, Floor: 1 << 62} // so rarely that it is never
	buyer.Market.cfg.Audits = buyer.cfg.Audits
	if err := buyer.trust.Update(sellers[0].key.Entity(), func(r trust.Record) trust.Record {
		r.Straight, r.Checked, r.Matches, r.Jobs = 1<<62, 1<<62, 1<<62, 1<<62
		return r
	}); err != nil {
		t.Fatal(err)
	}
	j := buyer.run(audited(buyer, "1000"))
	if j.State != Done || j.Check != NotDrawn || !j.Paid || buyer.log(j.ID, Stdout) != "168\n" {
		t.Fatalf("%s (%s), check %q", j.State, j.Error, j.Check)
	}
	e, err := buyer.book.Evidence(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := OpenEvidence(raw)
	if err != nil {
		t.Fatal(err)
	}
	if lot, ok := shown.Lot(); !ok || lot.Falls(1<<62) || !lot.Falls(1) {
		t.Errorf("the lot: %v", ok)
	}
	if _, err := buyer.book.Contradiction(j.ID); !errors.Is(err, ErrNoProof) {
		t.Errorf("a proof of nothing: %v", err)
	}
}

// TestAuditRestart stops the buyer between delivery and check: it goes on where it
// was and pays once.
func TestAuditRestart(t *testing.T) {
	buyer, sellers := auditMarket(t, 1)
	waiting := make(chan struct{})
	held := &tricky{engine: buyer.engine, runs: make(chan struct{}, 10), before: func(ctx context.Context) {
		close(waiting)
		<-ctx.Done()
	}}
	buyer.Market.engine = held
	id := buyer.submit(audited(buyer, "1000"))
	<-waiting
	if got := buyer.log(id, Stdout); got != "" {
		t.Errorf("%q is shown before it is checked", got)
	}
	buyer.halt()
	buyer.start()
	j := buyer.wait(id)
	if j.State != Done || j.Check != Matched || !j.Paid {
		t.Fatalf("%s (%s), check %q", j.State, j.Error, j.Check)
	}
	agree(t, buyer, sellers[0], j.Cost)
}

// evidences are samples of each kind.
func evidences(t testing.TB) (all [][]byte) {
	t.Helper()
	job := sampleJob()
	receipt := compute.Receipt{Job: job.Hash(), Result: identity.HashOf([]byte("result")), End: compute.Exit, Fuel: 5_000_000_001, PeakPages: 17, Tariff: 1, Engine: "wazero 1.12.0"}
	sign := func(k identity.Signer, r compute.Receipt) identity.Statement {
		st, err := r.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	other := receipt
	other.Fuel++
	two, ok := contradiction(job, sign(sellerKey, receipt), sign(buyerKey, other))
	if !ok {
		t.Fatal("two receipts that differ do not contradict each other")
	}
	back, _ := contradiction(job, sign(buyerKey, other), sign(sellerKey, receipt))
	forked, _ := contradiction(job, sign(sellerKey, receipt), sign(sellerKey, other))

	// The key of PROTOCOL draws: a draw is a function of its key.
	key, err := identity.Restore(strings.NewReader("sea key 1\nentity 84b671c8dcdd56fef4b3dacfa4a1fe69167828f9d3a51e7e737966c1be42840c\nsecret 5c3e9f19c313794585cac7152cb2090ffa98cbb0a52a4e6741a8f6e08a7ea119\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	order, err := Order{Quote: identity.Hash{1}, At: 1_770_000_001_000}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	one := sign(sellerKey, receipt)
	proof, _ := trust.Draw(key, order.Hash(OrderPurpose), one.Hash(compute.ReceiptPurpose))
	for _, e := range []Evidence{
		{Job: job, Receipts: []identity.Statement{one}},
		{Job: job, Receipts: []identity.Statement{one}, Order: &order, Draw: proof[:]},
		two, forked,
	} {
		raw, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	if again, err := back.Encode(); err != nil || !bytes.Equal(again, all[2]) {
		t.Errorf("a contradiction has two spellings: %v", err)
	}
	return all
}

func TestEvidenceVectors(t *testing.T) {
	var made []map[string]string
	for i, raw := range evidences(t) {
		if _, err := OpenEvidence(raw); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		name := []string{"a receipt", "a receipt with its draw", "two sellers contradict each other", "one seller contradicts itself"}[i]
		made = append(made, map[string]string{"name": name, "evidence": hex.EncodeToString(raw)})
	}
	golden.JSON(t, "testdata/evidence.json", made)
}

// TestEvidenceFlips alters every byte of all evidence: each is refused.
func TestEvidenceFlips(t *testing.T) {
	for i, raw := range evidences(t) {
		for at := range raw {
			bad := bytes.Clone(raw)
			bad[at] ^= 1 << (at % 8)
			if _, err := OpenEvidence(bad); !errors.Is(err, ErrEvidence) {
				t.Errorf("%d: byte %d altered: %v", i, at, err)
			}
		}
	}
}

// TestEvidenceProvesNothing shows what is no evidence.
func TestEvidenceProvesNothing(t *testing.T) {
	job := sampleJob()
	good := compute.Receipt{Job: job.Hash(), End: compute.Exit, Fuel: 5, Tariff: 1}
	sign := func(k seedKey, edit func(*compute.Receipt)) identity.Statement {
		r := good
		if edit != nil {
			edit(&r)
		}
		st, err := r.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	two := func(a, b identity.Statement) Evidence {
		if e, ok := contradiction(job, a, b); ok {
			return e
		}
		return Evidence{Job: job, Receipts: []identity.Statement{a, b}}
	}
	for name, e := range map[string]Evidence{
		"the same claim twice":   two(sign(sellerKey, nil), sign(buyerKey, func(r *compute.Receipt) { r.Engine = "other" })),
		"one that was cut off":   two(sign(sellerKey, nil), sign(buyerKey, func(r *compute.Receipt) { r.End, r.Fuel = compute.Interrupted, 3 })),
		"another job":            two(sign(sellerKey, nil), sign(buyerKey, func(r *compute.Receipt) { r.Job[0]++ })),
		"no receipt":             {Job: job},
		"a draw without order":   {Job: job, Receipts: []identity.Statement{sign(sellerKey, nil)}, Draw: make([]byte, 80)},
		"the same receipt twice": {Job: job, Receipts: []identity.Statement{sign(sellerKey, nil), sign(sellerKey, nil)}},
	} {
		if _, err := e.Encode(); !errors.Is(err, ErrEvidence) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzEvidence reads evidence: what is accepted has one spelling and holds.
func FuzzEvidence(f *testing.F) {
	for _, raw := range evidences(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := OpenEvidence(raw)
		if err != nil {
			return
		}
		if again, err := e.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x became %x, %v", raw, again, err)
		}
	})
}
