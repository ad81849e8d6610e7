package market

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins"
	creditplugin "github.com/peersea/sea/plugins/credit"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

func TestMain(m *testing.M) {
	if compute.IsWorker() {
		os.Exit(compute.Worker())
	}
	code := m.Run()
	if shared.engine != nil {
		_ = shared.engine.Close()
		_ = os.RemoveAll(shared.dir)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared is the engine of all tests: it compiles each module once.
var shared struct {
	once   sync.Once
	engine *compute.Engine
	dir    string
}

func testEngine(t testing.TB) *compute.Engine {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "market-test-")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		shared.engine = compute.New(compute.Config{InProcess: true, CacheDir: dir})
	})
	return shared.engine
}

// trader is a node with everything that a trade needs.
type trader struct {
	*Market
	t      testing.TB
	dir    string
	node   *node.Node
	key    *identity.Key
	engine engine
	ledger *ledger.Ledger
	cfg    Config
	keeps  storage.Config
	via    plugins.Node        // nil is node
	lends  func(credit) credit // nil is the ledger itself
	swift  uint64              // what the market's fastestRate is; 0 leaves it
	ahead  atomic.Int64        // by how much the ledger's clock is

	stop func()
}

// newTrader starts a market on node i of the sea.
func newTrader(t testing.TB, sea *nodetest.Sea, i int, e engine, edit func(*trader)) *trader {
	t.Helper()
	tr := &trader{t: t, dir: t.TempDir(), node: sea.Nodes[i], key: sea.Keys[i], engine: e}
	tr.cfg.Patience = 3 * time.Second
	if edit != nil {
		edit(tr)
	}
	tr.start()
	t.Cleanup(func() { tr.halt() })
	return tr
}

// start opens everything in the trader's folder and runs it.
func (tr *trader) start() {
	t := tr.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	st, err := state.Open(filepath.Join(tr.dir, "state.db"))
	must(err)
	blobs, err := storage.Open(filepath.Join(tr.dir, "blobs"), tr.keeps)
	must(err)
	tr.ledger, err = ledger.Open(filepath.Join(tr.dir, "ledger.db"), tr.key, ledger.Config{
		Now: func() time.Time { return time.Now().Add(time.Duration(tr.ahead.Load())) },
	})
	must(err)
	book, err := OpenBook(st, blobs)
	must(err)
	var lends credit = tr.ledger
	if tr.lends != nil {
		lends = tr.lends(lends)
	}
	tr.Market = New(tr.key, book, lends, tr.engine, tr.cfg)
	if tr.swift != 0 {
		tr.fastest = tr.swift
	}
	via := tr.via
	if via == nil {
		via = tr.node
	}
	set, err := plugins.Start(via, filepath.Join(tr.dir, "plugins"), nil,
		plugins.Named{Name: "storage", Plugin: blobs},
		plugins.Named{Name: "credit", Plugin: creditplugin.New(tr.ledger, creditplugin.Config{})},
		plugins.Named{Name: "market", Plugin: tr.Market})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	tr.stop = func() {
		cancel()
		if err := errors.Join(<-ran, tr.ledger.Close(), st.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// halt stops everything, as the end of a process would, but in order.
func (tr *trader) halt() {
	if tr.stop != nil {
		tr.stop()
		tr.stop = nil
	}
}

func (tr *trader) put(b []byte) compute.Blob {
	tr.t.Helper()
	blob, err := tr.blobs.PutBytes(b)
	if err != nil {
		tr.t.Fatal(err)
	}
	return blob
}

func (tr *trader) sell(edit func(*Policy)) {
	tr.t.Helper()
	p := tr.Policy()
	p.Selling = true
	if edit != nil {
		edit(&p)
	}
	if err := tr.SetPolicy(p); err != nil {
		tr.t.Fatal(err)
	}
}

// run submits a job and waits for its end.
func (tr *trader) run(s Spec) Job {
	tr.t.Helper()
	return tr.wait(tr.submit(s))
}

func (tr *trader) submit(s Spec) ID {
	tr.t.Helper()
	j, err := tr.Submit(tr.t.Context(), s)
	if err != nil {
		tr.t.Fatal(err)
	}
	return j.ID
}

func (tr *trader) wait(id ID) Job {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), 60*time.Second)
	defer cancel()
	j, err := tr.Wait(ctx, id)
	if err != nil {
		j, _ = tr.book.Job(id)
		tr.t.Fatalf("wait: %v; it stands at %+v", err, j.History)
	}
	return j
}

func (tr *trader) log(id ID, s Stream) string {
	tr.t.Helper()
	rc, err := tr.book.Log(id, s)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(b)
}

// testMarket is a buyer and a seller with one engine, linked.
func testMarket(t testing.TB) (buyer, seller *trader) {
	t.Helper()
	sea := nodetest.New(t, 2)
	e := testEngine(t)
	buyer = newTrader(t, sea, 0, e, nil)
	seller = newTrader(t, sea, 1, &tricky{engine: e, runs: make(chan struct{}, 1000)}, nil)
	seller.sell(nil)
	return buyer, seller
}

// workers is an engine whose guests run in processes of their own, for those
// that would hold this one up.
func workers(t testing.TB) *compute.Engine {
	t.Helper()
	e := compute.New(compute.Config{Workers: 1})
	t.Cleanup(func() { _ = e.Close() })
	return e
}

var mandelbrotModule = examples.Mandelbrot

func primes(tr *trader, upTo string) Spec {
	return Spec{Name: "primes", Module: tr.put(examples.Primes), Args: []string{"primes", upTo}}
}

// TestTrade is a whole trade: found, quoted, ordered, run, delivered, paid.
func TestTrade(t *testing.T) {
	buyer, seller := testMarket(t)
	j := buyer.run(primes(buyer, "1000"))
	if j.State != Done || j.Exit == nil || *j.Exit != 0 || !j.Paid {
		t.Fatalf("got %+v", j)
	}
	if got := buyer.log(j.ID, Stdout); got != "168\n" {
		t.Errorf("stdout %q", got)
	}
	agree(t, buyer, seller, j.Cost)
}
