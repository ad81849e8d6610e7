package compute

import (
	"sync"

	"github.com/tetratelabs/wazero/api"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/compute/internal/wasi"
)

// tank is a guest's fuel: the counter and the limit that live in its globals.
//
//	   limit = job's fuel, or stopAt         interrupt: limit = 0
//	new ────────────────────────▶ running ───────────────────────▶ stopping
//
// The guest's own code reads and writes the globals without a lock, as single
// words; the lock keeps the calls and the watcher apart.
type tank struct {
	job    uint64 // the job's fuel
	stopAt uint64 // end as interrupted when the counter is here; 0 never

	mu      sync.Mutex
	counter api.MutableGlobal // nil until filled
	limit   api.MutableGlobal
	stopped bool   // limit was lowered
	cause   string // why
}

// fill binds the tank to an instance and sets the limit.
func (t *tank) fill(mod api.Module) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counter = mod.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal)
	t.limit = mod.ExportedGlobal(meter.ExportLimit).(api.MutableGlobal)
	t.limit.Set(t.bound())
}

// bound is what the counter may reach.
func (t *tank) bound() uint64 {
	switch {
	case t.stopped:
		return 0
	case t.stopAt > 0:
		// The meter stops above its limit, so this stops at the first check
		// that finds stopAt or more: the one where the other run stopped.
		return min(t.job, t.stopAt-1)
	}
	return t.job
}

// interrupt stops the guest at its next check. The first cause stays.
func (t *tank) interrupt(cause string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.stopped, t.cause = true, cause
	if t.limit != nil {
		t.limit.Set(0)
	}
}

// why is the cause of the interruption.
func (t *tank) why() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == "" && t.stopAt > 0 {
		return "asked to stop at this fuel"
	}
	return t.cause
}

// Used is the fuel paid so far, at most one straight run above the job's.
func (t *tank) Used() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counter == nil {
		return 0
	}
	return t.counter.Get()
}

// Pay takes n fuel for a call. That the job's fuel is used up decides before
// anything else: it is the same on every machine.
func (t *tank) Pay(n uint64) (wasi.End, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	used := t.counter.Get()
	switch {
	case used+n > t.job: // both are below 2^63
		t.counter.Set(t.job + 1)
		return wasi.OutOfFuel, false
	case used > t.bound():
		return wasi.Interrupted, false
	}
	t.counter.Set(used + n)
	return wasi.Running, true
}
