// Package buy_test has tabs that buy jobs.
package buy_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/tradetest"
)

type bought struct {
	Stdout, Streamed, End, Result string
	Fuel                          uint64
	Cost                          int
	Right                         bool
	Files                         []string
}

// TestBuy has a tab buy jobs from a Go node: what comes of them is to the unit
// what Go's engine makes of them, and what is owed lives through a reload.
func TestBuy(t *testing.T) { browsertest.Each(t, buy) }

func buy(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	site := browsertest.Page(t, "page.ts")
	site["primes"] = &fstest.MapFile{Data: examples.Primes}
	site["mandelbrot"] = &fstest.MapFile{Data: examples.Mandelbrot}
	url := browsertest.Serve(t, site)
	sea := nodetest.NewOn(t, nodetest.WS(), 1)
	tradetest.Sell(t, sea, 0)
	open := "await test.open(" + strconv.Quote(sea.URLs[0]) + ")"

	tab := browser.Tab(t, url)
	tab.Run(t, open)
	primes := browsertest.Value[bought](t, tab, `test.buy("primes", "1000")`)
	if primes.Stdout != "168\n" || primes.Streamed != primes.Stdout || primes.End != "exit" || !primes.Right {
		t.Errorf("got %+v", primes)
	}
	if want := run(t, examples.Primes, "primes", "1000"); primes.Fuel != want.Fuel || primes.Result != resultOf(want) {
		t.Errorf("got fuel %d and result %s, Go's are %d and %s", primes.Fuel, primes.Result, want.Fuel, resultOf(want))
	}
	picture := browsertest.Value[bought](t, tab, `test.buy("mandelbrot", "32", "24")`)
	if want := run(t, examples.Mandelbrot, "mandelbrot", "32", "24"); picture.Fuel != want.Fuel || picture.Result != resultOf(want) {
		t.Errorf("got fuel %d and result %s, Go's are %d and %s", picture.Fuel, picture.Result, want.Fuel, resultOf(want))
	}
	if len(picture.Files) != 1 || !strings.HasPrefix(picture.Files[0], "mandelbrot.png ") {
		t.Errorf("the files are %q", picture.Files)
	}

	tab.Open(t, url)
	tab.Run(t, open)
	if owed := browsertest.Value[[]int](t, tab, "test.owed()"); len(owed) != 1 || owed[0] != primes.Cost+picture.Cost {
		t.Errorf("after a reload %d is owed, the bills were %d and %d", owed, primes.Cost, picture.Cost)
	}
	tab.Run(t, "await test.delivered()")
}

// run runs a job as a tab's buyer describes it, on Go's engine.
func run(t *testing.T, module []byte, args ...string) compute.Result {
	t.Helper()
	engine := compute.New(compute.Config{InProcess: true, CacheDir: t.TempDir()})
	defer engine.Close()
	blob := compute.BlobOf(module)
	blobs := compute.MapBlobs{blob.Hash: module}
	job := compute.Job{Module: blob.Hash, ModuleSize: blob.Size, Args: args, Limits: compute.DefaultLimits(), Tariff: compute.Tariff1}
	r, err := engine.Run(t.Context(), job, blobs, compute.Live{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func resultOf(r compute.Result) string {
	h := r.Hash()
	return hex.EncodeToString(h[:])
}
