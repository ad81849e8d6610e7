//go:build !race

package guests_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/web/internal/browsertest"
)

// got is what tabs.ts says of a job that it bought.
type got struct {
	Stdout, Job, Receipt string
	Files                map[string]string
	Cost                 uint64 `json:",string"`
}

// tabs are a tab that sells and one that buys, of two profiles; a Go node is only
// how they come in.
type tabs struct {
	*bench
	page, url       string
	seller, buyer   *browsertest.Tab
	selling, buying *browsertest.Browser
	sellerAt        string
}

func newTabs(t *testing.T) *tabs {
	t.Helper()
	b := newBenchOf(t, "tabs.ts")
	m := &tabs{bench: b, page: b.serve(t, true), url: nodetest.NewOn(t, nodetest.WS(), 1).URLs[0]}
	m.selling = browsertest.Start(t)
	m.buying = m.selling.Profile(t)
	m.openSeller(t)
	m.openBuyer(t)
	return m
}

func (m *tabs) openSeller(t *testing.T) {
	t.Helper()
	m.seller = m.selling.Tab(t, m.page)
	m.sellerAt = browsertest.Value[string](t, m.seller, fmt.Sprintf("tabs.open('%s')", m.url))
	m.seller.Run(t, "await tabs.sell()")
}

func (m *tabs) openBuyer(t *testing.T) {
	t.Helper()
	m.buyer = m.buying.Tab(t, m.page)
	m.buyer.Run(t, fmt.Sprintf("await tabs.open('%s')", m.url))
}

// order has the one tab order from the other.
func (m *tabs) order(t *testing.T, module, stdin []byte, args ...string) {
	t.Helper()
	hash := m.blobs.Add(module).Hash
	in := ""
	if len(stdin) > 0 {
		in = m.blobs.Add(stdin).Hash.String()
	}
	m.buyer.Run(t, fmt.Sprintf("await tabs.order('%s', '%s', '%s', ...'%s'.split(' '))", m.sellerAt, hash, in, strings.Join(args, " ")))
}

// bought waits for what was ordered, holds it to the unit to what Go's engine makes
// of the same job at the same price, and gives the cost.
func (m *tabs) bought(t *testing.T) uint64 {
	t.Helper()
	b := browsertest.Value[got](t, m.buyer, "tabs.got()")
	encoded, err := hex.DecodeString(b.Job)
	if err != nil {
		t.Fatal(err)
	}
	job, err := compute.DecodeJob(encoded)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.engine.Run(t.Context(), job, m.blobs, compute.Live{})
	if err != nil {
		t.Fatal(err)
	}
	want := r.Receipt(job.Tariff)
	want.Engine = ""
	if b.Receipt != fmt.Sprintf("%x", want.Encode()) {
		t.Errorf("%q: the receipt is %s, Go's %x", job.Args, b.Receipt, want.Encode())
	}
	if b.Stdout != fmt.Sprintf("%x", r.Stdout) {
		t.Errorf("%q: the output is %s, Go's %x", job.Args, b.Stdout, r.Stdout)
	}
	files := map[string]string{}
	for _, f := range r.Files {
		files[f.Path] = fmt.Sprintf("%x", f.Data)
	}
	if !maps.Equal(b.Files, files) {
		t.Errorf("%q: %d files, Go has %d, or they have other bytes", job.Args, len(b.Files), len(files))
	}
	// 1,000 micro-credits for 10^9 fuel, begun ones in full, and 3 for each job.
	if cost := 3 + (r.Fuel*1000+1e9-1)/1e9; b.Cost != cost {
		t.Errorf("%q: it cost %d, by Go's fuel %d", job.Args, b.Cost, cost)
	}
	return b.Cost
}

// owed holds both ledgers to a sum.
func (m *tabs) owed(t *testing.T, sum uint64) {
	t.Helper()
	m.seller.Run(t, "await tabs.settled()")
	if there, here := browsertest.Value[string](t, m.seller, "tabs.owed()"), browsertest.Value[string](t, m.buyer, "tabs.owed()"); there != fmt.Sprint(sum) || here != fmt.Sprintf("-%d", sum) {
		t.Errorf("the seller's ledger says %s, the buyer's %s, want %d", there, here, sum)
	}
}

// TestTabs: a tab buys from a tab. Output, files, fuel, bill and receipt are what Go
// makes of the same jobs, and both ledgers say the same at the end.
func TestTabs(t *testing.T) {
	m := newTabs(t)
	example := func(name string) []byte { return read(t, "../../../examples/"+name+"/"+name+".wasm") }
	var paid uint64
	m.order(t, example("primes"), nil, "primes", "100000")
	paid += m.bought(t)
	m.order(t, example("wordfreq"), []byte(strings.Repeat("to be or not to be ", 60_000)), "wordfreq") // more than one piece
	paid += m.bought(t)
	m.order(t, example("mandelbrot"), nil, "mandelbrot", "64", "48")
	paid += m.bought(t)
	m.owed(t, paid)
}

// TestAgain: the buyer's tab is reloaded, and crashes, in the middle of a job, and so
// does the seller's. What was ordered is found again: it is had and paid once, or the
// buyer is told that it is lost and pays nothing.
func TestAgain(t *testing.T) {
	m := newTabs(t)
	primes := read(t, "../../../examples/primes/primes.wasm")
	var paid uint64
	again := func(want string) {
		t.Helper()
		if state := browsertest.Value[string](t, m.buyer, "tabs.again()"); state != want {
			t.Errorf("the job is %s, want it %s", state, want)
		}
	}
	join := fmt.Sprintf("await tabs.open('%s')", m.url)

	// The buyer's tab is reloaded while the guest runs, and reads the result of a job
	// that has ended once more.
	m.order(t, primes, nil, "primes", "20000000")
	m.seller.Run(t, "await tabs.running()")
	m.buyer.Open(t, m.page)
	m.buyer.Run(t, join)
	again("open")
	paid += m.bought(t)
	m.owed(t, paid)
	m.buyer.Open(t, m.page)
	m.buyer.Run(t, join)
	again("done")
	if stdout := browsertest.Value[string](t, m.buyer, "tabs.stdout()"); stdout != "1270607\n" {
		t.Errorf("it wrote %q", stdout)
	}

	// It crashes, and the job is delivered before it is back; then the seller's is reloaded.
	m.order(t, primes, nil, "primes", "20000001")
	m.seller.Run(t, "await tabs.running()")
	m.buyer.Crash(t)
	m.seller.Run(t, "await tabs.delivered()")
	m.seller.Open(t, m.page)
	m.seller.Run(t, join)
	m.seller.Run(t, "await tabs.sell()")
	m.openBuyer(t)
	again("open")
	paid += m.bought(t)
	m.owed(t, paid)

	// The seller's tab crashes, and is reloaded, while the guest runs: nothing is had.
	m.order(t, primes, nil, "primes", "1000000000")
	m.seller.Run(t, "await tabs.running()")
	m.seller.Crash(t)
	m.openSeller(t)
	if why := browsertest.Value[string](t, m.buyer, "tabs.failed()"); why != "seller_lost" {
		t.Errorf("after the crash of its seller the job failed for %q", why)
	}
	m.order(t, primes, nil, "primes", "1000000000")
	m.seller.Run(t, "await tabs.running()")
	m.seller.Open(t, m.page)
	m.seller.Run(t, join)
	m.seller.Run(t, "await tabs.sell()")
	if why := browsertest.Value[string](t, m.buyer, "tabs.failed()"); why != "seller_lost" {
		t.Errorf("after a reload of its seller the job failed for %q", why)
	}
	m.owed(t, paid)
}
