package market

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
)

// wasm reads one of the engine's own test programs.
func wasm(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "compute", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// endless is (module (memory (export "memory") 1) (func (export "_start") (loop (br 0)))).
var endless = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" +
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" +
	"\x0a\x09\x01\x07\x00\x03\x40\x0c\x00\x0b\x0b")

// trapping is the same with unreachable for the loop.
var trapping = append(endless[:len(endless)-11:len(endless)-11], "\x0a\x05\x01\x03\x00\x00\x0b"...)

// agree demands that both ledgers show the same and that nothing is held for
// orders that have ended.
func agree(t *testing.T, buyer, seller *trader, owes ledger.Amount) {
	t.Helper()
	agreeLine(t, buyer, seller, owes, owes)
}

// agreeLine is agree where several strangers owe all together.
func agreeLine(t *testing.T, buyer, seller *trader, owes, all ledger.Amount) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	changed := make(chan struct{}, 100)
	defer seller.ledger.Watch(func(ledger.Change) { changed <- struct{}{} })()
	for {
		b, s := buyer.ledger.Line(seller.key.Entity()).Balance, seller.ledger.Line(buyer.key.Entity()).Balance
		used := seller.ledger.Strangers().Used
		held := len(buyer.ledger.Holds()) + len(seller.ledger.Holds())
		if b == -owes && s == owes && used == all && held == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("buyer's balance %s, seller's %s, strangers use %s, %d holds; want a debt of %s", b, s, used, held, owes)
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestEnds runs programs that end in every way there is. What ran is paid,
// what was refused costs nothing, and the seller goes on.
func TestEnds(t *testing.T) {
	buyer, seller := testMarket(t)
	little := compute.Limits{Fuel: 1_000_000, OutputBytes: 3 << 20} // bombs get more
	tests := []struct {
		name   string
		module []byte
		args   int
		state  State
		reason Reason
		billed bool
	}{
		{"endless loop", endless, 1, Failed, OutOfFuel, true},
		{"trap", trapping, 1, Failed, Trapped, true},
		{"output bomb", wasm(t, "bombs.wasm"), 1, Failed, OutputLimit, true},
		{"file bomb", wasm(t, "bombs.wasm"), 2, Failed, OutputLimit, true},
		{"not WebAssembly", []byte("#!/bin/sh\necho hello\n"), 1, Failed, ModuleInvalid, false},
		{"cut module", examples.Primes[:len(examples.Primes)/2], 1, Failed, ModuleInvalid, false},
		{"unknown import", wasm(t, "bad_import.wasm"), 1, Failed, ImportUnknown, false},
		{"little memory", examples.Primes, 1, Failed, BadJob, false},
		{"memory bomb", wasm(t, "bombs.wasm"), 6, Done, "", true},
		{"a good one", examples.Primes, 1, Done, "", true},
	}
	var owes ledger.Amount
	for _, test := range tests {
		s := Spec{Name: test.name, Module: buyer.put(test.module), Args: strings.Split(strings.Repeat("x ", test.args-1)+"x", " "), Limits: little}
		if strings.HasSuffix(test.name, " bomb") {
			s.Limits.Fuel, s.Limits.MemoryPages = Gfuel, 256
		}
		if test.name == "little memory" {
			s.Limits.MemoryPages = 1
		}
		if test.name == "a good one" {
			s.Args = []string{"primes", "100"}
		}
		j := buyer.run(s)
		if j.State != test.state || j.Reason != test.reason || (j.Cost > 0) != test.billed || j.Paid != test.billed {
			t.Errorf("%s: %s, %s (%s), cost %s, paid %v", test.name, j.State, j.Reason, j.Error, j.Cost, j.Paid)
		}
		if j.Cost > j.Ceiling || test.reason == OutOfFuel && j.Cost != j.Ceiling {
			t.Errorf("%s: cost %s, ceiling %s", test.name, j.Cost, j.Ceiling)
		}
		if test.reason != "" && (j.Hint == "" || j.Error == "") {
			t.Errorf("%s: error %q, hint %q", test.name, j.Error, j.Hint)
		}
		owes += j.Cost
		agree(t, buyer, seller, owes)
	}
	sales, err := seller.Sales(100)
	if err != nil || len(sales) != len(tests) {
		t.Errorf("%d sales, %v", len(sales), err)
	}
	// A payment is in the ledger before the sale that it is for knows.
	var e Earnings
	for {
		if e, err = seller.Earnings(); err != nil || e.Due == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if err != nil || e.Paid != owes || e.Due != 0 || e.Jobs != 6 {
		t.Errorf("earnings %+v, %v, want %s of 6 jobs", e, err, owes)
	}
	buyer.halt()
	seller.halt()
	if _, pinned := seller.blobs.Usage(); pinned != 0 {
		t.Errorf("%d bytes stay pinned at the seller", pinned)
	}
	if _, pinned := buyer.blobs.Usage(); pinned != 0 {
		t.Errorf("%d bytes stay pinned at the buyer", pinned)
	}
}

// TestFiles sends stdin and files there and an output folder back.
func TestFiles(t *testing.T) {
	buyer, seller := testMarket(t)
	j := buyer.run(Spec{Module: buyer.put(examples.WordFreq), Args: []string{"wordfreq"}, Stdin: buyer.put(examples.Loomings)})
	if j.State != Done || !strings.Contains(buyer.log(j.ID, Stdout), "the") {
		t.Fatalf("word frequencies: %+v", j)
	}
	j = buyer.run(Spec{Module: buyer.put(examples.Mandelbrot), Args: []string{"mandelbrot", "64", "48"}})
	if j.State != Done || len(j.Files) != 1 {
		t.Fatalf("mandelbrot: %+v: %s", j, j.Error)
	}
	dir := t.TempDir()
	if err := buyer.book.Save(t.Context(), j.ID, dir); err != nil {
		t.Fatal(err)
	}
	png, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(j.Files[0].Path)))
	if err != nil || compute.BlobOf(png) != j.Files[0].Blob {
		t.Errorf("the saved file has %d bytes, %v", len(png), err)
	}
	_ = seller
}

