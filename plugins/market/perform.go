package market

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/plugins/state"
	"github.com/peersea/sea/plugins/storage"
)

const (
	// A buyer that has not paid is reminded after remindFirst, then ever more
	// rarely up to remindLast.
	remindFirst = 5 * time.Second
	remindLast  = time.Hour

	sweepEvery = quoteTime // a crowd of sales can be forgotten no earlier

	// forgetEvery is how often at most a crowd of sales has old ones forgotten.
	forgetEvery = time.Second

	// freeTime is how long the output of a job that cost nothing can be fetched,
	// unless its buyer needs the room for others.
	freeTime = 10 * time.Minute
)

// perform runs an order to its delivery or refusal. When ctx ends it leaves
// everything as it is on disk: running the order again from there gives the same
// result.
func (m *Market) perform(ctx context.Context, s *sale) {
	guestCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	again := s.driven // an order that came while Run began is found twice
	s.driven = true
	if !again {
		s.stop = cancel
	}
	if s.rec.Cancelled {
		cancel()
	}
	s.mu.Unlock()
	if again {
		return
	}

	result, no, err := m.run(guestCtx, s)
	if ctx.Err() != nil {
		return
	}
	if err == nil && no == nil {
		no, err = m.deliver(s, result)
	}
	if no != nil && err == nil {
		err = m.refuseSale(s, no)
	}
	m.count(s, -1)
	if err != nil {
		m.log.Error("an order cannot be ended here", "order", s.order.Short(), "err", err)
		return // it is taken up again after a restart
	}
	if !s.ended() {
		m.remind(ctx, s)
	}
}

func (s *sale) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.State.final()
}

// run gets the inputs and a slot, and runs the guest. The refusal is an order
// that comes to nothing; the error is this node's own.
func (m *Market) run(ctx context.Context, s *sale) (compute.Result, *Refused, error) {
	none := compute.Result{}
	if s.quote.Resold > 0 {
		result, no := m.resell(ctx, s)
		return result, no, nil
	}
	if no := m.getInputs(ctx, s); no != nil {
		return none, no, nil
	}
	defer m.blobs.Unpin(hashes(jobBlobs(s.work))...)
	failpoint.Hit("market:inputs-fetched")
	free, err := m.slot(ctx, s)
	if err != nil {
		return none, refuse(Cancelled, "it was cancelled before it ran"), nil
	}
	defer free()
	if err := m.mayOwe(s.buyer); isRevoked(err) && s.lock() == (identity.Hash{}) {
		return none, refuse(Revoked, "%v", err), nil
	}
	s.update(func(r *saleRecord) { r.State = SaleRunning })
	failpoint.Hit("market:running")
	if err := errors.Join(s.out.Reset(), s.err.Reset()); err != nil {
		return none, nil, err
	}
	result, err := m.runPaid(ctx, s)
	failpoint.Hit("market:ran")
	switch {
	case errors.Is(err, compute.ErrImport):
		return none, refuse(ImportUnknown, "%v", err), nil
	case errors.Is(err, compute.ErrMemory):
		return none, refuse(BadJob, "%v", err), nil
	case errors.Is(err, compute.ErrModule), errors.Is(err, compute.ErrInvalid):
		return none, refuse(ModuleInvalid, "%v", err), nil
	case errors.Is(err, context.Canceled):
		return none, refuse(Cancelled, "it was cancelled before it ran"), nil
	case err != nil:
		m.log.Error("the engine failed", "order", s.order.Short(), "err", err)
		return none, refuse(EngineFailed, "the seller's engine failed"), nil
	}
	return result, nil, nil
}

