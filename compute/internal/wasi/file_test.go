package wasi

import (
	"math"
	"testing"

	"github.com/peersea/sea/compute/internal/meter"
)

// TestAllocate: fd_allocate makes a file larger with zeros, never smaller, pays
// for them, and ends the guest when its quota is used up.
func TestAllocate(t *testing.T) {
	g := newGuest(t, Config{MaxOutput: 1000})
	fd := g.open(ok, "out/f", openCreate, rightRW, 0)
	g.write(fd, "abc")
	for _, tt := range []struct{ offset, length, size, price uint64 }{
		{0, 5, 5, 2}, {1, 2, 5, 0}, {4, 10, 14, 9}, {20, 1, 21, 7},
	} {
		before := g.own.used
		g.must(ok, "fd_allocate", fd, tt.offset, tt.length)
		if paid := g.own.used - before; paid != meter.HostCall+tt.price {
			t.Errorf("%+v cost %d", tt, paid)
		}
		g.must(ok, "fd_filestat_get", fd, atStat)
		if got := g.u64(atStat + 32); got != tt.size {
			t.Errorf("%+v: %d bytes", tt, got)
		}
	}
	g.must(eINVAL, "fd_allocate", fd, 0, 0)
	if got := g.tree(); got != "f=abc"+string(make([]byte, 18)) {
		t.Errorf("tree %q", got)
	}
	if _, ended := g.call("fd_allocate", fd, 2, math.MaxUint64); !ended {
		t.Error("allocated beyond the quota")
	}
	if end, _ := g.End(); end != OutputLimit || g.Tree()[0].Size != 1000 {
		t.Errorf("ended as %d with %d bytes", end, g.Tree()[0].Size)
	}
}

// TestTimes: setting times succeeds where something may change, and changes
// nothing; a time cannot be set in two ways.
func TestTimes(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs, Start: start})
	fd := g.open(ok, "out/f", openCreate, rightRW, 0)
	at, n := g.path("out/f")
	for flags := range uint64(20) {
		want := ok
		if flags&3 == 3 || flags&12 == 12 || flags > 15 {
			want = eINVAL
		}
		g.must(want, "fd_filestat_set_times", fd, 1, 2, flags)
		g.must(want, "path_filestat_set_times", 3, 0, at, n, 1, 2, flags)
	}
	g.must(ok, "path_filestat_get", 3, 0, at, n, atStat)
	for _, field := range []int{40, 48, 56} {
		if got := g.u64(atStat + field); got != start {
			t.Errorf("the time at %d is %d", field, got)
		}
	}
	g.must(ok, "fd_filestat_set_times", 1, 0, 0, 1)
	g.must(eROFS, "fd_filestat_set_times", 0, 0, 0, 1)
	g.must(eROFS, "fd_filestat_set_times", 3, 0, 0, 1)
	at, n = g.path("none")
	g.must(eNOENT, "path_filestat_set_times", 3, 0, at, n, 0, 0, 0)
	g.must(eINVAL, "path_filestat_set_times", 3, 0, at, n, 0, 0, 3)
}

// TestListedAtOnce: lists of folders are bounded together, and one that does not
// fit leaves none behind.
func TestListedAtOnce(t *testing.T) {
	g := newGuest(t, Config{Inputs: inputs})
	list := func(want errno, fd uint64) { g.must(want, "fd_readdir", fd, atData, 100, 0, atResult) }
	list(ok, 3)
	g.listed = maxListed // as if other descriptors had lists
	list(ok, 3)          // its own goes first
	g.listed++
	list(eNOMEM, 3)
	if g.fds[3].list != nil {
		t.Error("the old list is still there")
	}
	g.listed -= maxListed - 2
	list(ok, 3)
}
