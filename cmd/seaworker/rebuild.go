package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/spf13/cobra"
)

// rebuildAsk is the body of a rebuild: the peers to ask, all that are known to
// hold more than this node when there is none.
type rebuildAsk struct {
	Peers []string `json:"peers,omitempty"`
}

// rebuiltLine is what became of one line.
type rebuiltLine struct {
	Peer    identity.Entity `json:"peer"`
	Entries uint64          `json:"entries"` // of ours, that are here now
	Micro   int64           `json:"promised_micro"`
	Rebuilt bool            `json:"rebuilt"`
	Error   string          `json:"error,omitempty"`
	Hint    string          `json:"hint,omitempty"`
	Warning string          `json:"warning,omitempty"` // also of one that is rebuilt
}

// rebuildPatience is how long one peer may take.
const rebuildPatience = 2 * time.Minute

func newCreditRebuild(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild [PEER...]",
		Short: "Take back from peers what this node has signed and lost",
		Long: `Take back from peers what this node has signed and lost: after an old backup was
put back, or the ledger's file is gone. Each peer shows the newest promise that it
holds of this node, with this node's own signature, and all before it; then both
sign that the line goes on from there. Until then nothing is signed on it. Without
PEER it asks those that have shown that they hold more, and those of whom the file
"heads", a copy beside the ledger that is a minute old at most, knows more.`,
		Example: "  seaworker credit rebuild\n  seaworker credit rebuild 9b1c04",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var lines []rebuiltLine
			if err := api.do(cmd.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{args}, &lines); err != nil {
				return err
			}
			for _, l := range lines {
				if !l.Rebuilt {
					c.exit = exitUnreachable
				}
			}
			if c.json {
				return c.printJSON(lines)
			}
			if len(lines) == 0 {
				_, err := fmt.Fprintln(c.stdout, "nothing to rebuild: no peer has shown more than this node has")
				return err
			}
			for _, l := range lines {
				if l.Rebuilt {
					fmt.Fprintf(c.stdout, "%s  rebuilt: %s promised in %d entries\n", l.Peer.Short(), credits(l.Micro), l.Entries)
					if l.Warning != "" {
						fmt.Fprintf(c.stdout, "  warning: %s\n", clean(l.Warning))
					}
					continue
				}
				fmt.Fprintf(c.stdout, "%s  NOT rebuilt: %s\n", l.Peer.Short(), clean(l.Error))
				if l.Hint != "" {
					fmt.Fprintf(c.stdout, "  hint: %s\n", clean(l.Hint))
				}
			}
			return nil
		},
	}
}

// postRebuild rebuilds one line after the other: it is rare.
func (a *api) postRebuild(r *http.Request, in rebuildAsk) ([]rebuiltLine, error) {
	peers := a.d.lostHeads()
	if len(in.Peers) > 0 {
		peers = peers[:0]
	}
	for _, text := range in.Peers {
		peer, err := a.findPeer(text)
		if err != nil {
			return nil, err
		}
		peers = append(peers, peer)
	}
	lines := []rebuiltLine{}
	known, err := ledger.ReadHeads(a.d.dir.heads(), a.d.key.Entity()) // before anything is asked
	if err != nil {
		a.d.log.Debug("no copy of the heads", "err", err)
	}
	for _, peer := range peers {
		err := a.rebuild(r.Context(), peer)
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		mine := a.d.ledger.Line(peer).Mine
		out := rebuiltLine{Peer: peer, Entries: mine.Seq, Micro: int64(mine.Cum), Rebuilt: err == nil}
		if err != nil {
			out.Error, out.Hint = err.Error(), rebuildHint(err)
		} else {
			out.Warning = shownLess(known, peer, mine.Seq)
		}
		lines = append(lines, out)
	}
	return lines, nil
}

// shownLess holds what a peer has shown of ours against the copy of the heads:
// "" when it is all.
func shownLess(known []ledger.KnownHead, peer identity.Entity, entries uint64) string {
	for _, h := range known {
		if h.Peer == peer && h.Mine.Seq > entries {
			return fmt.Sprintf("it shows %d of %d entries that this node had signed: it never got the others, has lost them, or hides them to show them later",
				entries, h.Mine.Seq)
		}
	}
	return ""
}

func (a *api) rebuild(ctx context.Context, peer identity.Entity) error {
	ctx, cancel := context.WithTimeout(ctx, rebuildPatience)
	defer cancel()
	if err := a.d.credit.Rebuild(ctx, peer); err != nil {
		return err
	}
	a.deliver(ctx, peer)
	return nil
}

func rebuildHint(err error) string {
	switch {
	case errors.Is(err, ledger.ErrFork):
		return "stop the node, move ledger.db away, start it, and rebuild again; what was signed here since was never sent, pay it again"
	case errors.Is(err, rpc.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return "try again when the peer is there"
	case errors.Is(err, rpc.ErrNoHandler):
		return "the peer runs a program that cannot help: it has to be a newer one"
	}
	return ""
}