// deliver signs receipt and delivery, makes them and the output durable, and
// only then shows them.
func (m *Market) deliver(s *sale, result compute.Result) (*Refused, error) {
	cost, ok := s.quote.Cost(result.Fuel)
	if most := s.work.Limits.Fuel; !ok || result.Fuel > most || cost > s.quote.Ceiling {
		m.log.Error("the engine claims more fuel than a job may have", "order", s.order.Short(), "fuel", result.Fuel, "limit", most)
		return refuse(EngineFailed, "the seller's engine claims %d fuel for a job that may have %d", result.Fuel, most), nil
	}
	out, err1 := m.keepBytes(result.Stdout)
	serr, err2 := m.keepBytes(result.Stderr)
	err := errors.Join(err1, err2)
	outcome := result.Outcome().Encode()
	if err == nil && len(outcome) > outcomeBytes {
		_, err = m.blobs.PutBytes(outcome)
	}
	err = errors.Join(err, m.keepFiles(result.Files))
	if err == nil { // the first may have had to go for the last
		kept := &saleRecord{Outcome: outcome, Out: out, Err: serr}
		if bytes := kept.outputBytes(); (cost > 0 || bytes > 0) && !m.unpaid(s, bytes) {
			return refuse(EngineFailed, "too much output for peers without a grant is kept already"), nil
		}
		all := kept.outputBlobs()
		if s.pinned = m.blobs.Pin(all...); !s.pinned {
			err = storage.ErrFull
		}
	}
	if err != nil {
		m.log.Error("cannot keep an order's output", "order", s.order.Short(), "err", err)
		return refuse(EngineFailed, "the seller cannot keep the output"), nil
	}
	receipt, err := result.Receipt(s.work.Tariff).Sign(m.key)
	if err != nil {
		return nil, err
	}
	bill := Delivery{Order: s.order, Receipt: receipt.Hash(compute.ReceiptPurpose), Cost: cost}
	if result.TooSlow() {
		bill.Reason = TooSlow
	} else if result.End == compute.Interrupted {
		bill.Reason = s.stopped()
	}
	delivery, err := bill.Sign(m.key)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("market:receipt-signed")
	if _, own := m.service(s.work); !own {
		if err := m.results.keep(result.Receipt(s.work.Tariff), outcome, out, serr); err != nil {
			m.log.Warn("a result cannot be kept", "order", s.order.Short(), "err", err)
		}
	}
	// The followers see the new state only after it is written.
	r := s.copy()
	r.State, r.Ended, r.Reason = SaleDelivered, time.Now().UnixMilli(), bill.Reason
	if cost == 0 {
		r.State = SalePaid
	}
	r.Receipt, r.Delivery, r.Outcome = &receipt, &delivery, outcome
	r.Out, r.Err, r.Fuel, r.Cost = out, serr, result.Fuel, cost
	if err := m.writeSale(s, r); err != nil {
		return nil, err
	}
	failpoint.Hit("market:delivery-kept")
	m.holdBill(s, cost)
	m.blobs.Share(s.buyer, r.outputBlobs()...)
	s.update(func(old *saleRecord) { *old = *r })
	if cost == 0 {
		m.endFree(s)
	} else {
		m.checkSale(s) // a buyer that had it from an earlier run of ours may have paid
	}
	return nil, nil
}

// endFree ends a sale that costs nothing. No payment will tell that the buyer
// has the output, so it stays for a while, and is counted like what is not paid.
func (m *Market) endFree(s *sale) {
	early := make(chan struct{})
	m.selling.Lock()
	s.free = early
	m.selling.Unlock()
	waits := len(s.copy().outputBlobs()) > 0 && m.spawn(func(ctx context.Context) {
		defer m.endSale(s)
		over := time.NewTimer(freeTime)
		defer over.Stop()
		select {
		case <-over.C:
		case <-early:
		case <-ctx.Done():
		}
	})
	if !waits {
		m.endSale(s)
	}
}

// writeSale writes the record of a sale that has been delivered or has ended,
// before others see it.
func (m *Market) writeSale(s *sale, r *saleRecord) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.sealed = true
	raw, err := r.encode()
	if err != nil {
		return err
	}
	var b state.Batch
	b.Put(m.table, s.order[:], raw)
	return m.book.store.Commit(&b)
}

// keepBytes makes a stream durable, in the record when it is short.
func (m *Market) keepBytes(b []byte) (output, error) {
	if len(b) <= inlineBytes {
		return output{compute.BlobOf(b), slices.Clone(b)}, nil
	}
	blob, err := m.blobs.PutBytes(b)
	return output{Blob: blob}, err
}

