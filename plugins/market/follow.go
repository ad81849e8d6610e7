package market

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

const (
	// firstPause doubles up to lastPause while a seller cannot be reached.
	firstPause = 50 * time.Millisecond
	lastPause  = 3 * time.Second

	// maxDropped is how many orders of one job may come to nothing before it is
	// given up. Those that only came too early do not count.
	maxDropped = 5
)

// dropped are the reasons for which an order was not taken: nothing ran, and
// another may be made.
var dropped = []Reason{Busy, RefusedCredit, Expired, UnknownQuote, QuoteUsed, UnknownOrder, NotSelling}

// early are those of them that may be otherwise soon.
var early = []Reason{Busy, RefusedCredit}

// trade is an order while it is followed.
type trade struct {
	m     *Market
	j     *job
	r     *jobRecord // as it was when the order was persisted
	hash  identity.Hash
	quote Quote
	work  compute.Job
	poke  chan struct{} // of capacity 1: the seller is back

	last      time.Time // of contact
	taken     bool      // the seller has answered the order since it was last lost
	running   bool      // the seller has said so
	input     uint64    // bytes of module and input
	cancelled time.Time // when the seller was told to stop
	purse     purse
}

// followOrder sends the order, as often as it takes, follows it to its delivery,
// fetches and checks the output and pays. When it returns nil the job has ended,
// or the order has come to nothing and another is to be made.
func (m *Market) followOrder(ctx context.Context, j *job, r *jobRecord) error {
	t := &trade{m: m, j: j, r: r, hash: r.Order.Hash(OrderPurpose), poke: make(chan struct{}, 1), last: time.Now()}
	var err error
	if t.quote, err = readQuote(r.Quote.Body); err != nil {
		return err
	}
	if t.work, err = r.work(); err != nil {
		return err
	}
	if err := errors.Join(j.out.Reset(), j.err.Reset()); err != nil {
		return err
	}
	hold := j.hold
	if j.hold = nil; hold == nil { // after a restart; the order is a promise already
		if hold, err = m.reserve(r.Quote.By, t.quote, t.hash); err != nil {
			m.log.Warn("an order is above what we may owe", "job", r.ID.Short(), "peer", r.Quote.By.Short(), "err", err)
		}
	}
	defer hold.Release()
	hold.For(t.hash)
	t.openPurse(hold)
	if r.Spec.Verify.Quorum() > 0 && r.Check == "" {
		m.spawn(func(ctx context.Context) { m.assemble(ctx, j, r) })
	}
	for _, b := range jobBlobs(t.work) {
		t.input += b.Size
	}
	inputs := hashes(jobBlobs(t.work))
	m.blobs.Share(r.Quote.By, inputs...)
	defer m.blobs.Unshare(r.Quote.By, inputs...)
	defer m.follows(t)()

	for {
		f, err := t.next(ctx)
		if err != nil {
			return err
		}
		done, err := t.take(ctx, f)
		if err != nil {
			return err
		}
		if !done {
			t.vouch(ctx)
			continue
		}
		if r := j.copy(); r.Delivery != nil {
			return m.settle(ctx, j, r) // while what it may cost is still reserved
		}
		return nil
	}
}

// follows lists the order among those that are under way, until the returned
// function is called.
func (m *Market) follows(t *trade) (end func()) {
	seller, at := t.r.Quote.By, t.r.At
	m.orders.Lock()
	m.orders.trades[t.hash] = t
	m.orders.Unlock()
	m.sellers.room(at, func(a ledger.Amount) ledger.Amount { return a - t.quote.Ceiling })
	m.sellers.Ordered(at, 1)
	return func() {
		m.sellers.Ordered(at, -1)
		cost := t.j.copy().cost()
		m.sellers.room(at, func(a ledger.Amount) ledger.Amount { return a + t.quote.Ceiling - cost })
		m.orders.Lock()
		defer m.orders.Unlock()
		delete(m.orders.trades, t.hash)
		close(m.orders.less)
		m.orders.less = make(chan struct{})
		m.orders.ended = time.Now()
		m.log.Debug("order ended", "job", t.r.ID.Short(), "peer", seller.Short())
	}
}

// ordersLess is closed when one of the orders that are under way ends.
func (m *Market) ordersLess() <-chan struct{} {
	m.orders.Lock()
	defer m.orders.Unlock()
	return m.orders.less
}

