package market

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// What deliveries that are not paid, and the outputs of those that cost nothing,
// may take together. Each keeps a hold of the
// ledger, a live sale, and its output pinned, for up to saleAge. A buyer with
// that many, or anyone once all have that many, gets no more orders taken until
// some are paid. What an order adds is known when it is delivered; the orders
// under way may go beyond these bounds, but not beyond the strangers' bytes.
const (
	maxUnpaid    = 100  // deliveries of one buyer
	maxUnpaidAll = 5000 // of all; the ledger keeps 10,000 holds
	// Their bytes, as a part of the storage: one buyer an eighth, all a half.
	unpaidShare    = 8
	unpaidShareAll = 2

	// strangersShare is the part of what all may have that buyers without a
	// grant may have together, so that the others find room: keys cost nothing.
	// strangersAge is for how long such a delivery has its room for itself.
	strangersShare = 2
	strangersAge   = 10 * time.Minute
)

// debts counts deliveries that are not paid, or whose output is kept for nothing.
type debts struct {
	sales int
	bytes uint64
}

func (d *debts) add(sales int, bytes uint64) {
	d.sales += sales
	d.bytes += bytes // which may wrap, and wraps back
}

// due is what one sale counts, and whether among those of strangers.
type due struct {
	debts
	stranger bool
}

// unpaid counts a sale that is about to be delivered, once, until endUnpaid. It
// says no when a stranger's has no room.
func (m *Market) unpaid(s *sale, bytes uint64) bool {
	m.selling.Lock()
	defer m.selling.Unlock()
	if !m.credit.Granted(s.buyer) {
		m.easeLocked(bytes)
		if m.strangersLackLocked(bytes) && bytes > 0 {
			return false
		}
	}
	m.unpaidLocked(s, bytes)
	return true
}

func (m *Market) unpaidLocked(s *sale, bytes uint64) {
	if s.due.sales > 0 {
		return
	}
	s.due.stranger = !m.credit.Granted(s.buyer)
	m.oweLocked(s, 1, bytes)
}

// oweLocked changes what a sale counts, everywhere.
func (m *Market) oweLocked(s *sale, sales int, bytes uint64) {
	s.due.add(sales, bytes)
	of := m.selling.unpaid[s.buyer]
	of.add(sales, bytes)
	if m.selling.unpaid[s.buyer] = of; of.sales == 0 {
		delete(m.selling.unpaid, s.buyer)
	}
	m.selling.unpaidAll.add(sales, bytes)
	if s.due.stranger {
		m.selling.strangers.add(sales, bytes)
	}
}

// endUnpaidLocked is called with the lock held, when a sale ends in any way.
func (m *Market) endUnpaidLocked(s *sale) {
	m.oweLocked(s, -s.due.sales, -s.due.bytes)
}

// owesTooMuchLocked says why a buyer shall pay before it orders more.
func (m *Market) owesTooMuchLocked(buyer identity.Entity) *Refused {
	stranger := !m.credit.Granted(buyer)
	if stranger {
		m.easeLocked(1)
	}
	m.easeFreeLocked(buyer)
	of, all := m.selling.unpaid[buyer], m.selling.unpaidAll
	most := uint64(m.blobs.MaxBytes())
	switch {
	case m.buyerLacksLocked(buyer):
		return refuse(Busy, "%d deliveries to this buyer, with %d bytes of output, are not paid yet", of.sales, of.bytes)
	case all.sales >= maxUnpaidAll, all.bytes >= most/unpaidShareAll:
		return refuse(Busy, "%d deliveries, with %d bytes of output, are not paid yet", all.sales, all.bytes)
	case stranger && (m.strangersCrowdLocked() || m.strangersLackLocked(1)):
		all = m.selling.strangers
		return refuse(Busy, "%d deliveries to peers without a grant, with %d bytes of output, are not paid yet", all.sales, all.bytes)
	}
	return nil
}

// buyerLacksLocked says whether a buyer has all that one may have.
func (m *Market) buyerLacksLocked(buyer identity.Entity) bool {
	of := m.selling.unpaid[buyer]
	return of.sales >= maxUnpaid || of.bytes >= uint64(m.blobs.MaxBytes())/unpaidShare
}

