package market

import (
	"fmt"
	"runtime"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market/hours"
	"github.com/peersea/sea/plugins/market/program"
	"github.com/peersea/sea/plugins/market/rest"
)

const (
	// maxSlots, maxQueue and maxSlowest bound what a policy may say.
	maxSlots   = 1024
	maxQueue   = 10_000
	maxSlowest = 1000 * Gfuel // a second

	// defaultSlowest is above a walk through memory that misses every cache, the
	// slowest code there is for its price, and far below all arithmetic.
	defaultSlowest = 20_000_000 // a second
)

// A Policy is on what terms this node sells. It is kept on disk and may be
// changed at any time; orders that were taken keep their quote's terms.
type Policy struct {
	// Selling is whether asks are answered with quotes at all.
	Selling bool `cbor:"selling" json:"selling"`
	Price
	// PerGiB is how much more a Gfuel costs for each GiB of memory that the job
	// may have; 0 is nothing.
	PerGiB ledger.Amount `cbor:"gib,omitempty" json:"price_micro_per_gib"`
	Caps   Caps          `cbor:"caps" json:"caps"`
	// Slowest is the fewest fuel per second of processor time that a job may do
	// at this price; below it is stopped and billed to that point. 0 is none.
	Slowest uint64 `cbor:"slowest,omitempty" json:"slowest_rate"`
	// Quantum is the fuel between two vouchers of a long job, at least 10^6; 0
	// goes by the pace of this machine and by what the buyer may owe.
	Quantum uint64 `cbor:"quantum,omitempty" json:"quantum"`
	// Slots is how many jobs run at once, 1 to 1,024; Queue how many more
	// orders may wait, 0 to 10,000; PerBuyer how many of both one buyer may
	// have, at least 1.
	Slots    uint32 `cbor:"slots" json:"slots"`
	Queue    uint32 `cbor:"queue" json:"queue"`
	PerBuyer uint32 `cbor:"per_buyer" json:"per_buyer"`
	// Memory is how many pages of 64 KiB all jobs that run may have together, at
	// least what one may have; 0 is as many as the slots allow.
	Memory uint32 `cbor:"memory,omitempty" json:"all_memory_pages,omitempty"`
	// Hours are when orders are taken, as package hours writes them, by this
	// machine's own clock; "" is always. What was taken before is finished.
	Hours string `cbor:"hours,omitempty" json:"hours,omitempty"`
	Door
	// Program is the absolute path of a program that has the last word about each
	// ask, see package program; "" is none.
	Program string `cbor:"program,omitempty" json:"policy,omitempty"`
	// Share is how much of a core each job gets, in percent, 1 to 100; 0 is all.
	Share uint32 `cbor:"share,omitempty" json:"cpu_percent,omitempty"`
	// Resell is at which part of the price, in percent, 1 to 100, results are sold
	// again that this node holds; 0 is never, and none are kept for it.
	Resell uint32 `cbor:"resell,omitempty" json:"resell_percent,omitempty"`
	// Labels stand in offers.
	Labels Labels `cbor:"labels,omitempty" json:"labels,omitempty"`
	// Rules are when the machine is left alone: nothing is taken then, and what
	// runs is held where it stands.
	rest.Rules
}

// DefaultPolicy sells nothing until Selling is set: 1 credit per Gfuel and no
// fee; jobs of 1,000 Gfuel, 1 GiB of memory, 256 MiB of output, an hour, with
// modules of 64 MiB and inputs of 256 MiB; as many slots as processors, 256
// waiting orders, 64 for each buyer; jobs no slower than 20 million fuel a
// second.
func DefaultPolicy() Policy {
	return Policy{
		Price: Price{PerGfuel: ledger.Credit},
		Caps: Caps{
			Fuel:        1000 * Gfuel,
			MemoryPages: 1 << 30 >> 16,
			OutputBytes: 256 << 20,
			WallMillis:  60 * 60 * 1000,
			ModuleBytes: compute.MaxModuleBytes,
			InputBytes:  256 << 20,
		},
		Slowest:  defaultSlowest,
		Slots:    uint32(min(runtime.NumCPU(), maxSlots)),
		Queue:    256,
		PerBuyer: 64,
	}
}

