package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
)

// jobView shows a job while it runs: the program's output where it belongs, and
// what happens on stderr for a person.
type jobView struct {
	cli            *cli
	stdout, stderr io.Writer
	sum            hash.Hash // of the program's stdout
	bytes          uint64
	talk           bool // say what happens
	live           bool // draw a line that changes
	drawn          bool // such a line stands there
	progress       progress
	next           market.Cursor // what has not been shown yet
}

func newJobView(c *cli, raw bool) *jobView {
	v := &jobView{cli: c, stdout: c.stdout, stderr: c.stderr, sum: newSum(), talk: !c.json && isTerminal(c.stderr)}
	v.live = v.talk
	if c.json {
		v.stdout, v.stderr = io.Discard, io.Discard
	}
	if !raw && isTerminal(c.stdout) {
		v.stdout = terminalFilter{v.stdout}
	}
	if !raw && isTerminal(c.stderr) {
		v.stderr = terminalFilter{v.stderr}
	}
	return v
}

func (v *jobView) begin(id market.ID, spec market.Spec) {
	if v.talk {
		fmt.Fprintf(v.cli.stderr, "job %s  module %s  at most %s\n", id.Short(), spec.Module.Hash.Short(), credits(int64(spec.MaxCredit)))
	}
}

// update shows what has happened.
func (v *jobView) update(u market.Update) error {
	v.erase()
	v.next = u.Next
	if len(u.Stderr) > 0 {
		if _, err := v.stderr.Write(u.Stderr); err != nil {
			return err
		}
	}
	if len(u.Stdout) > 0 {
		v.sum.Write(u.Stdout)
		v.bytes += uint64(len(u.Stdout))
		if _, err := v.stdout.Write(u.Stdout); err != nil {
			return fmt.Errorf("write the program's output: %w", err)
		}
	}
	if !v.talk {
		return nil
	}
	for _, e := range u.Events {
		fmt.Fprintf(v.cli.stderr, " %s  %-9s  %s\n", e.At.Local().Format(time.TimeOnly), e.State, clean(e.Text))
	}
	if v.live && u.Job == nil {
		v.draw(v.progress.line(time.Now(), u))
	}
	return nil
}

// draw shows text without a line's end, as much as fits into one line, so that
// erase can take it away.
func (v *jobView) draw(text string) {
	if text != "" {
		line := []rune(text)
		fmt.Fprint(v.cli.stderr, string(line[:min(len(line), terminalWidth(v.cli.stderr)-1)]))
		v.drawn = true
	}
}

func (v *jobView) erase() {
	if v.drawn {
		fmt.Fprint(v.cli.stderr, "\r\x1b[K")
		v.drawn = false
	}
}

// watchJob shows the job until it has ended, from where the view stopped, and
// returns it.
func watchJob(ctx context.Context, api *client, id market.ID, v *jobView) (market.Job, error) {
	var final *market.Job
	at := fmt.Sprintf("/jobs/%s/events?event=%d&stdout=%d&stderr=%d", id, v.next.Event, v.next.Stdout, v.next.Stderr)
	err := api.events(ctx, at, func(data []byte) error {
		var u market.Update
		if err := json.Unmarshal(data, &u); err != nil {
			return err
		}
		final = u.Job
		return v.update(u)
	})
	v.erase()
	switch {
	case err != nil:
		return market.Job{}, err
	case final == nil:
		return market.Job{}, failf(exitUnreachable, reasonNoDaemon, "start it again with \"seaworker up\": the job goes on", "the daemon stopped while job %s was running", id.Short())
	}
	return *final, nil
}

// shown says when what was shown is not what the job is paid for: a seller that
// failed it had sent something else before another one did it.
func (v *jobView) shown(j market.Job) error {
	if j.State != market.Done || v.bytes == 0 && j.Stdout.Size == 0 || v.bytes == j.Stdout.Size && identity.Hash(v.sum.Sum(nil)) == j.Stdout.Hash {
		return nil
	}
	return failf(exitMismatch, reasonMismatch, "its true output is in \"seaworker job logs "+j.ID.Short()+"\"",
		"job %s is done, and what was shown of it begins with the output of a seller that failed it", j.ID.Short())
}

