package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// callRequest is a call as the API takes it; callAnswer is what came back.
type callRequest struct {
	To    string          `json:"to"` // an address, a public key, or the first digits of a peer's
	Scope string          `json:"scope"`
	Body  json.RawMessage `json:"body,omitempty"`
}

type callAnswer struct {
	Body json.RawMessage `json:"body"`
}

func newCall(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "call ADDRESS SCOPE [JSON]",
		Short: "Call a scope of any node and print the answer",
		Long: `Call a scope of any node and print the answer as JSON. The argument is JSON too;
{"$bytes": "BASE64"} stands for bytes, in both directions.`,
		Example: `  seaworker call 2cf24d sea:ping
  seaworker call 2cf24d clock:now '{}'`,
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
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var answer callAnswer
			if err := api.do(cmd.Context(), http.MethodPost, "/call", request, &answer); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%s\n", answer.Body)
			return err
		},
	}
}