// ordersRecent says whether one has ended just now.
func (m *Market) ordersRecent() bool {
	m.orders.Lock()
	defer m.orders.Unlock()
	return time.Since(m.orders.ended) < settling
}

// ordersOpen says whether one is under way.
func (m *Market) ordersOpen() bool {
	m.orders.Lock()
	defer m.orders.Unlock()
	return len(m.orders.trades) > 0
}

// next gets the seller's next word, whatever happens to the link meanwhile. It
// tells the seller to stop when the buyer wants that or the time is over. The
// error is *Refused with SellerLost, or ctx's.
func (t *trade) next(ctx context.Context) (follow, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		f, err := t.call(ctx)
		if err == nil {
			t.last = time.Now()
			return f, nil
		}
		if ctx.Err() != nil {
			return follow{}, ctx.Err()
		}
		if errors.Is(err, rpc.ErrBadRequest) { // it will not be better another time
			return follow{}, refuse(BadStatement, "seller %s: %v", t.r.Quote.By.Short(), err)
		}
		if again, err := t.stopSeller(ctx); err != nil {
			return follow{}, err
		} else if again {
			pause = firstPause / 2
			continue
		}
		if t.taken {
			t.j.update(func(r *jobRecord) {
				r.event(eventRecord{Text: clip(fmt.Sprintf("lost the seller, trying again: %v", err)), Seller: r.Quote.By})
			})
		}
		t.taken = false
		if gone := time.Since(t.last); gone > t.m.cfg.Patience {
			return follow{}, refuse(SellerLost, "seller %s did not come back in %v: %v", t.r.Quote.By.Short(), t.m.cfg.Patience, err)
		}
		select {
		case <-time.After(pause):
		case <-t.poke:
		case <-ctx.Done():
			return follow{}, ctx.Err()
		}
		connectCtx, cancel := context.WithTimeout(ctx, t.m.cfg.Patience)
		err = t.m.connect(connectCtx, t.r.At)
		cancel()
		if err != nil {
			t.m.log.Debug("cannot connect to a seller", "peer", t.r.Quote.By.Short(), "err", err)
		}
	}
}

// call sends the order, or asks what has come of it, until the buyer wants it to
// stop.
func (t *trade) call(ctx context.Context) (follow, error) {
	ctx, cancel := context.WithTimeout(ctx, followMillis*time.Millisecond+t.m.cfg.Patience)
	defer cancel()
	if t.cancelled.IsZero() {
		var end context.CancelFunc
		ctx, end = context.WithDeadline(ctx, t.deadline())
		defer end()
		over := make(chan struct{})
		defer func() { end(); <-over }()
		go func() {
			defer close(over)
			select {
			case <-t.j.stop:
				end()
			case <-ctx.Done():
			}
		}()
	}
	seen := t.j.seen()
	at := cursor{
		Stdout: t.j.out.Size(), Stderr: t.j.err.Size(), Fuel: seen.fuel, Input: seen.sent,
		Running: t.running, Held: t.purse.held, Voucher: t.purse.newest, Wait: t.purse.wait(),
	}
	if !t.cancelled.IsZero() {
		at.Wait = min(at.Wait, uint64(t.m.cfg.Patience.Milliseconds()))
	}
	if t.taken {
		return followMethod.Call(ctx, t.m.node, t.r.At, followRequest{t.hash, at})
	}
	f, err := orderMethod.Call(ctx, t.m.node, t.r.At, orderRequest{*t.r.Order, *t.r.Quote, *t.r.Ask, at})
	if err == nil {
		t.taken = true
		failpoint.Hit("market:order-sent")
	}
	return f, err
}

func (t *trade) deadline() time.Time {
	return time.UnixMilli(t.r.Created).Add(t.r.Spec.Timeout)
}

