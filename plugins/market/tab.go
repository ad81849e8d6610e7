package market

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/internal/failpoint"
	"github.com/peersea/sea/ledger"
)

// lookForRoom is the time between two looks whether a guest that is held at its
// buyer's limit may go on.
const lookForRoom = time.Second

// tab is what a seller knows of a guest's fuel and of the vouchers for it. All
// of it is guarded by the sale's lock.
//
//	           ahead by a quantum and a quarter
//	running ─────────────────────────────────────▶ held: NoVoucher
//	   ▲  │                                          │
//	   │  ├─ what is owed reaches the limit ──▶ held: CreditLimit
//	   │  └─ the buyer's certificate is revoked ─▶ held: Revoked
//	   │                                             │
//	   └── a voucher; room again; a new certificate ─┤
//	                                                 │ InputPatience
//	   stopped, billed to that point ◀───────────────┘
type tab struct {
	lock    identity.Hash   // the buyer's, zero before it came
	vouched ledger.Amount   // by the highest voucher that the ledger has
	covered uint64          // the fuel that pays for
	offered *ledger.Voucher // the newest one that the ledger has not taken
	held    Reason          // why the guest is; "" is running
	since   time.Time       // when it was held
	stopped Reason          // why the seller ended it
	mark    mark            // for the rate
}

// mark is how far a guest was when it was last seen to run.
type mark struct {
	at     time.Time // zero: it was held since
	fuel   uint64
	ran    time.Duration
	worked uint64
}

// step takes in that the guest is at fuel now.
func (k *mark) step(now time.Time, fuel uint64) {
	if !k.at.IsZero() && fuel > k.fuel {
		k.ran += now.Sub(k.at)
		k.worked += fuel - k.fuel
	}
	k.at, k.fuel = now, fuel
}

// progress takes in the fuel used so far.
func (m *Market) progress(s *sale, fuel uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fuel = min(fuel, s.work.Limits.Fuel) // more is the engine's fault, and nobody's fuel
	s.tab.mark.step(time.Now(), fuel)
	if fuel > s.fuel {
		s.fuel = fuel
		m.judgeLocked(s)
		s.touch()
	}
}

// judge holds the guest, or lets it go on.
func (m *Market) judge(s *sale) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.judgeLocked(s)
}

// judgeLocked is judge with the sale's lock held.
func (m *Market) judgeLocked(s *sale) {
	if s.tab.stopped != "" || s.rec.State != SaleRunning {
		return
	}
	now, may := Reason(""), m.mayOwe(s.buyer)
	switch {
	case isRevoked(may):
		now = Revoked
	case s.quote.Quantum == 0: // paid on delivery
	case s.fuel > s.tab.covered && s.fuel-s.tab.covered >= held(s.quote.Quantum):
		now = NoVoucher
	case s.tab.vouched > 0 && errors.Is(may, ledger.ErrLimit):
		now = CreditLimit
	}
	was := s.tab.held
	if now == was {
		return
	}
	if s.tab.held = now; now != "" {
		s.control.Pause(string(now))
		s.tab.mark.at = time.Time{}
	}
	if was != "" {
		s.control.Resume(string(was))
	} else {
		s.tab.since = time.Now()
	}
	s.touch()
}

// mayOwe returns the ledger's error when nothing more is lent to a buyer: it is
// ErrLimit when what it owes and what runs for it is above what it may owe.
func (m *Market) mayOwe(buyer identity.Entity) error {
	hold, err := m.credit.Hold(buyer, 0)
	hold.Release()
	return err
}

// isRevoked says whether that is because the certificate is revoked under which
// the buyer acts.
func isRevoked(err error) bool {
	var state *ledger.StateError
	return errors.As(err, &state) && state.State == ledger.StateRevoked
}

// keepPaid ends the guest when it was held for too long, until ctx ends.
func (m *Market) keepPaid(ctx context.Context, s *sale, end context.CancelFunc) {
	for {
		s.mu.Lock()
		changed, why, left := s.changed, s.tab.held, m.cfg.InputPatience-time.Since(s.tab.since)
		if why != "" && left <= 0 {
			s.tab.stopped = why
		}
		s.mu.Unlock()
		var look <-chan time.Time
		if why != "" {
			if left <= 0 {
				end()
				return
			}
			look = time.After(min(left, lookForRoom))
		}
		select {
		case <-changed:
		case <-look:
			m.judge(s)
		case <-ctx.Done():
			return
		}
	}
}

// runPaid runs the guest, and holds it where it gets ahead of its vouchers.
func (m *Market) runPaid(ctx context.Context, s *sale) (compute.Result, error) {
	ctx, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { m.keepPaid(ctx, s, end) })
	result, err := m.engine.Run(ctx, s.work, m.blobs, m.live(s))
	end()
	watch.Wait()
	s.mu.Lock()
	ran := s.tab.mark
	s.tab.held = ""
	s.mu.Unlock()
	m.rate.saw(ran.worked, ran.ran)
	return result, err
}

// stopped is why the seller ended the guest, "" when it did not.
func (s *sale) stopped() Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tab.stopped
}

