package market

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/state"
)

// sale is an order at the seller that is not paid or refused.
type sale struct {
	order    identity.Hash
	buyer    identity.Entity
	quote    Quote
	work     compute.Job
	out, err *spool
	pinned   bool // the output is; set before the sale is delivered
	control  compute.Control
	own      bool          // it is of a machine of this node's owner; not known any more after a restart
	crowd    bool          // under selling's lock: it counts there as a stranger's
	due      due           // under selling's lock: what it counts there
	gone     bool          // under selling's lock: its output is not kept any more
	free     chan struct{} // under selling's lock: of one that cost nothing and has output; closed to end it early

	saving sync.Mutex // held while the record gets its place in the store
	sealed bool       // under saving: its end is written, nothing older may follow

	mu      sync.Mutex // guards what follows
	rec     saleRecord
	fuel    uint64
	input   uint64 // bytes of module and input that are here
	hold    *ledger.Hold
	room    ledger.Amount // that the hold is of
	tab     tab
	changed chan struct{}
	stop    context.CancelFunc // ends the guest, while there is one
	driven  bool               // perform has it
	paused  bool               // the seller has
}

// keptSale is what is remembered of each sale that is on disk, under its quote's
// hash: there is one order for each. Most of a seller's memory that lasts is this.
type keptSale struct {
	taken int64
	order identity.Hash
}

// onDisk says whether a sale of that order is kept.
func (m *Market) onDisk(order identity.Hash) (bool, error) {
	raw, err := m.table.Get(order[:])
	return raw != nil, err
}

// readSales takes up the sales that are on disk, with their holds.
func (m *Market) readSales() error {
	var bad error
	err := m.table.Scan(nil, func(key, raw []byte) bool {
		r, err := decodeSale(raw)
		if err != nil {
			bad = errors.Join(bad, err)
			return true
		}
		order := identity.Hash(key)
		quote := r.Quote.Hash(QuotePurpose)
		m.selling.kept[quote] = keptSale{r.Taken, order}
		if r.State.final() {
			return true
		}
		s, err := m.newSale(r)
		if err != nil {
			bad = errors.Join(bad, err)
			return true
		}
		m.selling.sales[order] = s
		return true
	})
	if err := errors.Join(err, bad); err != nil {
		return err
	}
	for _, s := range m.selling.sales { // before anybody else can ask for the room
		s.pause(m.holdsLocked())
		s.control.SetShare(m.selling.policy.share())
		m.resume(s)
	}
	return nil
}

// resume takes a sale's room again, and counts or shares what it has.
func (m *Market) resume(s *sale) {
	m.findLock(s)
	most := s.quote.part(s.tab.vouched)
	if s.rec.State == SaleDelivered {
		most = max(s.rec.Cost-s.tab.vouched, 0)
		all := s.rec.outputBlobs()
		s.pinned = m.blobs.Pin(all...)
		m.blobs.Share(s.buyer, all...)
		var bytes uint64
		if s.pinned { // otherwise it went to make room
			bytes = s.rec.outputBytes()
		}
		m.unpaidLocked(s, bytes)
	} else {
		m.countLocked(s, 1)
	}
	var err error
	if s.hold, err = m.credit.Hold(s.buyer, most); err != nil { // it is owed all the same
		m.log.Warn("an order is above what its buyer may owe", "peer", s.buyer.Short(), "err", err)
	}
	s.room = most
	if s.quote.Quantum == 0 || s.rec.State == SaleDelivered {
		s.hold.For(s.order)
	}
}

func (s SaleState) final() bool { return s == SalePaid || s == SaleRefused }

func (s SaleState) underWay() bool { return s == SaleTaken || s == SaleRunning }

// newSale makes the live side of a record.
func (m *Market) newSale(r *saleRecord) (*sale, error) {
	s := &sale{
		order: r.Order.Hash(OrderPurpose), buyer: r.Order.By, rec: *r, fuel: r.Fuel,
		out: newSpool(m.dir), err: newSpool(m.dir), changed: make(chan struct{}),
	}
	if r.Ask == nil {
		return nil, errors.New("a sale that has not ended without its ask")
	}
	a, err := readAsk(r.Ask.Body)
	if err != nil {
		return nil, err
	}
	if s.work, err = compute.DecodeJob(a.Job); err != nil {
		return nil, err
	}
	s.quote, err = readQuote(r.Quote.Body)
	return s, err
}