// stopSeller tells the seller to stop if it should, once. again says that it
// was told. The error is *Refused when it does not obey.
func (t *trade) stopSeller(ctx context.Context) (again bool, err error) {
	if t.cancelled.IsZero() && !time.Now().Before(t.deadline()) {
		err := t.m.wantStop(t.j, Timeout, fmt.Sprintf("it took longer than %v", t.r.Spec.Timeout))
		if err != nil && !errors.Is(err, ErrFinal) {
			return false, err
		}
	}
	why := t.j.copy().Stop
	if why == "" {
		return false, nil
	}
	if !t.cancelled.IsZero() {
		if time.Since(t.cancelled) > t.m.cfg.Patience {
			return false, refuse(why, "seller %s was told to stop and did not answer", t.r.Quote.By.Short())
		}
		return false, nil
	}
	st, err := Cancel{Order: t.hash}.Sign(t.m.key)
	if err != nil {
		return false, err
	}
	t.cancelled = time.Now()
	callCtx, cancel := context.WithTimeout(ctx, t.m.cfg.Patience)
	defer cancel()
	if _, err := cancelMethod.Call(callCtx, t.m.node, t.r.At, cancelRequest{st}); err != nil {
		t.m.log.Debug("cannot tell a seller to stop", "peer", t.r.Quote.By.Short(), "err", err)
		t.cancelled = time.Time{}
		if time.Since(t.last) > t.m.cfg.Patience {
			return false, refuse(why, "seller %s could not be told to stop: %v", t.r.Quote.By.Short(), err)
		}
		return false, nil
	}
	return true, nil
}

// take takes in what the seller said. done says that the order has come to its
// end, good or bad.
func (t *trade) take(ctx context.Context, f follow) (done bool, err error) {
	if f.Refusal != nil {
		return true, t.refused(ctx, f)
	}
	total := t.j.out.Size() + t.j.err.Size() + uint64(len(f.Stdout)+len(f.Stderr))
	if total > t.work.Limits.OutputBytes {
		return true, refuse(BadOutput, "seller %s sent more output than the job may have", t.r.Quote.By.Short())
	}
	if err := t.j.write(f.Stdout, f.Stderr); err != nil {
		return true, err
	}
	t.purse.shown = max(t.purse.shown, min(f.Fuel, t.work.Limits.Fuel))
	t.j.advance(progress{fuel: min(f.Fuel, t.work.Limits.Fuel), sent: min(f.Input, t.input), input: t.input})
	if f.State == SaleRunning && !t.running {
		t.running = true
		t.j.update(func(r *jobRecord) { r.event(eventRecord{Text: "the guest runs", Seller: r.Quote.By}) })
	}
	t.isHeld(f.Held)
	if f.Delivery == nil {
		_, err := t.stopSeller(ctx)
		return false, err
	}
	if f.Receipt == nil {
		return true, refuse(BadReceipt, "seller %s delivered without a receipt", t.r.Quote.By.Short())
	}
	if t.j.out.Size() < f.StdoutSize || t.j.err.Size() < f.StderrSize {
		if len(f.Stdout)+len(f.Stderr) == 0 {
			return true, refuse(BadOutput, "seller %s holds output back", t.r.Quote.By.Short())
		}
		return false, nil // the rest of it
	}
	if again, err := t.lacksRelease(ctx, f); again || err != nil {
		return false, err
	}
	outcome, err := t.check(ctx, f)
	if err != nil {
		return true, err
	}
	if err := t.fetchOutput(ctx, outcome); err != nil {
		return true, err
	}
	return true, t.persist(f, outcome)
}

// refused ends an order that came to nothing.
func (t *trade) refused(ctx context.Context, f follow) error {
	seller, st := t.r.Quote.By, *f.Refusal
	no, err := OpenRefusal(st)
	if err == nil && (st.By != seller || no.Of != t.hash) {
		err = errors.New("it is not about this order")
	}
	if err != nil {
		return refuse(BadStatement, "seller %s: %v", seller.Short(), err)
	}
	refused := refuse(no.Reason, "seller %s: %s", seller.Short(), no.Text)
	if stop := t.j.copy().Stop; no.Reason == Cancelled && stop != "" {
		refused.Reason = stop // it was the buyer's wish, whose reason counts
	}
	t.giveUp(ctx, f.Release)
	if !slices.Contains(dropped, no.Reason) {
		t.m.keepPapers(t.r, paper{"refusal", st})
		return refused
	}
	t.m.sellers.Forget(t.r.At)
	if slices.Contains(early, no.Reason) {
		t.j.refused = refused
	}
	t.m.keepPapers(t.r, paper{"ask", *t.r.Ask}, paper{"quote", *t.r.Quote}, paper{"order", *t.r.Order}, paper{"refusal", st})
	count, owed := 0, t.m.owed(t.j.copy(), t.j.seen().vouched)
	t.j.update(func(r *jobRecord) {
		r.State, r.Reason, r.Error = Asking, no.Reason, clip(refused.Text)
		if t.j.refused == nil || owed > 0 {
			r.Dropped++
		}
		count = r.Dropped
		if owed > 0 { // it took vouchers and refuses all the same
			r.Avoid = append(r.Avoid, seller)
		}
		r.event(eventRecord{Text: clip(refused.Text), Reason: no.Reason, Seller: seller})
		t.j.drop(owed)
	})
	if count > maxDropped {
		return refused
	}
	return t.m.book.save(t.j)
}

