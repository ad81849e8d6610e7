package main

import (
	"context"
	"errors"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/storage"
)

// explain makes a failure of an error of any of our packages: the one place
// that knows what a person can do about each.
func explain(ctx context.Context, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if refused, ok := errors.AsType[*market.Refused](err); ok {
		code := exitOf(market.Job{State: market.Failed, Reason: refused.Reason})
		hint := refused.Reason.Hint()
		if refused.Try != "" {
			hint = "try " + refused.Try
		}
		return failf(code, string(refused.Reason), hint, "%s", refused.Text)
	}
	for _, known := range []struct {
		is     error
		code   int
		reason string
		hint   string
	}{
		{market.ErrNoMap, exitUsage, reasonNotFound, "see \"seaworker map list\""},
		{market.ErrNoJob, exitUsage, reasonNotFound, "see \"seaworker job list\""},
		{market.ErrAmbiguous, exitUsage, reasonUsage, "give more digits"},
		{market.ErrNoReceipt, exitUsage, reasonNotFound, "see \"seaworker job show\""},
		{market.ErrNoProof, exitUsage, reasonNotFound, "see \"seaworker job show\""},
		{market.ErrEvidence, exitMismatch, reasonMismatch, "believe nobody who shows it"},
		{market.ErrFinal, exitUsage, reasonUsage, "see \"seaworker job show\""},
		{market.ErrNotFailed, exitUsage, reasonUsage, "see \"seaworker job show\"; \"seaworker run\" buys it once more"},
		{market.ErrGone, exitUsage, reasonNotFound, "inputs and outputs are kept 7 days or 1 GiB, the oldest go first"},
		{market.ErrStopped, exitUnreachable, reasonNoDaemon, "start it again with \"seaworker up\""},
		{compute.ErrImport, exitUsage, string(market.ImportUnknown), market.ImportUnknown.Hint()},
		{compute.ErrEntry, exitUsage, string(market.ModuleInvalid), "a command is built with GOOS=wasip1 GOARCH=wasm, a reactor's function is named with --call"},
		{compute.ErrMemory, exitUsage, string(market.BadJob), "allow it more with --memory"},
		{compute.ErrModule, exitUsage, string(market.ModuleInvalid), market.ModuleInvalid.Hint()},
		{compute.ErrNoBlob, exitUsage, reasonNotFound, "inputs and outputs are kept 7 days or 1 GiB, the oldest go first"},
		{storage.ErrFull, exitJobFailed, reasonRefused, "wait until jobs have ended"},
		{storage.ErrSize, exitUsage, reasonUsage, "a module has at most 64 MiB, an input 1 GiB"},
		{ledger.ErrLimit, exitRefused, string(market.RefusedCredit), "see \"seaworker credit list\""},
		{ledger.ErrLine, exitRefused, reasonRefused, "see \"seaworker credit show\""},
		{ledger.ErrAmount, exitUsage, reasonUsage, "write credits as 12.5"},
		{ledger.ErrSelf, exitUsage, reasonUsage, "name another peer"},
		{ledger.ErrSegment, exitMismatch, reasonMismatch, "put the file back from a copy; balances and payments do not need it"},
		{ledger.ErrReadOnly, exitJobFailed, reasonInternal, "look at the disk, then start the daemon again"},
		{node.ErrOffline, exitUnreachable, reasonUnreachable, "start a daemon with \"seaworker up\""},
		{rpc.ErrUnreachable, exitUnreachable, reasonUnreachable, "see \"seaworker peer list\""},
		{rpc.ErrTimeout, exitUnreachable, reasonUnreachable, "see \"seaworker peer list\""},
		{context.DeadlineExceeded, exitTimeout, reasonTimeout, "try again"},
	} {
		if errors.Is(err, known.is) {
			return failf(known.code, known.reason, known.hint, "%v", err)
		}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return failf(exitInterrupted, reasonInterrupted, "", "interrupted")
	}
	return failf(exitJobFailed, reasonInternal, "", "%v", err)
}
