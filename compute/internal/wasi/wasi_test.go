package wasi

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/peersea/sea/compute/internal/meter"
)

// purse is a Meter with a limit.
type purse struct{ used, limit uint64 }

func (p *purse) Used() uint64 { return p.used }

func (p *purse) Pay(n uint64) (End, bool) {
	if p.used+n > p.limit {
		return OutOfFuel, false
	}
	p.used += n
	return Running, true
}

// guest is a world and the memory of its guest.
type guest struct {
	*World
	t   testing.TB
	m   memory
	own *purse
	mod api.Module // nil calls directly
	rec *recorder  // nil notes nothing
}

func newGuest(t testing.TB, cfg Config) *guest { return guestWith(t, cfg, make(memory, memorySize)) }

// guestWith makes a guest with the memory m.
func guestWith(t testing.TB, cfg Config, m memory) *guest {
	if cfg.MaxOutput == 0 {
		cfg.MaxOutput = 1 << 20
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = 100
	}
	p := &purse{limit: 1 << 40}
	g := &guest{World: New(cfg, p), t: t, m: m, own: p}
	g.record()
	return g
}

// call makes a call as an engine would, and reports the end of the guest.
func (g *guest) call(name string, params ...uint64) (e errno, ended bool) {
	for _, c := range calls {
		if c.name != name {
			continue
		}
		if len(params) != len(c.params) {
			g.t.Fatalf("%s has %d parameters, got %d", name, len(c.params), len(params))
		}
		if g.mod != nil {
			return g.forward(name, params)
		}
		if g.rec != nil {
			g.rec.before(g, name, params)
			defer func() { g.rec.after(g, e, ended) }()
		}
		defer func() {
			if r := recover(); r != nil {
				if _, exit := r.(*sys.ExitError); !exit {
					panic(r)
				}
				ended = true
			}
		}()
		g.pay(meter.HostCall)
		return c.do(g.World, g.m, params), false
	}
	g.t.Fatalf("no call %q", name)
	return 0, false
}

// must makes a call that answers want.
func (g *guest) must(want errno, name string, params ...uint64) {
	g.t.Helper()
	if e, ended := g.call(name, params...); e != want || ended {
		g.t.Errorf("%s%v: got errno %d, ended %v, want %d", name, params, e, ended, want)
	}
}

// Places in the test guest's memory.
const (
	atResult = 8
	atStat   = 64
	atIovs   = 1024
	atPath   = 16 << 10
	atPath2  = 32 << 10
	atData   = 128 << 10

	memorySize = 256 << 10
	atEvents   = 64 << 10
)

func (g *guest) u32(at int) uint32 { return binary.LittleEndian.Uint32(g.m[at:]) }
func (g *guest) u64(at int) uint64 { return binary.LittleEndian.Uint64(g.m[at:]) }

// path puts p into memory and returns its place and length.
func (g *guest) path(p string) (uint64, uint64) {
	copy(g.m[atPath:], p)
	return atPath, uint64(len(p))
}

// open opens a path below the root and returns the descriptor.
func (g *guest) open(want errno, p string, oflags, rights, flags uint64) uint64 {
	g.t.Helper()
	at, n := g.path(p)
	g.must(want, "path_open", 3, 0, at, n, oflags, rights, 0, flags, atResult)
	return uint64(g.u32(atResult))
}

const (
	rightR  = rightRead
	rightRW = rightRead | rightWrite
)

// span puts one iovec of n bytes at atData.
func (g *guest) span(n int) (uint64, uint64) {
	binary.LittleEndian.PutUint32(g.m[atIovs:], atData)
	binary.LittleEndian.PutUint32(g.m[atIovs+4:], uint32(n))
	return atIovs, 1
}

func (g *guest) write(fd uint64, s string) {
	g.t.Helper()
	copy(g.m[atData:], s)
	at, n := g.span(len(s))
	g.must(ok, "fd_write", fd, at, n, atResult)
	if got := g.u32(atResult); got != uint32(len(s)) {
		g.t.Errorf("wrote %d bytes, want %d", got, len(s))
	}
}