// jobSummary is the last line of "run --json".
type jobSummary struct {
	Job          market.ID    `json:"job"`
	State        market.State `json:"state"`
	Reason       *string      `json:"reason"`
	Error        string       `json:"error,omitempty"`
	Hint         string       `json:"hint,omitempty"`
	Exit         *int32       `json:"exit"`
	Fuel         uint64       `json:"fuel"`
	CostMicro    int64        `json:"cost_micro"`
	Resold       uint32       `json:"resold_percent,omitempty"`
	Seller       *string      `json:"seller"`
	Module       string       `json:"module"`
	Receipt      *string      `json:"receipt"`
	StdoutSHA256 string       `json:"stdout_sha256"`
	StdoutBytes  uint64       `json:"stdout_bytes"`
	Check        market.Check `json:"check,omitempty"`
	SpentMicro   int64        `json:"spent_micro,omitempty"`
}

// finish says how the job ended and sets the exit code.
func (c *cli) finish(j market.Job, v *jobView) error {
	c.exit = exitOf(j)
	if err := v.shown(j); err != nil {
		return err
	}
	if c.json {
		s := jobSummary{
			Job: j.ID, State: j.State, Reason: word(string(j.Reason)), Error: j.Error, Hint: j.Hint,
			Exit: j.Exit, Fuel: j.Fuel, CostMicro: int64(j.Cost), Resold: j.Resold, Module: j.Spec.Module.Hash.String(),
			StdoutSHA256: fmt.Sprintf("%x", v.sum.Sum(nil)), StdoutBytes: v.bytes, Check: j.Check, SpentMicro: int64(j.Spent),
		}
		if j.Order != (identity.Hash{}) {
			s.Seller = word(j.Seller.String())
		}
		if j.Receipt != (identity.Hash{}) {
			s.Receipt = word(j.Receipt.String())
		}
		return c.printJSON(s)
	}
	switch {
	case j.State == market.Done && !v.talk:
	case j.State == market.Done:
		fmt.Fprintf(c.stderr, " %s  done       %s fuel, %s\n", j.Ended.Local().Format(time.TimeOnly), commas(j.Fuel), credits(int64(j.Cost)))
		fmt.Fprintf(c.stderr, "           verify with: seaworker receipt verify %s\n", j.ID.Short())
	default:
		if j.Spent > 0 {
			fmt.Fprintf(c.stderr, "  %s was spent on checks, and on sellers that were found out\n", credits(int64(j.Spent)))
		}
		fmt.Fprintf(c.stderr, "seaworker: job %s %s: %s\n", j.ID.Short(), j.State, clean(j.Error))
		if j.Cost > 0 {
			fmt.Fprintf(c.stderr, "  it cost %s for %s fuel\n", credits(int64(j.Cost)), commas(j.Fuel))
		}
		if j.Vouched > 0 && !j.Paid {
			fmt.Fprintf(c.stderr, "  %s of %s was vouched for as it ran: its seller may claim that\n", credits(int64(j.Vouched)), credits(int64(j.Locked)))
		}
		if j.Hint != "" {
			fmt.Fprintf(c.stderr, "  hint: %s\n", clean(j.Hint))
		}
	}
	return nil
}

func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// exitOf is the exit code that a job gives "run".
func exitOf(j market.Job) int {
	switch j.State {
	case market.Done:
		if j.Exit != nil {
			return int(*j.Exit) & 0xff // what a system's exit status holds
		}
		return exitOK
	case market.CancelledBy:
		return exitInterrupted
	}
	switch j.Reason {
	case market.OutOfFuel:
		return exitOutOfFuel
	case market.RefusedPrice, market.RefusedCredit:
		return exitRefused
	case market.NoSeller, market.Unreachable, market.SellerLost, market.NotSelling, market.Busy, market.Excluded:
		return exitUnreachable
	case market.Timeout:
		return exitTimeout
	case market.BadJob:
		return exitUsage
	case market.BadReceipt, market.BadOutput, market.BadStatement, market.Mismatch:
		return exitMismatch
	}
	return exitJobFailed
}

// newSum is what a program's standard output is hashed with.
func newSum() hash.Hash { return sha256.New() }
