package compute

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/peersea/sea/compute/internal/wasi"
)

// hostile is a guest that means harm, and what must come of it.
type hostile struct {
	name    string
	module  []byte
	args    int // of argc
	end     End // or
	refused string
	trap    string
}

const (
	spin    = "\x03\x40\x0c\x00\x0b"                 // loop br 0
	drop    = "\x1a"                                 //
	tabular = "\x03\x40\x41\x00\x0e\x01\x00\x00\x0b" // loop i32.const 0, br_table 0 0
)

// hostiles are the guests of the table in docs/SECURITY.md.
func hostiles(t testing.TB) []hostile {
	traps, bombs := wasmFile(t, "traps.wasm"), wasmFile(t, "bombs.wasm")
	body := func(bodies ...string) []byte { return assembly{bodies: bodies}.bytes() }
	table := func(tables string, bodies ...string) []byte { return assembly{tables: tables, bodies: bodies}.bytes() }
	return []hostile{
		{name: "endless loop", module: body(spin), end: OutOfFuel},
		{name: "endless loop in start", module: assembly{bodies: []string{"", spin}, start: true}.bytes(), end: OutOfFuel},
		{name: "endless br_table", module: body(tabular), end: OutOfFuel},
		{name: "mutual recursion", module: body("\x10\x01", "\x10\x00"), end: Trap, trap: TrapDepth},
		{name: "endless return_call", module: body("\x12\x00"), end: OutOfFuel},
		{name: "endless mutual return_call", module: body("\x12\x01", "\x12\x00"), end: OutOfFuel},
		{name: "endless return_call_indirect", module: assembly{tables: "\x01\x70\x00\x01", exports: pascal("f") + "\x00\x01", more: 1,
			bodies: []string{"\x41\x00\xd2\x01\x26\x00\x41\x00\x13\x00\x00", "\x41\x00\x13\x00\x00"}}.bytes(), end: OutOfFuel},
		{name: "recursion without end", module: traps, args: 9, end: Trap, trap: TrapDepth},
		{name: "recursion with 49,991 locals", module: assembly{bodies: []string{"\x10\x00"}, locals: []string{"\x01" + leb(49_991) + "\x7c"}}.bytes(), end: Trap, trap: TrapDepth},
		{name: "memory bomb", module: bombs, args: 6, end: Exit},
		{name: "memory grown without end", module: assembly{memory: true, bodies: []string{forever("\x41\x01\x40\x00" + drop)}}.bytes(), end: OutOfFuel},
		{name: "table bomb of many tables", module: table("\x10"+strings.Repeat("\x70\x00\xff\xff\xff\x3f", 16), ""), refused: "tables: 16"},
		{name: "table bomb of one table", module: table("\x01\x70\x00\xff\xff\xff\xff\x0f", ""), refused: "table entries: 4294967295"},
		{name: "table bomb by table.grow", module: table("\x04"+strings.Repeat("\x70\x00\x00", 4), forever(
			"\xd0\x70\x41"+sleb(999)+"\xfc\x0f\x00"+drop+"\xd0\x70\x41"+sleb(999)+"\xfc\x0f\x03"+drop)), end: OutOfFuel},
		{name: "output bomb", module: bombs, args: 1, end: OutputLimit},
		{name: "file bomb", module: bombs, args: 2, end: OutputLimit},
		{name: "files made and removed", module: bombs, args: 5, end: OutOfFuel},
		{name: "huge br_table", module: body("\x41\x00\x0e" + leb(8193) + strings.Repeat("\x00", 8194)), refused: "br_table entries: 8193"},
		{name: "deep nesting", module: body(strings.Repeat("\x02\x40", 96_000) + strings.Repeat("\x0b", 96_000)), refused: "nested blocks: 8193"},
		{name: "4 billion locals", module: assembly{bodies: []string{""}, locals: []string{"\x01\xff\xff\xff\xff\x0f\x7f"}}.bytes(), refused: "locals of one function: 4294967295"},
		{name: "49,992 locals", module: assembly{bodies: []string{""}, locals: []string{"\x01" + leb(49_992) + "\x7f"}}.bytes(), refused: "locals of one function: 49992"},
		{name: "exports our counter", module: assembly{memory: true, bodies: []string{""}, exports: pascal("sea:fuel") + "\x02\x00", more: 1}.bytes(), refused: `export "sea:fuel"`},
		{name: "writes a global behind its own", module: body("\x42\x00\x24\x00"), refused: "unknown global 0"},
	}
}

// task is the job of h, with limits that are soon reached.
func (h hostile) task() *task {
	k := argc(h.module, h.args)
	k.Limits.Fuel = 5e6
	k.Limits.OutputBytes = 2_000_001
	k.Limits.MemoryPages = 320
	if h.name == "memory bomb" {
		k.Limits.Fuel += uint64(k.Limits.MemoryPages) * 65536 * 3
	}
	return k
}