func (g *guest) read(fd uint64, most int) string {
	g.t.Helper()
	at, n := g.span(most)
	g.must(ok, "fd_read", fd, at, n, atResult)
	return string(g.m[atData : atData+g.u32(atResult)])
}

// names lists a folder.
func (g *guest) names(fd uint64, buf uint64) string {
	g.t.Helper()
	var names []string
	for cookie := uint64(0); ; {
		g.must(ok, "fd_readdir", fd, atData, buf, cookie, atResult)
		n := uint64(g.u32(atResult))
		if n == 0 {
			break
		}
		b := g.m[atData : atData+n]
		for len(b) >= direntSize {
			l := int(binary.LittleEndian.Uint32(b[16:]))
			if len(b) < direntSize+l {
				break
			}
			cookie = binary.LittleEndian.Uint64(b)
			names = append(names, string(b[direntSize:direntSize+l]))
			b = b[direntSize+l:]
		}
		if n < buf {
			break
		}
	}
	return strings.Join(names, " ")
}

// tree is the output folder as text.
func (g *guest) tree() string {
	var b strings.Builder
	for _, e := range g.Tree() {
		fmt.Fprintf(&b, "%s", e.Path)
		if e.Dir {
			b.WriteString("/ ")
			continue
		}
		b.WriteString("=")
		_ = e.Each(func(p []byte) error { b.Write(p); return nil })
		b.WriteString(" ")
	}
	return strings.TrimSpace(b.String())
}

var inputs = []Input{{"a/b/c.txt", []byte("see")}, {"in.txt", []byte("input bytes")}}

func TestAllCalls(t *testing.T) {
	if len(calls) != 46 {
		t.Errorf("%d calls, preview 1 has 46", len(calls))
	}
	for i, c := range calls {
		if i > 0 && calls[i-1].name >= c.name {
			t.Errorf("%s is not sorted", c.name)
		}
	}
	if _, _, known := Signature("fd_teleport"); known {
		t.Error("a call that does not exist is known")
	}
}

// TestEscapes: no path leaves the tree.
func TestEscapes(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs})
	for _, tt := range []struct {
		path string
		want errno
	}{
		{"", eNOENT}, {"/", eNOTCAPABLE}, {"/etc/passwd", eNOTCAPABLE}, {"/in.txt", eNOTCAPABLE},
		{"//in.txt", eNOTCAPABLE}, {"..", eNOTCAPABLE}, {"../", eNOTCAPABLE}, {"../..", eNOTCAPABLE},
		{"../etc/passwd", eNOTCAPABLE}, {"a/../../etc", eNOTCAPABLE}, {"a/b/../../../in.txt", eNOTCAPABLE},
		{"./..", eNOTCAPABLE}, {"out/../..", eNOTCAPABLE}, {"a/./../..", eNOTCAPABLE},
		{"x/../in.txt", eNOENT}, {"in.txt/..", eNOTDIR}, {"in.txt/.", eNOTDIR}, {"in.txt/", eNOTDIR},
		{"in.txt/x", eNOTDIR}, {"in.txt\x00", eINVAL}, {"\x00", eINVAL}, {"a\x00/../in.txt", eINVAL},
		{"\xff", eILSEQ}, {"a/\xc0\xaf..", eILSEQ}, {"\xed\xa0\x80", eILSEQ},
		{strings.Repeat("a", 256), eNAMETOOLONG}, {strings.Repeat("a/", 600), eNAMETOOLONG},
		{strings.Repeat("../", 300), eNOTCAPABLE}, {strings.Repeat("./", 500) + "none", eNOENT},
		{"C:\\in.txt", eNOENT}, {"..\\in.txt", eNOENT}, {"~", eNOENT}, {"%2e%2e", eNOENT},
		{"proc/self/environ", eNOENT}, {"dev/stdin", eNOENT}, {"IN.TXT", eNOENT}, {"in.txt ", eNOENT},
		{"…", eNOENT}, {"a//../../in.txt", eNOTCAPABLE}, {".../x", eNOENT},
	} {
		at, n := g.path(tt.path)
		g.must(tt.want, "path_open", 3, 0, at, n, 0, rightR, 0, 0, atResult)
		g.must(tt.want, "path_filestat_get", 3, 0, at, n, atStat)
	}
	if len(g.fds) != 4 {
		t.Errorf("%d descriptors are open", len(g.fds))
	}
	big, n := g.path(strings.Repeat("a", 64<<10))
	g.must(eNAMETOOLONG, "path_open", 3, 0, big, n, 0, rightR, 0, 0, atResult)
	// From a folder further down, not even to its parent.
	at, n := g.path("a/b")
	g.must(ok, "path_open", 3, 0, at, n, openDirectory, rightR, 0, 0, atResult)
	fd := uint64(g.u32(atResult))
	at, n = g.path("../../in.txt")
	g.must(eNOTCAPABLE, "path_open", fd, 0, at, n, 0, rightR, 0, 0, atResult)
}

