package market

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/plugins/market/trust"
)

// MaxEvidence is the longest Evidence, in bytes: a job and its statements are far
// shorter.
const MaxEvidence = 4 << 20

// ErrEvidence is returned, wrapped with what is wrong, when bytes are not
// evidence that holds.
var ErrEvidence = errors.New("bad evidence")

// Evidence is a job and what was signed about it, for anyone: who has the bytes
// that the job names runs it again and compares, with no node and no network.
//
// Two receipts that contradict each other show by themselves that one of their
// signers signed what is wrong, or the one signer of both did. Running the job
// again says which.
type Evidence struct {
	Job compute.Job
	// Receipts is one receipt of the job, or two that contradict each other, the
	// one with the lower hash first.
	Receipts []identity.Statement
	// Order and Draw are the buyer's order and its draw over a lone receipt:
	// whether the job was to be checked, and by whom. Both or none is there.
	Order *identity.Statement
	Draw  []byte
}

type evidenceBody struct {
	V        uint64               `cbor:"v"`
	Job      []byte               `cbor:"job"`
	Receipts []identity.Statement `cbor:"receipts"`
	Order    *identity.Statement  `cbor:"order,omitempty"`
	Draw     []byte               `cbor:"draw,omitempty"`
}

// contradiction makes evidence of two receipts of one job. ok is false when they
// do not contradict each other.
func contradiction(job compute.Job, a, b identity.Statement) (Evidence, bool) {
	ha, hb := a.Hash(compute.ReceiptPurpose), b.Hash(compute.ReceiptPurpose)
	if bytes.Compare(ha[:], hb[:]) > 0 {
		a, b = b, a
	}
	e := Evidence{Job: job, Receipts: []identity.Statement{a, b}}
	return e, e.check() == nil
}

// Contradicts says whether the evidence shows by itself that somebody signed what
// is wrong.
func (e Evidence) Contradicts() bool { return len(e.Receipts) == 2 }

// Lot returns what the buyer drew over the receipt. ok is false when the evidence
// has no draw.
func (e Evidence) Lot() (lot trust.Lot, ok bool) {
	if e.Order == nil || len(e.Draw) != len(identity.DrawProof{}) || len(e.Receipts) != 1 {
		return lot, false
	}
	lot, err := trust.CheckDraw(identity.DrawProof(e.Draw), e.Order.By, e.Order.Hash(OrderPurpose), e.Receipts[0].Hash(compute.ReceiptPurpose))
	return lot, err == nil
}

// Encode gives the evidence's one spelling, canonical CBOR. The error wraps
// ErrEvidence.
func (e Evidence) Encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	b, err := cbor.Marshal(evidenceBody{version, e.Job.Encode(), e.Receipts, e.Order, e.Draw})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return b, nil
}

// OpenEvidence reads evidence and verifies every signature in it. The error wraps
// ErrEvidence.
func OpenEvidence(b []byte) (Evidence, error) {
	if len(b) > MaxEvidence {
		return Evidence{}, fmt.Errorf("%w: it has more than %d bytes", ErrEvidence, MaxEvidence)
	}
	var body evidenceBody
	if err := decodeRecord(b, version, &body); err != nil {
		return Evidence{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	job, err := compute.DecodeJob(body.Job)
	if err != nil {
		return Evidence{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	e := Evidence{job, body.Receipts, body.Order, body.Draw}
	if err := e.check(); err != nil {
		return Evidence{}, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return e, nil
}

// check verifies everything in it.
func (e Evidence) check() error {
	if len(e.Receipts) < 1 || len(e.Receipts) > 2 {
		return fmt.Errorf("it has %d receipts, want one or two", len(e.Receipts))
	}
	var read []compute.Receipt
	for _, st := range e.Receipts {
		r, err := compute.OpenReceipt(st)
		if err != nil {
			return err
		}
		if r.Job != e.Job.Hash() {
			return errors.New("a receipt in it is of another job")
		}
		read = append(read, r)
	}
	if e.Contradicts() {
		a, b := e.Receipts[0].Hash(compute.ReceiptPurpose), e.Receipts[1].Hash(compute.ReceiptPurpose)
		switch {
		case bytes.Compare(a[:], b[:]) >= 0:
			return errors.New("its receipts are not in order")
		case !trust.Comparable(read[0]) || !trust.Comparable(read[1]):
			return errors.New("a run that was stopped from outside contradicts nothing")
		case trust.Same(read[0], read[1]):
			return errors.New("its receipts say the same")
		}
	}
	if e.Order == nil && e.Draw == nil {
		return nil
	}
	if e.Order == nil || len(e.Draw) != len(identity.DrawProof{}) || e.Contradicts() {
		return errors.New("a draw needs its order, one receipt and 80 bytes")
	}
	if _, err := OpenOrder(*e.Order); err != nil {
		return err
	}
	_, err := trust.CheckDraw(identity.DrawProof(e.Draw), e.Order.By, e.Order.Hash(OrderPurpose), e.Receipts[0].Hash(compute.ReceiptPurpose))
	return err
}

// Verify runs the job again for each receipt, with the bytes of blobs. Errors are
// Recheck's.
func (e Evidence) Verify(ctx context.Context, blobs compute.Blobs, run engine) ([]Verification, error) {
	var all []Verification
	for _, st := range e.Receipts {
		v, _, err := Recheck(ctx, st, e.Job, blobs, run)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Evidence is what shows a job's receipt to others: with the draw over it, if one
// was made. Errors are ErrNoJob and ErrNoReceipt.
func (b *Book) Evidence(id ID) (Evidence, error) {
	r, err := b.record(id)
	if err != nil {
		return Evidence{}, err
	}
	if r.Receipt == nil {
		return Evidence{}, ErrNoReceipt
	}
	job, err := r.work()
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Job: job, Receipts: []identity.Statement{*r.Receipt}}
	if len(r.Draw) > 0 {
		e.Order, e.Draw = r.Order, r.Draw
	}
	return e, nil
}

// Contradiction is the proof that a job's check came to, or ErrNoProof.
func (b *Book) Contradiction(id ID) (Evidence, error) {
	r, err := b.record(id)
	if err != nil {
		return Evidence{}, err
	}
	if len(r.Proof) == 0 {
		return Evidence{}, ErrNoProof
	}
	return OpenEvidence(r.Proof)
}
