package guest

import (
	"context"
	"fmt"
	"slices"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market"
)

// About is what a caller is told of a guest: what a call costs and may use, and what
// the module is, which storage:get then serves to anyone.
type About struct {
	Module compute.Blob `cbor:"module" json:"module"`
	market.Price
	Fuel        uint64   `cbor:"fuel" json:"fuel"` // the most of one call
	MemoryPages uint32   `cbor:"memory_pages" json:"memory_pages"`
	Powers      []string `cbor:"powers" json:"powers"`
	Functions   []string `cbor:"functions" json:"functions"`
}

type aboutRequest struct {
	Name string `cbor:"name"`
}

var aboutMethod = rpc.Method[aboutRequest, About]{Scope: "guest:about"}

// Ask asks a node about its guest called name. Errors are those of the call;
// rpc.ErrNotFound when there is no such guest, or its calls cost nothing, and
// rpc.ErrBadRequest for an answer that is out of bounds.
func Ask(ctx context.Context, c rpc.Caller, to addr.Addr, name string) (About, error) {
	a, err := aboutMethod.Call(ctx, c, to, aboutRequest{name})
	if err == nil {
		if bad := a.check(); bad != nil {
			err = rpc.Errorf(rpc.BadRequest, "what it says of %.40q: %v", name, bad)
		}
	}
	return a, err
}

// check refuses what no Terms and no module could be.
func (a About) check() error {
	if a.Module.Size < 8 || a.Module.Size > compute.MaxModuleBytes {
		return fmt.Errorf("a module of %d bytes", a.Module.Size)
	}
	return Terms{Price: a.Price, Fuel: a.Fuel, MemoryPages: a.MemoryPages}.check()
}

func (gs *Guests) serveAbout(_ context.Context, _ rpc.Peer, in aboutRequest) (About, error) {
	gs.mu.Lock()
	g := gs.guests[in.Name]
	gs.mu.Unlock()
	if g == nil || !g.selling() {
		return About{}, rpc.Errorf(rpc.NotFound, "no service %.40q is sold here", in.Name)
	}
	return About{
		Module: compute.Blob{Hash: g.Module, Size: g.Size}, Price: g.Terms.Price, Fuel: g.Terms.Fuel,
		MemoryPages: g.Terms.MemoryPages, Powers: append([]string{}, g.Powers...), Functions: append([]string{}, g.functions...),
	}, nil
}

// selling tells whether calls of it are sold now.
func (g *guest) selling() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.scopes) > 0 && g.Terms.sold()
}

// Job is a call of the guest that a says, as a job. At most fuel is used, or what a call
// may have. Without powers it follows from function and body.
func (a About) Job(name, function string, body compute.Blob, fuel uint64) compute.Job {
	r := record{Name: name, Module: a.Module.Hash, Size: a.Module.Size}
	r.Terms.Fuel, r.Terms.MemoryPages = min(fuel, a.Fuel), a.MemoryPages
	return r.jobOf(function, body)
}

// Service is for market.Config: calls of guests that have a price, as About.Job makes
// them.
func (gs *Guests) Service(job compute.Job) (market.Service, bool) {
	gs.mu.Lock()
	guests := gs.sorted()
	gs.mu.Unlock()
	for _, g := range guests {
		if g.Module == job.Module && g.selling() && g.sells(job) {
			s := market.Service{Price: g.Terms.Price, Tenant: g.tenant()}
			if len(g.Powers) > 0 {
				s.Powers = g.powers
			}
			return s, true
		}
	}
	return market.Service{}, false
}

// sells tells whether a job is a call of g, within its limits.
func (g *guest) sells(job compute.Job) bool {
	most := g.jobOf(job.Entry, job.Stdin).Limits
	l := job.Limits
	return slices.Equal(job.Args, []string{g.Name}) && slices.Contains(g.functions, job.Entry) &&
		len(job.Env) == 0 && len(job.Files) == 0 && l.Fuel <= most.Fuel && l.MemoryPages <= most.MemoryPages &&
		l.OutputBytes <= most.OutputBytes && l.WallMillis <= most.WallMillis && l.Depth <= most.Depth
}
