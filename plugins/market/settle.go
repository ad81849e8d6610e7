package market

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/storage"
)

// hashes names the blobs.
func hashes(blobs []compute.Blob) []identity.Hash {
	all := make([]identity.Hash, len(blobs))
	for i, b := range blobs {
		all[i] = b.Hash
	}
	return all
}

const (
	// atOnce is how many blobs are fetched or written at a time.
	atOnce = 8

	// leastRate is how many bytes a second a peer must send on the whole, with
	// the market's patience on top: one that sends a little now and then would
	// keep the other waiting for ever.
	leastRate = 16 << 10

	// lastPay is the longest pause before a payment is tried again.
	lastPay = time.Minute
)

// transferTime is how long so many bytes may take.
func (m *Market) transferTime(patience time.Duration, bytes uint64) time.Duration {
	return patience + time.Duration(bytes/m.leastRate)*time.Second
}

// errSlow is the end of a fetch that took too long.
var errSlow = errors.New("it came too slowly")

// fetch gets blobs from the seller, over as many links as it takes within the
// market's patience. It may take as long as the job, or as its bytes do.
func (t *trade) fetch(ctx context.Context, blobs []compute.Blob) error {
	var done atomic.Uint64
	var total uint64
	for _, b := range blobs {
		total += b.Size
	}
	end := time.Now().Add(t.m.transferTime(t.m.cfg.Patience, total))
	if t.deadline().After(end) {
		end = t.deadline()
	}
	ctx, cancel := context.WithDeadlineCause(ctx, end, errSlow)
	defer cancel()
	all, own := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, b := range blobs {
		all.Go(func() error {
			before := uint64(0)
			return t.fetchOne(own, b, func(n uint64) {
				t.j.advance(progress{fetched: done.Add(n - before)})
				before = n
			})
		})
	}
	err := all.Wait()
	if err != nil && context.Cause(ctx) == errSlow {
		return errSlow
	}
	return err
}

// fetchOne gets one blob.
func (t *trade) fetchOne(ctx context.Context, b compute.Blob, seen func(uint64)) error {
	last := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := t.m.blobs.Fetch(ctx, t.r.At, b, func(n uint64) {
			last = time.Now()
			seen(n)
		})
		if err == nil || ctx.Err() != nil {
			return err
		}
		final := errors.Is(err, storage.ErrHash) || errors.Is(err, storage.ErrFull) || errors.Is(err, rpc.ErrNotFound)
		if final || time.Since(last) > t.m.cfg.Patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-t.poke:
		case <-ctx.Done():
			return err
		}
		if err := t.m.connect(ctx, t.r.At); err != nil {
			t.m.log.Debug("cannot connect to a seller", "peer", t.r.Quote.By.Short(), "err", err)
		}
	}
}

// fetchOutcome gets an outcome that was too long for an answer.
func (t *trade) fetchOutcome(ctx context.Context, blob compute.Blob) ([]byte, error) {
	seller := t.r.Quote.By.Short()
	if blob.Size > compute.MaxOutcomeBytes {
		return nil, refuse(BadReceipt, "seller %s: the outcome has %d bytes", seller, blob.Size)
	}
	if err := t.fetch(ctx, []compute.Blob{blob}); err != nil {
		return nil, t.lost(ctx, "the outcome", err)
	}
	return t.m.readAll(blob)
}

// readAll reads a blob that is here.
func (m *Market) readAll(blob compute.Blob) ([]byte, error) {
	rc, err := m.blobs.Open(blob.Hash)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rc)
	return b, errors.Join(err, rc.Close())
}

// lost says what it means that output could not be fetched.
func (t *trade) lost(ctx context.Context, what string, err error) error {
	seller := t.r.Quote.By.Short()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, storage.ErrFull):
		return refuse(Internal, "fetch %s: %v", what, err)
	case errors.Is(err, storage.ErrHash), errors.Is(err, rpc.ErrNotFound):
		return refuse(BadOutput, "seller %s: fetch %s: %v", seller, what, err)
	}
	if errors.Is(err, errSlow) {
		return refuse(SellerLost, "seller %s did not send %s in time: %v", seller, what, err)
	}
	return refuse(SellerLost, "seller %s went away before %s was here: %v", seller, what, err)
}

