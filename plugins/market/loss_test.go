package market

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins"
)

// tap is a node whose calls can be watched, changed and cut.
type tap struct {
	plugins.Node

	mu     sync.Mutex // guards what follows
	before func(scope string) error
	after  func(scope string, reply []byte) []byte
}

func (n *tap) set(before func(string) error, after func(string, []byte) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before, n.after = before, after
}

func (n *tap) Call(ctx context.Context, to addr.Addr, scope string, body []byte) ([]byte, error) {
	n.mu.Lock()
	before, after := n.before, n.after
	n.mu.Unlock()
	if before != nil {
		if err := before(scope); err != nil {
			return nil, err
		}
	}
	reply, err := n.Node.Call(ctx, to, scope, body)
	if err == nil && after != nil {
		reply = after(scope, reply)
	}
	return reply, err
}

// tapped is testMarket with a tap on the buyer's node.
func tapped(t *testing.T) (buyer, seller *trader, wire *tap) {
	t.Helper()
	sea := nodetest.New(t, 2)
	e := testEngine(t)
	wire = &tap{Node: sea.Nodes[0]}
	buyer = newTrader(t, sea, 0, e, func(tr *trader) { tr.via = wire })
	seller = newTrader(t, sea, 1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
	seller.sell(nil)
	return buyer, seller, wire
}

// TestTampered alters what the seller says, signed anew by whom it should be or
// by another. Nothing of it is paid.
func TestTampered(t *testing.T) {
	buyer, seller, wire := tapped(t)
	other := nodetest.Key(t)
	sign := func(st identity.Statement, err error) *identity.Statement {
		if err != nil {
			t.Fatal(err)
		}
		return &st
	}
	rebill := func(f *follow, edit func(*compute.Receipt, *Delivery), by identity.Signer) {
		rec, err := compute.DecodeReceipt(f.Receipt.Body)
		if err != nil {
			t.Fatal(err)
		}
		d, err := readDelivery(f.Delivery.Body)
		if err != nil {
			t.Fatal(err)
		}
		edit(&rec, &d)
		receipt := sign(rec.Sign(by))
		if d.Receipt == f.Receipt.Hash(compute.ReceiptPurpose) {
			d.Receipt = receipt.Hash(compute.ReceiptPurpose)
		}
		f.Receipt, f.Delivery = receipt, sign(d.Sign(by))
	}
	key := seller.key
	tests := []struct {
		name string
		edit func(*follow)
		want Reason
	}{
		{"nothing", func(*follow) {}, ""},
		{"a bit of the receipt", func(f *follow) { f.Receipt.Body[5] ^= 1 }, BadReceipt},
		{"a bit of the delivery", func(f *follow) { f.Delivery.Sig[5] ^= 1 }, BadReceipt},
		{"no receipt", func(f *follow) { f.Receipt = nil }, BadReceipt},
		{"another signer", func(f *follow) { rebill(f, func(*compute.Receipt, *Delivery) {}, other) }, BadReceipt},
		{"another order", func(f *follow) { rebill(f, func(_ *compute.Receipt, d *Delivery) { d.Order[0]++ }, key) }, BadReceipt},
		{"another receipt", func(f *follow) { rebill(f, func(_ *compute.Receipt, d *Delivery) { d.Receipt[0]++ }, key) }, BadReceipt},
		{"another job", func(f *follow) { rebill(f, func(r *compute.Receipt, _ *Delivery) { r.Job[0]++ }, key) }, BadReceipt},
		{"another result", func(f *follow) { rebill(f, func(r *compute.Receipt, _ *Delivery) { r.Result[0]++ }, key) }, BadReceipt},
		{"a higher bill", func(f *follow) { rebill(f, func(_ *compute.Receipt, d *Delivery) { d.Cost++ }, key) }, BadReceipt},
		{"a bill above the ceiling", func(f *follow) {
			rebill(f, func(_ *compute.Receipt, d *Delivery) { d.Cost = ledger.Credit }, key)
		}, BadReceipt},
		{"a lower bill", func(f *follow) { rebill(f, func(_ *compute.Receipt, d *Delivery) { d.Cost-- }, key) }, BadReceipt},
		{"more fuel than it may have", func(f *follow) {
			rebill(f, func(r *compute.Receipt, d *Delivery) {
				r.Fuel = 10*Gfuel + 1
				d.Cost, _ = Price{PerGfuel: ledger.Credit}.Cost(r.Fuel)
			}, key)
		}, BadReceipt},
		{"more memory than it may have", func(f *follow) { rebill(f, func(r *compute.Receipt, _ *Delivery) { r.PeakPages = 60_000 }, key) }, BadReceipt},
		{"stopped early", func(f *follow) {
			rebill(f, func(r *compute.Receipt, _ *Delivery) { r.End, r.Code = compute.Interrupted, 0 }, key)
		}, BadReceipt},
		{"too slow, without a rate in the quote", func(f *follow) {
			rebill(f, func(r *compute.Receipt, d *Delivery) { r.End, r.Code, d.Reason = compute.Interrupted, 0, TooSlow }, key)
		}, BadReceipt},
		{"another end", func(f *follow) { rebill(f, func(r *compute.Receipt, _ *Delivery) { r.Code = 7 }, key) }, BadReceipt},
		{"another outcome", func(f *follow) { f.Outcome[len(f.Outcome)-1] ^= 1 }, BadReceipt},
		{"other output", func(f *follow) { f.Stdout[0] ^= 1 }, BadOutput},
		{"output held back", func(f *follow) { f.Stdout = nil }, BadOutput},
		{"more output", func(f *follow) { f.Stdout = append(f.Stdout, 'x'); f.StdoutSize++ }, BadOutput},
		{"too much output", func(f *follow) { f.Stdout = make([]byte, 900<<10) }, BadOutput},
		{"a refusal by another", func(f *follow) {
			f.Refusal = sign(Refusal{Reason: Busy}.Sign(other))
		}, BadStatement},
		{"a refusal of something else", func(f *follow) {
			f.Refusal = sign(Refusal{Reason: Busy}.Sign(key))
		}, BadStatement},
	}
	var owes ledger.Amount
	for i, test := range tests {
		wire.set(nil, func(scope string, reply []byte) []byte {
			if scope != orderMethod.Scope && scope != followMethod.Scope {
				return reply
			}
			var f follow
			if err := cbor.Unmarshal(reply, &f); err != nil {
				t.Error(err)
			}
			if f.Delivery == nil { // shown all at once, so that there is something to alter
				f.Stdout, f.Stderr = nil, nil
			} else {
				test.edit(&f)
			}
			b, err := cbor.Marshal(f)
			if err != nil {
				t.Error(err)
			}
			return b
		})
		s := primes(buyer, fmt.Sprint(100+i))
		s.MaxCredit, s.Limits.OutputBytes = ledger.Credit/10, 800<<10
		s.Limits.Fuel = 10_000_000
		j := buyer.run(s)
		if j.Reason != test.want || (j.State == Done) != (test.want == "") || j.Paid != (test.want == "") {
			t.Errorf("%s: %s, %s (%s), paid %v, want %s", test.name, j.State, j.Reason, j.Error, j.Paid, test.want)
		}
		owes += j.Cost
		if got := buyer.ledger.Line(seller.key.Entity()).Balance; got != -owes {
			t.Errorf("%s: balance %s, want %s", test.name, got, -owes)
		}
	}
	used := seller.ledger.Strangers().Used
	if e, err := seller.Earnings(); err != nil || e.Due+owes != used {
		t.Errorf("the seller is due %s and strangers use %s, %v", e.Due, used, err)
	}
}

// step is a moment of a trade at which somebody is lost.
type step struct {
	name string
	at   func(scope string, calls map[string]int) bool // before a call of the buyer
	late bool                                          // after it instead
}

var steps = []step{
	{"before the ask", first("market:ask"), false},
	{"after the quote", first("market:ask"), true},
	{"before the order", first("market:order"), false},
	{"after the order", first("market:order"), true},
	// A quick job is delivered in the answer to its order: then what follows
	// the delivery is the payment.
	{"before the delivery", first("market:follow", "credit:push"), false},
	{"after the delivery", first("market:follow", "credit:push"), true},
	{"before the output", first("storage:get"), false},
	{"after the output", first("storage:get"), true},
	{"before the payment", first("credit:push"), false},
	{"after the payment", first("credit:push"), true},
}

// first is the first call of whichever of the scopes is called first.
func first(scopes ...string) func(string, map[string]int) bool {
	return func(s string, calls map[string]int) bool { return slices.Contains(scopes, s) && calls[s] == 1 }
}

// TestLost stops the buyer's or the seller's market, storage and credit at every
// step of a trade and starts them again from their disks. Every job ends well,
// is paid once, and both ledgers agree.
func TestLost(t *testing.T) {
	for _, who := range []string{"buyer", "seller"} {
		for _, s := range steps {
			t.Run(who+" "+s.name, func(t *testing.T) { lose(t, who, s) })
		}
	}
}

func lose(t *testing.T, who string, s step) {
	t.Parallel()
	buyer, seller, wire := tapped(t)
	lost := make(chan struct{})
	var mu sync.Mutex
	calls := map[string]int{}
	over := false
	hit := func(scope string, late bool) {
		mu.Lock()
		if !late {
			calls[scope]++
		}
		now := !over && late == s.late && s.at(scope, calls)
		if now {
			over = true
			close(lost)
		}
		mu.Unlock()
		if now && who == "seller" {
			seller.halt() // nothing of it answers when this call goes on
		}
	}
	wire.set(
		func(scope string) error { hit(scope, false); return nil },
		func(scope string, reply []byte) []byte { hit(scope, true); return reply })

	spec := Spec{Module: buyer.put(mandelbrotModule), Args: []string{"mandelbrot", "32", "24"}}
	id := buyer.submit(spec)
	select {
	case <-lost:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the step was never reached; calls %v", calls)
	}
	if who == "seller" {
		seller.start()
	} else {
		buyer.halt()
		buyer.start()
	}
	j := buyer.wait(id)
	if j.State != Done || !j.Paid || len(j.Files) != 1 {
		for _, e := range j.History {
			t.Log(e.State, e.Text, e.Reason)
		}
		t.Fatalf("%s: %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, seller, j.Cost)
	rc, err := buyer.blobs.Open(j.Files[0].Blob.Hash)
	if err != nil {
		t.Fatal(err)
	}
	rc.Close()
	again := buyer.run(spec) // and both still trade
	if again.State != Done {
		t.Errorf("again: %s (%s)", again.Reason, again.Error)
	}
	agree(t, buyer, seller, j.Cost+again.Cost)
}

// TestSellerGone shows that a buyer whose seller does not come back is told so,
// keeps what arrived and pays nothing.
func TestSellerGone(t *testing.T) {
	t.Parallel()
	buyer, seller, _ := tapped(t) // whose patience is 3 s
	engine := seller.engine.(*tricky)
	running := make(chan struct{})
	engine.before = func(ctx context.Context) { close(running); <-ctx.Done() }
	id := buyer.submit(primes(buyer, "100"))
	<-running
	seller.halt()
	j := buyer.wait(id)
	if j.State != Failed || j.Reason != SellerLost || j.Cost != 0 || j.Paid {
		t.Errorf("%+v", j)
	}
	if got := buyer.ledger.Line(seller.key.Entity()).Balance; got != 0 {
		t.Errorf("balance %s", got)
	}
	if held := len(buyer.ledger.Holds()); held != 0 {
		t.Errorf("%d holds", held)
	}
	if got := buyer.log(id, Stdout); got != "" {
		t.Errorf("stdout %q", got)
	}
}

// TestReplay sends an order again: it is answered as before, runs nothing and
// changes no balance. Another order for the same quote, an order for an old or a
// foreign quote, and somebody else's order are refused.
func TestReplay(t *testing.T) {
	sea := nodetest.New(t, 3)
	e := testEngine(t)
	buyer := newTrader(t, sea, 0, e, nil)
	seller := newTrader(t, sea, 1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
	seller.sell(nil)
	j := buyer.run(primes(buyer, "100"))
	agree(t, buyer, seller, j.Cost)
	p, err := buyer.book.Papers(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	runs := len(seller.engine.(*tricky).runs)
	req := orderRequest{Order: *p.Order, Quote: *p.Quote, Ask: *p.Ask}
	for range 3 {
		f, err := orderMethod.Call(t.Context(), buyer.node, seller.node.Addr(), req)
		if err != nil || f.Delivery == nil || f.Delivery.Hash(DeliveryPurpose) != p.Delivery.Hash(DeliveryPurpose) || f.Refusal != nil {
			t.Fatalf("replayed: %+v, %v", f, err)
		}
	}
	refusedWith := func(name string, req orderRequest, want Reason) {
		t.Helper()
		f, err := orderMethod.Call(t.Context(), buyer.node, seller.node.Addr(), req)
		if err != nil || f.Refusal == nil {
			t.Errorf("%s: %+v, %v", name, f, err)
			return
		}
		no, err := OpenRefusal(*f.Refusal)
		if err != nil || no.Reason != want || no.Of != req.Order.Hash(OrderPurpose) {
			t.Errorf("%s: %+v, %v, want %s", name, no, err, want)
		}
	}
	must := func(st identity.Statement, err error) identity.Statement {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	o, q := Order{Quote: p.Quote.Hash(QuotePurpose), At: 12345}, must(*p.Quote, nil)
	refusedWith("used", orderRequest{Order: must(o.Sign(buyer.key)), Quote: q, Ask: *p.Ask}, QuoteUsed)

	quote, err := readQuote(p.Quote.Body)
	if err != nil {
		t.Fatal(err)
	}
	quote.Until = time.Now().Add(-time.Second).UnixMilli()
	old := must(quote.Sign(seller.key))
	refusedWith("expired", orderRequest{Order: must(Order{Quote: old.Hash(QuotePurpose)}.Sign(buyer.key)), Quote: old, Ask: *p.Ask}, Expired)
	foreign := must(quote.Sign(buyer.key))
	refusedWith("foreign", orderRequest{Order: must(Order{Quote: foreign.Hash(QuotePurpose)}.Sign(buyer.key)), Quote: foreign, Ask: *p.Ask}, UnknownQuote)

	if _, err := orderMethod.Call(t.Context(), sea.Nodes[2], seller.node.Addr(), req); rpc.FromWire(rpc.Outcome(err)) == nil {
		t.Error("somebody else's order was answered")
	}
	if _, err := followMethod.Call(t.Context(), sea.Nodes[2], seller.node.Addr(), followRequest{Order: j.Order}); err == nil {
		t.Error("somebody else follows the order")
	}
	if now := len(seller.engine.(*tricky).runs); now != runs {
		t.Errorf("%d more runs", now-runs)
	}
	agree(t, buyer, seller, j.Cost)
}

// TestSellerFails shows that a seller whose engine or whose way to the input
// fails is left, for another if there is one, and is not paid.
func TestSellerFails(t *testing.T) {
	sea := nodetest.New(t, 4)
	e := testEngine(t)
	buyer := newTrader(t, sea, 0, e, nil)
	wire := &tap{Node: sea.Nodes[1]}
	deaf := newTrader(t, sea, 1, e, func(tr *trader) {
		tr.via, tr.cfg.InputPatience = wire, 100*time.Millisecond // nothing will ever come
	})
	wire.set(func(scope string) error {
		if scope == "storage:get" {
			return rpc.ErrUnreachable
		}
		return nil
	}, nil)
	deaf.sell(nil)
	if j := buyer.run(primes(buyer, "100")); j.Reason != InputsMissing || j.Cost != 0 {
		t.Errorf("no input: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, deaf, 0)
	deaf.sell(func(p *Policy) { p.Selling = false })
	buyer.sellers.Forget(deaf.node.Addr())

	bad := newTrader(t, sea, 2, &tricky{engine: failing{}}, nil)
	bad.sell(nil)
	buyer.sellers.Forgive()
	if j := buyer.run(primes(buyer, "100")); j.Reason != EngineFailed || j.Cost != 0 {
		t.Errorf("no engine: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, bad, 0)

	good := newTrader(t, sea, 3, &tricky{engine: e}, nil)
	good.sell(func(p *Policy) { p.PerGfuel = 2 * ledger.Credit }) // so that the bad one comes first
	buyer.sellers.Forgive()
	j := buyer.run(primes(buyer, "100"))
	if j.State != Done || j.Seller != good.key.Entity() {
		t.Errorf("another seller: %s, %s (%s), by %s", j.State, j.Reason, j.Error, j.Seller.Short())
	}
	agree(t, buyer, bad, 0)
	agree(t, buyer, good, j.Cost)
}

type failing struct{}

func (failing) Run(context.Context, compute.Job, compute.Blobs, compute.Live) (compute.Result, error) {
	return compute.Result{Fuel: 5}, compute.ErrEngine
}

// TestNoRoom shows that a seller with room for one of two inputs does not fetch
// them in turn for ever, and that one with room for one of two outputs does not
// sign that it has both.
func TestNoRoom(t *testing.T) {
	sea := nodetest.New(t, 2)
	buyer := newTrader(t, sea, 0, testEngine(t), nil)
	e := &tricky{engine: testEngine(t)}
	seller := newTrader(t, sea, 1, e, func(tr *trader) {
		tr.keeps.MaxBytes = int64(len(examples.Primes)) + 150<<10
	})
	seller.sell(nil)
	s := primes(buyer, "100")
	for i, name := range []string{"a", "b"} {
		blob := buyer.put(bytes.Repeat([]byte{byte(i)}, 100<<10))
		s.Files = append(s.Files, compute.File{Path: name, Hash: blob.Hash, Size: blob.Size})
	}
	if j := buyer.run(s); j.Reason != InputsMissing {
		t.Errorf("inputs: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
	if _, pinned := seller.blobs.Usage(); pinned != 0 {
		t.Errorf("inputs: %d bytes are still pinned", pinned)
	}
	e.lie = func(r *compute.Result) {
		r.Stdout = bytes.Repeat([]byte("o"), 100<<10)
		file := bytes.Repeat([]byte("f"), 100<<10)
		r.Files = []compute.OutFile{{Path: "f", Data: file, Blob: compute.BlobOf(file)}}
	}
	if j := buyer.run(primes(buyer, "100")); j.Reason != EngineFailed {
		t.Errorf("outputs: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, seller, 0)
}

// TestUnreadable shows that a buyer does not try for long what a seller cannot
// read.
func TestUnreadable(t *testing.T) {
	buyer, seller, wire := tapped(t)
	wire.set(func(scope string) error {
		if scope == orderMethod.Scope {
			return rpc.Errorf(rpc.BadRequest, "version 1 is not known here")
		}
		return nil
	}, nil)
	j := buyer.run(primes(buyer, "100"))
	if j.Reason != BadStatement || j.Cost != 0 {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
	agree(t, buyer, seller, 0)
}

// TestAskedTooOften shows that what one buyer may ask is bounded, that another
// is not touched, and that only so many are counted.
func TestAskedTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Market
		m.selling.askers = map[identity.Entity]bucket{}
		greedy, modest := identity.Entity{1}, identity.Entity{2}
		for range askBurst {
			if !m.allow(greedy, 1) {
				t.Fatal("stopped within its burst")
			}
		}
		if m.allow(greedy, 1) || !m.allow(modest, 1) {
			t.Error("one more was let through, or another was stopped")
		}
		time.Sleep(time.Second)
		got := 0
		for m.allow(greedy, 1) {
			got++
		}
		if got != askRate {
			t.Errorf("%d after a second, want %d", got, askRate)
		}
		for i := range 2 * maxAskers {
			m.allow(identity.Entity{byte(i), byte(i >> 8), 3}, 1)
		}
		if n := len(m.selling.askers); n > maxAskers {
			t.Errorf("%d are counted, want at most %d", n, maxAskers)
		}
	})
}
