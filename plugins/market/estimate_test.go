package market

import (
	"errors"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
)

func TestEstimate(t *testing.T) {
	alike := func(input, fuel uint64) run { return run{input: input, fuel: fuel, args: true} }
	for name, tt := range map[string]struct {
		runs  []run
		input uint64
		want  Estimate // without its text
		text  string
	}{
		"nothing":            {nil, 5, Estimate{Basis: NoBasis}, "unknown"},
		"the same job":       {[]run{alike(5, 1), {5, 70, true, true}, {5, 70, true, true}}, 5, Estimate{SameJob, 70, 1, 70, 70, ""}, "as its seller said: the same job has run"},
		"one of the size":    {[]run{alike(6, 80)}, 5, Estimate{SimilarRun, 80, 1, 80, 80, ""}, "likely: one run"},
		"the median":         {[]run{alike(10, 90), alike(5, 50), alike(20, 70), alike(21, 1), {10, 3, false, false}}, 10, Estimate{SimilarRun, 70, 3, 50, 90, ""}, "3 runs"},
		"no input, as then":  {[]run{alike(0, 9), alike(8, 90)}, 0, Estimate{SimilarRun, 9, 1, 9, 9, ""}, "likely"},
		"in proportion":      {[]run{alike(10, 100)}, 40, Estimate{OtherSizes, 400, 1, 100, 100, ""}, "a run with 10 bytes of input to 40"},
		"less is not less":   {[]run{alike(40, 100)}, 10, Estimate{OtherSizes, 100, 1, 100, 100, ""}, "roughly"},
		"from none to some":  {[]run{alike(0, 100)}, 10, Estimate{OtherSizes, 100, 1, 100, 100, ""}, "roughly"},
		"a line":             {[]run{alike(10, 1100), alike(20, 1200), alike(1, 5)}, 100, Estimate{OtherSizes, 2000, 2, 1100, 1200, ""}, "10 and 20 bytes of input to 100"},
		"a line downwards":   {[]run{alike(100, 2000), alike(200, 3000)}, 10, Estimate{OtherSizes, 1100, 2, 2000, 3000, ""}, "roughly"},
		"a square":           {[]run{alike(10, 100), alike(20, 400)}, 100, Estimate{OtherSizes, 10000, 2, 100, 400, ""}, "roughly"},
		"never faster":       {[]run{alike(10, 1), alike(11, 1000)}, 110, Estimate{OtherSizes, 1000000, 2, 1, 1000, ""}, "roughly"},
		"never beyond a job": {[]run{alike(1, 1), alike(2, 8)}, 1 << 60, Estimate{OtherSizes, compute.MaxFuel, 2, 1, 8, ""}, "roughly"},
		"smaller took more":  {[]run{alike(10, 500), alike(20, 400)}, 100, Estimate{OtherSizes, 500, 2, 400, 500, ""}, "roughly"},
		"other arguments":    {[]run{{5, 10, false, false}, {500, 30, false, false}}, 5, Estimate{OtherArgs, 30, 2, 10, 30, ""}, "a guess: median of 2 runs"},
	} {
		t.Run(name, func(t *testing.T) {
			got := estimate(tt.runs, tt.input)
			text := got.Text
			got.Text = ""
			if got != tt.want || !strings.Contains(text, tt.text) {
				t.Errorf("got %+v %q, want %+v %q", got, text, tt.want, tt.text)
			}
		})
	}
}

// TestEstimateOfReceipts: what was bought tells what it will cost.
func TestEstimateOfReceipts(t *testing.T) {
	buyer, _ := testMarket(t)
	tell := func(s Spec, basis Basis, fuel uint64) {
		t.Helper()
		e, err := buyer.Book().Estimate(s)
		if err != nil || e.Basis != basis || e.Fuel != fuel {
			t.Errorf("got %+v, %v; want %s, %d", e, err, basis, fuel)
		}
	}
	s := primes(buyer, "1000")
	tell(s, NoBasis, 0)
	fuel := buyer.run(s).Fuel
	bad := buyer.run(Spec{Module: s.Module, Args: []string{"primes"}})
	if bad.Exit == nil || *bad.Exit == 0 {
		t.Fatalf("without an argument: %+v", bad)
	}
	s.Limits.Fuel, s.Timeout = 1e6, 1e9 // how far it may go is not what it does
	tell(s, SameJob, fuel)
	tell(primes(buyer, "1001"), OtherArgs, fuel)
	tell(Spec{Module: s.Module, Args: []string{"primes"}}, SameJob, bad.Fuel)
	tell(Spec{Module: s.Module, Entry: "count"}, NoBasis, 0)
	tell(Spec{Module: buyer.put(trapping)}, NoBasis, 0)
}

// TestSample: a part of the input is run here, and costs nothing.
func TestSample(t *testing.T) {
	buyer, seller := testMarket(t)
	text := []byte(strings.Repeat("the sea and the sky\n", 500))
	s := Spec{Module: buyer.put(examples.WordFreq), Args: []string{"wordfreq"}, Stdin: buyer.put(text)}
	e, err := buyer.Sample(t.Context(), s, 2000)
	if err != nil || e.Basis != SampleRun || e.Runs != 2 {
		t.Fatalf("got %+v, %v", e, err)
	}
	fuel := buyer.run(s).Fuel
	if d := float64(e.Fuel) / float64(fuel); d < 0.9 || d > 1.1 {
		t.Errorf("estimated %d, used %d", e.Fuel, fuel)
	}
	if e, err := buyer.Sample(t.Context(), s, 1<<20); err != nil || e.Basis != SameJob || e.Fuel != fuel {
		t.Errorf("of all: got %+v, %v, used %d", e, err, fuel)
	}
	agree(t, buyer, seller, buyer.run(s).Cost*2)

	var no *Refused
	if _, err := buyer.Sample(t.Context(), primes(buyer, "10"), 10); !errors.As(err, &no) || no.Reason != BadJob {
		t.Errorf("without input: %v", err)
	}
	trap := Spec{Module: buyer.put(trapping), Stdin: s.Stdin}
	if _, err := buyer.Sample(t.Context(), trap, 10); !errors.As(err, &no) || !strings.Contains(no.Text, "unreachable") {
		t.Errorf("of a trap: %v", err)
	}
}
