package main

import (
	"regexp"

	"github.com/spf13/cobra"
)

// newRoot is the whole command line.
func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "seaworker",
		Short: "A node of the sea: sell and buy WebAssembly computing, peer to peer",
		Long: `seaworker is a node of the sea. It sells and buys the execution of WebAssembly
programs for signed credit, and every bill can be recomputed by the buyer.

Start with "seaworker demo". Exit codes: 0 ok, 1 the job failed, 2 usage,
3 unreachable or no seller, 4 refused for credit or price, 5 verification
mismatch, 6 out of fuel, 124 timeout, 130 interrupted; "run" passes the
program's own exit code through.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	asGroup(root)
	root.PersistentFlags().StringVar(&c.dir, "dir", "", "state `FOLDER` (default $SEA_DIR, else the system's place for state)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON, for scripts")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if amount := negative.FindString(err.Error()); amount != "" {
			return usagef("amounts are 0 or more; after -- a word may begin with a dash", "%s is less than zero", amount)
		}
		return usagef("see \""+cmd.CommandPath()+" --help\"", "%v", err)
	})
	root.AddCommand(
		newDemo(c),
		newUp(c), newStop(c), newStatus(c), newDashboardCommand(c),
		newID(c), newCert(c), newDoctor(c),
		newRun(c), newMap(c), newQuote(c), newJob(c), newReceipt(c),
		newOffer(c), newPause(c), newDrain(c), newResume(c), newTasks(c), newCredit(c), newEarnings(c), newSpending(c), newPeer(c), newCall(c), newPub(c), newSub(c), newPlugin(c),
		newAddr(c), newVersion(c), newCheckFile(c), newExamineFile(c),
	)
	return root
}

// negative finds a number that was taken for a flag: "unknown shorthand flag:
// '5' in -5".
var negative = regexp.MustCompile(`-[0-9.]+$`)

// asGroup makes cmd one that only has commands below it: alone it prints its
// help, and a word that is none of them is a mistake.
func asGroup(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("see \""+cmd.CommandPath()+" --help\"", "unknown command %q", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return cmd.Help() }
	return cmd
}

// exactArgs is cobra.ExactArgs with our usage failure.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usagef("usage: "+cmd.UseLine(), "%v", err)
		}
		return nil
	}
}