// easeFreeLocked makes room for a buyer at the cost of what it got for nothing,
// the oldest first.
func (m *Market) easeFreeLocked(buyer identity.Entity) {
	if !m.buyerLacksLocked(buyer) {
		return
	}
	var free []*sale
	for _, s := range m.selling.sales {
		if s.buyer == buyer && s.free != nil && s.due.sales > 0 {
			free = append(free, s)
		}
	}
	ended := func(s *sale) int64 { return s.copy().Ended }
	slices.SortFunc(free, func(a, b *sale) int { return cmp.Compare(ended(a), ended(b)) })
	for _, s := range free {
		if !m.buyerLacksLocked(buyer) {
			return
		}
		m.endUnpaidLocked(s)
		m.dropOutputLocked(s)
		close(s.free)
	}
}

// strangersCrowdLocked says whether strangers have too many deliveries for one
// more, strangersLackLocked whether they have too much output for so many bytes.
func (m *Market) strangersCrowdLocked() bool {
	return m.selling.strangers.sales >= maxUnpaidAll/strangersShare
}

func (m *Market) strangersLackLocked(bytes uint64) bool {
	return m.selling.strangers.bytes+bytes > m.strangersBytes()
}

// strangersBytes is how much output strangers may have, or a single one of them.
func (m *Market) strangersBytes() uint64 {
	return uint64(m.blobs.MaxBytes()) / unpaidShareAll / strangersShare
}

// easeLocked makes room for one more delivery to a stranger, with so many bytes,
// at the cost of those that are older than strangersAge, the cheapest first.
// Where bytes lack, their output goes: they may still be paid, and what is held
// for them stays held. Where there are too many, they end as never paid.
func (m *Market) easeLocked(bytes uint64) {
	if !m.strangersCrowdLocked() && !m.strangersLackLocked(bytes) || bytes > m.strangersBytes() {
		return
	}
	type oldSale struct {
		*sale
		cost  ledger.Amount
		ended int64
	}
	var olds []oldSale
	for _, s := range m.selling.sales {
		if s.due.sales == 0 || !s.due.stranger {
			continue
		}
		r := s.copy()
		if r.State == SaleDelivered && time.Since(time.UnixMilli(r.Ended)) > strangersAge && !m.credit.Granted(s.buyer) {
			olds = append(olds, oldSale{s, r.Cost, r.Ended})
		}
	}
	slices.SortFunc(olds, func(a, b oldSale) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.ended, b.ended))
	})
	for _, s := range olds {
		switch {
		case m.strangersCrowdLocked():
			m.endUnpaidLocked(s.sale)
			m.spawn(func(context.Context) {
				if err := m.endNotPaid(s.sale); err != nil {
					m.log.Error("cannot end a delivery that was not paid", "order", s.order.Short(), "err", err)
				}
			})
		case m.strangersLackLocked(bytes) && s.due.bytes > 0:
			m.log.Warn("the output of a delivery that is not paid goes", "peer", s.buyer.Short(), "order", s.order.Short(), "cost", s.cost.String())
			m.dropOutputLocked(s.sale)
			m.oweLocked(s.sale, 0, -s.due.bytes)
		}
	}
}

// dropOutputLocked keeps a sale's output no longer, if it was delivered.
func (m *Market) dropOutputLocked(s *sale) {
	r := s.copy()
	if r.Delivery == nil || s.gone {
		return
	}
	s.gone = true
	all := r.outputBlobs()
	if s.pinned {
		m.blobs.Unpin(all...)
	}
	m.blobs.Unshare(s.buyer, all...)
}

// outputBytes is what a delivery keeps in the storage.
func (r *saleRecord) outputBytes() uint64 {
	var n uint64
	if len(r.Outcome) > outcomeBytes {
		n += uint64(len(r.Outcome))
	}
	for _, o := range []output{r.Out, r.Err} {
		if !o.inline() {
			n += o.Blob.Size
		}
	}
	if o, err := compute.DecodeOutcome(r.Outcome); err == nil {
		for _, f := range o.Files {
			n += f.Blob.Size
		}
	}
	return n
}
