//go:build !race

// The race detector makes compiling slow, and finds what it can in the tests of
// package compute.

package guests_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/bundle"
)

// policy is the Content-Security-Policy of the page: nothing but our files, and
// WebAssembly.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' ws:; img-src data:"

// bench has a page that runs jobs, and the bytes of the jobs.
type bench struct {
	files  fstest.MapFS
	blobs  compute.MapBlobs
	engine *compute.Engine
}

// ran is what page.ts says of a job.
type ran struct {
	Receipt string `json:"receipt"`
	Fuel    uint64 `json:"fuel,string"`
	Error   string `json:"error"`
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchOf(t, "page.ts")
}

// newBenchOf has the page of another module.
func newBenchOf(t testing.TB, page string) *bench {
	t.Helper()
	worker, err := bundle.File("../../src/compute/worker.ts", bundle.Small)
	if err != nil {
		t.Fatal(err)
	}
	rewriter := filepath.Join(t.TempDir(), "meter.wasm")
	if err := bundle.Meter(rewriter); err != nil {
		t.Fatal(err)
	}
	b := &bench{
		files: browsertest.Page(t, page), blobs: compute.MapBlobs{},
		engine: compute.New(compute.Config{InProcess: true}),
	}
	t.Cleanup(func() { b.engine.Close() })
	b.files["worker.js"] = &fstest.MapFile{Data: worker}
	b.files["meter.wasm"] = &fstest.MapFile{Data: read(t, rewriter)}
	return b
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// job is one of a module, which is kept with its inputs.
func (b *bench) job(module []byte, stdin []byte, args ...string) compute.Job {
	m := b.blobs.Add(module)
	j := compute.Job{
		Module: m.Hash, ModuleSize: m.Size, Args: args, Limits: compute.DefaultLimits(), Tariff: compute.Tariff1,
	}
	if len(stdin) > 0 {
		j.Stdin = b.blobs.Add(stdin)
	}
	return j
}

// serve serves the page, cross-origin isolated or not.
func (b *bench) serve(t testing.TB, isolated bool) string {
	t.Helper()
	files := http.FileServerFS(b.files)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		if isolated {
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		}
		if name, ok := strings.CutPrefix(r.URL.Path, "/blobs/"); ok {
			hash, err := hex.DecodeString(name)
			if err != nil || len(hash) != len(identity.Hash{}) {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(b.blobs[identity.Hash(hash)]) // whether the page is still there is its business
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// run has the page do something with a job.
func run(t *testing.T, tab *browsertest.Tab, how string, j compute.Job) ran {
	t.Helper()
	return browsertest.Value[ran](t, tab, fmt.Sprintf("guests.%s('%x')", how, j.Encode()))
}

// agree holds what the page says to what Go's engine says of the same job.
func (b *bench) agree(t *testing.T, name string, j compute.Job, got ran, stopAt uint64) compute.Result {
	t.Helper()
	r, err := b.engine.Run(t.Context(), j, b.blobs, compute.Live{StopAt: stopAt})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want := r.Receipt(j.Tariff)
	want.Engine = ""
	if got.Receipt == fmt.Sprintf("%x", want.Encode()) {
		return r
	}
	if got.Error != "" {
		t.Errorf("%s: %s", name, got.Error)
		return r
	}
	encoded, err := hex.DecodeString(got.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := compute.DecodeReceipt(encoded)
	t.Errorf("%s: the tab says %+v %v, Go %+v", name, receipt, err, want)
	return r
}

// TestGuests runs the same jobs in a tab and by Go's engine: receipts are the same
// but for the engine's name, which is hashes of job and result, end, code, fuel and
// pages.
func TestGuests(t *testing.T) {
	b := newBench(t)
	url := b.serve(t, true)
	browsertest.Each(t, func(t *testing.T, browser *browsertest.Browser) { b.guests(t, browser.Tab(t, url)) })
}

func (b *bench) guests(t *testing.T, tab *browsertest.Tab) {
	if !browsertest.Value[bool](t, tab, "guests.steerable()") {
		t.Error("the page is isolated, and its engine cannot be steered")
	}

	example := func(name string) []byte { return read(t, "../../../examples/"+name+"/"+name+".wasm") }
	own := func(name string) []byte { return read(t, "../../../compute/testdata/"+name+".wasm") }
	counted := func(module []byte, n int) compute.Job { return b.job(module, nil, make([]string, n)...) }
	check := func(name string, j compute.Job, end compute.End) {
		t.Helper()
		if r := b.agree(t, name, j, run(t, tab, "run", j), 0); r.End != end && end != "" {
			t.Errorf("%s ended %s, want %s", name, r.End, end)
		}
	}

	check("primes", b.job(example("primes"), nil, "primes", "100000"), compute.Exit)
	check("wordfreq", b.job(example("wordfreq"), read(t, "../../../examples/wordfreq/loomings.txt")), compute.Exit)
	check("mandelbrot, which leaves a file", b.job(example("mandelbrot"), nil, "mandelbrot", "64", "48"), compute.Exit)
	// A Go program of 3 MB: the rewriter itself, which meters another module.
	check("the rewriter", b.job(b.files["meter.wasm"].Data, example("primes"), "webmeter", "64"), compute.Exit)
	check("floats", b.job(own("corpus/floats"), nil, "floats"), compute.Exit)
	check("deep, 1,000", b.job(own("corpus/deep"), nil, "deep", "1000"), compute.Exit)
	check("deep, 5,000", b.job(own("corpus/deep"), nil, "deep", "5000"), compute.Trap)
	storm := b.job(own("corpus/storm"), []byte("typed\n"), "1", "300")
	storm.Limits.Files, storm.Limits.OutputBytes = 24, 200_000
	f := b.blobs.Add([]byte("deep"))
	storm.Files = []compute.File{{Path: "a/b/c.txt", Hash: f.Hash, Size: f.Size}, {Path: "in.txt", Hash: f.Hash, Size: f.Size}}
	check("storm", storm, "")
	for _, rows := range []struct {
		module string
		n      int
	}{{"traps", 12}, {"corpus/tables", 14}, {"corpus/segments", 7}} {
		for n := range rows.n {
			j := counted(own(rows.module), n)
			j.Limits.Fuel = 1e6
			check(fmt.Sprintf("%s %d", rows.module, n), j, "")
		}
	}
	for n := 1; n < 6; n++ {
		j := counted(own("bombs"), n)
		j.Limits.Fuel, j.Limits.OutputBytes = 5e6, 2_000_001
		check(fmt.Sprintf("bombs %d", n), j, "")
	}
	for _, entry := range []string{"echo", "hi", "nothing", "beyond", "far", "trap", "exit", "deep"} {
		j := b.job(own("reactor"), []byte("some bytes"))
		j.Entry = entry
		check("reactor "+entry, j, "")
	}

	check("again, at another end of fuel", func() compute.Job {
		j := b.job(example("primes"), nil, "primes", "100000")
		j.Limits.Fuel = 100_000
		return j
	}(), compute.OutOfFuel)
	half := b.job(example("primes"), nil, "primes", "1000000")
	b.agree(t, "half a core", half, run(t, tab, "halved", half), 0)

	for _, refused := range []string{"bad_import", "bad_body", "bad_call", "bad_data", "no_start"} {
		if got := run(t, tab, "run", b.job(own(refused), nil)); !strings.HasPrefix(got.Error, "module: ") {
			t.Errorf("%s: %+v, want it refused", refused, got)
		}
	}
	key, err := identity.NewKey(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	bill := b.agree(t, "half a core", half, run(t, tab, "run", half), 0).Receipt(half.Tariff)
	for more := range uint64(2) { // a bill that is right, and one that is one too high
		bill.Fuel += more
		signed, err := bill.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		got := browsertest.Value[struct{ Match, OutputMatch bool }](t, tab, fmt.Sprintf("guests.recheck('%x', '%x')", half.Encode(), signed.Encode()))
		if got.Match != (more == 0) || !got.OutputMatch {
			t.Errorf("a bill %d too high, recomputed: %+v", more, got)
		}
	}

	gone := b.job(example("primes"), nil)
	gone.Stdin = compute.BlobOf([]byte("nobody has this"))
	if got := run(t, tab, "run", gone); !strings.HasPrefix(got.Error, "blob: ") {
		t.Errorf("bytes that are not there: %+v", got)
	}
}

// TestSteer stops and pauses an endless guest in a tab; what it did until then is
// what Go's engine does until then. Where the page is not isolated nothing is left
// of it, and the next job has a thread of its own.
func TestSteer(t *testing.T) {
	b := newBench(t)
	browsertest.Each(t, b.steer)
}

func (b *bench) steer(t *testing.T, browser *browsertest.Browser) {
	tab := browser.Tab(t, b.serve(t, true))
	endless := b.job(read(t, "../../../compute/testdata/loops.wasm"), nil, "a", "b")
	endless.Limits.Fuel = compute.MaxFuel

	got := run(t, tab, "stopped", endless)
	r := b.agree(t, "stopped", endless, got, got.Fuel)
	if r.End != compute.Interrupted {
		t.Errorf("stopped: ended %s", r.End)
	}

	paused := browsertest.Value[struct {
		Ran   ran `json:"ran"`
		Heard int `json:"heard"`
	}](t, tab, fmt.Sprintf("guests.paused('%x')", endless.Encode()))
	b.agree(t, "paused and stopped", endless, paused.Ran, paused.Ran.Fuel)
	if paused.Heard > 1 { // one at most was under way
		t.Errorf("heard %d times of a guest that stood still", paused.Heard)
	}

	plain := browser.Tab(t, b.serve(t, false))
	if browsertest.Value[bool](t, plain, "guests.steerable()") {
		t.Error("the page is not isolated, and its engine can be steered")
	}
	if got := run(t, plain, "stopped", endless); !strings.HasPrefix(got.Error, "cancelled: ") {
		t.Errorf("stopped in a page that is not isolated: %+v", got)
	}
	next := b.job(read(t, "../../../examples/primes/primes.wasm"), nil, "primes", "1000")
	b.agree(t, "the next", next, run(t, plain, "run", next), 0)
}
