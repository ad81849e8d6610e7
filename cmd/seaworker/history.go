package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/journal"
)

// historyFlags say which entries are meant.
type historyFlags struct{ peer, ref, from, to string }

func (f *historyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.peer, "peer", "", "only those with this peer")
	cmd.Flags().StringVar(&f.ref, "for", "", "only what was for this job (its first digits), or this order (all 64)")
	cmd.Flags().StringVar(&f.from, "from", "", "only from this day (2026-11-22) or time (RFC 3339) on")
	cmd.Flags().StringVar(&f.to, "to", "", "only before this day or time")
}

// query is the flags as the API's query.
func (f *historyFlags) query() url.Values {
	ask := url.Values{}
	for name, value := range map[string]string{"peer": f.peer, "ref": f.ref, "from": f.from, "to": f.to} {
		if value != "" {
			ask.Set(name, value)
		}
	}
	return ask
}

func newCreditHistory(c *cli) *cobra.Command {
	var flags historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List every promise, with the balance after it",
		Long: `List every promise on every line in the order it was written here, with the
balance with that peer after it and what it paid for: the order, and of an order
that is kept here the job, if this node bought, and the module. Times are the
clocks of those who promised.`,
		Example: "  seaworker credit history --peer 9b1c04 --from 2026-11-01",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.history(cmd, flags, func(self identity.Entity, all iter.Seq2[ledger.Posting, error]) error {
				if c.json {
					return journal.Write(c.stdout, journal.JSON, self, all)
				}
				return c.printHistory(all)
			})
		},
	}
	flags.add(cmd)
	return cmd
}

// printHistory prints rows as they come: there may be millions.
func (c *cli) printHistory(all iter.Seq2[ledger.Posting, error]) error {
	const row = "%-19s  %-10s  %-4s  %-7s  %16s  %16s  %-10s  %-10s  %s\n"
	out := bufio.NewWriter(c.stdout)
	fmt.Fprintf(out, row, "TIME", "PEER", "WHO", "KIND", "AMOUNT", "BALANCE", "JOB", "MODULE", "FOR")
	for p, err := range all {
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		who, job, module := "they", "-", "-"
		if p.Ours {
			who = "we"
		}
		if p.Job != "" {
			job = p.Job[:10]
		}
		if p.Module != (identity.Hash{}) {
			module = p.Module.String()[:10]
		}
		fmt.Fprintf(out, row, p.Time.Local().Format("2006-01-02 15:04:05"), p.Peer.Short(), who, p.Kind,
			credits(int64(p.Amount)), credits(int64(p.Balance)), job, module, p.Ref)
	}
	return out.Flush()
}

func newCreditExport(c *cli) *cobra.Command {
	var flags historyFlags
	format := string(journal.HLedger)
	var names []string
	for _, f := range journal.Formats {
		names = append(names, string(f))
	}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the books for other programs",
		Long: `Write the books in a format of plain-text accounting, as CSV or as JSON. What a
peer owes is Assets:Credit:PEER, against Income for what it promised and Expenses
for what this node did.`,
		Example: "  seaworker credit export --format hledger > sea.journal\n  hledger -f sea.journal balance",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(names, format) {
				return usagef("one of "+strings.Join(names, ", "), "--format is %q", format)
			}
			return c.history(cmd, flags, func(self identity.Entity, all iter.Seq2[ledger.Posting, error]) error {
				return journal.Write(c.stdout, journal.Format(format), self, all)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&format, "format", format, strings.Join(names, ", "))
	return cmd
}

// historyEvent is a line of the stream of postings. The last has the entity and
// no posting: a stream that ends without one was cut off.
type historyEvent struct {
	Posting *ledger.Posting `json:"posting,omitempty"`
	Entity  identity.Entity `json:"entity,omitzero"`
}

// errEnough ends a stream that nobody reads any further.
var errEnough = errors.New("enough")

// history gives use the postings that the flags name.
func (c *cli) history(cmd *cobra.Command, flags historyFlags, use func(identity.Entity, iter.Seq2[ledger.Posting, error]) error) error {
	api, err := c.reader(cmd.Context())
	if err != nil {
		return err
	}
	defer api.close()
	var me statusView
	if err := api.do(cmd.Context(), "GET", "/status", nil, &me); err != nil {
		return err
	}
	return use(me.Entity, func(yield func(ledger.Posting, error) bool) {
		whole := false
		err := api.events(cmd.Context(), "/credit/history?"+flags.query().Encode(), func(data []byte) error {
			var e historyEvent
			if err := json.Unmarshal(data, &e); err != nil {
				return err
			}
			if e.Posting == nil {
				whole = true
				return nil
			}
			if !yield(*e.Posting, nil) {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
		case err != nil:
			yield(ledger.Posting{}, err)
		case !whole:
			yield(ledger.Posting{}, failf(exitMismatch, reasonMismatch, "run \"seaworker credit check\"", "the ledger could not be read to its end"))
		}
	})
}

// parseWhen reads a day or a time; nothing is the zero time.
func parseWhen(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usagef("write 2026-11-22 or 2026-11-22T15:04:05Z", "%s is %q, which is no day or time", name, text)
	}
	return t, nil
}
