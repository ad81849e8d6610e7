package market

import (
	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/rpc"
)

// Services are modules that this node sells calls of, at their own prices. The buyer
// brings the module as for any job, so that it can read, and run again, what it pays.
type Services interface {
	// Service says whether a job is a call of one, within the limits of a call. It may
	// be called at once.
	Service(job compute.Job) (Service, bool)
}

// Service is one of Services.
type Service struct {
	Price Price
	// Tenant is whose worker runs it; Powers is what it may ask on behalf of a buyer, or
	// nil for what asks for nothing.
	Tenant string
	Powers func(buyer rpc.Peer) compute.Powers
}

// service says whether a job is a call of a module of this node's own.
func (m *Market) service(job compute.Job) (Service, bool) {
	if m.cfg.Services == nil {
		return Service{}, false
	}
	return m.cfg.Services.Service(job)
}

// live is how a sale's guest is run: as the buyer's, or as this node's own.
func (m *Market) live(s *sale) compute.Live {
	live := compute.Live{
		Stdout: tell{s, s.out}, Stderr: tell{s, s.err}, Progress: func(fuel uint64) { m.progress(s, fuel) },
		Tenant: s.buyer.String(), Control: &s.control, Slowest: s.quote.Slowest,
	}
	if own, ok := m.service(s.work); ok {
		live.Tenant = own.Tenant
		if own.Powers != nil {
			live.Powers = own.Powers(rpc.Peer{Addr: s.contact(), Node: s.buyer, Entity: s.buyer, Direct: true})
		}
	}
	return live
}