// check holds receipt, delivery and output against the order and each other.
func (t *trade) check(ctx context.Context, f follow) (compute.Outcome, error) {
	seller := t.r.Quote.By
	bad := func(format string, args ...any) (compute.Outcome, error) {
		return compute.Outcome{}, refuse(BadReceipt, "seller %s: %s", seller.Short(), fmt.Sprintf(format, args...))
	}
	rec, err := compute.OpenReceipt(*f.Receipt)
	if err != nil {
		return bad("%v", err)
	}
	d, err := OpenDelivery(*f.Delivery)
	if err != nil {
		return bad("%v", err)
	}
	cost, ok := t.quote.Cost(rec.Fuel)
	switch {
	case f.Receipt.By != seller || f.Delivery.By != seller:
		return bad("receipt or delivery is signed by somebody else")
	case d.Order != t.hash:
		return bad("the delivery is for another order")
	case d.Receipt != f.Receipt.Hash(compute.ReceiptPurpose):
		return bad("the delivery names another receipt")
	case rec.Job != t.quote.Job:
		return bad("the receipt is for another job")
	case rec.Fuel > t.work.Limits.Fuel:
		return bad("the receipt claims %d fuel, the job may have %d", rec.Fuel, t.work.Limits.Fuel)
	case rec.PeakPages > t.work.Limits.MemoryPages:
		return bad("the receipt claims %d pages, the job may have %d", rec.PeakPages, t.work.Limits.MemoryPages)
	case rec.Tariff != t.work.Tariff:
		return bad("the receipt is in tariff %d", rec.Tariff)
	case !ok || d.Cost != cost || d.Cost > t.quote.Ceiling:
		return bad("the bill is %s credits, by the quote it is %s", d.Cost, cost)
	case d.Reason != "" && rec.End != compute.Interrupted:
		return bad("it says that it stopped the job, and the receipt does not")
	case d.Reason == TooSlow && t.quote.Slowest == 0:
		return bad("it stopped the job as too slow, and its quote has no slowest rate")
	case (d.Reason == NoVoucher || d.Reason == CreditLimit) && t.quote.Quantum == 0:
		return bad("it stopped the job for want of vouchers, and its quote has none")
	case rec.End == compute.Interrupted && d.Reason == "" && t.cancelled.IsZero() && !t.wallOver():
		return bad("it stopped the job before its time was over")
	}
	raw := f.Outcome
	if len(raw) == 0 {
		if raw, err = t.fetchOutcome(ctx, compute.Blob{Hash: rec.Result, Size: f.OutcomeSize}); err != nil {
			return compute.Outcome{}, err
		}
	}
	if identity.HashOf(raw) != rec.Result {
		return bad("the outcome is not the one in the receipt")
	}
	o, err := compute.DecodeOutcome(raw)
	if err != nil {
		return bad("%v", err)
	}
	total := o.Stdout.Size + o.Stderr.Size
	for _, file := range o.Files {
		total += file.Blob.Size
	}
	switch {
	case o.End != rec.End || o.Code != rec.Code:
		return bad("receipt and outcome disagree about the end")
	case total > t.work.Limits.OutputBytes:
		return bad("the outcome has more output than the job may have")
	case t.j.out.Blob() != o.Stdout || t.j.err.Blob() != o.Stderr:
		return compute.Outcome{}, refuse(BadOutput, "seller %s: stdout or stderr is not what the receipt says", seller.Short())
	}
	return o, nil
}

// wallOver says whether the job's wall time can be over: the seller's began
// after the order was signed.
func (t *trade) wallOver() bool {
	o, err := readOrder(t.r.Order.Body)
	return err == nil && time.Since(time.UnixMilli(o.At)) >= t.work.Limits.Wall()
}