func TestReadOnly(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs})
	g.open(eROFS, "in.txt", 0, rightRW, 0)
	g.open(eROFS, "in.txt", openTruncate, rightR, 0)
	g.open(eROFS, "new", openCreate, rightRW, 0)
	g.open(eROFS, "a/new", openCreate, rightRW, 0)
	fd := g.open(ok, "in.txt", 0, rightR, 0)
	at, n := g.span(1)
	g.must(eBADF, "fd_write", fd, at, n, atResult)
	g.must(eBADF, "fd_filestat_set_size", fd, 0)
	g.must(eROFS, "fd_filestat_set_times", fd, 0, 0, 0)
	for _, p := range []string{"in.txt", "a/b/c.txt"} {
		at, n := g.path(p)
		g.must(eROFS, "path_unlink_file", 3, at, n)
		g.must(eROFS, "path_rename", 3, at, n, 3, at, n)
		g.must(eROFS, "path_filestat_set_times", 3, 0, at, n, 0, 0, 0)
	}
	at, n = g.path("a/b")
	g.must(eROFS, "path_remove_directory", 3, at, n)
	at, n = g.path("d")
	g.must(eROFS, "path_create_directory", 3, at, n)
	at, n = g.path("out")
	g.must(eBUSY, "path_remove_directory", 3, at, n)
	g.must(eBUSY, "path_rename", 3, at, n, 3, at, n)
	if got := g.read(fd, 100); got != "input bytes" {
		t.Errorf("read %q", got)
	}
	if got := g.read(fd, 100); got != "" {
		t.Errorf("read %q at the end", got)
	}
}

func TestFiles(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs})
	fd := g.open(ok, "out/f", openCreate|openExclusive, rightRW, 0)
	g.open(eEXIST, "out/f", openCreate|openExclusive, rightRW, 0)
	g.write(fd, "hello world")
	g.must(ok, "fd_seek", fd, uint64(1<<64-5), 2, atResult)
	if got := g.u64(atResult); got != 6 {
		t.Errorf("seek to %d, want 6", got)
	}
	if got := g.read(fd, 3); got != "wor" {
		t.Errorf("read %q", got)
	}
	g.must(ok, "fd_tell", fd, atResult)
	if got := g.u64(atResult); got != 9 {
		t.Errorf("tell %d, want 9", got)
	}
	g.must(eINVAL, "fd_seek", fd, uint64(1<<64-10), 1, atResult)
	g.must(eINVAL, "fd_seek", fd, 0, 3, atResult)
	// Append goes to the end wherever the position is.
	app := g.open(ok, "out/f", 0, rightRW, flagAppend)
	g.write(app, "!")
	// A gap is zeros.
	g.must(ok, "fd_filestat_set_size", fd, 3)
	copy(g.m[atData:], "xy")
	at, n := g.span(2)
	g.must(ok, "fd_pwrite", fd, at, n, 5, atResult)
	if got := g.tree(); got != "f=hel\x00\x00xy" {
		t.Errorf("tree %q", got)
	}
	// The unlinked file lives as long as it is open.
	p, l := g.path("out/f")
	g.must(ok, "path_unlink_file", 3, p, l)
	g.open(eNOENT, "out/f", 0, rightR, 0)
	g.must(ok, "fd_pread", fd, at, n, 0, atResult)
	g.write(fd, "z")
	if g.bytes == 0 {
		t.Error("an unlinked open file is not counted")
	}
	g.must(ok, "fd_close", fd)
	g.must(ok, "fd_close", app)
	g.must(eBADF, "fd_close", app)
	if g.bytes != 0 || g.files != 4 {
		t.Errorf("%d bytes in %d files remain counted", g.bytes, g.files)
	}
}

