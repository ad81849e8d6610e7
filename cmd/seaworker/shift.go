package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// shiftAsk is what a seller is told to do, for how long: 0 is until it is told
// otherwise.
type shiftAsk struct {
	Mode      market.Mode `json:"mode"`
	ForMillis int64       `json:"for_ms,omitempty"`
}

func newPause(c *cli) *cobra.Command {
	return newShift(c, market.Paused, &cobra.Command{
		Use:   "pause",
		Short: "Take no jobs, and hold those that run where they stand",
		Long: `Take no jobs, and hold those that run where they stand: they use no processor, and
go on with "resume" or when the time is over. Their buyers see it. What a job has
done stays done. It holds over a restart of the daemon.`,
		Example: "  seaworker pause --for 2h\n  seaworker pause",
	})
}

func newDrain(c *cli) *cobra.Command {
	return newShift(c, market.Draining, &cobra.Command{
		Use:   "drain",
		Short: "Finish the jobs that were taken, and take no more",
		Long: `Finish the jobs that were taken, and take no more until "resume" or until the time
is over. "tasks" shows what is left.`,
		Example: "  seaworker drain\n  seaworker drain --for 8h",
	})
}

func newResume(c *cli) *cobra.Command {
	return newShift(c, market.Open, &cobra.Command{
		Use:     "resume",
		Short:   "Go on after pause or drain",
		Example: "  seaworker resume",
	})
}

// newShift makes a command that changes the seller's mode.
func newShift(c *cli, mode market.Mode, cmd *cobra.Command) *cobra.Command {
	var span time.Duration
	cmd.Args = exactArgs(0)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if span < 0 || cmd.Flags().Changed("for") && span < time.Second {
			return usagef("write it as 90m or 2h; leave it away for no end", "--for %v", span)
		}
		api, err := c.running(cmd.Context())
		if err != nil {
			return err
		}
		defer api.close()
		var s market.Shift
		if err := api.do(cmd.Context(), http.MethodPut, "/shift", shiftAsk{mode, span.Milliseconds()}, &s); err != nil {
			return err
		}
		if c.json {
			return c.printJSON(s)
		}
		_, err = fmt.Fprintln(c.stdout, shiftText(s))
		return err
	}
	if mode != market.Open {
		cmd.Flags().DurationVar(&span, "for", 0, "resume by itself after this `TIME`, such as 90m or 2h")
	}
	return cmd
}

// shiftText says what a shift is, for people.
func shiftText(s market.Shift) string {
	if s.Until == 0 {
		return string(s.Mode)
	}
	return fmt.Sprintf("%s until %s", s.Mode, time.UnixMilli(s.Until).Local().Format("2006-01-02 15:04:05"))
}

func newTasks(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "tasks",
		Short:   "List the jobs that this node works on for others, and say why it takes no more",
		Example: "  seaworker tasks",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var tasks []market.Task
			if err := c.read(cmd.Context(), "/tasks", &tasks); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(tasks)
			}
			var s statusView
			if err := c.read(cmd.Context(), "/status", &s); err != nil {
				return err
			}
			if s.NotNow != "" {
				if _, err := fmt.Fprintf(c.stdout, "nothing more is taken now: %s\n", s.NotNow); err != nil {
					return err
				}
			}
			var rows []string
			for _, t := range tasks {
				is := string(t.State)
				if t.Held != "" {
					is += ", held: " + string(t.Held)
				}
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s of %s\t%s\t%s\t%s", t.Order.Short(), t.Buyer.Short(), t.Module.Short(), is,
					commas(t.Fuel), commas(t.Limit), credits(int64(t.Cost)), credits(int64(t.Vouched)), time.Since(t.Taken).Round(time.Second)))
			}
			return c.table("ORDER\tBUYER\tMODULE\tSTATE\tFUEL\tCOST\tPROMISED\tFOR", rows)
		},
	}
}
