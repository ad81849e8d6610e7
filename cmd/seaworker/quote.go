package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// quoteView is what "quote --json" prints.
type quoteView struct {
	Estimate market.Estimate `json:"estimate"`
	Quotes   []quoteLine     `json:"quotes"`
}

// quoteLine is one seller's answer, and what the estimate costs there: null when
// there is no estimate or the answer was no.
type quoteLine struct {
	market.Quoted
	EstimateMicro *int64 `json:"estimate_micro"`
}

func newQuote(c *cli) *cobra.Command {
	var job jobFlags
	var sample string
	cmd := &cobra.Command{
		Use:   "quote MODULE.wasm [flags] [-- ARGS...]",
		Short: "Ask what a job would cost, without buying",
		Long: `Ask the sellers within reach what a job would cost. Each answer is a quote that
its seller has signed, or a refusal with its reason. They come by what the job
would cost in all, own machines first, which cost nothing; trust says how many
jobs a seller has done for this node and failed. A quote binds the seller to its price; the bill is for the fuel that is used, and never
above the ceiling. Below its slowest rate, in fuel per second of processor time,
the seller may stop the job and bill what ran.

How much fuel that may be is told from your own past receipts of the module, or
with --sample from running it here on the first bytes of its input. Takes the
flags of "run".`,
		Example: `  seaworker quote primes.wasm --fuel 5G -- 1000000
  seaworker quote wordfreq.wasm --sample 64KiB < book.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			request := estimateRequest{}
			if sample != "" {
				var err error
				if request.Sample, err = parseBytes(sample); err != nil || request.Sample == 0 {
					return usagef("write it as 64KiB", "--sample: want a number of bytes, got %q", sample)
				}
			}
			api, err := c.buyer(ctx, &job)
			if err != nil {
				return err
			}
			defer api.close()
			if request.Spec, err = job.spec(ctx, c, api, args[0], args[1:]); err != nil {
				return err
			}
			var v quoteView
			if err := api.do(ctx, http.MethodPost, "/estimates", request, &v.Estimate); err != nil {
				return err
			}
			var quotes []market.Quoted
			if err := api.do(ctx, http.MethodPost, "/quotes", request.Spec, &quotes); err != nil {
				return err
			}
			for _, q := range quotes {
				v.Quotes = append(v.Quotes, quoteLine{q, v.cost(q)})
			}
			v.sort()
			if c.json {
				return c.printJSON(v)
			}
			return c.showQuotes(v)
		},
	}
	job.declare(cmd)
	cmd.Flags().StringVar(&sample, "sample", "", "estimate by running the first `BYTES` of its input here, e.g. 64KiB")
	return cmd
}

// cost is what the estimate costs at q's price.
func (v quoteView) cost(q market.Quoted) *int64 {
	if v.Estimate.Basis == market.NoBasis || q.Reason != "" {
		return nil
	}
	cost, ok := q.Price.Cost(v.Estimate.Fuel)
	if !ok {
		return nil
	}
	micro := int64(cost)
	return &micro
}

// sort puts own machines first, then what the estimate costs least, then those
// that refused. Without an estimate the market's order stays.
func (v quoteView) sort() {
	class := func(q quoteLine) int {
		switch {
		case q.Reason != "":
			return 2
		case q.Own:
			return 0
		}
		return 1
	}
	cost := func(q quoteLine) int64 {
		if q.EstimateMicro == nil {
			return 0
		}
		return *q.EstimateMicro
	}
	slices.SortStableFunc(v.Quotes, func(a, b quoteLine) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(cost(a), cost(b)))
	})
}

// trust is what there has been with a seller, in a few words.
func trust(q market.Quoted) string {
	d := q.Dealings
	switch {
	case q.Own:
		return "own"
	case d.Done == 0 && d.Failed == 0:
		return "new"
	case d.Failed == 0:
		return fmt.Sprintf("%d done", d.Done)
	}
	return fmt.Sprintf("%d done, %d failed", d.Done, d.Failed)
}

func (c *cli) showQuotes(v quoteView) error {
	if _, err := fmt.Fprintf(c.stdout, "estimate %s\n", fuelOf(v.Estimate)); err != nil {
		return err
	}
	var rows []string
	short := false
	for _, q := range v.Quotes {
		if q.Reason != "" {
			rows = append(rows, fmt.Sprintf("%s\trefused\t\t\t\t\t\t%s\t%s: %s", q.Seller.Short(), trust(q.Quoted), q.Reason, clean(q.Error)))
			continue
		}
		cost := "unknown"
		if q.EstimateMicro != nil {
			cost = credits(*q.EstimateMicro)
		}
		slowest := ""
		if q.Slowest != 0 {
			slowest = commas(q.Slowest) + "/s"
		}
		if q.Resold != 0 {
			slowest = fmt.Sprintf("from before, at %d %%", q.Resold)
		}
		short = short || v.Estimate.Fuel > q.FuelLimit
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\tuntil %s", q.Seller.Short(), credits(int64(q.Price.PerGfuel)),
			credits(int64(q.Price.Fee)), cost, commas(q.FuelLimit), credits(int64(q.Ceiling)), slowest, trust(q.Quoted), q.Until.Local().Format(time.TimeOnly)))
	}
	if err := c.table("SELLER\tPER GFUEL\tFEE\tESTIMATE\tFUEL LIMIT\tCEILING\tSLOWEST\tTRUST\t", rows); err != nil {
		return err
	}
	if short {
		fmt.Fprintln(c.stderr, "  hint: the estimate is above a fuel limit: allow more with --fuel or --max-credit")
	}
	return nil
}

// fuelOf is an estimate in words.
func fuelOf(e market.Estimate) string {
	if e.Basis == market.NoBasis {
		return e.Text
	}
	text := fmt.Sprintf("%s fuel, %s", commas(e.Fuel), e.Text)
	if e.Low < e.High {
		text += fmt.Sprintf(", which used %s to %s", commas(e.Low), commas(e.High))
	}
	return text
}

// foresee says, before "run" spends, how much fuel past receipts let expect. It
// returns 0 when they do not tell.
func (c *cli) foresee(ctx context.Context, api *client, spec market.Spec) uint64 {
	var e market.Estimate
	if err := api.do(ctx, http.MethodPost, "/estimates", spec, &e); err != nil || e.Basis == market.NoBasis {
		return 0 // what stands in the way of an estimate will stop the job and be said then
	}
	fmt.Fprintf(c.stderr, "estimate %s\n", fuelOf(e))
	if e.Basis == market.OtherArgs {
		return 0 // no more than a guess
	}
	return e.Fuel
}
