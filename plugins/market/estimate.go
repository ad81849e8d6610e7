package market

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// maxPast is how many of the newest jobs an estimate looks through: it stands
// before every run, and reading a job takes a tenth of a millisecond.
const maxPast = 250

// Estimate is how much fuel a job may use, as far as that can be told before it
// runs.
type Estimate struct {
	// Basis is what it was made from. With NoBasis all else is zero.
	Basis Basis `json:"basis"`
	// Fuel is the guess, below 2^62; with SameJob it is no guess, but
	// where the job was bought the word of its seller: Verify checks it.
	Fuel uint64 `json:"fuel"`
	// Runs is how many runs it was made from, Low and High what the one that
	// used least and the one that used most of them used.
	Runs int    `json:"runs"`
	Low  uint64 `json:"low"`
	High uint64 `json:"high"`
	// Text says where it comes from and how sure it is, for people.
	Text string `json:"text"`
}

// Basis is what an estimate was made from, the surest first.
type Basis string

// The bases.
const (
	SameJob    Basis = "same_job"    // the very same job, whose fuel is a function of it, by its receipt or run here
	SimilarRun Basis = "similar_run" // the same arguments, at most twice or half the input: their median
	OtherSizes Basis = "other_sizes" // the same arguments, drawn out to this size of input
	SampleRun  Basis = "sample_run"  // a part of the input was run here; drawn out
	OtherArgs  Basis = "other_args"  // the same function with other arguments: their median
	NoBasis    Basis = "none"        // the function was never run
)

// run is a run whose fuel is known.
type run struct {
	input uint64 // bytes of stdin and files
	fuel  uint64
	args  bool // arguments and environment were the same as the job's
	same  bool // everything was
}

// Estimate tells from past receipts how much fuel s may use. Only runs that
// ended by themselves with exit code 0 count, and for the very same job all that
// were not cut off.
func (b *Book) Estimate(s Spec) (Estimate, error) {
	s = s.withDefaults()
	past, err := b.Jobs(maxPast, false)
	if err != nil {
		return Estimate{}, err
	}
	var runs []run
	for _, j := range past {
		if r, ok := s.runOf(j); ok {
			runs = append(runs, r)
		}
	}
	return estimate(runs, s.inputSize()), nil
}

// runOf is what j tells about s, if it tells anything.
func (s Spec) runOf(j Job) (run, bool) {
	if j.Receipt == (identity.Hash{}) || j.Spec.Module.Hash != s.Module.Hash || j.Spec.Entry != s.Entry {
		return run{}, false
	}
	r := run{
		input: j.Spec.inputSize(), fuel: j.Fuel,
		args: slices.Equal(j.Spec.Args, s.Args) && slices.Equal(j.Spec.Env, s.Env),
		same: j.Spec.untimed() == s.untimed(),
	}
	if r.same {
		return r, j.End == compute.Exit || j.End == compute.Trap || j.End == compute.OutputLimit
	}
	return r, j.End == compute.Exit && *j.Exit == 0
}

// untimed names what decides the fuel of a job that is not cut off.
func (s Spec) untimed() identity.Hash {
	s.Limits.WallMillis = 1
	return s.job(1).Hash()
}

// inputSize is the bytes of stdin and all files.
func (s Spec) inputSize() uint64 {
	n := s.Stdin.Size
	for _, f := range s.Files {
		n += f.Size
	}
	return n
}

// estimate makes the best of runs for an input of n bytes.
func estimate(runs []run, n uint64) Estimate {
	if same := filter(runs, func(r run) bool { return r.same }); len(same) > 0 {
		e := median(same[:1])
		e.Basis, e.Text = SameJob, "as its seller said: the same job has run"
		return e
	}
	alike := filter(runs, func(r run) bool { return r.args })
	near := filter(alike, func(r run) bool { return r.input <= 2*n && n <= 2*r.input })
	switch {
	case len(near) > 0:
		e := median(near)
		e.Basis, e.Text = SimilarRun, fmt.Sprintf("likely: %s with the same arguments and as much input", count(len(near)))
		return e
	case len(alike) > 0:
		a, b := nearest(alike, n)
		e := median([]run{a, b})
		e.Basis, e.Fuel = OtherSizes, draw(a, b, n)
		e.Text = fmt.Sprintf("roughly: drawn out from runs with %d and %d bytes of input to %d", a.input, b.input, n)
		if a.input == b.input {
			e = median([]run{b})
			e.Basis, e.Fuel = OtherSizes, draw(a, b, n)
			e.Text = fmt.Sprintf("roughly: drawn out from a run with %d bytes of input to %d", a.input, n)
		}
		return e
	case len(runs) > 0:
		e := median(runs)
		e.Basis, e.Text = OtherArgs, fmt.Sprintf("a guess: %s with other arguments", count(len(runs)))
		return e
	}
	return Estimate{Basis: NoBasis, Text: "unknown: it has not run yet"}
}

func count(n int) string {
	if n == 1 {
		return "one run"
	}
	return fmt.Sprintf("median of %d runs", n)
}

func filter(runs []run, keep func(run) bool) []run {
	return slices.DeleteFunc(slices.Clone(runs), func(r run) bool { return !keep(r) })
}

// median is that of the runs' fuel: of two in the middle the higher. There is at
// least one.
func median(runs []run) Estimate {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b run) int { return cmp.Compare(a.fuel, b.fuel) })
	last := len(sorted) - 1
	return Estimate{Fuel: sorted[len(sorted)/2].fuel, Runs: len(sorted), Low: sorted[0].fuel, High: sorted[last].fuel}
}

// nearest are the two runs of different sizes nearest to n, the smaller first;
// twice the same one when all have one size.
func nearest(runs []run, n uint64) (a, b run) {
	away := func(r run) uint64 { return max(r.input, n) - min(r.input, n) }
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b run) int { return cmp.Compare(away(a), away(b)) })
	a, b = sorted[0], sorted[0]
	if i := slices.IndexFunc(sorted, func(r run) bool { return r.input != a.input }); i >= 0 {
		b = sorted[i]
	}
	if a.input > b.input {
		a, b = b, a
	}
	return a, b
}

// maxPower bounds how fast draw lets fuel grow with the input.
const maxPower = 3

// draw gives the fuel for n bytes on a curve through two runs, a's input being
// at most b's: a line when it meets zero bytes at zero fuel or more. Otherwise
// fuel grows faster than the input, and the curve is a power of it. Through one
// run it goes in proportion upwards and stays level downwards.
func draw(a, b run, n uint64) uint64 {
	at, an, af, bn, bf := float64(n), float64(a.input), float64(a.fuel), float64(b.input), float64(b.fuel)
	var fuel float64
	switch {
	case a.input == b.input && n > b.input && b.input > 0:
		fuel = bf * at / bn
	case a.input == b.input || bf <= af:
		fuel = max(af, bf)
	case af*bn >= bf*an: // the line's fuel at zero bytes is not negative
		fuel = af + (bf-af)/(bn-an)*(at-an)
	default:
		power := min(math.Log(bf/af)/math.Log(bn/an), maxPower)
		fuel = bf * math.Pow(at/bn, power)
	}
	return uint64(min(max(fuel, 1), compute.MaxFuel))
}