// startSeller goes on with the sales that have not ended.
func (m *Market) startSeller() {
	stop := m.credit.Watch(func(c ledger.Change) {
		if c.Incoming {
			m.spawn(func(ctx context.Context) { m.lookAt(ctx, c.Peer) })
		}
	})
	m.spawn(func(ctx context.Context) {
		<-ctx.Done()
		stop()
	})
	m.spawn(m.keepRest)
	for _, s := range m.liveSales() {
		switch state := s.copy().State; {
		case state.final(): // it has just ended
		case state == SaleDelivered:
			m.checkSale(s)
			m.spawn(func(ctx context.Context) { m.remind(ctx, s) })
		default:
			m.spawn(func(ctx context.Context) { m.perform(ctx, s) })
		}
	}
	m.spawn(m.sweepSales)
	m.spawn(m.keepShift)
	m.spawn(m.announce)
}

// lookAt takes in what has come on a buyer's line, once for all that comes while
// it looks.
func (m *Market) lookAt(ctx context.Context, buyer identity.Entity) {
	m.selling.Lock()
	_, looks := m.selling.lines[buyer]
	m.selling.lines[buyer] = true
	m.selling.Unlock()
	for !looks {
		m.selling.Lock()
		more := m.selling.lines[buyer]
		if more {
			m.selling.lines[buyer] = false
		} else {
			delete(m.selling.lines, buyer)
		}
		m.selling.Unlock()
		if !more {
			return
		}
		m.takeVouchers(ctx, buyer)
		m.checkPaid(buyer)
	}
}

// count takes a sale in among the orders that run or wait, or out of them: n is
// 1 or -1.
func (m *Market) count(s *sale, n int) {
	m.selling.Lock()
	defer m.selling.Unlock()
	m.countLocked(s, n)
}

func (m *Market) countLocked(s *sale, n int) {
	if n > 0 {
		s.crowd = !s.own && !m.credit.Granted(s.buyer)
	}
	m.selling.opened += n
	if s.crowd {
		m.selling.crowd += n
	}
	if m.selling.open[s.buyer] += n; m.selling.open[s.buyer] == 0 {
		delete(m.selling.open, s.buyer)
	}
}

func (m *Market) liveSales() []*sale {
	m.selling.Lock()
	defer m.selling.Unlock()
	all := make([]*sale, 0, len(m.selling.sales))
	for _, s := range m.selling.sales {
		all = append(all, s)
	}
	return all
}

