package trust

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// town is one buyer and its sellers, some of which lie. It decides with the
// functions that the market decides with.
type town struct {
	rnd     *rand.Rand
	rule    Rule
	rate    float64 // at which a liar lies
	cabal   bool    // liars say the same wrong thing and cover each other
	records map[identity.Entity]Record
	sellers []Candidate
	able    []Candidate             // room for those that may audit
	served  map[identity.Entity]int // by seller: jobs it was given
	outAt   map[identity.Entity]int // by liar: its jobs until it was out

	jobs, runs, wrong int // accepted jobs, runs of any kind, wrong results accepted
	inflate           func(uint64) uint64
}

const (
	simSellers = 100
	simLiars   = 20
)

func newTown(seed uint64, rate float64, cabal bool) *town {
	w := &town{
		rnd: rand.New(rand.NewPCG(seed, 1)), rate: rate, cabal: cabal,
		records: map[identity.Entity]Record{}, served: map[identity.Entity]int{}, outAt: map[identity.Entity]int{},
	}
	for i := range simSellers {
		key := identity.Entity{byte(i), 1}
		w.sellers = append(w.sellers, Candidate{random(w.rnd).Address(), key, key})
	}
	return w
}

func lies(e identity.Entity) bool { return e[0] < simLiars }

// claim is what a seller says of a job. Of a cabal's member that covers a lie it
// is that lie.
func (w *town) claim(e identity.Entity, job int, cover *compute.Receipt) compute.Receipt {
	w.runs++
	r := compute.Receipt{Job: identity.Hash{byte(job), byte(job >> 8), byte(job >> 16)}, End: compute.Exit, Fuel: 1000, Tariff: 1}
	if !lies(e) {
		return r
	}
	lie := w.rnd.Float64() < w.rate
	switch {
	case w.cabal && cover != nil && !Same(*cover, r):
		return *cover
	case lie && w.inflate != nil:
		r.Fuel = w.inflate(r.Fuel)
	case lie:
		r.Result = identity.Hash{1, e[0]} // each its own lie
		if w.cabal {
			r.Result[1] = 0
		}
	}
	return r
}

// buy has one job done, by as many sellers as it takes.
func (w *town) buy(job int) {
	for {
		seller := w.sellers[w.rnd.IntN(len(w.sellers))]
		rec := w.records[seller.Key]
		if rec.Excluded() {
			continue
		}
		w.served[seller.Key]++
		got := w.claim(seller.Key, job, nil)
		truth := got
		truth.Result, truth.Fuel = identity.Hash{}, 1000
		lot := random(w.rnd)
		if !lot.Falls(w.rule.OneIn(rec.Straight)) {
			w.records[seller.Key] = rec.Accepted()
			w.accept(got, truth)
			return
		}
		able := w.able[:0]
		for _, c := range w.sellers {
			if w.rule.Audits(w.records[c.Key]) {
				able = append(able, c)
			}
		}
		own := truth // the buyer's own machine does not lie
		w.able = able
		auditor, ok := lot.Auditor(able, seller)
		second := own
		if ok {
			second = w.claim(auditor.Key, job, &got)
		} else {
			w.runs++
		}
		if Same(got, second) {
			w.records[seller.Key] = rec.Matched()
			w.accept(got, truth)
			return
		}
		if ok { // the buyer runs it itself, to see who lied
			w.runs++
			if !Same(second, own) {
				w.out(auditor.Key)
			}
		}
		if Same(got, own) {
			w.records[seller.Key] = rec.Matched()
			w.accept(got, truth)
			return
		}
		w.out(seller.Key) // and the job goes elsewhere
	}
}

func (w *town) out(e identity.Entity) {
	w.records[e] = w.records[e].Differed(true)
	w.outAt[e] = w.served[e]
}

func (w *town) accept(got, truth compute.Receipt) {
	w.jobs++
	if !Same(got, truth) {
		w.wrong++
	}
}

// TestLiars plays a hundred sellers of which twenty lie. The figures are those
// of SECURITY; the seeds are fixed, so they are the same each time.
func TestLiars(t *testing.T) {
	const jobs, soon = 25_000, 250 // about 250 jobs for each seller
	towns := 4
	if os.Getenv("SEA_TEST_FULL") != "" {
		towns = 50
	}
	for _, test := range []struct {
		name  string
		rate  float64
		cabal bool
	}{
		{"always", 1, false}, {"one in 10", 0.1, false}, {"one in 100", 0.01, false},
		{"always, as a cabal", 1, true}, {"one in 10, as a cabal", 0.1, true}, {"one in 100, as a cabal", 0.01, true},
	} {
		var accepted, wrong, runs, out, honestOut int
		for seed := range towns {
			w := newTown(uint64(seed), test.rate, test.cabal)
			for job := range jobs {
				w.buy(job)
			}
			accepted, wrong, runs = accepted+w.jobs, wrong+w.wrong, runs+w.runs
			for e, at := range w.outAt {
				switch {
				case !lies(e):
					honestOut++
				case at <= soon:
					out++
				}
			}
		}
		share := float64(out) / float64(towns*simLiars)
		overhead := float64(runs) / float64(accepted)
		t.Logf("%s: %d jobs accepted, %d wrong (%.4f %%), %.3f runs a job, %.1f %% of the liars out within %d of their jobs",
			test.name, accepted, wrong, 100*float64(wrong)/float64(accepted), overhead, 100*share, soon)
		if honestOut > 0 {
			t.Errorf("%s: %d honest sellers are out", test.name, honestOut)
		}
		if overhead > 1.25 {
			t.Errorf("%s: %.3f runs a job, want at most 1.25", test.name, overhead)
		}
		if test.rate == 1 && (wrong > 0 || share < 1) {
			t.Errorf("%s: %d wrong results were accepted, %.3f of the liars are out", test.name, wrong, share)
		}
		if test.rate == 0.1 && share < 0.95 {
			t.Errorf("%s: %.3f of the liars are out, want 0.95", test.name, share)
		}
	}
}

// TestInflated plays sellers that inflate their meters: each job that is checked
// shows it, however little it is.
func TestInflated(t *testing.T) {
	for name, inflate := range map[string]func(uint64) uint64{
		"by a hundredth": func(n uint64) uint64 { return n + n/100 },
		"by a tenth":     func(n uint64) uint64 { return n + n/10 },
		"ten times":      func(n uint64) uint64 { return n * 10 },
	} {
		w := newTown(1, 1, false)
		w.inflate = inflate
		for job := range 5000 {
			w.buy(job)
		}
		if w.wrong > 0 || len(w.outAt) != simLiars {
			t.Errorf("%s: %d inflated bills were accepted, %d sellers are out", name, w.wrong, len(w.outAt))
		}
		for e, at := range w.outAt {
			if at != 1 || !lies(e) {
				t.Errorf("%s: seller %d is out after %d jobs", name, e[0], at)
			}
		}
	}
}
