package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/peersea/sea/ledger"
	"github.com/spf13/cobra"
)

// proofView is a proof of misbehaviour and what it shows.
type proofView struct {
	ledger.Misbehaviour
	Proof []byte `json:"proof"`
}

func newCreditProve(c *cli) *cobra.Command {
	var check string
	cmd := &cobra.Command{
		Use:   "prove PEER > FILE",
		Short: "Export what proves that a peer misbehaved, or check such a proof",
		Long: `Export what a peer signed that it must not have signed: two entries with one
number, or a sum that is wrong. The file holds nothing else, and anyone can check
it with --check, on any machine, without a node. Exit code 5 when it proves
nothing. Not paying and slow answers are no misbehaviour that can be proved.`,
		Example: "  seaworker credit prove 9b1c04 > fork.proof\n  seaworker credit prove --check fork.proof",
		Args: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return exactArgs(0)(cmd, args)
			}
			return exactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return c.checkProof(check)
			}
			var v proofView
			if err := c.read(cmd.Context(), "/credit/"+escapePath(args[0])+"/proof", &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			if isTerminal(c.stdout) {
				return usagef("write it to a file: seaworker credit prove PEER > FILE", "a proof is %d bytes that no terminal shows", len(v.Proof))
			}
			if _, err := c.stdout.Write(v.Proof); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%s %s\n", v.By.Short(), v.What)
			return nil
		},
	}
	cmd.Flags().StringVar(&check, "check", "", "check the proof in `FILE` instead, with no ledger")
	return cmd
}

// checkProof says what the proof in a file shows.
func (c *cli) checkProof(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return usagef("name a file that \"credit prove\" wrote", "%v", err)
	}
	defer f.Close()
	const most = 1 << 20 // a proof is far shorter, and is told so
	file, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	m, err := ledger.CheckProof(file)
	if err != nil {
		return failf(exitMismatch, reasonMismatch, "believe nobody who shows it", "%s: %v", name, err)
	}
	if c.json {
		return c.printJSON(proofView{m, file})
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n%s,\non its line with\n%s\nThe signatures hold: nobody else can have made them.\n", m.By, m.What, m.To)
	return err
}

// getProof answers with the proof against a peer.
func (a *api) getProof(r *http.Request, _ none) (proofView, error) {
	peer, err := a.findPeer(r.PathValue("peer"))
	if err != nil {
		return proofView{}, err
	}
	file, what, err := a.d.ledger.Prove(peer)
	if errors.Is(err, ledger.ErrNoProof) {
		return proofView{}, failf(exitUsage, reasonNotFound, "not paying is no misbehaviour that can be proved; see \"seaworker credit show\"",
			"there is no proof against %s", peer.Short())
	}
	return proofView{what, file}, err
}
