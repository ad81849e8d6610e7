package market

import (
	"context"
	"errors"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/program"
)

// A failure of the policy program is told in the log at most once in complainEvery.
const complainEvery = time.Second

// opinion asks the policy's program about a job that all else lets in. It
// returns the price, or why the job is refused. Of a program that does not
// answer the buyer learns nothing but that.
func (m *Market) opinion(ctx context.Context, p Policy, from rpc.Peer, job compute.Job) (Price, *Refused) {
	m.selling.Lock()
	open, running, waiting := m.selling.open[from.Node], m.selling.slots, m.selling.turns.Len()
	m.selling.Unlock()
	entity := from.Entity
	if entity == (identity.Entity{}) {
		entity = from.Node
	}
	answer, err := m.program.Ask(ctx, p.Program, program.Question{
		V: 1, Buyer: from.Node, Entity: entity, Module: job.Module, ModuleBytes: job.ModuleSize, InputBytes: inputBytes(job),
		Fuel: job.Limits.Fuel, MemoryPages: job.Limits.MemoryPages, OutputBytes: job.Limits.OutputBytes, WallMillis: job.Limits.WallMillis,
		Fee: int64(p.Fee), PerGfuel: int64(p.PerGfuel), Granted: m.credit.Granted(from.Node), Room: int64(m.room(from.Node)),
		Open: open, Running: running, Waiting: waiting, At: m.clock().UTC(),
	})
	switch {
	case errors.Is(err, program.ErrBusy):
		return Price{}, refuse(Busy, "this node's policy program has too many asks to look at")
	case err != nil:
		m.complain(p.Program, from.Node, err)
		return Price{}, refuse(NotWelcome, "this node's policy program gave no answer")
	case answer.Refuse != "":
		return Price{}, refuse(NotWelcome, "this node's owner says: %s", answer.Refuse)
	case answer.Price != nil:
		return Price{Fee: ledger.Amount(answer.Price.Fee), PerGfuel: ledger.Amount(answer.Price.PerGfuel)}, nil
	}
	return p.Price, nil
}

// complain tells the owner, not with every ask.
func (m *Market) complain(path string, buyer identity.Entity, err error) {
	now := time.Now()
	m.selling.Lock()
	silent := now.Sub(m.selling.complained) < complainEvery
	if !silent {
		m.selling.complained = now
	}
	m.selling.Unlock()
	if !silent {
		m.log.Warn("the policy program gave no answer, so a job is refused", "program", path, "peer", buyer.Short(), "err", err)
	}
}
