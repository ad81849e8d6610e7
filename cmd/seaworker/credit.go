package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/spf13/cobra"
)

func newCredit(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "credit",
		Short: "Look at the ledger, lend and pay",
		Long: `Credit is what one entity owes another, signed by the one who owes. A balance is
positive when they owe this node. A peer is named by its public key; the first
digits are enough once there is a line with it.`,
	}
	group.AddCommand(newCreditList(c), newCreditShow(c), newCreditLimit(c), newCreditPay(c),
		newCreditHistory(c), newCreditExport(c), newCreditProve(c), newCreditCheckpoint(c), newCreditCheck(c), newCreditBackup(c), newCreditRebuild(c))
	return asGroup(group)
}

func newCreditList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the balance with each peer",
		Example: "  seaworker credit list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var lines []ledger.Line
			if err := api.do(cmd.Context(), http.MethodGet, "/credit", nil, &lines); err != nil {
				return err
			}
			if c.json {
				if lines == nil {
					lines = []ledger.Line{}
				}
				return c.printJSON(lines)
			}
			var warnings []string
			for _, l := range lines {
				if l.Warning != "" {
					warnings = append(warnings, l.Peer.Short()+": "+l.Warning)
				}
			}
			if err := c.table("PEER\tBALANCE\tTHEY MAY OWE\tI MAY OWE\tHELD\tSTATE", creditRows(lines)); err != nil {
				return err
			}
			var certs certsView
			if err := api.do(cmd.Context(), http.MethodGet, "/certs", nil, &certs); err != nil {
				return err
			}
			if a := certs.ActsFor; a != nil {
				fmt.Fprintf(c.stdout, "This node acts for %s.\n", actingText(*a))
			}
			for _, w := range warnings {
				fmt.Fprintln(c.stdout, w)
			}
			var s ledger.Strangers
			if err := api.do(cmd.Context(), http.MethodGet, "/credit/strangers", nil, &s); err != nil {
				return err
			}
			return c.printStrangers(s)
		},
	}
}

// printStrangers says how the budget of those without a grant stands.
func (c *cli) printStrangers(s ledger.Strangers) error {
	_, err := fmt.Fprintf(c.stdout, "\nAll without a grant may owe %s together and use %s; newcomers half of it, %s, and use %s.\n",
		credits(int64(s.Budget)), credits(int64(s.Used)), credits(int64(s.Newcomers)), credits(int64(s.NewcomersUsed)))
	if s.Nearly() && err == nil {
		_, err = fmt.Fprintln(c.stdout, "That is 80 % or more: new peers get no work at 100 %. \"seaworker credit limit\" lends to those you trust.")
	}
	if s.Lost > 0 && err == nil {
		_, err = fmt.Fprintf(c.stdout, "They owe %s that counts there no more: %s a day comes back.\n", credits(int64(s.Lost)), credits(int64(s.Daily)))
	}
	return err
}

func newCreditShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show PEER",
		Short:   "Show the line with one peer",
		Example: "  seaworker credit show 9b1c04",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var l ledger.Line
			if err := c.read(cmd.Context(), "/credit/"+escapePath(args[0]), &l); err != nil {
				return err
			}
			return c.printLine(l)
		},
	}
}

func (c *cli) printLine(l ledger.Line) error {
	if c.json {
		return c.printJSON(l)
	}
	state := string(l.State)
	if l.Reason != "" {
		state += ": " + clean(l.Reason)
	}
	if l.State == ledger.StateDisputed {
		state += "; \"seaworker credit prove " + l.Peer.Short() + " > FILE\" exports it"
	}
	if l.State == ledger.StateFenced {
		state += "; \"seaworker credit rebuild " + l.Peer.Short() + "\" takes back from them what is missing"
	}
	if l.Undelivered {
		state += "; something we signed has not reached them yet"
	}
	if l.Warning != "" {
		state += "\nwarning       " + clean(l.Warning)
	}
	_, err := fmt.Fprintf(c.stdout, `peer          %s
balance       %s
they may owe  %s
i may owe     %s
held          %s
promised      %s by them in %d entries, %s by us in %d
%srepaid        %s by them
agreed        %s
state         %s
%s`,
		l.Peer, credits(int64(l.Balance)), theyMayOwe(l), credits(int64(l.IMayOwe))+until(l.IMayUntil), credits(int64(l.Held)),
		credits(int64(l.Theirs.Cum)), l.Theirs.Seq, credits(int64(l.Mine.Cum)), l.Mine.Seq, vouchedText(l),
		credits(int64(l.Repaid)), agreedText(l.Agreed), state, actsForText(l.Acting))
	return err
}

// theyMayOwe says how far a peer may go into debt, and why.
func theyMayOwe(l ledger.Line) string {
	text := credits(int64(l.TheyMayOwe)) + until(l.TheyMayUntil)
	if l.Stranger {
		text += ", with all others without a grant"
	}
	if g := l.Growth; g.By > 0 {
		text += fmt.Sprintf("; grew by %s because they repaid %s, to %s at most", credits(int64(g.By)), credits(int64(g.Repaid)), credits(int64(g.Most)))
	}
	return text
}

// until says when a grant ends, if it does.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.UTC().Format("2006-01-02 15:04 UTC")
}