// TestVerify runs a job again in another process and compares, also after the
// seller has lied about it.
func TestVerify(t *testing.T) {
	buyer, seller := testMarket(t)
	e := workers(t)
	j := buyer.run(primes(buyer, "2000"))
	v, err := buyer.book.Verify(t.Context(), j.ID, e)
	if err != nil || !v.Match || !v.OutputMatch || v.FuelClaimed != v.FuelRecomputed || v.FuelClaimed != j.Fuel {
		t.Errorf("got %+v, %v for %d fuel", v, err, j.Fuel)
	}

	here := buyer.engine
	seller.engine.(*tricky).lie = func(r *compute.Result) { r.Fuel++ }
	j = buyer.run(primes(buyer, "2001"))
	if v, err = buyer.book.Verify(t.Context(), j.ID, here); err != nil || v.Match || !v.OutputMatch || v.FuelClaimed != v.FuelRecomputed+1 {
		t.Errorf("one more fuel: got %+v, %v", v, err)
	}
	seller.engine.(*tricky).lie = func(r *compute.Result) { r.Stdout = []byte("169\n") }
	j = buyer.run(primes(buyer, "1001"))
	if v, err = buyer.book.Verify(t.Context(), j.ID, here); err != nil || v.Match || v.OutputMatch {
		t.Errorf("other output: got %+v, %v", v, err)
	}
}

