package wasi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/peersea/sea/compute/internal/meter"
)

const start = 1_700_000_000_000_000_000

// subscribe puts clock subscription i at atData.
func (g *guest) subscribe(i int, clock uint32, timeout uint64, flags uint16) {
	b := g.m[atData+i*subscriptionSize:][:subscriptionSize]
	clear(b)
	binary.LittleEndian.PutUint64(b, uint64(100+i))
	binary.LittleEndian.PutUint32(b[16:], clock)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	binary.LittleEndian.PutUint16(b[40:], flags)
}

// poll polls n subscriptions at atData and returns the userdata and errnos of
// the events.
func (g *guest) poll(n uint64) (got [][2]uint64) {
	g.t.Helper()
	g.must(ok, "poll_oneoff", atData, atEvents, n, atResult)
	for i := range int(g.u32(atResult)) {
		b := g.m[atEvents+i*eventSize:]
		got = append(got, [2]uint64{binary.LittleEndian.Uint64(b), uint64(binary.LittleEndian.Uint16(b[8:]))})
	}
	return got
}

func (g *guest) time(clock uint64) uint64 {
	g.t.Helper()
	g.must(ok, "clock_time_get", clock, 0, atResult)
	return g.u64(atResult)
}

func TestClocks(t *testing.T) {
	g := newGuest(t, Config{Start: start})
	if got := g.time(clockReal); got != start+meter.HostCall {
		t.Errorf("realtime %d, want the start and the call's own price", got)
	}
	if got := g.time(clockMono); got != 2*meter.HostCall {
		t.Errorf("monotonic %d", got)
	}
	g.own.used += 5000
	if got := g.time(clockProcess); got != 5000+3*meter.HostCall {
		t.Errorf("cpu %d", got)
	}
	g.must(eINVAL, "clock_time_get", 4, 0, atResult)
	g.must(eINVAL, "clock_res_get", 4, atResult)
	g.must(ok, "clock_res_get", clockMono, atResult)
	if got := g.u64(atResult); got != 1 {
		t.Errorf("resolution %d", got)
	}
}

func TestSleep(t *testing.T) {
	g := newGuest(t, Config{Start: start})
	before := g.time(clockReal)
	cpu := g.time(clockProcess)
	g.subscribe(0, clockMono, 7e9, 0)
	g.subscribe(1, clockReal, 5e9, 0)
	g.subscribe(2, clockReal, before+4e9, 1)
	if got := g.poll(3); len(got) != 1 || got[0] != [2]uint64{102, 0} {
		t.Errorf("events %v, want the absolute one", got)
	}
	slept := g.time(clockReal) - before
	if slept < 4e9 || slept > 4e9+20*meter.HostCall {
		t.Errorf("slept %d", slept)
	}
	if d := g.time(clockProcess) - cpu; d > 20*meter.HostCall {
		t.Errorf("sleeping took %d of CPU", d)
	}
	// Several at the same instant; one that is over already.
	g.subscribe(0, clockMono, 3e9, 0)
	g.subscribe(1, clockMono, 3e9, 0)
	if got := g.poll(2); len(got) != 2 {
		t.Errorf("events %v, want both", got)
	}
	g.subscribe(0, clockReal, 1, 1)
	if got := g.poll(2); len(got) != 1 || got[0][0] != 100 {
		t.Errorf("events %v, want the one of the past", got)
	}
	// Wrong ones are events, not errors, and do not sleep.
	now := g.time(clockMono)
	g.subscribe(0, clockProcess, 1e9, 0)
	g.subscribe(1, clockMono, 1e9, 2)
	g.subscribe(2, 9, 1e9, 0)
	if got := g.poll(3); len(got) != 3 || got[0][1] != uint64(eNOTSUP) || got[1][1] != uint64(eINVAL) || got[2][1] != uint64(eINVAL) {
		t.Errorf("events %v", got)
	}
	if d := g.time(clockMono) - now; d > 20*meter.HostCall {
		t.Errorf("slept %d for wrong subscriptions", d)
	}
	// To the end of time, twice: the clock stops, and does not wrap.
	for range 2 {
		g.subscribe(0, clockMono, math.MaxUint64, 0)
		if got := g.poll(1); len(got) != 1 {
			t.Errorf("events %v", got)
		}
		if got := g.time(clockReal); got != math.MaxInt64 {
			t.Errorf("the end of time is %d", got)
		}
	}
	g.must(eINVAL, "poll_oneoff", atData, atData, 0, atResult)
	g.must(eINVAL, "poll_oneoff", atData, atData, maxIovs+1, atResult)
}

