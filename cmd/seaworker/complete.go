package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/peersea/sea/plugins/market"
)

// mostCompleted is how many of the newest jobs a shell is offered.
const mostCompleted = 50

// completeJobs offers a shell the ids of the daemon's newest jobs, for a
// command's only argument.
func completeJobs(c *cli) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		api, err := c.running(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer api.close()
		var jobs []market.Job
		if err := api.do(cmd.Context(), http.MethodGet, "/jobs", nil, &jobs); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var all []cobra.Completion
		for _, j := range jobs[:min(len(jobs), mostCompleted)] {
			all = append(all, cobra.CompletionWithDesc(j.ID.Short(), fmt.Sprintf("%s, %s", clean(j.Spec.Name), j.State)))
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