// fetchOutput gets the output folder's files, whose hashes check them.
func (t *trade) fetchOutput(ctx context.Context, o compute.Outcome) error {
	var blobs []compute.Blob
	var total uint64
	for _, f := range o.Files {
		if f.Blob.Size > 0 {
			blobs = append(blobs, f.Blob)
			total += f.Blob.Size
		}
	}
	if len(blobs) > 0 {
		t.j.advance(progress{output: total})
		t.j.update(func(r *jobRecord) {
			r.event(eventRecord{Text: fmt.Sprintf("fetching %d files, %d bytes", len(blobs), total)})
		})
	}
	if err := t.fetch(ctx, blobs); err != nil {
		return t.lost(ctx, "the output", err)
	}
	failpoint.Hit("market:output-fetched")
	return nil
}

// persist writes down what was delivered. Nothing is paid before that.
func (t *trade) persist(f follow, o compute.Outcome) error {
	out, err := t.m.keep(t.j.out)
	if err != nil {
		return fmt.Errorf("keep stdout: %w", err)
	}
	serr, err := t.m.keep(t.j.err)
	if err != nil {
		return fmt.Errorf("keep stderr: %w", err)
	}
	t.j.update(func(r *jobRecord) {
		r.State = Verifying
		r.Reason, r.Error = "", ""
		r.Receipt, r.Delivery, r.Outcome = f.Receipt, f.Delivery, o.Encode()
		r.Release, r.Vouched = f.Release, t.purse.vouched
		r.Out, r.Err = out, serr
		r.event(eventRecord{Text: "delivered, output checked", Seller: r.Quote.By})
	})
	if err := t.m.book.save(t.j); err != nil {
		return err
	}
	failpoint.Hit("market:delivery-persisted")
	return nil
}

// keep makes a stream that has ended durable: in the record when it is short,
// in the storage otherwise.
func (m *Market) keep(s *spool) (output, error) {
	size := s.Size()
	if size <= inlineBytes {
		b, err := part(s, size, 0, inlineBytes)
		return output{s.Blob(), b}, err
	}
	blob, err := m.blobs.Put(context.Background(), io.NewSectionReader(s, 0, int64(size)), size)
	return output{Blob: blob}, err
}

// refill gives a job that was delivered before a restart its output back, for
// those who watch it.
func (m *Market) refill(j *job, r *jobRecord) error {
	if r.Delivery == nil {
		return nil
	}
	for _, s := range []Stream{Stdout, Stderr} {
		rc, err := m.book.open(r.stream(s))
		if errors.Is(err, ErrGone) {
			continue
		} else if err != nil {
			return err
		}
		_, err = io.Copy(j.spool(s), rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			return err
		}
	}
	return nil
}

// settle pays what was delivered and ends the job. The ledger pays once for one
// order, however often it is asked.
func (m *Market) settle(ctx context.Context, j *job, r *jobRecord) error {
	d, err := readDelivery(r.Delivery.Body)
	if err != nil {
		return err
	}
	rec, err := compute.DecodeReceipt(r.Receipt.Body)
	if err != nil {
		return err
	}
	q, err := readQuote(r.Quote.Body)
	if err != nil {
		return err
	}
	if ok, err := m.checked(ctx, j); !ok || err != nil {
		return err
	}
	failpoint.Hit("market:pay-before")
	text := "nothing to pay"
	if d.Cost > 0 || r.Lock != (identity.Hash{}) {
		paid, err := m.pay(ctx, j, r, d, rec.Fuel)
		if err != nil {
			return err
		}
		text = fmt.Sprintf("paid %s credits", paid)
		if paid > d.Cost {
			text += fmt.Sprintf("; the bill is %s, more was vouched for before", d.Cost)
		}
	}
	failpoint.Hit("market:pay-after")
	m.keepBought(j.copy())
	m.did(r, d.Reason != TooSlow)
	j.advance(progress{fuel: rec.Fuel})
	j.update(func(r *jobRecord) {
		r.Paid = true
		r.State, r.Reason, r.Error = ended(rec, cmp.Or(r.Stop, d.Reason), r.Outcome)
		if r.Reason == TooSlow {
			r.Error += fmt.Sprintf(" of %d fuel a second", q.Slowest)
		}
		r.Ended = time.Now().UnixMilli()
		r.event(eventRecord{Text: text, Reason: r.Reason, Seller: r.Quote.By})
	})
	return nil
}