// check says how the end of h's job is not as it must be.
func (h hostile) check(t testing.TB, r Result, err error) {
	t.Helper()
	switch {
	case h.refused != "":
		if !errors.Is(err, ErrModule) || !strings.Contains(fmt.Sprint(err), h.refused) {
			t.Errorf("%s: got %s, %v, want it refused for %q", h.name, r.End, err, h.refused)
		}
	case err != nil:
		t.Errorf("%s: %v", h.name, err)
	case r.End != h.end || r.Trap != h.trap:
		t.Errorf("%s: got %s %d %q, want %s %q", h.name, r.End, r.Code, r.Trap, h.end, h.trap)
	}
}

// TestHostile runs each hostile guest in a worker, and asks for the same again of
// the interpreter.
func TestHostile(t *testing.T) {
	worker, interpreter := newEngine(t, Config{CacheDir: t.TempDir()}), newEngine(t, Config{Interpreter: true})
	for _, h := range hostiles(t) {
		t.Run(h.name, func(t *testing.T) {
			k := h.task()
			r, err := worker.Run(t.Context(), k.Job, k.blobs, Live{})
			h.check(t, r, err)
			if h.refused == "" && err == nil && !raceEnabled { // where it takes a minute
				same(t, k.run(t, interpreter), r)
			}
		})
	}
}

// TestHostileCalls floods each call of WASI with arguments that make sense to
// most, until the fuel is used up.
func TestHostileCalls(t *testing.T) {
	e := newEngine(t, Config{})
	for _, name := range strings.Fields(`args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get
		fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get
		fd_filestat_set_size fd_filestat_set_times fd_pread fd_prestat_dir_name fd_prestat_get fd_pwrite fd_read fd_readdir
		fd_renumber fd_seek fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link
		path_open path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_raise
		random_get sched_yield sock_accept sock_recv sock_send sock_shutdown`) {
		t.Run(name, func(t *testing.T) {
			params, _, known := wasi.Signature(name)
			if !known {
				t.Fatal("preview 1 has no such call")
			}
			a := assembly{imports: []string{name}, memory: true, data: "out/f"}
			args := make([]int, len(params))
			for i := range args {
				args[i] = 3 // the root folder; a count; a small length
				if i > 0 {
					args[i] = 1024
				}
			}
			a.bodies = []string{forever(a.call(0, args...) + drop)}
			k := newTask(a.bytes())
			k.Limits.Fuel, k.Limits.OutputBytes = 20e6, 1<<20
			r := k.run(t, e)
			if r.End != OutOfFuel && r.End != OutputLimit || r.Fuel > k.Limits.Fuel {
				t.Errorf("got %s %d at %d", r.End, r.Code, r.Fuel)
			}
		})
	}
}

// TestHostilePaths opens forty paths that lead out of the tree, or would on a
// real system, and tries links, all through a worker.
func TestHostilePaths(t *testing.T) {
	e := newEngine(t, Config{})
	exit := func(a assembly, code string) assembly { // with what code leaves
		a.bodies = []string{code + "\x10" + leb(len(a.imports)-1)}
		return a
	}
	for _, path := range []string{
		"/", "/etc/passwd", "/in.txt", "//in.txt", "..", "../", "../..", "../etc/passwd", "../../../../../../etc/shadow",
		"a/../../etc", "a/b/../../../in.txt", "./..", "out/../..", "out/../../in.txt", "a/./../..", "x/../in.txt", "in.txt/..",
		"in.txt/.", "in.txt/", "in.txt/x", "in.txt\x00", "\x00", "a\x00/../in.txt", "\xff", "a/\xc0\xaf..", "\xed\xa0\x80",
		strings.Repeat("a", 256), strings.Repeat("a", 64<<10), strings.Repeat("a/", 600), strings.Repeat("../", 300),
		strings.Repeat("./", 500) + "none", "C:\\in.txt", "..\\in.txt", "~", "%2e%2e", "proc/self/environ", "proc/self/mem",
		"dev/stdin", "sys/kernel", "IN.TXT", "in.txt ", "…", ".../x",
	} {
		a := assembly{imports: []string{"path_open", "proc_exit"}, memory: true, data: path}
		a = exit(a, a.call(0, 3, 0, 1024, len(path), 0, -1, 0, 0, 0))
		r := newTask(a.bytes()).input("a/b/c.txt", []byte("c")).input("in.txt", []byte("in")).run(t, e)
		if r.End != Exit || r.Code == 0 {
			t.Errorf("%.40q: got %s %d, want an errno", path, r.End, r.Code)
		}
	}
	for call, args := range map[string][]int{
		"path_symlink": {1024, 9, 3, 1033, 8}, "path_link": {3, 0, 1027, 6, 3, 1033, 8}, // ../in.txt and in.txt, as out/link
	} {
		a := assembly{imports: []string{call, "proc_exit"}, memory: true, data: "../in.txt" + "out/link"}
		code := a.call(0, args...)
		r := newTask(exit(a, code).bytes()).input("in.txt", []byte("in")).run(t, e)
		if r.End != Exit || r.Code == 0 || len(r.Files) > 0 {
			t.Errorf("%s: got %s %d with %d files, want an errno: without links no race is won by one", call, r.End, r.Code, len(r.Files))
		}
	}
}

