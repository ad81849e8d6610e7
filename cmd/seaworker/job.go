package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

func newJob(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "job",
		Short: "Look at the jobs that were bought",
		Long:  "Look at the jobs that this node bought. A job may be named by the first digits of its id.",
	}
	group.AddCommand(newJobList(c), newJobShow(c), newJobHistory(c), newJobWhy(c), newJobLogs(c), newJobGet(c), newJobCancel(c), newJobRetry(c))
	return asGroup(group)
}

func newJobList(c *cli) *cobra.Command {
	var maps bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the jobs, newest first",
		Long: `List the jobs, newest first, the last thousand at most. The jobs of maps are left
out: "seaworker map list" has a line for each map.`,
		Example: "  seaworker job list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var jobs []market.Job
			if err := c.read(cmd.Context(), fmt.Sprintf("/jobs?alone=%t", !maps), &jobs); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(jobs)
			}
			var rows []string
			for _, j := range jobs {
				seller := "-"
				if j.Seller != (identity.Entity{}) {
					seller = j.Seller.Short()
				}
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", j.ID.Short(), j.Created.Local().Format(time.DateTime),
					clean(j.Spec.Name), j.State, j.Reason, commas(j.Fuel), credits(int64(j.Cost)), seller))
			}
			return c.table("JOB\tCREATED\tPROGRAM\tSTATE\tREASON\tFUEL\tCOST\tSELLER", rows)
		},
	}
	cmd.Flags().BoolVar(&maps, "maps", false, "also those of maps")
	return cmd
}

func newJobShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show JOB",
		Short:   "Show a job and its history",
		Example: "  seaworker job show 2cf24dba5f",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			var j market.Job
			if err := c.read(cmd.Context(), "/jobs/"+escapePath(args[0]), &j); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(j)
			}
			c.printJob(j)
			return nil
		},
	}
}

func (c *cli) printJob(j market.Job) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(c.stdout, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("job", "%s", j.ID)
	line("program", "%s  %s", clean(j.Spec.Name), j.Spec.Module.Hash)
	line("args", "%q", j.Spec.Args)
	if j.Of != (market.ID{}) {
		line("retry of", "%s", j.Of)
	}
	line("state", "%s", j.State)
	if j.Reason != "" {
		line("reason", "%s: %s", j.Reason, clean(j.Error))
		if j.Hint != "" {
			line("hint", "%s", clean(j.Hint))
		}
	}
	if j.Order != (identity.Hash{}) {
		line("seller", "%s", j.Seller)
		line("price", "%s a job and %s a Gfuel, at most %s%s", credits(int64(j.Price.Fee)), credits(int64(j.Price.PerGfuel)), credits(int64(j.Ceiling)), resoldAt(j.Resold))
	}
	if j.Locked > 0 {
		line("paid", "as it ran: %s locked, %s vouched", credits(int64(j.Locked)), credits(int64(j.Vouched)))
	}
	if j.Spent > 0 {
		line("spent", "%s by earlier tries, of %s", credits(int64(j.Spent)), credits(int64(j.Spec.MaxCredit)))
	}
	if len(j.Votes) > 0 {
		line("compared", "with %s: %s", shortIDs(j.Votes), j.Check)
	}
	if j.Receipt != (identity.Hash{}) {
		line("receipt", "%s", j.Receipt)
		line("used", "%s fuel of %s", commas(j.Fuel), commas(j.FuelLimit))
		paid := "not paid"
		if j.Paid {
			paid = "paid"
		}
		line("cost", "%s, %s", credits(int64(j.Cost)), paid)
		line("output", "%d bytes of stdout, %d of stderr, %d files", j.Stdout.Size, j.Stderr.Size, len(j.Files))
	}
	if j.Exit != nil {
		line("exit", "%d", *j.Exit)
	}
	for _, e := range j.History {
		fmt.Fprintf(c.stdout, "  %s  %-9s  %s\n", e.At.Local().Format(time.DateTime), e.State, clean(e.Text))
	}
}

