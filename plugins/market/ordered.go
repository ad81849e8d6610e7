package market

import (
	"errors"

	"github.com/peersea/sea/identity"
)

// Ordered is what an order was for: the reference of its payment in the ledger.
type Ordered struct {
	// Job is the buyer's job; zero when this node sold.
	Job ID
	// Module is the program, Name what the buyer calls it; "" at the seller.
	Module identity.Hash
	Name   string
}

// Orders returns what each order that is kept was for, bought and sold: at most
// maxJobs and twice maxSales of them, about 150 bytes each. Older ones are
// forgotten; what was paid for them the ledger knows for ever.
func (m *Market) Orders() (map[identity.Hash]Ordered, error) {
	all := map[identity.Hash]Ordered{}
	var bad error
	err := m.book.jobs.Scan(nil, func(_, raw []byte) bool {
		r, err := decodeJob(raw)
		if err != nil {
			bad = errors.Join(bad, err)
		} else if r.Order != nil {
			all[r.Order.Hash(OrderPurpose)] = Ordered{Job: r.ID, Module: r.Spec.Module.Hash, Name: r.Spec.Name}
		}
		return true
	})
	if err := errors.Join(err, bad); err != nil {
		return nil, err
	}
	err = m.table.Scan(nil, func(key, raw []byte) bool {
		r, err := decodeSale(raw)
		if err != nil {
			bad = errors.Join(bad, err)
		} else {
			all[identity.Hash(key)] = Ordered{Module: r.Module}
		}
		return true
	})
	return all, errors.Join(err, bad)
}
