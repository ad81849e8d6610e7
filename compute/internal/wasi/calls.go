package wasi

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/peersea/sea/compute/internal/meter"
)

// Module is the name that guests import the calls from.
const Module = "wasi_snapshot_preview1"

// call is one of the calls: its parameters, i for i32 and l for i64, and what it
// does with them. It has paid meter.HostCall when do begins; do pays
// meter.HostByte for each byte of a path, of an array or of data that it copies
// from or into the guest. Single numbers that it puts are in the price.
type call struct {
	name   string
	params string
	do     func(w *World, m memory, p []uint64) errno
}

// calls are all of preview 1. Each returns an errno, except proc_exit.
var calls = []call{
	{"args_get", "ii", argsGet},
	{"args_sizes_get", "ii", argsSizesGet},
	{"clock_res_get", "ii", clockResGet},
	{"clock_time_get", "ili", clockTimeGet},
	{"environ_get", "ii", environGet},
	{"environ_sizes_get", "ii", environSizesGet},
	{"fd_advise", "illi", fdAdvise},
	{"fd_allocate", "ill", fdAllocate},
	{"fd_close", "i", fdClose},
	{"fd_datasync", "i", fdSync},
	{"fd_fdstat_get", "ii", fdFdstatGet},
	{"fd_fdstat_set_flags", "ii", fdFdstatSetFlags},
	{"fd_fdstat_set_rights", "ill", openOnly(eNOTSUP)},
	{"fd_filestat_get", "ii", fdFilestatGet},
	{"fd_filestat_set_size", "il", fdFilestatSetSize},
	{"fd_filestat_set_times", "illi", fdFilestatSetTimes},
	{"fd_pread", "iiili", fdPread},
	{"fd_prestat_dir_name", "iii", fdPrestatDirName},
	{"fd_prestat_get", "ii", fdPrestatGet},
	{"fd_pwrite", "iiili", fdPwrite},
	{"fd_read", "iiii", fdRead},
	{"fd_readdir", "iiili", fdReaddir},
	{"fd_renumber", "ii", fdRenumber},
	{"fd_seek", "ilii", fdSeek},
	{"fd_sync", "i", fdSync},
	{"fd_tell", "ii", fdTell},
	{"fd_write", "iiii", fdWrite},
	{"path_create_directory", "iii", pathCreateDirectory},
	{"path_filestat_get", "iiiii", pathFilestatGet},
	{"path_filestat_set_times", "iiiilli", pathFilestatSetTimes},
	{"path_link", "iiiiiii", never(eNOTSUP)},
	{"path_open", "iiiiillii", pathOpen},
	{"path_readlink", "iiiiii", pathReadlink},
	{"path_remove_directory", "iii", pathRemoveDirectory},
	{"path_rename", "iiiiii", pathRename},
	{"path_symlink", "iiiii", never(eNOTSUP)},
	{"path_unlink_file", "iii", pathUnlinkFile},
	{"poll_oneoff", "iiii", pollOneoff},
	{"proc_exit", "i", procExit},
	{"proc_raise", "i", never(eNOTSUP)},
	{"random_get", "ii", randomGet},
	{"sched_yield", "", never(ok)},
	{"sock_accept", "iii", openOnly(eNOTSOCK)},
	{"sock_recv", "iiiiii", openOnly(eNOTSOCK)},
	{"sock_send", "iiiii", openOnly(eNOTSOCK)},
	{"sock_shutdown", "ii", openOnly(eNOTSOCK)},
}

// never is a call that always answers the same.
func never(e errno) func(*World, memory, []uint64) errno {
	return func(*World, memory, []uint64) errno { return e }
}

// openOnly answers e for a descriptor that is open.
func openOnly(e errno) func(*World, memory, []uint64) errno {
	return func(w *World, _ memory, p []uint64) errno {
		if _, bad := w.get(u32(p[0])); bad != ok {
			return bad
		}
		return e
	}
}

// u32 is a parameter of type i32. The upper half of its slot is undefined.
func u32(p uint64) uint32 { return uint32(p) }

// Signature gives the parameters and results of a call, in the letters i (i32)
// and l (i64); known is false for a name that preview 1 does not have.
func Signature(name string) (params, results string, known bool) {
	for _, c := range calls {
		if c.name == name {
			return c.params, c.results(), true
		}
	}
	return "", "", false
}

func (c call) results() string {
	if c.name == "proc_exit" {
		return ""
	}
	return "i"
}

// Link makes the calls of the given names available in rt: each costs some
// compiling, and most guests import few. They serve the world that current gives
// at each call, so that they can be linked before there is one. Guests are metered
// modules: their memory is meter.ExportMemory.
func Link(ctx context.Context, rt wazero.Runtime, names map[string]bool, current func() *World) error {
	b := rt.NewHostModuleBuilder(Module)
	for _, c := range calls {
		if !names[c.name] {
			continue
		}
		do := c.do
		fn := api.GoModuleFunc(func(_ context.Context, mod api.Module, stack []uint64) {
			w := current()
			w.pay(meter.HostCall)
			var m memory
			if mem := mod.ExportedMemory(meter.ExportMemory); mem != nil {
				m, _ = mem.Read(0, mem.Size())
			}
			e := do(w, m, stack)
			if len(stack) > 0 {
				stack[0] = uint64(e)
			}
		})
		b.NewFunctionBuilder().WithGoModuleFunction(fn, types(c.params), types(c.results())).Export(c.name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("link %s: %w", Module, err)
	}
	return nil
}

func types(letters string) []api.ValueType {
	var list []api.ValueType
	for _, l := range letters {
		if l == 'l' {
			list = append(list, api.ValueTypeI64)
		} else {
			list = append(list, api.ValueTypeI32)
		}
	}
	return list
}

func argsGet(w *World, m memory, p []uint64) errno         { return w.strings(m, w.cfg.Args, p) }
func argsSizesGet(w *World, m memory, p []uint64) errno    { return sizes(m, w.cfg.Args, p) }
func environGet(w *World, m memory, p []uint64) errno      { return w.strings(m, w.cfg.Env, p) }
func environSizesGet(w *World, m memory, p []uint64) errno { return sizes(m, w.cfg.Env, p) }

// strings writes the pointers to p[0] and the bytes, each ended by NUL, to p[1].
func (w *World) strings(m memory, list []string, p []uint64) errno {
	n := total(list)
	ptrs, e := m.span(u32(p[0]), uint32(len(list))*4)
	if e != ok {
		return e
	}
	at := u32(p[1])
	buf, e := m.span(at, n)
	if e != ok {
		return e
	}
	w.pay(uint64(len(ptrs)+len(buf)) * meter.HostByte)
	for i, s := range list {
		binary.LittleEndian.PutUint32(ptrs[i*4:], at)
		c := copy(buf, s)
		buf[c] = 0
		buf = buf[c+1:]
		at += uint32(c) + 1
	}
	return ok
}

func sizes(m memory, list []string, p []uint64) errno {
	if e := m.put32(u32(p[0]), uint32(len(list))); e != ok {
		return e
	}
	return m.put32(u32(p[1]), total(list))
}

// total is bounded by the job's own bound of its arguments.
func total(list []string) (n uint32) {
	for _, s := range list {
		n += uint32(len(s)) + 1
	}
	return n
}

func procExit(w *World, _ memory, p []uint64) errno {
	w.code = u32(p[0])
	w.stop(Exited)
	return ok
}
