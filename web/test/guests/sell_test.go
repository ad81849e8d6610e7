//go:build !race

package guests_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins"
	"github.com/peersea/sea/plugins/credit"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
	"github.com/peersea/sea/web/internal/browsertest"
)

// buyer is a Go node that buys.
type buyer struct {
	market *market.Market
	ledger *ledger.Ledger
	book   *market.Book
	engine *compute.Engine
	blobs  *storage.Storage
	sea    *nodetest.Sea
}

func newBuyer(t *testing.T) *buyer {
	t.Helper()
	sea := nodetest.NewOn(t, nodetest.WS(), 1)
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), sea.Keys[0], ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := storage.Open(filepath.Join(dir, "blobs"), storage.Config{})
	if err != nil {
		t.Fatal(err)
	}
	book, err := market.OpenBook(st, blobs)
	if err != nil {
		t.Fatal(err)
	}
	engine := compute.New(compute.Config{InProcess: true})
	m := market.New(sea.Keys[0], book, l, engine, market.Config{})
	set, err := plugins.Start(sea.Nodes[0], filepath.Join(dir, "plugins"), nil,
		plugins.Named{Name: "storage", Plugin: blobs},
		plugins.Named{Name: "credit", Plugin: credit.New(l, credit.Config{})},
		plugins.Named{Name: "market", Plugin: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ran, engine.Close(), l.Close(), st.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return &buyer{m, l, book, engine, blobs, sea}
}

// submit has a job bought from the node at an address.
func (b *buyer) submit(t *testing.T, from addr.Addr, module, stdin []byte, limits compute.Limits, args ...string) market.Job {
	t.Helper()
	put := func(data []byte) compute.Blob {
		if len(data) == 0 {
			return compute.Blob{}
		}
		blob, err := b.blobs.PutBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		return blob
	}
	j, err := b.market.Submit(t.Context(), market.Spec{
		Module: put(module), Stdin: put(stdin), Args: args, Limits: limits, To: []addr.Addr{from}, MaxCredit: 2_000_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (b *buyer) wait(t *testing.T, id market.ID) market.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	j, err := b.market.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// verified holds a job's bill to what Go's engine makes of it.
func (b *buyer) verified(t *testing.T, name string, j market.Job) {
	t.Helper()
	v, err := b.book.Verify(t.Context(), j.ID, b.engine)
	if err != nil || !v.Match {
		t.Errorf("%s (%s %s %s), recomputed by Go: %+v, %v", name, j.State, j.Reason, j.Error, v, err)
	}
	if !j.Paid || j.Cost == 0 {
		t.Errorf("%s: %d micro-credits, paid %v", name, j.Cost, j.Paid)
	}
}

// TestSell: a Go node buys from a tab. Output, fuel and bill are what Go's own engine
// comes to, and both ledgers say the same at the end.
func TestSell(t *testing.T) { browsertest.Each(t, sell) }

func sell(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	bench := newBench(t)
	b := newBuyer(t)
	tab := browser.Tab(t, bench.serve(t, true))
	seller, err := addr.Parse(browsertest.Value[string](t, tab, fmt.Sprintf("selling.open('%s')", b.sea.URLs[0])))
	if err != nil {
		t.Fatal(err)
	}
	example := func(name string) []byte { return read(t, "../../../examples/"+name+"/"+name+".wasm") }
	var paid ledger.Amount

	primes := b.wait(t, b.submit(t, seller, example("primes"), nil, compute.Limits{}, "primes", "100000").ID)
	b.verified(t, "primes", primes)
	paid += primes.Cost
	log, err := b.book.Log(primes.ID, market.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(log)
	if err := errors.Join(err, log.Close()); err != nil || string(out) != "9592\n" {
		t.Errorf("primes wrote %q, %v", out, err)
	}

	words := strings.Repeat("to be or not to be ", 60_000) // more than one piece
	counted := b.wait(t, b.submit(t, seller, example("wordfreq"), []byte(words), compute.Limits{}, "wordfreq").ID)
	b.verified(t, "wordfreq", counted)
	paid += counted.Cost

	picture := b.wait(t, b.submit(t, seller, example("mandelbrot"), nil, compute.Limits{}, "mandelbrot", "64", "48").ID)
	b.verified(t, "mandelbrot", picture)
	paid += picture.Cost
	dir := filepath.Join(t.TempDir(), "out")
	if err := b.book.Save(t.Context(), picture.ID, dir); err != nil {
		t.Fatal(err)
	}
	if png, err := os.ReadFile(filepath.Join(dir, "mandelbrot.png")); err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("the picture: %d bytes, %v", len(png), err)
	}

	for reason, refused := range map[market.Reason]market.Job{
		market.RefusedCredit: b.submit(t, seller, example("primes"), nil, compute.Limits{Fuel: 1e12}, "primes", "10"),
		market.Memory:        b.submit(t, seller, example("primes"), nil, compute.Limits{Fuel: 1e6, MemoryPages: 60_000}, "primes", "10"),
	} {
		if j := b.wait(t, refused.ID); j.State != market.Failed || j.Reason != reason {
			t.Errorf("%s %s, want it refused for %s", j.State, j.Reason, reason)
		}
	}

	// It has no end: it is paused, goes on, and is cancelled.
	endless := b.submit(t, seller, read(t, "../../../compute/testdata/loops.wasm"), nil, compute.Limits{Fuel: 900e9}, "a", "b")
	tab.Run(t, "await selling.running(); selling.rest('hidden')")
	tab.Run(t, "selling.rest('')")
	if err := b.market.Cancel(t.Context(), endless.ID); err != nil {
		t.Fatal(err)
	}
	endless = b.wait(t, endless.ID)
	b.verified(t, "a job without an end", endless)
	paid += endless.Cost

	tab.Run(t, "await selling.settled()")
	if owed := browsertest.Value[string](t, tab, "selling.owed()"); owed != fmt.Sprint(int64(paid)) {
		t.Errorf("the tab is owed %s, want %d", owed, paid)
	}
	if states := browsertest.Value[[]string](t, tab, "selling.states()"); strings.Join(states, " ") != "paid paid paid paid" {
		t.Errorf("sales are %v", states)
	}
}
