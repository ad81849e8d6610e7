package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

func newQuote(c *cli) *cobra.Command {
	var job jobFlags
	cmd := &cobra.Command{
		Use:   "quote MODULE.wasm [flags] [-- ARGS...]",
		Short: "Ask what a job would cost, without buying",
		Long: `Ask the sellers within reach what a job would cost. Each answer is a quote that
its seller has signed, cheapest first, or a refusal with its reason. A quote
binds the seller to its price; the bill is for the fuel that is used, and never
above the ceiling. Takes the flags of "run".`,
		Example: "  seaworker quote primes.wasm --fuel 5G -- 1000000",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, err := c.buyer(ctx, &job)
			if err != nil {
				return err
			}
			defer api.close()
			spec, err := job.spec(ctx, c, api, args[0], args[1:])
			if err != nil {
				return err
			}
			var quotes []market.Quoted
			if err := api.do(ctx, http.MethodPost, "/quotes", spec, &quotes); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(quotes)
			}
			var rows []string
			for _, q := range quotes {
				if q.Reason != "" {
					rows = append(rows, fmt.Sprintf("%s\trefused\t\t\t\t%s: %s", q.Seller.Short(), q.Reason, clean(q.Error)))
					continue
				}
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\tuntil %s", q.Seller.Short(), credits(int64(q.Price.PerGfuel)),
					credits(int64(q.Price.Fee)), commas(q.FuelLimit), credits(int64(q.Ceiling)), q.Until.Local().Format(time.TimeOnly)))
			}
			return c.table("SELLER\tPER GFUEL\tFEE\tFUEL LIMIT\tCEILING\t", rows)
		},
	}
	job.declare(cmd)
	return cmd
}