// findLock looks for the buyer's lock for an order, and for what is vouched.
func (m *Market) findLock(s *sale) {
	k, found := m.lockOf(&s.rec)
	if s.quote.Quantum == 0 || !found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tab.lock = k.Lock
	m.vouchedLocked(s, k.Promised)
}

// lockOf is the buyer's lock for an order. Of the record it reads only what never
// changes.
func (m *Market) lockOf(r *saleRecord) (ledger.Lock, bool) {
	order, quote := r.Order.Hash(OrderPurpose), r.Quote.Hash(QuotePurpose)
	for _, k := range m.credit.Locks(r.Order.By) {
		if !k.Mine && k.Ref == order && k.Terms.Quote == quote {
			return k, true
		}
	}
	return ledger.Lock{}, false
}

// brought takes in a voucher that a buyer brought. It is kept until its lock is
// here, which may come by another way.
func (m *Market) brought(ctx context.Context, s *sale, raw []byte) error {
	v, err := ledger.DecodeVoucher(raw)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.tab.vouched
	if s.tab.offered != nil {
		old = max(old, s.tab.offered.Cum)
	}
	fresh := s.quote.Quantum > 0 && v.Cum > old && v.Cum <= s.quote.Ceiling && v.Quote == s.rec.Quote.Hash(QuotePurpose) && !s.rec.State.final()
	if fresh {
		s.tab.offered = &v
	}
	s.mu.Unlock()
	if fresh {
		m.takeVoucher(ctx, s)
	}
	return nil
}

// takeVouchers is called when a lock may have come.
func (m *Market) takeVouchers(ctx context.Context, buyer identity.Entity) {
	for _, s := range m.liveSales() {
		if s.buyer != buyer {
			continue
		}
		m.takeVoucher(ctx, s)
	}
}

// takeVoucher gives the voucher that waits, if there is one, to the ledger. One
// that it does not take is as good as none: the buyer brings it again.
func (m *Market) takeVoucher(ctx context.Context, s *sale) {
	s.mu.Lock()
	v, lock := s.tab.offered, s.tab.lock
	s.mu.Unlock()
	if v == nil {
		return
	}
	if lock == (identity.Hash{}) {
		if m.findLock(s); s.lock() == (identity.Hash{}) {
			return
		}
	}
	err := m.credit.TakeVoucher(ctx, s.buyer, *v)
	if err == nil {
		failpoint.Hit("market:voucher-taken")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tab.offered == v {
		s.tab.offered = nil
	}
	switch {
	case errors.Is(err, identity.ErrBadSignature), errors.Is(err, ledger.ErrVoucher), errors.Is(err, ledger.ErrLock):
		// A buyer can send as many as it likes.
		m.log.Debug("a voucher was not taken", "peer", s.buyer.Short(), "order", s.order.Short(), "err", err)
	case err != nil:
		m.log.Warn("a voucher was not taken", "peer", s.buyer.Short(), "order", s.order.Short(), "err", err)
	case v.Lock == s.tab.lock:
		m.vouchedLocked(s, v.Cum)
		m.judgeLocked(s)
		s.touch()
	}
}

// vouchedLocked takes in what the highest voucher is worth.
func (m *Market) vouchedLocked(s *sale, cum ledger.Amount) {
	if cum <= s.tab.vouched {
		return
	}
	s.tab.vouched = cum
	s.tab.covered = s.quote.Covers(cum, s.work.Limits.Fuel)
	left := s.quote.part(cum)
	if s.rec.State == SaleDelivered {
		left = max(s.rec.Cost-cum, 0)
	}
	if left < s.room {
		s.room = left
		s.hold.Lower(left)
	}
}

func (s *sale) lock() identity.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tab.lock
}

// holdBill sets aside what a delivery costs beyond its vouchers, which the
// ledger counts already.
func (m *Market) holdBill(s *sale, cost ledger.Amount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := max(cost-s.tab.vouched, 0)
	switch {
	case rest == 0:
		s.hold.Release()
	case rest <= s.room:
		s.hold.Lower(rest)
	default: // it could not be held in time; it is owed all the same
		s.hold.Release()
		var err error
		if s.hold, err = m.credit.Hold(s.buyer, rest); err != nil {
			m.log.Warn("a delivery is above what its buyer may owe", "peer", s.buyer.Short(), "err", err)
		}
	}
	s.hold.For(s.order)
	s.room = rest
}

// paidFor says whether the ledger has what a delivery costs, in one part or in
// several.
func (m *Market) paidFor(s *sale, cost ledger.Amount) (bool, error) {
	_, paid, err := m.credit.Paid(s.buyer, s.order)
	return paid >= cost, err
}

// release lets the buyer close its lock for what the sale cost, or for what it
// has vouched if that is more; nil when there is no lock.
func (m *Market) release(r *saleRecord) ([]byte, error) {
	q, err := readQuote(r.Quote.Body)
	if err != nil || q.Quantum == 0 {
		return nil, err
	}
	k, found := m.lockOf(r)
	if !found {
		return nil, nil
	}
	rel, err := m.credit.Release(r.Order.By, k.Lock, max(r.Cost, k.Promised)) // what is vouched stays so
	if err != nil {
		return nil, err
	}
	return rel.Encode(), nil
}