// TestRefusals shows each reason for which no order is made.
func TestRefusals(t *testing.T) {
	sea := nodetest.New(t, 2)
	e := testEngine(t)
	buyer := newTrader(t, sea, 0, e, nil)
	seller := newTrader(t, sea, 1, e, nil)
	good := primes(buyer, "100")
	input := buyer.put([]byte(strings.Repeat("x", 100)))
	tests := []struct {
		name   string
		policy func(*Policy)
		spec   func(*Spec)
		want   Reason
	}{
		{"nobody sells", func(p *Policy) { p.Selling = false }, nil, NoSeller},
		{"the one named does not sell", func(p *Policy) { p.Selling = false }, func(s *Spec) { s.To = []addr.Addr{seller.node.Addr()} }, NotSelling},
		{"nobody there", nil, func(s *Spec) { s.To = []addr.Addr{addr.MakeString("nobody")} }, Unreachable},
		{"price per Gfuel", nil, func(s *Spec) { s.MaxPrice = ledger.Credit - 1 }, RefusedPrice},
		{"fee above the cap", func(p *Policy) { p.Fee = 11 * ledger.Credit }, nil, RefusedPrice},
		{"fuel above the cap", nil, func(s *Spec) { s.Limits.Fuel = 10*Gfuel + 1 }, RefusedPrice},
		{"credit", func(p *Policy) { p.PerGfuel = 1000 * ledger.Credit }, func(s *Spec) { s.Limits.Fuel, s.MaxCredit = Gfuel/90, 12*ledger.Credit }, RefusedCredit},
		{"fuel", func(p *Policy) { p.Caps.Fuel = 1000 }, func(s *Spec) { s.Limits.Fuel = 1001 }, Fuel},
		{"memory", func(p *Policy) { p.Caps.MemoryPages = 100 }, nil, Memory},
		{"output", func(p *Policy) { p.Caps.OutputBytes = 100 }, nil, Output},
		{"wall time", func(p *Policy) { p.Caps.WallMillis = 100 }, nil, WallTime},
		{"module", func(p *Policy) { p.Caps.ModuleBytes = 100 }, nil, ModuleSize},
		{"input", func(p *Policy) { p.Caps.InputBytes = 99 }, func(s *Spec) { s.Stdin = input }, InputSize},
	}
	for _, test := range tests {
		seller.sell(func(p *Policy) {
			*p = DefaultPolicy()
			p.Selling = true
			if test.policy != nil {
				test.policy(p)
			}
		})
		buyer.sellers.Forget(seller.node.Addr())
		s := good
		if test.spec != nil {
			test.spec(&s)
		}
		j := buyer.run(s)
		if j.State != Failed || j.Reason != test.want || j.Cost != 0 || j.Order != [32]byte{} {
			t.Errorf("%s: %s, %s (%s), want %s", test.name, j.State, j.Reason, j.Error, test.want)
		}
		// The seller's own word is the same as what the buyer sees by itself.
		quotes, err := buyer.Quotes(t.Context(), s)
		var no *Refused
		switch {
		case errors.As(err, &no):
			if no.Reason != test.want {
				t.Errorf("%s: quotes: %v", test.name, err)
			}
		case err != nil || len(quotes) != 1 || quotes[0].Reason != test.want:
			t.Errorf("%s: quotes %+v, %v", test.name, quotes, err)
		}
	}
	agree(t, buyer, seller, 0)
}

// TestSellerRefuses asks past the buyer's own checks: the seller's refusal is
// signed and has the reason.
func TestSellerRefuses(t *testing.T) {
	buyer, seller := testMarket(t)
	job := primes(buyer, "1").withDefaults().job(Gfuel)
	tests := []struct {
		name   string
		policy func(*Policy)
		ask    func(*Ask, *compute.Job)
		want   Reason
	}{
		{"taken", nil, nil, ""},
		{"not selling", func(p *Policy) { p.Selling = false }, nil, NotSelling},
		{"price", nil, func(a *Ask, _ *compute.Job) { a.PerGfuel = 5 }, RefusedPrice},
		{"cap", nil, func(a *Ask, _ *compute.Job) { a.Credit = 5 }, RefusedPrice},
		{"credit", func(p *Policy) { p.PerGfuel = 1000 * ledger.Credit }, func(a *Ask, j *compute.Job) { a.PerGfuel, j.Limits.Fuel = 1000*ledger.Credit, Gfuel/90 }, RefusedCredit},
		{"memory", nil, func(a *Ask, j *compute.Job) { j.Limits.MemoryPages = compute.MaxMemoryPages }, Memory},
	}
	for _, test := range tests {
		seller.sell(func(p *Policy) {
			*p = DefaultPolicy()
			p.Selling = true
			if test.policy != nil {
				test.policy(p)
			}
		})
		a, j := Ask{To: seller.key.Entity(), Credit: 100 * ledger.Credit, PerGfuel: 100 * ledger.Credit}, job
		if test.ask != nil {
			test.ask(&a, &j)
		}
		a.Job = j.Encode()
		st, err := a.Sign(buyer.key)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := askMethod.Call(t.Context(), buyer.node, seller.node.Addr(), askRequest{st})
		if err != nil {
			t.Fatal(err)
		}
		if test.want == "" {
			if answer.Quote == nil || answer.Refusal != nil {
				t.Errorf("%s: %+v", test.name, answer)
			}
			continue
		}
		if answer.Refusal == nil {
			t.Errorf("%s: no refusal", test.name)
			continue
		}
		no, err := OpenRefusal(*answer.Refusal)
		if err != nil || no.Reason != test.want || no.Of != st.Hash(AskPurpose) || answer.Refusal.By != seller.key.Entity() {
			t.Errorf("%s: %+v, %v", test.name, no, err)
		}
		if test.want == RefusedCredit && no.Room != 5*ledger.Credit {
			t.Errorf("%s: room %s", test.name, no.Room)
		}
	}
}

