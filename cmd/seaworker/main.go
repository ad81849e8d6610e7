// Command seaworker is a node of the sea: a daemon that sells and buys
// WebAssembly jobs, and the command line that speaks with it.
//
// Everything of Sea is built here and handed to each other, in daemon.go;
// api.go offers the result to the command line as HTTP and JSON, and each
// group of commands has one file with its help. Commands never touch a ledger
// or a node themselves: they call the api, of the running daemon or, where
// there is none, of one that is opened for the length of the command.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/peersea/sea/compute"
)

func main() {
	if compute.IsWorker() {
		os.Exit(compute.Worker())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// asksJSON says whether --json stands among the flags of a command line.
func asksJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}

// run executes one command line and returns the exit code, see failure.go.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		c.json = c.json || asksJSON(args) // a flag that was wrong may stand before it
		return c.fail(ctx, err)
	}
	return c.exit
}