// pay makes the payment, as often as it takes: what is delivered is owed, and a
// disk that is full or a line that is fenced may be well again. The error is
// ctx's, or *Refused when it never will be, or was not for as long as a seller
// waits.
func (m *Market) pay(ctx context.Context, j *job, r *jobRecord, d Delivery, fuel uint64) (ledger.Amount, error) {
	last := time.UnixMilli(r.Created).Add(r.Spec.Timeout + saleAge)
	told := false
	for pause := firstPause; ; pause = min(2*pause, lastPay) {
		paid, err := m.payOnce(ctx, r, d, fuel)
		if ctx.Err() != nil {
			return paid, ctx.Err()
		}
		if err == nil {
			return paid, nil
		}
		for _, never := range []error{ledger.ErrAmount, ledger.ErrRef, ledger.ErrSelf, ledger.ErrLines} {
			if errors.Is(err, never) {
				last = time.Time{}
			}
		}
		if time.Now().After(last) {
			return paid, refuse(NotPaid, "pay %s credits to seller %s: %v", d.Cost, r.Quote.By.Short(), err)
		}
		if !told {
			told = true
			m.log.Warn("a delivery cannot be paid now", "job", r.ID.Short(), "peer", r.Quote.By.Short(), "err", err)
			j.update(func(r *jobRecord) {
				r.event(eventRecord{Text: clip(fmt.Sprintf("cannot pay now, trying again: %v", err)), Reason: NotPaid, Seller: r.Quote.By})
			})
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return paid, ctx.Err()
		}
	}
}

// ended is what a receipt makes of a job that was stopped because of stop.
func ended(rec compute.Receipt, stop Reason, outcome []byte) (State, Reason, string) {
	switch rec.End {
	case compute.Exit:
		return Done, "", ""
	case compute.OutOfFuel:
		return Failed, OutOfFuel, fmt.Sprintf("the guest used up its %d fuel", rec.Fuel)
	case compute.OutputLimit:
		return Failed, OutputLimit, "the guest wrote more than its limit"
	case compute.Interrupted:
		if stop == Cancelled {
			return CancelledBy, Cancelled, fmt.Sprintf("cancelled at %d fuel", rec.Fuel)
		}
		switch stop {
		case TooSlow:
			return Failed, TooSlow, fmt.Sprintf("the seller stopped it at %d fuel: it was slower than the quote's slowest rate", rec.Fuel)
		case NoVoucher:
			return Failed, NoVoucher, fmt.Sprintf("the seller stopped it at %d fuel: no voucher came for what it had used", rec.Fuel)
		case CreditLimit:
			return Failed, CreditLimit, fmt.Sprintf("the seller stopped it at %d fuel: this node came to owe as much as it may there", rec.Fuel)
		case Revoked:
			return Failed, Revoked, fmt.Sprintf("the seller stopped it at %d fuel: the entity that this node acted for has taken its certificate back", rec.Fuel)
		}
		return Failed, Timeout, fmt.Sprintf("stopped at %d fuel, its time was over", rec.Fuel)
	}
	trap := "a fault"
	if o, err := compute.DecodeOutcome(outcome); err == nil && o.Trap != "" {
		trap = o.Trap
	}
	return Failed, Trapped, "the guest trapped: " + trap
}

// serveDue answers a seller that reminds us of a delivery: it is back, so a
// trade that waits for it goes on.
func (m *Market) serveDue(ctx context.Context, from rpc.Peer, in dueRequest) (dueAnswer, error) {
	if !m.allow(from.Node, 1) {
		return dueAnswer{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	m.orders.Lock()
	t := m.orders.trades[in.Order]
	m.orders.Unlock()
	if t != nil && t.r.Quote.By == from.Node {
		select {
		case t.poke <- struct{}{}:
		default:
		}
		return dueAnswer{Known: true}, nil
	}
	paid, _, err := m.credit.Paid(from.Node, in.Order)
	if err != nil {
		return dueAnswer{}, err
	}
	return dueAnswer{Known: paid > 0}, nil
}

// clip shortens a text for a record.
func clip(s string) string { return rpc.Clean(s) }