// Check says what is wrong with the policy.
func (p Policy) Check() error {
	switch {
	case p.Price.check() != nil:
		return p.Price.check()
	case checkAmount("the price of a GiB", p.PerGiB) != nil:
		return checkAmount("the price of a GiB", p.PerGiB)
	case p.Slots < 1 || p.Slots > maxSlots:
		return fmt.Errorf("slots is %d, want 1 to %d", p.Slots, maxSlots)
	case p.Queue > maxQueue:
		return fmt.Errorf("queue is %d, want at most %d", p.Queue, maxQueue)
	case p.PerBuyer < 1:
		return fmt.Errorf("per_buyer is 0, want 1 or more")
	case p.Caps.Fuel < 1 || p.Caps.Fuel > compute.MaxFuel:
		return fmt.Errorf("fuel is %d, want 1 to %d", p.Caps.Fuel, uint64(compute.MaxFuel))
	}
	if p.Memory != 0 && p.Memory < p.Caps.MemoryPages {
		return fmt.Errorf("all jobs together may have %d MiB of memory, and one may have %d", p.Memory/16, p.Caps.MemoryPages/16)
	}
	if p.Share > 100 {
		return fmt.Errorf("the share of a core is %d %%, want 1 to 100, or 0 for all", p.Share)
	}
	if p.Program != "" {
		if err := program.Check(p.Program); err != nil {
			return err
		}
	}
	if _, err := hours.Parse(p.Hours); err != nil {
		return err
	}
	if err := p.Door.check(); err != nil {
		return err
	}
	if p.Resell > wholePrice {
		return fmt.Errorf("results are resold at %d %% of the price, want 1 to %d, or 0 for never", p.Resell, wholePrice)
	}
	if err := p.labels().Check(); err != nil {
		return err
	}
	if err := checkQuantum(p.Quantum); err != nil {
		return err
	}
	return checkSlowest(p.Slowest)
}

// closed says why nothing is taken at a time, nil when something may be.
func (p Policy) closed(now time.Time) *Refused {
	if h, err := hours.Parse(p.Hours); err == nil && h.Open(now) {
		return nil
	}
	return refuse(NotSelling, "this node sells at %s by its own clock, where it is %s", p.Hours, now.Format("Mon 15:04"))
}

// share is how much of a core each job gets, in percent.
func (p Policy) share() int {
	if p.Share == 0 {
		return 100
	}
	return int(p.Share)
}

// checkQuantum refuses quanta that nobody could follow.
func checkQuantum(fuel uint64) error {
	if fuel != 0 && (fuel < leastQuantum || fuel > compute.MaxFuel) {
		return fmt.Errorf("the quantum is %d fuel, want 0 or %d to %d", fuel, uint64(leastQuantum), uint64(compute.MaxFuel))
	}
	return nil
}

// checkSlowest refuses a rate that no job could have.
func checkSlowest(rate uint64) error {
	if rate > maxSlowest {
		return fmt.Errorf("the slowest rate is %d fuel a second, want at most %d", rate, uint64(maxSlowest))
	}
	return nil
}

// refuses says why a job is beyond what a seller takes, nil when it is not.
func (c Caps) refuses(j compute.Job) *Refused {
	input := inputBytes(j)
	for _, l := range []struct {
		reason     Reason
		what       string
		want, most uint64
		unit       string
	}{
		{ModuleSize, "the module has", j.ModuleSize, c.ModuleBytes, "bytes"},
		{InputSize, "the input has", input, c.InputBytes, "bytes"},
		{Fuel, "the job wants", j.Limits.Fuel, c.Fuel, "fuel"},
		{Memory, "the job wants", uint64(j.Limits.MemoryPages), uint64(c.MemoryPages), "pages of 64 KiB of memory"},
		{Output, "the job wants", j.Limits.OutputBytes, c.OutputBytes, "bytes of output"},
		{WallTime, "the job wants", j.Limits.WallMillis, c.WallMillis, "ms of wall time"},
	} {
		if l.want > l.most {
			return refuse(l.reason, "%s %d %s, the seller takes %d", l.what, l.want, l.unit, l.most)
		}
	}
	return nil
}

// inputBytes is the size of all that a job reads.
func inputBytes(j compute.Job) uint64 {
	n := j.Stdin.Size
	for _, f := range j.Files {
		n += f.Size
	}
	return n
}
