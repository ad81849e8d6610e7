package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

func newJobWhy(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "why JOB",
		Short: "Tell why a job failed or waits, and what to try",
		Long: `Tell why a job failed or waits: what each seller said last, by reason, and for
each reason what to try. A job that came to an end by its own fault says that.`,
		Example: "  seaworker job why 8a0c",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			var w market.Why
			if err := c.read(cmd.Context(), "/jobs/"+escapePath(args[0])+"/why", &w); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(w)
			}
			return c.showWhy(w)
		},
	}
}

func (c *cli) showWhy(w market.Why) error {
	head := fmt.Sprintf("job %s %s%s", w.Job.Short(), w.State, resoldAt(w.Resold))
	if w.Reason != "" {
		head += fmt.Sprintf(", %s: %s", w.Reason, clean(w.Error))
	}
	if _, err := fmt.Fprintln(c.stdout, head); err != nil {
		return err
	}
	if w.Hint != "" {
		fmt.Fprintf(c.stdout, "  hint: %s\n", clean(w.Hint))
	}
	switch {
	case len(w.Why) == 0:
		return nil
	case w.State == market.Done:
		fmt.Fprintf(c.stdout, "%s said no or failed first\n", peers(w.Asked))
	case w.Asked > 0:
		fmt.Fprintf(c.stdout, "%s asked, none suitable\n", peers(w.Asked))
	}
	var rows []string
	for _, n := range w.Why {
		count := "-"
		if len(n.Sellers) > 0 {
			count = fmt.Sprint(len(n.Sellers))
		}
		what := string(n.Reason)
		if n.Failed {
			what += ", after the order"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\ttry %s", count, what, clean(strings.Join(n.Texts, "; ")), clean(n.Try)))
	}
	return c.table("PEERS\tREASON\tTHEY SAID\tTRY", rows)
}

func peers(n int) string {
	if n == 1 {
		return "1 peer"
	}
	return fmt.Sprintf("%d peers", n)
}

func newJobHistory(c *cli) *cobra.Command {
	var papers bool
	cmd := &cobra.Command{
		Use:   "history JOB",
		Short: "List all that happened to a job",
		Long: `List all that happened to a job: each state, each refusal with who gave it and
what would have helped, each order, each retry. With --papers list what was
signed for it instead: asks, quotes, refusals, orders, receipt and delivery, with
the hash of each; with --json their bytes, too, for anybody to check.`,
		Example: "  seaworker job history 2cf24dba5f\n  seaworker job history --papers 2cf24dba5f",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			at := "/jobs/" + escapePath(args[0])
			if papers {
				var all []market.Paper
				if err := c.read(cmd.Context(), at+"/papers", &all); err != nil {
					return err
				}
				return c.showPapers(all)
			}
			var j market.Job
			if err := c.read(cmd.Context(), at, &j); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(j.History)
			}
			var rows []string
			for _, e := range j.History {
				seller := "-"
				if e.Seller != (identity.Entity{}) {
					seller = e.Seller.Short()
				}
				text := clean(e.Text)
				if e.Try != "" {
					text += "; try " + clean(e.Try)
				}
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", e.At.Local().Format(time.DateTime), e.State, seller, e.Reason, text))
			}
			return c.table("TIME\tSTATE\tSELLER\tREASON\tWHAT", rows)
		},
	}
	cmd.Flags().BoolVar(&papers, "papers", false, "list what was signed for it")
	return cmd
}

func (c *cli) showPapers(all []market.Paper) error {
	if c.json {
		return c.printJSON(all)
	}
	var rows []string
	for _, p := range all {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", p.At.Local().Format(time.DateTime), p.What, p.By.Short(), p.Hash, clean(p.Says)))
	}
	return c.table("TIME\tWHAT\tSIGNED BY\tHASH\tIT SAYS", rows)
}

func newJobRetry(c *cli) *cobra.Command {
	var change market.Change
	var maxCredit, maxPrice float64
	var fuel string
	cmd := &cobra.Command{
		Use:   "retry JOB",
		Short: "Buy a job again that failed, from another seller",
		Long: `Submit a job again that has failed or was cancelled: the same program, input and
limits, as a new job whose id is printed. Sellers that failed it are left out.
What it cost so far counts: --max-credit is the cap over all tries.`,
		Example: "  seaworker job retry 8a0c --max-credit 75",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.MaxCredit, change.MaxPrice = microOf(maxCredit), microOf(maxPrice)
			if change.MaxCredit < 0 || change.MaxPrice < 0 || change.Timeout < 0 {
				return usagef("see \"seaworker job retry --help\"", "--max-credit, --max-price and --timeout must not be below zero")
			}
			if fuel != "" {
				var err error
				if change.Fuel, err = parseCount(fuel); err != nil || change.Fuel == 0 {
					return usagef("write it as 500M or 20G", "--fuel: %v", err)
				}
			}
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var in submitted
			if err := api.do(cmd.Context(), http.MethodPost, "/jobs/"+escapePath(args[0])+"/retry", change, &in); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(in)
			}
			_, err = fmt.Fprintln(c.stdout, in.Job)
			return err
		},
	}
	cmd.Flags().Float64Var(&maxCredit, "max-credit", 0, "spend at most `CREDITS` over all tries (default: as before)")
	cmd.Flags().Float64Var(&maxPrice, "max-price", 0, "pay at most `CREDITS` per Gfuel (default: as before)")
	cmd.Flags().DurationVar(&change.Timeout, "timeout", 0, "give up after this `TIME` (default: as before)")
	cmd.Flags().StringVar(&fuel, "fuel", "", "let it use at most `N` fuel (default: as before)")
	return cmd
}
