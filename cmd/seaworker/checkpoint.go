package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/spf13/cobra"
)

// checkpointAsk is the body of a request for checkpoints: the peers to agree
// with, all of them when there is none.
type checkpointAsk struct {
	Peers []string `json:"peers,omitempty"`
}

// agreedLine is what both sides of a line have signed by now.
type agreedLine struct {
	Peer    identity.Entity `json:"peer"`
	Agreed  ledger.Agreed   `json:"agreed,omitzero"`
	Balance ledger.Amount   `json:"balance_micro"` // as the checkpoint has it
	Error   string          `json:"error,omitempty"`
	Hint    string          `json:"hint,omitempty"`
}

const (
	// agreePatience is how long one peer may take.
	agreePatience = 20 * time.Second

	// maxAgreeing is how many peers are asked at one time.
	maxAgreeing = 8
)

func newCreditCheckpoint(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint [PEER...]",
		Short: "Have both sides sign where a line stands, now",
		Long: `Have both sides sign where a line stands, now: its number, the newest entry of each
side and the balance. It is a receipt that neither can deny. The daemon does the same
each 10 s on lines that have changed. Without PEER it asks all.`,
		Example: "  seaworker credit checkpoint\n  seaworker credit checkpoint 9b1c04",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var lines []agreedLine
			if err := api.do(cmd.Context(), http.MethodPost, "/credit/checkpoint", checkpointAsk{args}, &lines); err != nil {
				return err
			}
			for _, l := range lines {
				if l.Error != "" {
					c.exit = exitUnreachable
				}
			}
			if c.json {
				return c.printJSON(lines)
			}
			if len(lines) == 0 {
				_, err := fmt.Fprintln(c.stdout, "nothing to sign: there is no line yet")
				return err
			}
			for _, l := range lines {
				c.printAgreed(l)
			}
			return nil
		},
	}
}

func (c *cli) printAgreed(l agreedLine) {
	if l.Error != "" {
		fmt.Fprintf(c.stdout, "%s  NO new checkpoint: %s\n", l.Peer.Short(), clean(l.Error))
		if l.Hint != "" {
			fmt.Fprintf(c.stdout, "  hint: %s\n", clean(l.Hint))
		}
	}
	a := l.Agreed
	if a.N == 0 {
		if l.Error == "" {
			fmt.Fprintf(c.stdout, "%s  nothing to sign yet\n", l.Peer.Short())
		}
		return
	}
	fmt.Fprintf(c.stdout, "%s  checkpoint %d of %s, signed by both: balance %s\n", l.Peer.Short(), a.N,
		time.Unix(int64(a.Tick)*10, 0).UTC().Format(time.DateTime), credits(int64(l.Balance)))
	for _, side := range []struct {
		who  string
		half ledger.Half
	}{{"they", a.Theirs}, {"we", a.Mine}} {
		fmt.Fprintf(c.stdout, "  %-5s %s in %d entries, head %s\n", side.who, credits(int64(side.half.Cum)), side.half.Seq, side.half.Tip)
	}
}

// postCheckpoint agrees with several peers at one time.
func (a *api) postCheckpoint(r *http.Request, in checkpointAsk) ([]agreedLine, error) {
	var peers []identity.Entity
	for _, text := range in.Peers {
		peer, err := a.findPeer(text)
		if err != nil {
			return nil, err
		}
		peers = append(peers, peer)
	}
	if len(in.Peers) == 0 {
		for _, line := range a.d.ledger.Lines() {
			if line.State == ledger.StateOpen {
				peers = append(peers, line.Peer)
			}
		}
	}
	lines := make([]agreedLine, len(peers))
	turns := make(chan int, len(peers))
	for i := range peers {
		turns <- i
	}
	close(turns)
	var wait sync.WaitGroup
	for range min(maxAgreeing, len(peers)) {
		wait.Go(func() {
			for i := range turns {
				lines[i] = a.agree(r.Context(), peers[i])
			}
		})
	}
	wait.Wait()
	return lines, r.Context().Err()
}

func (a *api) agree(ctx context.Context, peer identity.Entity) agreedLine {
	ctx, cancel := context.WithTimeout(ctx, agreePatience)
	defer cancel()
	err := a.d.credit.Agree(ctx, peer)
	line := a.d.ledger.Line(peer)
	out := agreedLine{Peer: peer, Agreed: line.Agreed, Balance: line.Agreed.Theirs.Cum - line.Agreed.Mine.Cum}
	if err != nil {
		out.Error = err.Error()
		switch {
		case errors.Is(err, rpc.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
			out.Hint = "try again when the peer is there"
		case errors.Is(err, rpc.ErrBusy), errors.Is(err, ledger.ErrOutOfStep):
			out.Hint = "something is on its way: try again"
		case errors.Is(err, rpc.ErrNoHandler):
			out.Hint = "the peer runs a program that is not asked: it proposes one by itself within 10 s of a change"
		}
	}
	return out
}
