package main

import (
	"fmt"
	"net/http"

	"github.com/peersea/sea/ledger/journal"
	"github.com/spf13/cobra"
)

func newEarnings(c *cli) *cobra.Command {
	return newSumOf(c, "earnings", &cobra.Command{
		Short: "Sum what others promised this node",
		Long: `Sum what others promised this node, from the ledger: by day (UTC, the clocks of
those who promised), by peer, or by module. What was delivered and is not paid yet
is told beside it.`,
		Example: "  seaworker earnings --by module --from 2026-11-01",
	})
}

func newSpending(c *cli) *cobra.Command {
	return newSumOf(c, "spending", &cobra.Command{
		Short: "Sum what this node promised others",
		Long: `Sum what this node promised others, from the ledger: by day (UTC), by peer, or by
module. What "credit pay" booked is among it, for no module.`,
		Example: "  seaworker spending --by day --peer 9b1c04",
	})
}

// newSumOf makes a command that shows what the API sums under its name.
func newSumOf(c *cli, name string, cmd *cobra.Command) *cobra.Command {
	var flags historyFlags
	var by string
	cmd.Use = name
	cmd.Args = exactArgs(0)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer api.close()
		ask := flags.query()
		if by != "" {
			ask.Set("by", by)
		}
		var v sumView
		if err := api.do(cmd.Context(), http.MethodGet, "/"+name+"?"+ask.Encode(), nil, &v); err != nil {
			return err
		}
		if c.json {
			return c.printJSON(v)
		}
		return c.printSum(v)
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&by, "by", "", "a row for each day, peer or module")
	return cmd
}

func (c *cli) printSum(v sumView) error {
	heading := map[string]string{"day": "DAY", "peer": "PEER", "module": "MODULE"}[v.By]
	var rows []string
	for _, g := range v.Groups {
		if v.By != "" {
			rows = append(rows, fmt.Sprintf("%s\t%d\t%s", nameOf(g, v), g.Payments, credits(int64(g.Amount))))
		}
	}
	rows = append(rows, fmt.Sprintf("all\t%d\t%s", v.Payments, credits(int64(v.Amount))))
	if v.DueMicro != 0 {
		rows = append(rows, fmt.Sprintf("not paid yet\t\t%s", credits(int64(v.DueMicro))))
	}
	return c.table(heading+"\tPAYMENTS\tAMOUNT", rows)
}

// nameOf is a group's key for people.
func nameOf(g journal.Group, v sumView) string {
	switch {
	case g.Key == journal.Rest || v.By == "day":
		return g.Key
	case v.By == "module" && g.Key == noModule:
		return "no job"
	}
	text := g.Key[:10]
	if name := v.Names[g.Key]; name != "" {
		text += " " + clean(name)
	}
	return text
}
