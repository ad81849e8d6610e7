package market

import (
	"errors"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/state"
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
// twice maxJobs and twice maxSales of them, about 150 bytes each. Of older ones that
// were paid ModuleOf knows the module.
func (m *Market) Orders() (map[identity.Hash]Ordered, error) {
	all := map[identity.Hash]Ordered{}
	var bad error
	err := m.book.jobs.Scan(nil, func(_, raw []byte) bool {
		r, err := decodeJob(raw)
		if err != nil {
			bad = errors.Join(bad, err)
			return true
		}
		of := Ordered{Job: r.ID, Module: r.Spec.Module.Hash, Name: r.Spec.Name}
		if r.Order != nil {
			all[r.Order.Hash(OrderPurpose)] = of
		}
		for _, a := range r.Tried {
			all[a.Order.Hash(OrderPurpose)] = of
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

// ModuleOf is the program of an order that was paid and is no longer kept, zero
// for any other. There are as many as payments for orders in the ledger, which
// keeps them too, at ten times the size.
func (m *Market) ModuleOf(order identity.Hash) (identity.Hash, error) {
	raw, err := m.book.modules.Get(order[:])
	if err != nil || len(raw) != len(identity.Hash{}) {
		return identity.Hash{}, err
	}
	return identity.Hash(raw), nil
}

// forget drops a job, but for the module of one that was paid.
func (b *Book) forget(batch *state.Batch, k jobKey) error {
	raw, err := b.jobs.Get(k.bytes())
	if err != nil {
		return err
	}
	if r, err := decodeJob(raw); err == nil && r.Paid && r.Order != nil {
		b.rememberModule(batch, r.Order.Hash(OrderPurpose), r.Spec.Module.Hash)
	}
	batch.Delete(b.jobs, k.bytes())
	return nil
}

// forgetSale drops a sale, but for the module of one that was paid.
func (m *Market) forgetSale(batch *state.Batch, order identity.Hash) error {
	raw, err := m.table.Get(order[:])
	if err != nil {
		return err
	}
	if r, err := decodeSale(raw); err == nil && r.State == SalePaid && r.Cost > 0 {
		m.book.rememberModule(batch, order, r.Module)
	}
	batch.Delete(m.table, order[:])
	return nil
}

func (b *Book) rememberModule(batch *state.Batch, order, module identity.Hash) {
	batch.Put(b.modules, order[:], module[:])
}
