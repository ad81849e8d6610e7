package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// Exit codes, the same for every command. A guest that ended by itself gives
// "run" its own code instead.
const (
	exitOK          = 0
	exitJobFailed   = 1   // the job failed
	exitUsage       = 2   // the command line makes no sense
	exitUnreachable = 3   // no daemon, no peer, no seller
	exitRefused     = 4   // refused for credit or price
	exitMismatch    = 5   // verification found a difference
	exitOutOfFuel   = 6   // the job used up its fuel
	exitTimeout     = 124 // the time given was over
	exitInterrupted = 130 // Ctrl-C
)

// failure is an error that a person can act on and a script can tell apart. It
// crosses the control API as wireFailure.
type failure struct {
	Text   string `json:"error"`
	Reason string `json:"reason"` // a word of this file or of the market's list
	Hint   string `json:"hint"`   // what to do, or nothing
	Code   int    `json:"-"`      // the exit code

	Lines []string `json:"lines,omitempty"` // what helps, a line each; not sent over the control API
}

// Reasons of failures that are no job's.
const (
	reasonUsage       = "usage"
	reasonNoDaemon    = "no_daemon"
	reasonUnreachable = "unreachable"
	reasonNotFound    = "not_found"
	reasonRefused     = "refused"
	reasonMismatch    = "mismatch"
	reasonInterrupted = "interrupted"
	reasonTimeout     = "timeout"
	reasonInternal    = "internal"
)

func (f *failure) Error() string { return f.Text }

// failf makes a failure. The hint says what to do about it.
func failf(code int, reason, hint, format string, args ...any) *failure {
	return &failure{Text: fmt.Sprintf(format, args...), Reason: reason, Hint: hint, Code: code}
}

// usagef is a mistake on the command line of cmd.
func usagef(hint, format string, args ...any) *failure {
	return failf(exitUsage, reasonUsage, hint, format, args...)
}

// fail tells the user what went wrong, in the form that was asked for, and
// returns the exit code.
func (c *cli) fail(ctx context.Context, err error) int {
	f := explain(ctx, err)
	if c.json {
		line, _ := json.Marshal(f) // three strings and a number
		fmt.Fprintf(c.stdout, "%s\n", line)
		return f.Code
	}
	fmt.Fprintf(c.stderr, "seaworker: %s\n", clean(f.Text))
	if f.Hint != "" {
		fmt.Fprintf(c.stderr, "  hint: %s\n", clean(f.Hint))
	}
	for _, line := range f.Lines {
		fmt.Fprintf(c.stderr, "  %s\n", clean(line))
	}
	return f.Code
}
