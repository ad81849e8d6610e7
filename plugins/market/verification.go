package market

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market/trust"
)

// engine is what runs jobs. *compute.Engine is one.
type engine interface {
	Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error)
}

var _ engine = (*compute.Engine)(nil)

// Verify runs the job again on e, from its bytes and from nothing that was kept
// of its result, and compares. A job that was interrupted is run up to the fuel
// at which it was. Errors are ErrNoJob, ErrNoReceipt, ErrGone when module or
// input are not kept any more, and the engine's: a mismatch is no error.
func (b *Book) Verify(ctx context.Context, id ID, e engine) (Verification, error) {
	r, err := b.record(id)
	if err != nil {
		return Verification{}, err
	}
	if r.Receipt == nil {
		return Verification{}, ErrNoReceipt
	}
	job, err := r.work()
	if err != nil {
		return Verification{}, err
	}
	v, _, err := Recheck(ctx, *r.Receipt, job, b.blobs, e)
	return v, err
}

// Recheck runs job again on e and compares with a receipt. own is what a receipt
// of this run says, for who wants to sign it; its Engine is e's. Errors are those
// of compute.OpenReceipt, ErrGone when blobs lacks module or input, and the
// engine's: a mismatch is no error.
func Recheck(ctx context.Context, signed identity.Statement, job compute.Job, blobs compute.Blobs, e engine) (v Verification, own compute.Receipt, err error) {
	receipt, err := compute.OpenReceipt(signed)
	if err != nil {
		return v, own, err
	}
	var live compute.Live
	if receipt.End == compute.Interrupted {
		live.StopAt = max(receipt.Fuel, 1)
	}
	// Elsewhere may be slower: the belt of wall time proves nothing.
	again := job
	again.Limits.WallMillis = compute.MaxWallMillis
	result, err := e.Run(ctx, again, blobs, live)
	if errors.Is(err, compute.ErrNoBlob) {
		return v, own, fmt.Errorf("%w: module and input were kept for a while only", ErrGone)
	}
	if err == nil {
		err = ctx.Err() // the guest was interrupted by us
	}
	if err != nil {
		return v, own, err
	}
	own = result.Receipt(job.Tariff)
	own.Job = job.Hash()
	v = Verification{FuelClaimed: receipt.Fuel, FuelRecomputed: own.Fuel}
	v.OutputMatch = own.Result == receipt.Result
	v.Match = trust.Same(receipt, own)
	return v, own, nil
}