func TestFolders(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs})
	mkdir := func(want errno, p string) {
		at, n := g.path(p)
		g.must(want, "path_create_directory", 3, at, n)
	}
	rename := func(want errno, from, to string) {
		t.Helper()
		copy(g.m[atPath:], from)
		copy(g.m[atPath2:], to)
		g.must(want, "path_rename", 3, atPath, uint64(len(from)), 3, atPath2, uint64(len(to)))
	}
	mkdir(ok, "out/z")
	mkdir(ok, "out/d/")
	mkdir(eEXIST, "out/d")
	mkdir(eEXIST, "in.txt")
	mkdir(eNOENT, "out/x/y")
	mkdir(ok, "out/d/e")
	for _, n := range []string{"out/é", "out/a", "out/d/f", "out/b"} {
		g.write(g.open(ok, n, openCreate, rightRW, 0), n)
	}
	g.open(eISDIR, "out/d", openCreate, rightRW, 0)
	g.open(eISDIR, "out/d", 0, rightRW, 0)
	g.open(eNOTDIR, "out/a", openDirectory, rightR, 0)
	g.open(eISDIR, "out/new/", openCreate, rightRW, 0)
	g.open(eINVAL, "out/new", openCreate|openDirectory, rightRW, 0)
	root := g.open(ok, ".", openDirectory, rightR, 0)
	out := g.open(ok, "out", openDirectory, rightR, 0)
	for _, buf := range []uint64{4096, 40, 27} {
		if got := g.names(out, buf); got != ". .. a b d z é" {
			t.Errorf("listing with %d bytes: %q", buf, got)
		}
	}
	if got := g.names(root, 100); got != ". .. a in.txt out" {
		t.Errorf("listing: %q", got)
	}
	g.must(eBADF, "fd_seek", out, 0, 0, atResult)
	at, n := g.span(10)
	g.must(eISDIR, "fd_read", out, at, n, atResult)
	// A listing under way keeps its order while entries go and come.
	g.must(ok, "fd_readdir", out, atData, 80, 0, atResult)
	rename(ok, "out/a", "out/zz")
	if d := g.fds[out]; len(d.list) != 5 {
		t.Errorf("listing has %d entries", len(d.list))
	}
	rename(eNOENT, "out/a", "out/c")
	rename(eINVAL, "out/d", "out/d/e/g")
	rename(eNOTDIR, "out/d", "out/b")
	rename(eISDIR, "out/b", "out/d")
	rename(eNOTEMPTY, "out/z", "out/d")
	rename(eROFS, "out/b", "b")
	rename(ok, "out/b", "out/b")
	rename(ok, "out/b", "out/zz")
	rename(ok, "out/d", "out/z")
	rename(ok, "out/z/e", "out/e/")
	if got := g.tree(); got != "e/ z/ z/f=out/d/f zz=out/b é=out/é" {
		t.Errorf("tree %q", got)
	}
	at, n = g.path("out/z")
	g.must(eNOTEMPTY, "path_remove_directory", 3, at, n)
	g.must(eISDIR, "path_unlink_file", 3, at, n)
	at, n = g.path("out/e")
	e := g.open(ok, "out/e", openDirectory, rightR, 0)
	g.must(ok, "path_remove_directory", 3, at, n)
	at, n = g.path("late")
	g.must(eNOENT, "path_create_directory", e, at, n)
	at, n = g.path("out/zz")
	g.must(eNOTDIR, "path_remove_directory", 3, at, n)
	for _, fd := range []uint64{root, out, e} {
		g.must(ok, "fd_close", fd)
	}
	if g.listed != 0 {
		t.Errorf("%d entries are still listed", g.listed)
	}
}

