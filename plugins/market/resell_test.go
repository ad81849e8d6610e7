package market

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/market/trust"
	"github.com/peersea/sea/plugins/state"
)

// resellMarket is two buyers and a seller that resells at 20 % of its price.
func resellMarket(t *testing.T) (first, second, seller *trader) {
	t.Helper()
	sea := nodetest.New(t, 3)
	e := testEngine(t)
	first, second = newTrader(t, sea, 0, e, nil), newTrader(t, sea, 1, e, nil)
	seller = newTrader(t, sea, 2, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
	seller.sell(func(p *Policy) { p.Resell, p.Fee = 20, 7 })
	return first, second, seller
}

// runsOf is how often a seller's engine has run.
func runsOf(tr *trader) int { return len(tr.engine.(*tricky).runs) }

// same is a job that is the very same whoever buys it.
func same(tr *trader, upTo string) Spec {
	s := primes(tr, upTo)
	s.Limits.Fuel = Gfuel
	return s
}

// TestResell shows that the same job is not run twice, that a result from before
// costs its part of the price to the unit, and that another job, and one that is to
// be run, is run.
func TestResell(t *testing.T) {
	first, second, seller := resellMarket(t)
	ran := first.run(same(first, "1000"))
	if ran.State != Done || ran.Resold != 0 || runsOf(seller) != 1 {
		t.Fatalf("the first: %s (%s), resold at %d %%, %d runs", ran.State, ran.Error, ran.Resold, runsOf(seller))
	}
	quotes, err := second.Quotes(t.Context(), same(second, "1000"))
	if err != nil || len(quotes) != 1 || quotes[0].Resold != 20 || quotes[0].Price != (Price{Fee: 2, PerGfuel: ledger.Credit / 5}) {
		t.Fatalf("quotes %+v, %v", quotes, err)
	}
	hit := func(when string) Job {
		t.Helper()
		before := runsOf(seller)
		j := second.run(same(second, "1000"))
		if j.State != Done || j.Resold != 20 || runsOf(seller) != before {
			t.Fatalf("%s: %s (%s), resold at %d %%, %d more runs", when, j.State, j.Error, j.Resold, runsOf(seller)-before)
		}
		want, _ := Price{Fee: 2, PerGfuel: ledger.Credit / 5}.Cost(ran.Fuel)
		if j.Fuel != ran.Fuel || j.Cost != want || !j.Paid || second.log(j.ID, Stdout) != "168\n" {
			t.Errorf("%s: %d fuel for %s, want %d for %s; stdout %q", when, j.Fuel, j.Cost, ran.Fuel, want, second.log(j.ID, Stdout))
		}
		if v, err := second.book.Verify(t.Context(), j.ID, second.Market.engine); err != nil || !v.Match || !v.OutputMatch {
			t.Errorf("%s: verify %+v, %v", when, v, err)
		}
		return j
	}
	resold := hit("at once")
	agreeLine(t, first, seller, ran.Cost, ran.Cost+resold.Cost)
	miss := func(what string, s Spec) {
		t.Helper()
		before := runsOf(seller)
		if j := second.run(s); j.State != Done || j.Resold != 0 || runsOf(seller) != before+1 {
			t.Errorf("%s: %s (%s), resold at %d %%", what, j.State, j.Error, j.Resold)
		}
	}
	s := same(second, "1000")
	s.Fresh = true
	miss("one that is to be run", s)
	s = same(second, "1000")
	s.Limits.Fuel++
	miss("another limit", s)
	s = same(second, "1000")
	s.Env = []string{"A=b"}
	miss("another environment", s)
	s = same(second, "1000")
	s.Seed = [32]byte{1}
	miss("another seed", s)
	miss("another argument", same(second, "1001"))

	seller.halt()
	seller.start()
	hit("after a restart")

	seller.sell(func(p *Policy) { p.Resell = 0 })
	second.sellers.Forget(seller.node.Addr())
	miss("none any more", same(second, "1000"))
	seller.sell(func(p *Policy) { p.Resell = 20 })
	second.sellers.Forget(seller.node.Addr())
	miss("what was forgotten", same(second, "1000"))
	hit("again")
}

// TestResellOff shows that nothing is kept or resold unless the seller wants it.
func TestResellOff(t *testing.T) {
	buyer, seller := testMarket(t)
	for range 2 {
		if j := buyer.run(same(buyer, "1000")); j.State != Done || j.Resold != 0 {
			t.Fatalf("%s (%s), resold at %d %%", j.State, j.Error, j.Resold)
		}
	}
	if runsOf(seller) != 2 || len(seller.results.of) != 0 {
		t.Errorf("%d runs, %d results kept", runsOf(seller), len(seller.results.of))
	}
}

// blobFile is where a trader's storage has a blob.
func (tr *trader) blobFile(h identity.Hash) string {
	name := h.String()
	return filepath.Join(tr.dir, "blobs", name[:2], name)
}

// TestResellInput shows that who knows the hashes of a job's inputs, as all do who
// were asked to run it, does not get its output for that.
func TestResellInput(t *testing.T) {
	first, second, seller := resellMarket(t)
	spec := func(tr *trader) Spec {
		s := same(tr, "")
		s.Module, s.Args, s.Stdin = tr.put(examples.WordFreq), []string{"wordfreq"}, tr.put(examples.Loomings)
		return s
	}
	if j := first.run(spec(first)); j.State != Done {
		t.Fatalf("%s: %s", j.State, j.Error)
	}
	s := spec(second)
	if err := os.WriteFile(second.blobFile(s.Stdin.Hash), bytes.Repeat([]byte("x"), int(s.Stdin.Size)), 0o600); err != nil {
		t.Fatal(err)
	}
	j := second.run(s)
	if j.State != Failed || j.Reason != InputsMissing || j.Cost != 0 || runsOf(seller) != 1 {
		t.Errorf("%s, %s (%s), %d runs", j.State, j.Reason, j.Error, runsOf(seller))
	}
}

// TestResellRotten shows that a result whose bytes have changed on disk is forgotten
// and not sold; the buyer asks again and the job is run.
func TestResellRotten(t *testing.T) {
	first, second, seller := resellMarket(t)
	spec := func(tr *trader) Spec {
		s := same(tr, "")
		s.Module, s.Args = tr.put(examples.Mandelbrot), []string{"mandelbrot", "64", "48"}
		return s
	}
	ran := first.run(spec(first))
	if ran.State != Done || len(ran.Files) != 1 {
		t.Fatalf("%s: %s", ran.State, ran.Error)
	}
	if j := second.run(spec(second)); j.State != Done || j.Resold != 20 || len(j.Files) != 1 || j.Files[0].Blob != ran.Files[0].Blob {
		t.Fatalf("%s (%s), resold at %d %%, %+v", j.State, j.Error, j.Resold, j.Files)
	}
	picture := ran.Files[0].Blob
	if err := os.WriteFile(seller.blobFile(picture.Hash), bytes.Repeat([]byte("x"), int(picture.Size)), 0o600); err != nil {
		t.Fatal(err)
	}
	if j := second.run(spec(second)); j.State != Done || j.Resold != 0 || runsOf(seller) != 2 {
		t.Errorf("%s (%s), resold at %d %%, %d runs", j.State, j.Error, j.Resold, runsOf(seller))
	}
}

// TestResellLie shows that a reseller answers for what it resells: a wrong result is
// found by an audit, not paid, and leaves a proof against the reseller.
func TestResellLie(t *testing.T) {
	first, second, seller := resellMarket(t)
	lieWith(seller, wrongOutput)
	if j := first.run(same(first, "1000")); j.State != Done {
		t.Fatalf("%s: %s", j.State, j.Error)
	}
	lieWith(seller, nil)
	s := same(second, "1000")
	s.Verify, s.OwnAudit = VerifyAudit, true
	j := second.run(s)
	if j.State != Failed || j.Reason != Mismatch || !j.Contradiction || j.Paid || runsOf(seller) != 1 {
		t.Fatalf("%s, %s (%s), %d runs", j.State, j.Reason, j.Error, runsOf(seller))
	}
	if b := second.ledger.Line(seller.key.Entity()).Balance; b != 0 {
		t.Errorf("the liar was paid %s", -b)
	}
	if rec, _ := second.Trust(seller.key.Entity()); !rec.Excluded() {
		t.Errorf("the liar's record: %+v", rec)
	}
	proof, err := second.book.Contradiction(j.ID)
	if err != nil || !proof.Contradicts() {
		t.Errorf("the proof: %v", err)
	}
}

// TestResellBought shows that what was bought and checked is resold, and that what
// was only bought is not.
func TestResellBought(t *testing.T) {
	sea := nodetest.New(t, 3)
	e := testEngine(t)
	sure := func(tr *trader) { tr.cfg.Audits = trust.Rule{Sure: 1, Floor: 1} }
	middle := newTrader(t, sea, 0, &tricky{engine: e, runs: make(chan struct{}, 1000)}, sure)
	maker := newTrader(t, sea, 1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
	last := newTrader(t, sea, 2, e, nil)
	maker.sell(nil)
	middle.sell(func(p *Policy) { p.Resell = 50 })
	buy := func(verify Verify, upTo string) {
		s := same(middle, upTo)
		s.To, s.Verify, s.OwnAudit = append(s.To, maker.node.Addr()), verify, verify == VerifyAudit
		if j := middle.run(s); j.State != Done {
			t.Fatalf("%s: %s", j.State, j.Error)
		}
	}
	buy(VerifyAudit, "1000")
	buy(VerifyNone, "1001")
	before := runsOf(middle)
	for upTo, want := range map[string]uint32{"1000": 50, "1001": 0} {
		s := same(last, upTo)
		s.To = append(s.To, middle.node.Addr())
		if j := last.run(s); j.State != Done || j.Resold != want || j.Seller != middle.key.Entity() {
			t.Errorf("%s: %s (%s), resold at %d %%, want %d", upTo, j.State, j.Error, j.Resold, want)
		}
	}
	if n := runsOf(middle) - before; n != 1 {
		t.Errorf("%d runs of the middle, want 1", n)
	}
}

// TestResults shows that results stay within their bounds, the oldest going first,
// over a restart, and that what is not sound on disk is dropped.
func TestResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open := func() (*state.Store, *results) {
		t.Helper()
		st, err := state.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := openResults(st, true)
		if err != nil {
			t.Fatal(err)
		}
		return st, r
	}
	st, r := open()
	claim := func(i int, outcome []byte) compute.Receipt {
		return compute.Receipt{Job: identity.HashOf(fmt.Append(nil, i)), Result: identity.HashOf(outcome), End: compute.Exit, Tariff: compute.Tariff1}
	}
	wait := func() error { return nil }
	add := func(i int, outcome []byte) {
		t.Helper()
		var err error
		if wait, err = r.add(claim(i, outcome), outcome, output{}, output{}); err != nil {
			t.Fatal(err)
		}
	}
	small := []byte("small")
	for i := range maxResults + 10 {
		add(i, small)
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	kept := func(i int) bool { return r.has(claim(i, small).Job) }
	if len(r.of) != maxResults || kept(9) || !kept(10) || !kept(maxResults+9) {
		t.Errorf("%d results, want %d", len(r.of), maxResults)
	}
	size := r.bytes
	broken, cut := claim(20, small).Job, claim(21, small).Job
	var b state.Batch
	b.Put(r.table, broken[:], []byte("rotten"))
	b.Put(r.table, cut[:2], small)
	if err := st.Commit(&b); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st, r = open()
	defer func() { _ = st.Close() }()
	if len(r.of) != maxResults-1 || r.has(broken) || r.bytes >= size || !kept(10) {
		t.Errorf("after a restart %d results, want %d; %d bytes of %d", len(r.of), maxResults-1, r.bytes, size)
	}
	large := make([]byte, maxResultBytes-1024)
	for i := range maxResultsBytes/len(large) + 1 {
		add(1_000_000+i, large)
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if r.bytes > maxResultsBytes || kept(10) || r.has(claim(1_000_000, large).Job) {
		t.Errorf("%d bytes of %d, the oldest there: %v", r.bytes, maxResultsBytes, kept(10))
	}
	add(2_000_000, make([]byte, maxResultBytes))
	if r.has(claim(2_000_000, small).Job) {
		t.Error("a record above the bound is kept")
	}
	for _, end := range []compute.Receipt{{Job: identity.Hash{1}, End: compute.Interrupted, Tariff: compute.Tariff1}} {
		if err := r.keep(end, small, output{}, output{}); err != nil || r.has(end.Job) {
			t.Errorf("%s: kept, %v", end.End, err)
		}
	}
	if err := r.keeps(false); err != nil || len(r.of) != 0 || r.bytes != 0 {
		t.Errorf("switched off: %d results of %d bytes, %v", len(r.of), r.bytes, err)
	}
	n := 0
	if err := r.table.Scan(nil, func(_, _ []byte) bool { n++; return true }); err != nil || n != 0 {
		t.Errorf("%d records are left, %v", n, err)
	}
	add(3, small)
	if len(r.of) != 0 {
		t.Error("one is kept while it is off")
	}
}

// TestPart shows that the part of a price is rounded up, is never more than the
// price, and nothing only of nothing.
func TestPart(t *testing.T) {
	const most = maxAmount - 1
	for _, test := range []struct {
		price   ledger.Amount
		percent uint32
		want    ledger.Amount
	}{
		{0, 1, 0}, {0, 100, 0}, {1, 1, 1}, {1, 100, 1}, {99, 1, 1}, {100, 1, 1}, {101, 1, 2}, {101, 100, 101}, {7, 20, 2}, {5, 20, 1},
		{ledger.Credit, 20, ledger.Credit / 5}, {most, 100, most}, {most, 1, most/100 + 1}, {most, 99, most - most/100},
	} {
		got := Price{test.price, test.price}.part(test.percent)
		if got != (Price{test.want, test.want}) || got.PerGfuel > test.price {
			t.Errorf("%d %% of %d is %d, want %d", test.percent, test.price, got.PerGfuel, test.want)
		}
	}
}

// FuzzResult reads records of results: what is accepted has one spelling.
func FuzzResult(f *testing.F) {
	outcome := compute.Outcome{End: compute.Exit, Stdout: compute.BlobOf([]byte("x"))}.Encode()
	claim := compute.Receipt{Job: identity.Hash{1}, Result: identity.HashOf(outcome), End: compute.Exit, Tariff: compute.Tariff1}
	raw, err := cbor.Marshal(resultBody{resultsVersion, 1, claim.Encode(), outcome, output{compute.BlobOf([]byte("x")), []byte("x")}, output{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, claim, err := decodeResult(raw)
		if err != nil {
			return
		}
		again, err := cbor.Marshal(body)
		if err != nil || !bytes.Equal(again, raw) || !bytes.Equal(claim.Encode(), body.Receipt) {
			t.Errorf("%x became %x, %v", raw, again, err)
		}
	})
}
