package main

import (
	"fmt"
	"net/http"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// receiptView is a job's receipt as the API shows it.
type receiptView struct {
	Receipt   identity.Hash   `json:"receipt"`
	By        identity.Entity `json:"by"`
	JobHash   identity.Hash   `json:"job_hash"`
	Result    identity.Hash   `json:"result"`
	End       compute.End     `json:"end"`
	Code      int32           `json:"code"`
	Fuel      uint64          `json:"fuel"`
	PeakPages uint32          `json:"peak_pages"`
	Tariff    uint64          `json:"tariff"`
	Engine    string          `json:"engine"`
	Job       market.ID       `json:"job"`
	Price     market.Price    `json:"price"`
	CostMicro int64           `json:"cost_micro"`
	Resold    uint32          `json:"resold_percent,omitempty"`
	Statement []byte          `json:"statement"`
}

// verifyRequest names the engine that runs a job again.
type verifyRequest struct {
	Engine string `json:"engine"` // compiler, interpreter, or empty for compiler
}

func newReceipt(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "receipt",
		Short: "Look at receipts and recompute their bills",
		Long: `A receipt is what a seller signed about a job: what it was, what came of it and
how much fuel it used. Anyone who has the job's bytes can compute the same.`,
	}
	group.AddCommand(newReceiptShow(c), newReceiptVerify(c), newReceiptExport(c), newReceiptProve(c))
	return asGroup(group)
}

func newReceiptShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show JOB",
		Short:   "Show a job's receipt",
		Example: "  seaworker receipt show 2cf24dba5f",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v receiptView
			if err := c.read(cmd.Context(), "/jobs/"+escapePath(args[0])+"/receipt", &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			end := string(v.End)
			if v.End == compute.Exit {
				end = fmt.Sprintf("exit %d", v.Code)
			}
			fmt.Fprintf(c.stdout, "receipt   %s\nsigned by %s\njob hash  %s\nresult    %s\nend       %s\nfuel      %s at tariff %d\nmemory    %d pages at most\nengine    %s\ncost      %s = %s + %s a Gfuel%s\n",
				v.Receipt, v.By, v.JobHash, v.Result, end, commas(v.Fuel), v.Tariff, v.PeakPages, clean(v.Engine),
				credits(v.CostMicro), credits(int64(v.Price.Fee)), credits(int64(v.Price.PerGfuel)), resoldAt(v.Resold))
			return nil
		},
	}
}

// resoldAt tells people of a result that its seller had from before.
func resoldAt(percent uint32) string {
	if percent == 0 {
		return ""
	}
	return fmt.Sprintf(", for a result from before, at %d %% of the price", percent)
}

func newReceiptVerify(c *cli) *cobra.Command {
	var request verifyRequest
	var file string
	cmd := &cobra.Command{
		Use:   "verify JOB | --file FILE [BYTES...]",
		Short: "Run a job again and compare with its receipt, to the unit",
		Long: `Run a job again on this machine, in a process of its own and never from a
result that is kept, and compare fuel, memory and every byte of the output with
the signed receipt. Exit code 5 when anything differs.

With --file the receipt is one that "receipt export" or "receipt prove" wrote,
and BYTES are files with what the job was made of: its module, its standard
input, its input files, in any order and under any name. Nothing else is needed:
no daemon, no network, and not to have bought it.`,
		Example: `  seaworker receipt verify 2cf24dba5f
  seaworker receipt verify --engine interpreter 2cf24dba5f
  seaworker receipt verify --file job.receipt wordfreq.wasm book.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				return nil
			}
			return exactArgs(1)(cmd, args)
		},

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			if request.Engine != "compiler" && request.Engine != "interpreter" {
				return usagef("use compiler or interpreter", "--engine is %q", request.Engine)
			}
			if file != "" {
				return c.verifyFile(cmd.Context(), file, args, request.Engine)
			}
			api, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v market.Verification
			if err := api.do(cmd.Context(), http.MethodPost, "/jobs/"+escapePath(args[0])+"/verify", request, &v); err != nil {
				return err
			}
			if !v.Match {
				c.exit = exitMismatch
			}
			if c.json {
				return c.printJSON(v)
			}
			c.showVerification(v)
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "verify the receipts in `FILE`, with no daemon")
	cmd.Flags().StringVar(&request.Engine, "engine", "compiler", "run it on wazero's `ENGINE`: compiler or interpreter")
	return cmd
}

func (c *cli) showVerification(v market.Verification) {
	verdict := "the same to the unit"
	if !v.Match {
		verdict = "DIFFERENT: keep the receipt, it proves it"
	}
	output := "the same, byte for byte"
	if !v.OutputMatch {
		output = "different"
	}
	fmt.Fprintf(c.stdout, "fuel claimed     %s\nfuel recomputed  %s\noutput           %s\nverdict          %s\n",
		commas(v.FuelClaimed), commas(v.FuelRecomputed), output, verdict)
}