// TestRoom shows that a buyer that did not say how much fuel it needs gets as
// much as the seller still lends it.
func TestRoom(t *testing.T) {
	buyer, seller := testMarket(t)
	seller.sell(func(p *Policy) { p.PerGfuel = 1000 * ledger.Credit })
	first := buyer.run(Spec{Module: buyer.put(endless), Limits: compute.Limits{Fuel: 400_000}})
	if first.Reason != OutOfFuel || first.Cost != 4*ledger.Credit/10 {
		t.Fatalf("%+v", first)
	}
	j := buyer.run(primes(buyer, "100"))
	if j.State != Done || j.FuelLimit != 4_600_000 {
		t.Errorf("%s (%s), fuel limit %d", j.State, j.Error, j.FuelLimit)
	}
	agree(t, buyer, seller, first.Cost+j.Cost)
}

// TestSubmitRefuses shows what is refused before anybody is asked.
func TestSubmitRefuses(t *testing.T) {
	sea := nodetest.Loose(t, 1)
	buyer := newTrader(t, sea, 0, testEngine(t), nil)
	good := primes(buyer, "1")
	tests := []struct {
		name string
		edit func(*Spec)
		want Reason
	}{
		{"module of 100 MB", func(s *Spec) { s.Module.Size = 100 << 20 }, ModuleSize},
		{"no module", func(s *Spec) { s.Module = compute.Blob{} }, ModuleInvalid},
		{"module not there", func(s *Spec) { s.Module.Hash[0]++ }, BadJob},
		{"stdin not there", func(s *Spec) { s.Stdin = compute.BlobOf([]byte("nowhere")) }, BadJob},
		{"env", func(s *Spec) { s.Env = []string{"novalue"} }, BadJob},
		{"file outside", func(s *Spec) { s.Files = []compute.File{{Path: "../x", Hash: s.Module.Hash, Size: s.Module.Size}} }, BadJob},
		{"negative cap", func(s *Spec) { s.MaxCredit = -1 }, BadJob},
		{"negative timeout", func(s *Spec) { s.Timeout = -time.Second }, BadJob},
		{"too much memory", func(s *Spec) { s.Limits.MemoryPages = 1 << 20 }, BadJob},
	}
	for _, test := range tests {
		s := good
		test.edit(&s)
		var no *Refused
		if _, err := buyer.Submit(t.Context(), s); !errors.As(err, &no) || no.Reason != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	if jobs, err := buyer.book.Jobs(10, false); err != nil || len(jobs) != 0 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	if _, pinned := buyer.blobs.Usage(); pinned != 0 {
		t.Errorf("%d bytes stay pinned", pinned)
	}
}

// tricky is an engine that may lie, wait and count.
type tricky struct {
	engine
	before func(ctx context.Context) // nil does not wait
	lie    func(*compute.Result)
	runs   chan struct{} // gets one for each run
}

func (e *tricky) Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error) {
	select {
	case e.runs <- struct{}{}:
	default:
	}
	if e.before != nil {
		e.before(ctx)
	}
	if e.lie == nil {
		return e.engine.Run(ctx, job, blobs, live)
	}
	r, err := e.engine.Run(ctx, job, blobs, compute.Live{})
	if err == nil {
		e.lie(&r)
		if live.Stdout != nil {
			_, err = live.Stdout.Write(r.Stdout)
		}
	}
	return r, err
}
