package guest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/state"
)

const recordVersion = 1

// Terms are what one call of a guest costs and may use, and what it may store. Zero
// fields of the limits stand for the defaults.
type Terms struct {
	// Price of a call: a fee and so much a Gfuel. A guest without a price is called by
	// anyone for nothing; the calls of one with a price are sold as jobs.
	market.Price
	// Fuel of one call; default 1e9, at most 100e9.
	Fuel uint64 `cbor:"fuel" json:"fuel"`
	// MemoryPages of 64 KiB; default 1,024, at most 16,384.
	MemoryPages uint32 `cbor:"memory_pages" json:"memory_pages"`
	// StoreBytes is the quota of its store, keys and values together with 64 bytes for
	// each; default 16 MiB, at most 1 GiB.
	StoreBytes int64 `cbor:"store_bytes" json:"store_bytes"`
}

func (t Terms) withDefaults() Terms {
	if t.Fuel == 0 {
		t.Fuel = 1e9
	}
	if t.MemoryPages == 0 {
		t.MemoryPages = 1024
	}
	if t.StoreBytes == 0 {
		t.StoreBytes = 16 << 20
	}
	return t
}

func (t Terms) check() error {
	for _, amount := range []ledger.Amount{t.Fee, t.PerGfuel} {
		if amount < 0 || amount >= 1<<62 {
			return fmt.Errorf("%w: a price of %d micro-credits, want 0 to 2^62", ErrRefused, amount)
		}
	}
	switch {
	case t.Fuel > 100e9:
		return fmt.Errorf("%w: %d fuel for a call, at most 100 Gfuel", ErrRefused, t.Fuel)
	case t.MemoryPages > 16384:
		return fmt.Errorf("%w: %d MiB of memory, at most 1,024", ErrRefused, t.MemoryPages>>4)
	case t.StoreBytes < 0 || t.StoreBytes > 1<<30:
		return fmt.Errorf("%w: a store of %d bytes, at most 1 GiB", ErrRefused, t.StoreBytes)
	}
	return nil
}

// record is what is kept of a guest.
type record struct {
	Name   string        `cbor:"name"`
	Module identity.Hash `cbor:"module"`
	Size   uint64        `cbor:"size"`
	Powers []string      `cbor:"powers"` // granted, sorted
	Terms  Terms         `cbor:"terms"`
	On     bool          `cbor:"on"`
	Since  int64         `cbor:"since"` // Unix milliseconds of Enable
}

func (r record) encode() []byte {
	if r.Powers == nil {
		r.Powers = []string{}
	}
	b, err := cbor.Marshal(r)
	if err != nil {
		panic("guest: a record has no encoding: " + err.Error())
	}
	return b
}

// sold tells whether its calls cost something.
func (t Terms) sold() bool { return t.Fee > 0 || t.PerGfuel > 0 }

// readRecords reads all, at most maxGuests.
func readRecords(t *state.Table) (records []record, err error) {
	var bad error
	err = t.Scan(nil, func(key, value []byte) bool {
		var r record
		if bad = cbor.Unmarshal(value, &r); bad != nil || r.Name != string(key) {
			bad = fmt.Errorf("%w: the record of the guest %.40q: %v", state.ErrDamaged, key, bad)
			return false
		}
		records = append(records, r)
		return len(records) < maxGuests
	})
	if err == nil {
		err = bad
	}
	return records, err
}

// job is a call as a job. Without powers it depends on function and body alone; with
// them on more anyway.
func (r record) job(function string, body []byte) compute.Job {
	return r.jobOf(function, compute.BlobOf(body))
}

func (r record) jobOf(function string, body compute.Blob) compute.Job {
	return compute.Job{
		Module: r.Module, ModuleSize: r.Size, Entry: function, Args: []string{r.Name}, Stdin: body,
		Limits: compute.Limits{
			Fuel: r.Terms.Fuel, MemoryPages: r.Terms.MemoryPages, OutputBytes: maxAnswer, Files: 16,
			Depth: compute.DefaultLimits().Depth, WallMillis: uint64(callWall.Milliseconds()),
		},
		Tariff: compute.Tariff1,
	}
}

// functionsOf says which functions of a module are served: those that take and return
// bytes and have a name that a scope may have.
func functionsOf(r record, module []byte) ([]string, error) {
	asks, err := compute.Asks(module)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	given, _ := powersOf(r.Powers) // which were checked
	for _, name := range asks {
		if !slices.Contains(given, name) {
			if word := wordOf(name); word != "" {
				return nil, fmt.Errorf("%w: it asks for %s: allow %q if it shall have it", ErrRefused, name, word)
			}
			return nil, fmt.Errorf("%w: it asks for %.40q, which nobody can allow", ErrRefused, name)
		}
	}
	entries, err := compute.Entries(module)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var functions []string
	for _, f := range entries {
		if strings.ContainsRune(f, ':') || rpc.CheckScope(r.Name+":"+f) != nil {
			continue
		}
		if err := compute.Admit(module, r.job(f, nil), given...); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		functions = append(functions, f)
	}
	switch {
	case len(functions) == 0:
		return nil, fmt.Errorf("%w: it exports no function that takes and returns bytes, type (i32, i32) -> i64, with a name of a-z 0-9 - . / _", ErrRefused)
	case len(functions) > maxFunctions:
		return nil, fmt.Errorf("%w: it exports %d functions, at most %d", ErrRefused, len(functions), maxFunctions)
	}
	slices.Sort(functions)
	return functions, nil
}
