package market

import (
	"cmp"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// A Task is an order that this node works on, as it is at this moment.
type Task struct {
	Order  identity.Hash   `json:"order"`
	Buyer  identity.Entity `json:"buyer"`
	Module identity.Hash   `json:"module"`
	// State is SaleTaken, while it waits for its input or a slot, or SaleRunning;
	// Held is why it does not go on, "" when it does.
	State SaleState `json:"state"`
	Held  Reason    `json:"held,omitempty"`
	// Fuel is what the guest has used, of Limit at most; Cost is the price of
	// that, and Vouched what of it the buyer has promised so far.
	Fuel    uint64        `json:"fuel"`
	Limit   uint64        `json:"fuel_limit"`
	Cost    ledger.Amount `json:"cost_micro"`
	Vouched ledger.Amount `json:"vouched_micro"`
	// Memory is the most that the guest may have, in pages of 64 KiB.
	Memory uint32    `json:"memory_pages"`
	Taken  time.Time `json:"taken"`
}

// Tasks lists the orders that this node works on, the oldest first: at most as
// many as the policy's slots and queue.
func (m *Market) Tasks() []Task {
	var all []Task
	for _, s := range m.liveSales() {
		s.mu.Lock()
		t := Task{
			Order: s.order, Buyer: s.buyer, Module: s.rec.Module, State: s.rec.State, Held: s.held(),
			Fuel: s.fuel, Limit: s.work.Limits.Fuel, Vouched: s.tab.vouched, Memory: s.work.Limits.MemoryPages,
			Taken: time.UnixMilli(s.rec.Taken),
		}
		s.mu.Unlock()
		if !t.State.underWay() {
			continue
		}
		t.Cost, _ = s.quote.Cost(t.Fuel)
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Task) int {
		return cmp.Or(a.Taken.Compare(b.Taken), slices.Compare(a.Order[:], b.Order[:]))
	})
	return all
}
