package main

import (
	"iter"
	"net/http"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/journal"
	"github.com/peersea/sea/plugins/market"
)

// sumView is what was earned or spent. Due is what was delivered and is not paid
// yet, of earnings.
type sumView struct {
	By string `json:"by,omitempty"` // day, peer, module or nothing
	journal.Summary
	Names    map[string]string `json:"names,omitempty"` // of modules: what this node calls them
	DueMicro ledger.Amount     `json:"due_micro"`
}

// noModule stands for payments that were for no job.
const noModule = "none"

// getSum answers GET /v1/earnings and GET /v1/spending.
func (a *api) getSum(sum func(iter.Seq2[ledger.Posting, error], func(ledger.Posting) string) (journal.Summary, error), sold bool) http.HandlerFunc {
	return route(func(r *http.Request, _ none) (v sumView, err error) {
		ask := r.URL.Query()
		filter, err := a.historyFilter(ask)
		if err != nil {
			return v, err
		}
		var orders map[identity.Hash]market.Ordered
		v.By = ask.Get("by")
		key, ok := map[string]func(ledger.Posting) string{
			"":     func(ledger.Posting) string { return "all" },
			"day":  func(p ledger.Posting) string { return p.Time.UTC().Format(time.DateOnly) },
			"peer": func(p ledger.Posting) string { return p.Peer.String() },
			"module": func(p ledger.Posting) string {
				if o := a.ordered(orders, p.Ref); o.Module != (identity.Hash{}) {
					return o.Module.String()
				}
				return noModule
			},
		}[v.By]
		if !ok {
			return v, usagef("one of day, peer, module", "--by is %q", v.By)
		}
		if v.By == "module" {
			if orders, err = a.d.market.Orders(); err != nil {
				return v, err
			}
		}
		if v.Summary, err = sum(a.d.ledger.History(filter), key); err != nil {
			return v, err
		}
		v.Names = namesOf(v.Groups, orders)
		if sold {
			due, err := a.d.market.Earnings()
			if err != nil {
				return v, err
			}
			v.DueMicro = due.Due
		}
		return v, nil
	})
}

// ordered is what a reference was for, zero when it was for no order: those that
// are kept, and the modules of older ones.
func (a *api) ordered(kept map[identity.Hash]market.Ordered, ref identity.Hash) market.Ordered {
	if o, known := kept[ref]; known {
		return o
	}
	module, err := a.d.market.ModuleOf(ref)
	if err != nil {
		a.d.log.Error("what an order was for cannot be read", "order", ref.Short(), "err", err)
	}
	return market.Ordered{Module: module}
}

// namesOf are the names of the modules among the groups.
func namesOf(groups []journal.Group, orders map[identity.Hash]market.Ordered) map[string]string {
	wanted := map[string]bool{}
	for _, g := range groups {
		wanted[g.Key] = true
	}
	names := map[string]string{}
	for _, o := range orders {
		if module := o.Module.String(); o.Name != "" && wanted[module] {
			names[module] = max(names[module], o.Name) // any one, but always the same
		}
	}
	return names
}