// serveOrder takes an order, or says again what became of it.
func (m *Market) serveOrder(ctx context.Context, from rpc.Peer, in orderRequest) (follow, error) {
	if !from.Direct {
		return follow{}, rpc.Errorf(rpc.Refused, "orders are taken over direct links only; connect first")
	}
	o, err := OpenOrder(in.Order)
	if err != nil {
		return follow{}, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if in.Order.By != from.Node {
		return follow{}, rpc.Errorf(rpc.Refused, "the order is from somebody else")
	}
	hash := in.Order.Hash(OrderPurpose)
	m.selling.Lock()
	known := m.selling.kept[o.Quote].order == hash
	m.selling.Unlock()
	if !known {
		if !m.allow(from.Node, 1) {
			return follow{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
		}
		no, err := m.take(from, o, hash, in)
		if err != nil {
			return follow{}, err
		}
		if no != nil {
			return m.refuseOrder(from, hash, no)
		}
	}
	return m.serveFollow(ctx, from, followRequest{hash, in.cursor})
}

// refuseOrder signs a no to an order that was not taken.
func (m *Market) refuseOrder(from rpc.Peer, order identity.Hash, no *Refused) (follow, error) {
	r := Refusal{Of: order, Reason: no.Reason, Text: clip(no.Text)}
	if no.Reason == RefusedCredit {
		r.Room = m.room(from.Node)
	}
	st, err := r.Sign(m.key)
	return follow{State: SaleRefused, Refusal: &st}, err
}

// take checks an order against its quote and ask, sets its ceiling aside and
// writes it down. Everything it hangs on is in the request and signed, by this
// node where it promises something.
func (m *Market) take(from rpc.Peer, o Order, hash identity.Hash, in orderRequest) (*Refused, error) {
	q, err := OpenQuote(in.Quote)
	if err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	a, job, err := OpenAsk(in.Ask)
	if err != nil {
		return nil, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	quoteHash := in.Quote.Hash(QuotePurpose)
	switch {
	case in.Quote.By != m.key.Entity() || o.Quote != quoteHash:
		return refuse(UnknownQuote, "this node did not give the quote"), nil
	case q.Ask != in.Ask.Hash(AskPurpose) || in.Ask.By != from.Node || a.To != m.key.Entity() || q.Job != job.Hash():
		return refuse(UnknownQuote, "the quote answers another ask"), nil
	case time.Now().UnixMilli() > q.Until:
		return refuse(Expired, "the quote was good until %v", time.UnixMilli(q.Until).UTC().Format(time.RFC3339)), nil
	}
	s, err := m.newSale(&saleRecord{
		State: SaleTaken, Taken: time.Now().UnixMilli(), Buyer: from.Addr, Module: job.Module,
		Ask: &in.Ask, Quote: in.Quote, Order: in.Order,
	})
	if err != nil {
		return nil, err
	}
	s.own = m.own(from)
	m.selling.Lock()
	no := m.mayTakeLocked(m.policyFor(m.selling.policy, from), from)
	used, raced := m.selling.kept[quoteHash]
	if raced && used.order != hash {
		no = refuse(QuoteUsed, "the quote was ordered by already")
	}
	if no == nil && !raced {
		s.room = q.part(0)
		if s.hold, err = m.credit.Hold(from.Node, s.room); err != nil {
			no = refuse(RefusedCredit, "%v", err)
		}
		if q.Quantum == 0 { // else it stands for what runs, before and after each voucher
			s.hold.For(hash)
		}
	}
	if no == nil && !raced {
		s.control.SetShare(m.selling.policy.share())
		m.selling.sales[hash] = s
		m.selling.kept[quoteHash] = keptSale{s.rec.Taken, hash}
		m.countLocked(s, 1)
	}
	crowded := len(m.selling.kept) > maxSales+sparedSales && time.Since(m.selling.forgot) > forgetEvery
	if crowded {
		m.selling.forgot = time.Now()
	}
	m.selling.Unlock()
	if crowded {
		m.spawn(func(context.Context) {
			if err := m.forgetSales(time.Now()); err != nil {
				m.log.Error("cannot forget old sales", "err", err)
			}
		})
	}
	if no != nil || raced {
		return no, nil
	}
	// The guest may start while the disk writes: nothing is said before.
	wait := m.beginSale(s)
	m.spawn(func(ctx context.Context) { m.perform(ctx, s) })
	if err := wait(); err != nil {
		return nil, err
	}
	failpoint.Hit("market:sale-persisted")
	return nil, nil
}

// beginSale gives the sale's record its place among what is written.
func (m *Market) beginSale(s *sale) (wait func() error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	if s.sealed {
		return func() error { return nil }
	}
	r := s.copy()
	raw, err := r.encode()
	if err != nil {
		return func() error { return err }
	}
	var b state.Batch
	b.Put(m.table, s.order[:], raw)
	return m.book.store.Begin(&b)
}

// held is why the guest does not go on, "" when it does. The lock is held.
func (s *sale) held() Reason {
	if s.tab.held == "" && s.paused && s.rec.State.underWay() {
		return SellerPaused
	}
	return s.tab.held
}

func (s *sale) copy() *saleRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rec
	return &r
}

// update changes the record and tells those who follow.
func (s *sale) update(f func(*saleRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.rec)
	s.touch()
}

func (s *sale) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// tell writes the guest's output through to a spool and wakes those who follow.
type tell struct {
	s  *sale
	to *spool
}

func (w tell) Write(b []byte) (int, error) {
	n, err := w.to.Write(b)
	w.s.mu.Lock()
	w.s.touch()
	w.s.mu.Unlock()
	return n, err
}

// serveFollow says where an order stands, as soon as it is somewhere else than
// the buyer knows.
func (m *Market) serveFollow(ctx context.Context, from rpc.Peer, in followRequest) (follow, error) {
	m.selling.Lock()
	s := m.selling.sales[in.Order]
	m.selling.Unlock()
	if s == nil && !m.allow(from.Node, 1) {
		return follow{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	if s == nil {
		return m.followEnded(from, in)
	}
	if s.buyer != from.Node || !from.Direct {
		return follow{}, rpc.Errorf(rpc.Refused, "the order is somebody else's")
	}
	if len(in.Voucher) > 0 {
		if err := m.brought(ctx, s, in.Voucher); err != nil {
			return follow{}, rpc.Errorf(rpc.BadRequest, "%v", err)
		}
	}
	wait := time.NewTimer(time.Duration(min(in.Wait, followMillis)) * time.Millisecond)
	defer wait.Stop()
	for over := false; ; {
		var begun <-chan time.Time
		s.mu.Lock()
		changed, r, fuel, input, held := s.changed, s.rec, s.fuel, s.input, s.held()
		s.mu.Unlock()
		f, err := m.followOf(&r, s.out, s.err, in.cursor)
		if err != nil {
			return follow{}, err
		}
		f.Fuel, f.Input, f.Held = fuel, input, held
		if r.Delivery != nil {
			failpoint.Hit("market:delivery-sent")
		}
		if over || r.Delivery != nil || r.Refusal != nil || len(f.Stdout)+len(f.Stderr) > 0 || fuel > in.Fuel || input > in.Input || held != in.Held {
			return f, nil
		}
		if r.State == SaleRunning && !in.Running {
			begun = time.After(runningMillis * time.Millisecond)
		}
		select {
		case <-changed:
		case <-wait.C:
			over = true
		case <-begun:
			over = true
		case <-ctx.Done():
			return follow{}, ctx.Err()
		}
	}
}

// followEnded answers for a sale that is only on disk.
func (m *Market) followEnded(from rpc.Peer, in followRequest) (follow, error) {
	raw, err := m.table.Get(in.Order[:])
	if err != nil {
		return follow{}, err
	}
	if raw == nil {
		return m.refuseOrder(from, in.Order, refuse(UnknownOrder, "this node has no such order, or none any more"))
	}
	r, err := decodeSale(raw)
	if err != nil {
		return follow{}, err
	}
	if r.Order.By != from.Node {
		return follow{}, rpc.Errorf(rpc.Refused, "the order is somebody else's")
	}
	return m.followOf(r, nil, nil, in.cursor)
}

// followOf makes the answer for a record; the spools are used until the output
// is in the record.
func (m *Market) followOf(r *saleRecord, out, serr *spool, at cursor) (f follow, err error) {
	f = follow{State: r.State, Fuel: r.Fuel, Refusal: r.Refusal, Receipt: r.Receipt, Delivery: r.Delivery}
	if r.Delivery != nil || r.Refusal != nil {
		if f.Release, err = m.release(r); err != nil {
			return f, err
		}
	}
	if r.Delivery == nil {
		if out == nil {
			return f, nil
		}
		f.StdoutSize, f.StderrSize = out.Size(), serr.Size()
		if f.Stdout, err = part(out, f.StdoutSize, at.Stdout, followBytes); err != nil {
			return f, err
		}
		f.Stderr, err = part(serr, f.StderrSize, at.Stderr, followBytes)
		return f, err
	}
	if r.Ask == nil { // it has ended, see slim
		return f, nil
	}
	f.OutcomeSize = uint64(len(r.Outcome))
	if f.OutcomeSize <= outcomeBytes {
		f.Outcome = r.Outcome
	}
	f.StdoutSize, f.StderrSize = r.Out.Blob.Size, r.Err.Blob.Size
	if f.Stdout, err = m.partOf(r.Out, at.Stdout); err != nil {
		return f, err
	}
	f.Stderr, err = m.partOf(r.Err, at.Stderr)
	return f, err
}

// partOf reads a piece of kept output.
func (m *Market) partOf(o output, off uint64) ([]byte, error) {
	rc, err := m.book.open(o)
	if errors.Is(err, ErrGone) {
		return nil, rpc.Errorf(rpc.NotFound, "the output was kept for a while only")
	} else if err != nil {
		return nil, err
	}
	defer rc.Close()
	if r, ok := rc.(io.ReaderAt); ok {
		return part(r, o.Blob.Size, off, followBytes)
	}
	return slices.Clone(o.Bytes[min(off, o.Blob.Size):]), nil
}

// serveCancel stops an order. What ran is delivered and billed as ever.
func (m *Market) serveCancel(ctx context.Context, from rpc.Peer, in cancelRequest) (cancelAnswer, error) {
	if !m.allow(from.Node, 1) {
		return cancelAnswer{}, rpc.Errorf(rpc.Busy, "asked too often; wait a second")
	}
	c, err := OpenCancel(in.Cancel)
	if err != nil {
		return cancelAnswer{}, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	if in.Cancel.By != from.Node {
		return cancelAnswer{}, rpc.Errorf(rpc.Refused, "the cancel is from somebody else")
	}
	m.selling.Lock()
	s := m.selling.sales[c.Order]
	m.selling.Unlock()
	if s == nil {
		switch known, err := m.onDisk(c.Order); {
		case err != nil:
			return cancelAnswer{}, err
		case known:
			return cancelAnswer{}, nil // it has ended
		}
	}
	if s == nil || in.Cancel.By != s.buyer {
		return cancelAnswer{}, rpc.Errorf(rpc.NotFound, "no such order of yours")
	}
	s.mu.Lock()
	stop, running := s.stop, s.rec.State.underWay()
	if running {
		s.rec.Cancelled = true
	}
	s.mu.Unlock()
	if !running {
		return cancelAnswer{}, nil
	}
	if err := m.beginSale(s)(); err != nil {
		return cancelAnswer{}, err
	}
	if stop != nil {
		stop()
	}
	return cancelAnswer{}, nil
}