func TestPollFiles(t *testing.T) {
	g := newGuest(t, Config{Stdin: []byte("abc"), Start: start})
	sub := func(i int, tag byte, fd uint32) {
		g.subscribe(i, fd, 0, 0)
		g.m[atData+i*subscriptionSize+8] = tag
	}
	sub(0, tagRead, 0)
	sub(1, tagWrite, 1)
	sub(2, tagRead, 1)
	sub(3, tagWrite, 50)
	sub(4, 9, 0)
	g.subscribe(5, clockMono, 1e9, 0)
	got := g.poll(6)
	want := [][2]uint64{{100, 0}, {101, 0}, {102, uint64(eBADF)}, {103, uint64(eBADF)}, {104, uint64(eINVAL)}}
	if len(got) != len(want) {
		t.Fatalf("events %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("event %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestRandom(t *testing.T) {
	seed := [32]byte{1, 2, 3}
	g := guestWith(t, Config{Seed: seed}, make(memory, 1<<20))
	var got []byte
	for _, n := range []int{1, 7, 0, 100, 4096} {
		g.must(ok, "random_get", atData, uint64(n))
		got = append(got, g.m[atData:atData+n]...)
	}
	want := make([]byte, len(got))
	_, _ = rand.NewChaCha8(seed).Read(want)
	if !bytes.Equal(got, want) {
		t.Error("the stream depends on how it is read")
	}
	// The first bytes, for other implementations: chacha8rand of C2SP.
	if got := hex.EncodeToString(got[:16]); got != "3b500763161413fea23afb33d683279a" {
		t.Errorf("the stream begins with %s", got)
	}
	g.must(ok, "random_get", atData, 3*randomPiece+1) // longer than a piece
	got = append([]byte(nil), g.m[atData:atData+3*randomPiece+1]...)
	want = make([]byte, len(want)+len(got))
	_, _ = rand.NewChaCha8(seed).Read(want)
	if !bytes.Equal(got, want[len(want)-len(got):]) {
		t.Error("the stream breaks between pieces")
	}
	g.must(eFAULT, "random_get", uint64(len(g.m)-4), 5)
}

func TestStrings(t *testing.T) {
	g := newGuest(t, Config{Args: []string{"prog", "", "b c"}, Env: []string{"A=1"}})
	g.must(ok, "args_sizes_get", atResult, atResult+4)
	if n, size := g.u32(atResult), g.u32(atResult+4); n != 3 || size != 10 {
		t.Errorf("%d arguments of %d bytes", n, size)
	}
	g.must(ok, "args_get", atStat, atData)
	if got := string(g.m[atData : atData+10]); got != "prog\x00\x00b c\x00" {
		t.Errorf("arguments %q", got)
	}
	if a, b, c := g.u32(atStat), g.u32(atStat+4), g.u32(atStat+8); a != atData || b != atData+5 || c != atData+6 {
		t.Errorf("pointers %d %d %d", a, b, c)
	}
	g.must(ok, "environ_get", atStat, atData)
	if got := string(g.m[atData : atData+4]); got != "A=1\x00" {
		t.Errorf("environment %q", got)
	}
	g.must(ok, "environ_sizes_get", atResult, atResult+4)
	g.must(eFAULT, "args_get", uint64(len(g.m)-4), atData)
	g.must(eFAULT, "args_get", atStat, uint64(len(g.m)-4))
	g.must(eFAULT, "args_sizes_get", uint64(len(g.m)), atData)
}

func TestDescriptors(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs, Stdin: []byte("typed"), Start: start})
	g.must(ok, "fd_prestat_get", 3, atResult)
	if g.m[atResult] != 0 || g.u32(atResult+4) != 1 {
		t.Errorf("prestat % x", g.m[atResult:atResult+8])
	}
	g.must(ok, "fd_prestat_dir_name", 3, atStat, 1)
	g.must(eNAMETOOLONG, "fd_prestat_dir_name", 3, atStat, 0)
	for _, fd := range []uint64{0, 4, 1 << 31} {
		g.must(eBADF, "fd_prestat_get", fd, atResult)
	}
	for fd, want := range map[uint64]byte{0: typeUnknown, 1: typeUnknown, 2: typeUnknown, 3: typeFolder} {
		g.must(ok, "fd_fdstat_get", fd, atStat)
		if g.m[atStat] != want {
			t.Errorf("descriptor %d has type %d, want %d", fd, g.m[atStat], want)
		}
		g.must(ok, "fd_filestat_get", fd, atStat)
		if got := g.u64(atStat + 48); got != start {
			t.Errorf("descriptor %d was changed at %d", fd, got)
		}
	}
	if got := g.read(0, 3) + g.read(0, 10) + g.read(0, 10); got != "typed" {
		t.Errorf("stdin %q", got)
	}
	at, n := g.span(1)
	g.must(eSPIPE, "fd_seek", 0, 0, 0, atResult)
	g.must(eSPIPE, "fd_tell", 1, atResult)
	g.must(eSPIPE, "fd_pread", 0, at, n, 0, atResult)
	g.must(eSPIPE, "fd_pwrite", 1, at, n, 0, atResult)
	g.must(eBADF, "fd_read", 1, at, n, atResult)
	g.must(eBADF, "fd_write", 0, at, n, atResult)
	g.must(eBADF, "fd_write", 3, at, n, atResult)
	g.must(eINVAL, "fd_read", 0, at, maxIovs+1, atResult)
	g.must(eNOTDIR, "fd_readdir", 0, atData, 10, 0, atResult)
	at, n = g.path("in.txt")
	g.must(eNOTDIR, "path_open", 0, 0, at, n, 0, rightR, 0, 0, atResult)
	g.must(eBADF, "path_open", 9, 0, at, n, 0, rightR, 0, 0, atResult)

	fd := g.open(ok, "in.txt", 0, rightR, 0)
	g.must(ok, "fd_filestat_get", fd, atStat)
	if ino, size := g.u64(atStat+8), g.u64(atStat+32); ino == 0 || size != 11 || g.m[atStat+16] != typeFile {
		t.Errorf("filestat ino %d, size %d, type %d", ino, size, g.m[atStat+16])
	}
	g.must(ok, "fd_fdstat_set_flags", fd, flagAppend)
	g.must(eINVAL, "fd_fdstat_set_flags", fd, 1<<5)
	g.must(ok, "fd_advise", fd, 0, 0, 5)
	g.must(eINVAL, "fd_advise", fd, 0, 0, 6)
	g.must(eSPIPE, "fd_advise", 0, 0, 0, 0)
	g.must(eBADF, "fd_advise", 3, 0, 0, 0)
	g.must(ok, "fd_sync", fd)
	g.must(ok, "fd_datasync", fd)
	g.must(eBADF, "fd_sync", 99)
	g.must(eBADF, "fd_allocate", fd, 0, 1)
	g.must(eBADF, "fd_allocate", 3, 0, 1)
	g.must(eSPIPE, "fd_allocate", 1, 0, 1)
	g.must(eNOTSUP, "fd_fdstat_set_rights", fd, 0, 0)
	g.must(eNOTSOCK, "sock_recv", fd, 0, 0, 0, 0, 0)
	g.must(eNOTSOCK, "sock_send", fd, 0, 0, 0, 0)
	g.must(eNOTSOCK, "sock_accept", 0, 0, 0)
	g.must(eBADF, "sock_shutdown", 99, 0)
	g.must(eNOTSUP, "proc_raise", 9)
	g.must(ok, "sched_yield")
	g.must(eNOTSUP, "path_link", 3, 0, at, n, 3, at, n)
	g.must(eNOTSUP, "path_symlink", at, n, 3, at, n)
	g.must(eINVAL, "path_readlink", 3, at, n, atData, 10, atResult)
	g.open(eINVAL, "in.txt", 1<<4, rightR, 0)
	g.open(eINVAL, "in.txt", 0, rightR, 1<<5)

	// dup2: 1 becomes the file, and the old 1 is gone.
	g.must(ok, "fd_renumber", fd, 1)
	g.must(eBADF, "fd_close", fd)
	if got := g.read(1, 5); got != "input" {
		t.Errorf("read %q after renumber", got)
	}
	g.must(eBADF, "fd_renumber", 1, 99)
	g.must(ok, "fd_renumber", 1, 1)
	g.must(ok, "fd_close", 3)
	g.must(eBADF, "fd_prestat_get", 3, atResult)

	if _, ended := g.call("proc_exit", 0xffffffff); !ended {
		t.Error("proc_exit came back")
	}
	if end, code := g.End(); end != Exited || code != 0xffffffff {
		t.Errorf("ended as %d with %d", end, code)
	}
}

// TestTransfersAreShort: one call moves at most maxTransfer.
func TestTransfersAreShort(t *testing.T) {
	g := guestWith(t, Config{Inputs: []Input{{"big", make([]byte, 3*maxTransfer)}}, MaxOutput: 1 << 30}, make(memory, 4<<20))
	fd := g.open(ok, "big", 0, rightR, 0)
	out := g.open(ok, "out/f", openCreate, rightRW, 0)
	for _, tt := range []struct {
		call string
		fd   uint64
	}{{"fd_read", fd}, {"fd_write", out}} {
		at, n := g.span(2 * maxTransfer)
		before := g.own.used
		g.must(ok, tt.call, tt.fd, at, n, atResult)
		if got := g.u32(atResult); got != maxTransfer {
			t.Errorf("%s moved %d bytes", tt.call, got)
		}
		if paid := g.own.used - before; paid != meter.HostCall+maxTransfer*meter.HostByte {
			t.Errorf("%s cost %d", tt.call, paid)
		}
	}
}

// TestFaults: a call given any memory answers, and touches nothing beyond it.
func TestFaults(t *testing.T) {
	for _, c := range calls {
		if c.name == "proc_exit" {
			continue
		}
		for _, at := range []uint64{memorySize - 1, memorySize, math.MaxUint32, math.MaxUint64} {
			g := newGuest(t, Config{Inputs: inputs, Args: []string{"x"}, Env: []string{"A=b"}})
			for _, first := range []uint64{0, 1, 3, at} {
				params := make([]uint64, len(c.params))
				for i := range params {
					params[i] = at
				}
				if len(params) > 0 {
					params[0] = first
				}
				g.call(c.name, params...)
			}
		}
	}
}