// keepFiles makes the output folder durable.
func (m *Market) keepFiles(files []compute.OutFile) error {
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, f := range files {
		if f.Blob.Size > 0 && !f.Dir {
			all.Go(func() error {
				_, err := m.blobs.PutBytes(f.Data)
				return err
			})
		}
	}
	return all.Wait()
}

// outputBlobs are what the buyer may fetch of a sale.
func (r *saleRecord) outputBlobs() []identity.Hash {
	var all []identity.Hash
	if len(r.Outcome) > outcomeBytes {
		all = append(all, identity.HashOf(r.Outcome))
	}
	for _, o := range []output{r.Out, r.Err} {
		if !o.inline() {
			all = append(all, o.Blob.Hash)
		}
	}
	if o, err := compute.DecodeOutcome(r.Outcome); err == nil {
		for _, f := range o.Files {
			if f.Blob.Size > 0 {
				all = append(all, f.Blob.Hash)
			}
		}
	}
	return all
}

// refuseSale ends an order that came to nothing, with a signed reason.
func (m *Market) refuseSale(s *sale, no *Refused) error {
	st, err := Refusal{Of: s.order, Reason: no.Reason, Text: clip(no.Text)}.Sign(m.key)
	if err != nil {
		return err
	}
	r := s.copy()
	r.State, r.Ended = SaleRefused, time.Now().UnixMilli()
	r.Reason, r.Text, r.Refusal = no.Reason, clip(no.Text), &st
	kept := *r
	kept.slim()
	if err := m.writeSale(s, &kept); err != nil {
		return err
	}
	s.update(func(old *saleRecord) { *old = *r })
	m.endSale(s)
	return nil
}

// endSale gives back what a sale holds. Its last record is on disk, or on its
// way there.
func (m *Market) endSale(s *sale) {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	hold.Release()
	m.selling.Lock()
	delete(m.selling.sales, s.order)
	m.endUnpaidLocked(s)
	m.dropOutputLocked(s)
	m.selling.Unlock()
	if err := errors.Join(s.out.Reset(), s.err.Reset()); err != nil {
		m.log.Warn("cannot remove a spool", "err", err)
	}
}

// checkPaid looks whether a buyer's deliveries have been paid.
func (m *Market) checkPaid(buyer identity.Entity) {
	m.selling.Lock()
	var due []*sale
	for _, s := range m.selling.sales {
		if s.buyer == buyer {
			due = append(due, s)
		}
	}
	m.selling.Unlock()
	for _, s := range due {
		m.checkSale(s)
	}
}

// checkSale looks whether a delivery has been paid.
func (m *Market) checkSale(s *sale) {
	r := s.copy()
	if r.State != SaleDelivered {
		return
	}
	paid, err := m.paidFor(s, r.Cost)
	if err != nil {
		m.log.Error("cannot read the ledger", "err", err)
		return
	}
	if paid {
		failpoint.Hit("market:paid")
		m.endPaid(s)
	}
}

// endPaid ends a sale whose payment is in the ledger, once. The room is free at
// once; what is left to write is not waited for.
func (m *Market) endPaid(s *sale) {
	s.mu.Lock()
	first := s.rec.State == SaleDelivered
	if first {
		s.rec.State = SalePaid
		s.touch()
	}
	hold := s.hold
	s.mu.Unlock()
	if !first {
		return
	}
	hold.Release()
	m.spawn(func(context.Context) {
		r := s.copy()
		r.slim()
		if err := m.writeSale(s, r); err != nil {
			m.log.Error("cannot write a payment down", "order", s.order.Short(), "err", err)
		}
		m.endSale(s)
	})
}

// endNotPaid ends a delivery that is not waited for any longer, once. Its record
// says what was to be paid.
func (m *Market) endNotPaid(s *sale) error {
	s.mu.Lock()
	r := s.rec
	if r.State == SaleDelivered {
		s.rec.State = SaleRefused // no payment ends it from here on
	}
	s.mu.Unlock()
	if r.State != SaleDelivered {
		return nil
	}
	waited := time.Since(time.UnixMilli(r.Ended)).Round(time.Minute)
	m.log.Warn("a delivery was never paid", "peer", s.buyer.Short(), "order", s.order.Short(), "cost", r.Cost.String())
	err := m.refuseSale(s, refuse(NotPaid, "it was not paid in %v", waited))
	if err != nil {
		s.update(func(r *saleRecord) { r.State = SaleDelivered })
	}
	return err
}

