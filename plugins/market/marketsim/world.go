package marketsim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/simtest"
)

const (
	// meanPause is between two jobs of one buyer, meanRun what a run takes, both
	// exponential.
	meanPause = time.Minute
	meanRun   = 20 * time.Second

	// A liar lies in one of ten results.
	lieRate = 0.1
)

// Config says what kind of market it is.
type Config struct {
	Seed uint64

	// Nodes is how many there are. Buyers of them buy, Sellers others sell.
	Nodes, Buyers, Sellers int

	// Jobs is how many each buyer buys, one after the other.
	Jobs int

	// Spread is how many times the lowest price the highest is; 1 is one price
	// for all. Between them prices are spread evenly in their logarithm.
	Spread float64

	// Audit has all jobs bought with --verify audit. Liars is the share of the
	// sellers that lie.
	Audit bool
	Liars float64
}

// World is a market under way.
type World struct {
	cfg     Config
	sea     *simtest.Static
	rand    *rand.Rand
	nodes   map[addr.Addr]*simtest.Node
	sellers map[addr.Addr]*seller
	boards  map[addr.Addr]board
	order   []*seller
	buyers  []*buyer
	left    int // jobs to be done

	report Report
}

// New makes a market in which nothing has been bought.
func New(cfg Config) *World {
	w := &World{cfg: cfg, sea: simtest.NewStatic(simtest.Config{Seed: cfg.Seed}, cfg.Nodes), nodes: map[addr.Addr]*simtest.Node{}, sellers: map[addr.Addr]*seller{}, boards: map[addr.Addr]board{}}
	w.rand = w.sea.Rand()
	nodes := w.sea.Live()
	for i, at := range w.rand.Perm(len(nodes)) {
		n := nodes[at]
		w.nodes[n.Addr()] = n
		switch {
		case i < cfg.Buyers:
			w.buyers = append(w.buyers, newBuyer(w, n))
		case i < cfg.Buyers+cfg.Sellers:
			price := float64(ledger.Credit) * math.Pow(max(1, cfg.Spread), w.rand.Float64())
			s := newSeller(w, n, ledger.Amount(price), w.rand.Float64() < cfg.Liars)
			w.sellers[n.Addr()] = s
			w.order = append(w.order, s)
		}
	}
	w.left = cfg.Buyers * cfg.Jobs
	for _, s := range w.order {
		s.announce()
	}
	return w
}

// Run plays the market until all jobs are done, or for an hour a job, and says what
// came of them.
func (w *World) Run() Report {
	before, _ := w.sea.Messages()
	for _, b := range w.buyers {
		b.pause(w.cfg.Jobs)
	}
	end := w.now().Add(time.Duration(w.cfg.Jobs) * time.Hour)
	for w.left > 0 && w.now().Before(end) {
		w.sea.Run(time.Minute)
	}
	after, _ := w.sea.Messages()
	w.report.Messages = after - before
	for _, s := range w.order {
		w.report.count(s)
	}
	return w.report
}

// Hash names all that happened: same Config, same Hash.
func (w *World) Hash() uint64 { return w.sea.Hash() }

func (w *World) now() time.Time { return w.sea.Now() }

func (w *World) expo(mean time.Duration) time.Duration {
	return time.Duration(w.rand.ExpFloat64() * float64(mean))
}

// Draw draws by lot for the buyers, whose keys are made up.
func (w *World) Draw([]byte) (p identity.DrawProof, d identity.Drawn) {
	for i := range d {
		d[i] = byte(w.rand.Uint32())
	}
	return p, d
}