// vouchedText is the line about jobs that are paid as they run, "" without any.
func vouchedText(l ledger.Line) string {
	theirs, ours := l.Theirs.Claim-l.Theirs.Cum, l.Mine.Claim-l.Mine.Cum
	if theirs+ours+l.Theirs.Locked+l.Mine.Locked == 0 {
		return ""
	}
	return fmt.Sprintf("vouched       %s by them with %s locked, %s by us with %s, for jobs that are not paid yet\n",
		credits(int64(theirs)), credits(int64(l.Theirs.Locked)), credits(int64(ours)), credits(int64(l.Mine.Locked)))
}

// agreedText says what both sides last signed together.
func agreedText(a ledger.Agreed) string {
	if a.N == 0 {
		return "no checkpoint yet"
	}
	return fmt.Sprintf("%s by them in %d entries, %s by us in %d: checkpoint %d, signed by both", credits(int64(a.Theirs.Cum)), a.Theirs.Seq,
		credits(int64(a.Mine.Cum)), a.Mine.Seq, a.N)
}

// creditAmount is the body of a limit or a payment.
type creditAmount struct {
	Micro int64     `json:"micro"`
	Until time.Time `json:"until,omitzero"` // of a limit: when it ends; zero is never
}

// creditChange is a command that sends an amount to a line.
func creditChange(c *cli, method, what string, cmd *cobra.Command) *cobra.Command {
	var end string
	if what == "limit" {
		cmd.Flags().StringVar(&end, "until", "", "from this day (2026-11-22) or time (RFC 3339) on they may owe nothing more")
	}
	cmd.Args = exactArgs(2)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		micro, err := parseCredits(args[1])
		if err != nil {
			return err
		}
		at, err := parseWhen("--until", end)
		if err != nil {
			return err
		}
		api, err := c.running(cmd.Context())
		if err != nil {
			return err
		}
		defer api.close()
		var l ledger.Line
		path := "/credit/" + escapePath(args[0]) + "/" + what
		if err := api.do(cmd.Context(), method, path, creditAmount{micro, at}, &l); err != nil {
			return err
		}
		return c.printLine(l)
	}
	return cmd
}

func newCreditLimit(c *cli) *cobra.Command {
	return creditChange(c, http.MethodPut, "limit", &cobra.Command{
		Use:   "limit PEER CREDITS",
		Short: "Let a peer owe this node so much",
		Long: `Let a peer owe this node so much: a signed grant. Lowering it holds for new
credit at once and never unmakes a promise. It grows by a tenth of what they repay,
up to twice as much; "up --grow=false" leaves it as it is.`,
		Example: "  seaworker credit limit 9b1c04 200\n  seaworker credit limit 9b1c04 50 --until 2027-01-01",
	})
}

func newCreditPay(c *cli) *cobra.Command {
	return creditChange(c, http.MethodPost, "pay", &cobra.Command{
		Use:   "pay PEER CREDITS",
		Short: "Promise a peer so much, signed and for good",
		Long: `Promise a peer so much. The promise is signed, on disk before it is sent, and
cannot be taken back. It reaches the peer as soon as there is a way.`,
		Example: "  seaworker credit pay 9b1c04 12.5",
	})
}

// checkView is what "credit check" found.
type checkView struct {
	OK       bool   `json:"ok"`
	Entries  uint64 `json:"entries"`
	Lines    int    `json:"lines"`
	Segments uint64 `json:"segments"`        // sealed files beside the ledger's, checked too
	Error    string `json:"error,omitempty"` // the first bad record
	Hint     string `json:"hint,omitempty"`

	// Lost are the segments that are missing or damaged; all else was checked.
	Lost []ledger.Lost `json:"lost,omitempty"`
}

// lostWords says which part of the history is lost, and whose.
func lostWords(l ledger.Lost) string {
	text := fmt.Sprintf("%s, records %d to %d: %s; of %d lines", filepath.Base(l.File), l.First, l.Last, l.Why, l.Lines)
	if l.Lines == 1 {
		text = strings.TrimSuffix(text, "s")
	}
	var names []string
	for _, peer := range l.Peers[:min(len(l.Peers), 5)] {
		names = append(names, peer.Short())
	}
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	if more := l.Lines - len(names); more > 0 && len(names) > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func newCreditCheck(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "check",
		Short:   "Verify every record of the ledger",
		Long:    "Verify every signature, chain, number and sum in the ledger's file, in a process of\nits own. Where a sealed segment is lost it is named with the lines that have records\nin it, and the rest is checked without. Exit code 5 when anything is wrong.",
		Example: "  seaworker credit check",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := c.checkLedger(cmd.Context())
			if err != nil {
				return err
			}
			if !v.OK {
				c.exit = exitMismatch
			}
			if c.json {
				return c.printJSON(v)
			}
			if v.OK {
				sealed := ""
				if v.Segments > 0 {
					sealed = fmt.Sprintf(", in %d sealed segments and the live file", v.Segments)
				}
				_, err = fmt.Fprintf(c.stdout, "%d entries of %d lines%s: all signatures, chains and sums hold\n", v.Entries, v.Lines, sealed)
				return err
			}
			fmt.Fprintf(c.stdout, "DAMAGED, %d entries verified: %s\n", v.Entries, clean(v.Error))
			for _, l := range v.Lost {
				fmt.Fprintf(c.stdout, "  lost: %s\n", clean(lostWords(l)))
			}
			if v.Hint != "" {
				fmt.Fprintf(c.stdout, "  hint: %s\n", clean(v.Hint))
			}
			return nil
		},
	}
}
