package market

import (
	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// What deliveries that are not paid may take together. Each keeps a hold of the
// ledger, a live sale, and its output pinned, for up to saleAge. A buyer with
// that many, or anyone once all have that many, gets no more orders taken until
// some are paid. What an order adds is known when it is delivered, so the bytes
// may be over by the output of the orders under way.
const (
	maxUnpaid    = 100  // deliveries of one buyer
	maxUnpaidAll = 5000 // of all; the ledger keeps 10,000 holds
	// Their bytes, as a part of the storage: one buyer an eighth, all a half.
	unpaidShare    = 8
	unpaidShareAll = 2
)

// debts counts deliveries that are not paid.
type debts struct {
	sales int
	bytes uint64
}

func (d *debts) add(sales int, bytes uint64) {
	d.sales += sales
	d.bytes += bytes // which may wrap, and wraps back
}

// unpaid counts a sale that has been delivered, once, until endUnpaid.
func (m *Market) unpaid(s *sale, bytes uint64) {
	m.selling.Lock()
	defer m.selling.Unlock()
	m.unpaidLocked(s, bytes)
}

func (m *Market) unpaidLocked(s *sale, bytes uint64) {
	if s.due.sales > 0 {
		return
	}
	s.due = debts{1, bytes}
	of := m.selling.unpaid[s.buyer]
	of.add(1, bytes)
	m.selling.unpaid[s.buyer] = of
	m.selling.unpaidAll.add(1, bytes)
}

// endUnpaidLocked is called with the lock held, when a sale ends in any way.
func (m *Market) endUnpaidLocked(s *sale) {
	if s.due.sales == 0 {
		return
	}
	of := m.selling.unpaid[s.buyer]
	of.add(-1, -s.due.bytes)
	if m.selling.unpaid[s.buyer] = of; of.sales == 0 {
		delete(m.selling.unpaid, s.buyer)
	}
	m.selling.unpaidAll.add(-1, -s.due.bytes)
	s.due = debts{}
}

// owesTooMuchLocked says why a buyer shall pay before it orders more.
func (m *Market) owesTooMuchLocked(buyer identity.Entity) *Refused {
	of, all := m.selling.unpaid[buyer], m.selling.unpaidAll
	most := uint64(m.blobs.MaxBytes())
	switch {
	case of.sales >= maxUnpaid, of.bytes >= most/unpaidShare:
		return refuse(Busy, "%d deliveries to this buyer, with %d bytes of output, are not paid yet", of.sales, of.bytes)
	case all.sales >= maxUnpaidAll, all.bytes >= most/unpaidShareAll:
		return refuse(Busy, "%d deliveries, with %d bytes of output, are not paid yet", all.sales, all.bytes)
	}
	return nil
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