func shortIDs(all []market.ID) string {
	short := make([]string, len(all))
	for i, id := range all {
		short[i] = id.Short()
	}
	return strings.Join(short, ", ")
}

func newJobLogs(c *cli) *cobra.Command {
	var follow, raw, onlyErr bool
	cmd := &cobra.Command{
		Use:   "logs JOB",
		Short: "Print what a job wrote",
		Long: `Print what a job wrote to its standard output and error, also of a job that
failed. With --json it is one object: the job's id and state, and both streams
in base64.`,
		Example: `  seaworker job logs 2cf24dba5f
  seaworker job logs -f 2cf24dba5f`,
		Args: exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, err := c.reader(ctx)
			if err != nil {
				return err
			}
			defer api.close()
			var j market.Job
			if err := api.do(ctx, http.MethodGet, "/jobs/"+escapePath(args[0]), nil, &j); err != nil {
				return err
			}
			v := newJobView(&cli{stdout: c.stdout, stderr: c.stderr}, raw)
			v.talk, v.live = false, false
			var stdout, stderr bytes.Buffer
			if c.json {
				v.stdout, v.stderr = &stdout, &stderr
			}
			if onlyErr {
				v.stdout = io.Discard
			}
			if follow && !j.State.Final() {
				api.close()
				if api, err = c.running(ctx); err != nil { // or nothing would come
					return err
				}
				defer api.close()
				if j, err = watchJob(ctx, api, j.ID, v); err != nil {
					return err
				}
				if err := v.shown(j); err != nil || !c.json {
					return err
				}
				return c.printJSON(newJobLog(j, stdout.Bytes(), stderr.Bytes()))
			}
			streams := map[string]io.Writer{"stdout": v.stdout, "stderr": v.stderr}
			for _, name := range []string{"stdout", "stderr"} {
				if onlyErr && name == "stdout" {
					continue
				}
				body, err := api.open(ctx, http.MethodGet, "/jobs/"+j.ID.String()+"/"+name, nil)
				if err != nil {
					return err
				}
				_, err = io.Copy(streams[name], body)
				body.Close()
				if err != nil {
					return err
				}
			}
			if c.json {
				return c.printJSON(newJobLog(j, stdout.Bytes(), stderr.Bytes()))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	cmd.Flags().BoolVar(&onlyErr, "stderr", false, "only its standard error")
	cmd.Flags().BoolVar(&raw, "raw", false, "pass control characters to the terminal")
	return cmd
}

// jobLog is what "job logs --json" prints.
type jobLog struct {
	Job    market.ID    `json:"job"`
	State  market.State `json:"state"`
	Stdout []byte       `json:"stdout"`
	Stderr []byte       `json:"stderr"`
}

func newJobLog(j market.Job, stdout, stderr []byte) jobLog {
	return jobLog{j.ID, j.State, append([]byte{}, stdout...), append([]byte{}, stderr...)} // never null
}

func newJobCancel(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "cancel JOB",
		Short:   "Stop a job, and pay for what ran",
		Example: "  seaworker job cancel 2cf24dba5f",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, err := c.running(ctx)
			if err != nil {
				return err
			}
			defer api.close()
			var j market.Job
			if err := api.do(ctx, http.MethodGet, "/jobs/"+escapePath(args[0]), nil, &j); err != nil {
				return err
			}
			if err := api.do(ctx, http.MethodPost, "/jobs/"+j.ID.String()+"/cancel", nil, nil); err != nil {
				return err
			}
			v := newJobView(&cli{stdout: io.Discard, stderr: io.Discard}, true)
			if j, err = watchJob(ctx, api, j.ID, v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(j)
			}
			_, err = fmt.Fprintf(c.stdout, "job %s %s, %s for %s fuel\n", j.ID.Short(), j.State, credits(int64(j.Cost)), commas(j.Fuel))
			return err
		},
	}
}