func TestRenameIsBounded(t *testing.T) {
	g := newGuest(t, Config{})
	mk := func(want errno, p string) {
		t.Helper()
		at, n := g.path(p)
		g.must(want, "path_create_directory", 3, at, n)
	}
	deep := "out"
	for range maxParts - 1 {
		deep += "/d"
		mk(ok, deep)
	}
	mk(eNAMETOOLONG, deep+"/d")
	mk(ok, "out/o")
	copy(g.m[atPath2:], "out/o/d")
	at, n := g.path("out/d")
	g.must(eNAMETOOLONG, "path_rename", 3, at, n, 3, atPath2, 7)
}

func TestQuotas(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		g := newGuest(t, Config{Inputs: inputs, MaxFiles: 5})
		g.open(ok, "out/1", openCreate, rightRW, 0)
		g.open(eNOSPC, "out/2", openCreate, rightRW, 0)
		at, n := g.path("out/1")
		g.must(ok, "path_unlink_file", 3, at, n)
		g.open(ok, "out/2", openCreate, rightRW, 0)
	})
	t.Run("descriptors", func(t *testing.T) {
		g := newGuest(t, Config{Inputs: inputs})
		for range maxOpen - 4 {
			g.open(ok, "in.txt", 0, rightR, 0)
		}
		g.open(eMFILE, "in.txt", 0, rightR, 0)
		g.open(eMFILE, "out/f", openCreate, rightR, 0)
		g.must(ok, "fd_close", 77)
		if fd := g.open(ok, "in.txt", 0, rightR, 0); fd != 77 {
			t.Errorf("opened %d, want the lowest free one", fd)
		}
		if got := g.tree(); got != "" {
			t.Errorf("a file was made without a descriptor: %q", got)
		}
	})
	for name, fill := range map[string]func(g *guest, fd uint64) (errno, bool){
		"write": func(g *guest, fd uint64) (errno, bool) {
			at, n := g.span(200)
			return g.call("fd_write", fd, at, n, atResult)
		},
		"pwrite far away": func(g *guest, fd uint64) (errno, bool) {
			at, n := g.span(1)
			return g.call("fd_pwrite", fd, at, n, 1<<61, atResult)
		},
		"set_size": func(g *guest, fd uint64) (errno, bool) {
			return g.call("fd_filestat_set_size", fd, 1<<63)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, Config{MaxOutput: 100})
			fd := g.open(ok, "out/f", openCreate, rightRW, 0)
			_, ended := fill(g, fd)
			if end, _ := g.End(); !ended || end != OutputLimit {
				t.Errorf("ended %v with %d, want the output limit", ended, end)
			}
			if list := g.Tree(); len(list) != 1 || list[0].Size != 100 {
				t.Errorf("tree %+v, want one file of 100 bytes", list)
			}
		})
	}
	t.Run("stdout", func(t *testing.T) {
		var said []byte
		g := newGuest(t, Config{MaxOutput: 100, Stdout: func(b []byte) { said = append(said, b...) }})
		g.write(1, strings.Repeat("x", 90))
		at, n := g.span(11)
		if _, ended := g.call("fd_write", 1, at, n, atResult); !ended || len(said) != 100 {
			t.Errorf("ended %v with %d bytes", ended, len(said))
		}
	})
}

// TestPaidBefore: a call that cannot be paid has no effect.
func TestPaidBefore(t *testing.T) {
	g := newGuest(t, Config{})
	fd := g.open(ok, "out/f", openCreate, rightRW, 0)
	g.own.limit = g.own.used + meter.HostCall + 99
	at, n := g.span(100)
	if _, ended := g.call("fd_write", fd, at, n, atResult); !ended {
		t.Error("it wrote without fuel")
	}
	if end, _ := g.End(); end != OutOfFuel {
		t.Errorf("ended as %d", end)
	}
	if got := g.tree(); got != "f=" {
		t.Errorf("tree %q", got)
	}
}