// remind asks a buyer for the payment of a delivery, ever more rarely, until it
// has come or the buyer does not know the order.
func (m *Market) remind(ctx context.Context, s *sale) {
	for pause := remindFirst; ; pause = min(2*pause, remindLast) {
		s.mu.Lock()
		changed, final := s.changed, s.rec.State.final()
		s.mu.Unlock()
		if final {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
			continue
		case <-ctx.Done():
			timer.Stop()
			return
		}
		m.checkSale(s)
		if s.ended() {
			return
		}
		callCtx, cancel := context.WithTimeout(ctx, m.cfg.Patience)
		answer, err := dueMethod.Call(callCtx, m.node, s.contact(), dueRequest{s.order})
		cancel()
		if err == nil && !answer.Known {
			m.log.Warn("a buyer does not know of a delivery that it has not paid", "peer", s.buyer.Short(), "order", s.order.Short())
			return
		}
	}
}

// sweepSales forgets old sales, every few minutes.
func (m *Market) sweepSales(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := m.forgetSales(time.Now()); err != nil {
			m.log.Error("cannot forget old sales", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// forgetSales drops the oldest sales that have ended, and whose quotes are over,
// when there are more than maxSales, and deliveries that were not paid for saleAge. What was paid is in
// the ledger for ever.
func (m *Market) forgetSales(now time.Time) error {
	for _, s := range m.liveSales() {
		r := s.copy()
		if r.State == SaleDelivered && now.Sub(time.UnixMilli(r.Ended)) > saleAge {
			if err := m.endNotPaid(s); err != nil {
				return err
			}
		}
	}
	m.selling.Lock()
	type old struct {
		quote identity.Hash
		keptSale
	}
	var olds []old
	for quote, k := range m.selling.kept {
		// Until its quote is over, the sale is what a replayed order meets.
		if m.selling.sales[k.order] == nil && now.Sub(time.UnixMilli(k.taken)) > quoteTime {
			olds = append(olds, old{quote, k})
		}
	}
	slices.SortFunc(olds, func(a, b old) int { return int(a.taken - b.taken) })
	olds = olds[:min(len(olds), max(0, len(m.selling.kept)-maxSales))]
	var b state.Batch
	for _, o := range olds {
		delete(m.selling.kept, o.quote)
	}
	m.selling.Unlock()
	for _, o := range olds {
		if err := m.forgetSale(&b, o.order); err != nil {
			return err
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return m.book.store.Commit(&b)
}

// Sales lists the newest sales, at most limit.
func (m *Market) Sales(limit int) ([]Sale, error) {
	all, err := m.allSales()
	slices.SortFunc(all, func(a, b Sale) int { return b.Taken.Compare(a.Taken) })
	return all[:min(limit, len(all))], err
}

// Earnings sums the sales that are kept.
func (m *Market) Earnings() (Earnings, error) {
	var e Earnings
	all, err := m.allSales()
	for _, s := range all {
		switch s.State {
		case SalePaid:
			e.Paid += s.Cost
		case SaleDelivered:
			e.Due += s.Cost
		default:
			continue
		}
		e.Jobs++
		e.Fuel += s.Fuel
	}
	return e, err
}

// allSales reads all sales from the disk, the live ones from memory.
func (m *Market) allSales() ([]Sale, error) {
	live := map[identity.Hash]*sale{}
	for _, s := range m.liveSales() {
		live[s.order] = s
	}
	var all []Sale
	var bad error
	err := m.table.Scan(nil, func(key, raw []byte) bool {
		if live[identity.Hash(key)] != nil {
			return true
		}
		r, err := decodeSale(raw)
		if err != nil {
			bad = errors.Join(bad, err)
			return true
		}
		all = append(all, r.sale())
		return true
	})
	for _, s := range live {
		v := s.copy().sale()
		s.mu.Lock()
		v.Fuel, v.Vouched = s.fuel, s.tab.vouched
		s.mu.Unlock()
		all = append(all, v)
	}
	return all, errors.Join(err, bad)
}

var _ io.Writer = tell{}
