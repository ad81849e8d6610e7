package compute

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/peersea/sea/compute/internal/meter"
)

// The exports that the host calls beside Job.Entry.
const (
	startExport = "_start"      // of a command
	initExport  = "_initialize" // of a reactor, when it has one
	allocExport = "malloc"      // of a reactor: gives room for its input
)

// errPointer is returned by a call whose guest named bytes outside its memory.
var errPointer = errors.New("compute: bad pointer")

// checkEntry says what of the exports that will be called is not there.
func checkEntry(exports []meter.Export, entry string) error {
	types := make(map[string]string)
	for _, e := range exports {
		if e.Kind == meter.KindFunc {
			types[e.Name] = letters(e.Func.Params) + ">" + letters(e.Func.Results)
		}
	}
	start, command := types[startExport]
	init, inits := types[initExport]
	alloc, allocates := types[allocExport]
	call, callable := types[entry]
	switch {
	case entry == "" && command && start == ">":
		return nil
	case entry == "" && command:
		return fmt.Errorf("its function %s has parameters or results", startExport)
	case entry == "" && inits:
		return fmt.Errorf("exports no function %s but %s: it is no command but a reactor, and the name of a function to call is missing", startExport, initExport)
	case entry == "":
		return fmt.Errorf("exports no function %s, so it is not a WASI command", startExport)
	case !callable:
		return fmt.Errorf("exports no function %.40q", entry)
	case call != "ii>l":
		return fmt.Errorf("its function %.40q is not of type (i32, i32) -> i64: bytes in, bytes out", entry)
	case inits && init != ">":
		return fmt.Errorf("its function %s has parameters or results", initExport)
	case !allocates || alloc != "i>i":
		return fmt.Errorf("exports no function %s of type (i32) -> i32, which gives room for the input", allocExport)
	}
	return nil
}

// play makes the calls of a guest that was instantiated: the start function, if
// there is one, then a command's _start or a reactor's entry.
func (g *guest) play(ctx context.Context, mod api.Module, start string) (outcome, error) {
	status := mod.ExportedGlobal(meter.ExportStatus).(api.MutableGlobal)
	mod.ExportedGlobal(meter.ExportMaxDepth).(api.MutableGlobal).Set(uint64(g.job.Limits.Depth))
	c := caller{ctx, mod, mod.ExportedGlobal(meter.ExportDepth).(api.MutableGlobal), status}
	var err error
	if start != "" {
		_, err = c.call(start)
	}
	if err == nil {
		if g.job.Entry == "" {
			_, err = c.call(startExport)
		} else {
			err = g.react(c)
		}
	}
	o, err := g.end(meter.Status(status.Get()), err)
	if mem := mod.ExportedMemory(meter.ExportMemory); mem != nil {
		o.PeakPages = mem.Size() >> 16
	}
	return o, err
}

// react hands a reactor its input and prints what it returns. The guest pays
// for both as it does for a read and a write.
func (g *guest) react(c caller) error {
	if c.mod.ExportedFunction(initExport) != nil {
		if _, err := c.call(initExport); err != nil {
			return err
		}
	}
	n := uint64(len(g.stdin))
	var at uint64
	if n > 0 { // malloc(0) means different things to different libraries
		var err error
		if at, err = c.call(allocExport, n); err != nil {
			return err
		}
		if !g.world.Spend(n) {
			return nil
		}
		// An allocator that has nothing left says 0.
		mem := c.mod.ExportedMemory(meter.ExportMemory)
		if uint32(at) == 0 || mem == nil || !mem.Write(uint32(at), g.stdin) {
			return errPointer
		}
	}
	packed, err := c.call(g.job.Entry, uint64(uint32(at)), n)
	if err != nil {
		return err
	}
	out, err := c.bytes(uint32(packed>>32), uint32(packed))
	if err != nil {
		return err
	}
	g.world.Print(out)
	return nil
}

// caller calls the functions of one instance.
type caller struct {
	ctx           context.Context
	mod           api.Module
	depth, status api.MutableGlobal
}

// call calls an export, from depth 0. It returns its result, 0 when it has none.
func (c caller) call(name string, args ...uint64) (uint64, error) {
	c.depth.Set(0)
	c.status.Set(0)
	results, err := c.mod.ExportedFunction(name).Call(c.ctx, args...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[0], nil
}

// bytes are n bytes of the guest's memory, valid until it runs again.
func (c caller) bytes(at, n uint32) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if mem := c.mod.ExportedMemory(meter.ExportMemory); mem != nil {
		if b, ok := mem.Read(at, n); ok {
			return b, nil
		}
	}
	return nil, errPointer
}
