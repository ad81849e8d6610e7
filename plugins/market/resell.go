package market

import (
	"context"
	"fmt"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// resell gives the result that is here to a buyer that has all of the job: who
// only knows the hashes of its inputs, as each seller does that was asked, gets
// nothing. The seller vouches for the result as if it had run the job now.
func (m *Market) resell(ctx context.Context, s *sale) (compute.Result, *Refused) {
	no := m.eachInput(ctx, s, func(ctx context.Context, b compute.Blob, seen func(uint64)) (here bool, err error) {
		if err = m.connect(ctx, s.contact()); err == nil {
			err = m.blobs.Shown(ctx, s.contact(), b, seen)
		}
		return err == nil, err
	})
	if no != nil {
		return compute.Result{}, no
	}
	if err := m.mayOwe(s.buyer); isRevoked(err) {
		return compute.Result{}, refuse(Revoked, "%v", err)
	}
	result, err := m.held(s.work.Hash())
	if err != nil {
		m.log.Warn("a result cannot be resold", "order", s.order.Short(), "err", err)
		if err := m.results.drop(s.work.Hash()); err != nil {
			m.log.Error("cannot forget a result", "err", err)
		}
		return compute.Result{}, refuse(Expired, "the result is not here any more; ask again")
	}
	return result, nil
}

// held reads a result that is here, all of it, and checks every byte: what has
// rotted on disk would be this node's own lie.
func (m *Market) held(job identity.Hash) (compute.Result, error) {
	body, claim, err := m.results.get(job)
	if err != nil {
		return compute.Result{}, err
	}
	o, err := compute.DecodeOutcome(body.Outcome)
	if err != nil {
		return compute.Result{}, err
	}
	r := compute.Result{
		Job: job, End: o.End, Code: o.Code, Trap: o.Trap, Fuel: claim.Fuel, PeakPages: claim.PeakPages, Engine: claim.Engine,
	}
	for _, stream := range []struct {
		to   *[]byte
		from output
	}{{&r.Stdout, body.Out}, {&r.Stderr, body.Err}} {
		if *stream.to = stream.from.Bytes; !stream.from.inline() {
			if *stream.to, err = m.readSound(stream.from.Blob); err != nil {
				return compute.Result{}, err
			}
		}
	}
	for _, f := range o.Files {
		if !f.Dir {
			if f.Data, err = m.readSound(f.Blob); err != nil {
				return compute.Result{}, err
			}
		}
		r.Files = append(r.Files, f)
	}
	if got := r.Receipt(claim.Tariff); got != claim {
		return compute.Result{}, fmt.Errorf("it is %+v, and %+v was claimed", got, claim)
	}
	return r, nil
}

// readSound reads a blob that is here and is what its hash says. One that is not
// goes from the storage.
func (m *Market) readSound(blob compute.Blob) ([]byte, error) {
	b, err := m.readAll(blob)
	if err == nil && compute.BlobOf(b) != blob {
		m.blobs.Discard(blob.Hash)
		err = fmt.Errorf("the bytes of blob %s have changed on disk", blob.Hash.Short())
	}
	return b, err
}

// keepBought keeps the result of a job that this node has bought and that was
// checked: it answers for what it resells.
func (m *Market) keepBought(r *jobRecord) {
	if r.Check != Matched || r.Receipt == nil {
		return
	}
	claim, err := compute.DecodeReceipt(r.Receipt.Body)
	if err == nil {
		err = m.results.keep(claim, r.Outcome, r.Out, r.Err)
	}
	if err != nil {
		m.log.Warn("a result cannot be kept", "job", r.ID.Short(), "err", err)
	}
}
