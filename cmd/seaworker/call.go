package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// callRequest is a call as the API takes it; callAnswer is what came back.
type callRequest struct {
	To    string          `json:"to"` // an address, a public key, or the first digits of a peer's
	Scope string          `json:"scope"`
	Body  json.RawMessage `json:"body,omitempty"`

	// MaxCreditMicro is the most that the call may cost: it is bought when it is set.
	MaxCreditMicro int64 `json:"max_credit_micro,omitempty"`
}

type callAnswer struct {
	Body json.RawMessage `json:"body"`
	Job  *market.Job     `json:"job,omitempty"` // of a call that was bought
}

func newCall(c *cli) *cobra.Command {
	var most string
	cmd := &cobra.Command{
		Use:   "call ADDRESS SCOPE [JSON]",
		Short: "Call a scope of any node and print the answer",
		Long: `Call a scope of any node and print the answer as JSON. The argument is JSON too;
{"$bytes": "BASE64"} stands for bytes, in both directions.

Where calls of a scope are sold, --max-credit buys one: it is a job with a receipt and a
bill, and "receipt verify" runs it again here when it asks for nothing but its input.`,
		Example: `  seaworker call 2cf24d sea:ping
  seaworker call 2cf24d clock:now '{}'
  seaworker call --max-credit 0.1 2cf24d thumbnail:png '{"$bytes": "…"}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return usagef("usage: "+cmd.UseLine(), "want an address, a scope and at most one argument")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request := callRequest{To: args[0], Scope: args[1]}
			if len(args) == 3 {
				if !json.Valid([]byte(args[2])) {
					return usagef("quote it for the shell: '{\"key\": 1}'", "the argument is not JSON: %q", args[2])
				}
				request.Body = json.RawMessage(args[2])
			}
			if cmd.Flags().Changed("max-credit") {
				micro, err := parseCredits(most)
				if err != nil || micro == 0 {
					return usagef("write it as 0.5", "--max-credit %q is not an amount above 0", most)
				}
				request.MaxCreditMicro = micro
			}
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var answer callAnswer
			if err := api.do(cmd.Context(), http.MethodPost, "/call", request, &answer); err != nil {
				return err
			}
			if c.json && answer.Job != nil {
				return c.printJSON(answer)
			}
			if j := answer.Job; j != nil {
				fmt.Fprintf(c.stderr, "%s fuel, %s; verify with: seaworker receipt verify %s\n", commas(j.Fuel), credits(int64(j.Cost)), j.ID.Short())
			}
			_, err = fmt.Fprintf(c.stdout, "%s\n", answer.Body)
			return err
		},
	}
	cmd.Flags().StringVar(&most, "max-credit", "", "buy the call, for at most so many `CREDITS`")
	return cmd
}