// TestHostileSecrets: a guest sees its own arguments and environment, and no
// descriptor but 0 to 3.
func TestHostileSecrets(t *testing.T) {
	t.Setenv("SECRET", "of the daemon")
	e := newEngine(t, Config{})
	load := "\x41\x00\x28\x02\x00" // i32.load of address 0
	for _, name := range []string{"environ_sizes_get", "args_sizes_get"} {
		a := assembly{imports: []string{name, "proc_exit"}, memory: true}
		a.bodies = []string{a.call(0, 0, 4) + drop + load + "\x10\x01"}
		k := newTask(a.bytes(), "one")
		k.Env = []string{"MINE=1"}
		if r := k.run(t, e); r.Code != int32(map[string]int{"environ_sizes_get": 1, "args_sizes_get": 2}[name]) {
			t.Errorf("%s says %d", name, r.Code)
		}
	}
	for _, fd := range []int{0, 1, 2, 3, 4, 5, 6, 7, 10, 63, 1 << 20} {
		a := assembly{imports: []string{"fd_fdstat_get", "proc_exit"}, memory: true}
		a.bodies = []string{a.call(0, fd, 0) + "\x10\x01"}
		if r := newTask(a.bytes()).run(t, e); (r.Code == 0) != (fd < 4) {
			t.Errorf("descriptor %d: errno %d", fd, r.Code)
		}
	}
}

// TestHostileReferences makes references to functions without end, of which
// wazero's compiler would keep each until the instance is closed. The meter makes
// each once, so it ends like any other endless loop.
func TestHostileReferences(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := newTask(assembly{bodies: []string{forever("\xd2\x00" + drop)}, exports: pascal("f") + "\x00\x00", more: 1}.bytes())
	k.Limits.MemoryPages, k.Limits.OutputBytes = 1, 0
	k.Limits.Fuel = 500e6 // at 40 bytes a reference 20 times what the process may have
	r, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
	if err != nil || r.End != OutOfFuel || r.Fuel != k.Limits.Fuel {
		t.Errorf("got %s for %d fuel, %v", r.End, r.Fuel, err)
	}
	argc(wasmFile(t, "traps.wasm"), 0).run(t, e)
}

// TestHostileDepth runs eight deep recursions at once, which cost the daemon no
// more than 20 MB: it does not allocate as much, all in all.
func TestHostileDepth(t *testing.T) {
	e := newEngine(t, Config{Workers: 8})
	k := argc(wasmFile(t, "traps.wasm"), 9)
	k.Limits.Depth = MaxDepth
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var jobs sync.WaitGroup
	for range 8 {
		jobs.Go(func() {
			if r, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); err != nil || r.Trap != TrapDepth {
				t.Errorf("got %s %q, %v", r.End, r.Trap, err)
			}
		})
	}
	jobs.Wait()
	runtime.ReadMemStats(&after)
	took := after.TotalAlloc - before.TotalAlloc
	t.Logf("the daemon allocated %.1f MB", float64(took)/1e6)
	if took > 20e6 {
		t.Errorf("the daemon allocated %d bytes", took)
	}
}

// TestHostileRow runs hostile jobs in a row, 50 or with SEA_TEST_FULL 1,000, by
// two buyers: what the daemon had before it has after, and nothing is left.
func TestHostileRow(t *testing.T) {
	list := hostiles(t)
	jobs := 50
	if os.Getenv("SEA_TEST_FULL") != "" {
		jobs = 1000
	}
	there := countWhatIsThere(t)
	e := New(Config{CacheDir: t.TempDir(), Workers: 2})
	run := func(n int) {
		for i := range n {
			h := list[i%len(list)]
			k := h.task()
			r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Tenant: fmt.Sprint(i % 2)})
			h.check(t, r, err)
		}
		e.pool.work.Wait() // until there are spares, and what has ended is gone
	}
	run(len(list)) // every path once: buffers and tables that stay
	before := ownMemory(t)
	run(jobs)
	after := ownMemory(t)
	t.Logf("%d jobs, memory %.1f MB before, %.1f MB after", jobs, float64(before)/1e6, float64(after)/1e6)
	// A tenth of a daemon's, whose least is some 20 MB with all that it serves.
	if !raceEnabled && after > before+max(before/10, 2<<20) {
		t.Errorf("memory %d before, %d after", before, after)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	there.leaves(t, 0)
}
