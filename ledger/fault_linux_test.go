package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"github.com/peersea/sea/identity"
)

const (
	faultEnv   = "SEA_LEDGER_FAULT" // path, page (or "sync") and errno for TestFaultChild
	faultPays  = 30
	faultPages = 64 // pages of the file that are tried
)

// TestDiskFaults has the disk refuse one page of the file and of the log, in a
// process of its own: each write of that page fails as on a full or a dying disk,
// or each sync does. The log is short, so that it is often written into the file. The ledger must stop writing and say so; what it acknowledged is in the
// file when that is opened again, and the peer agrees. With SEA_TEST_FULL, as in
// .ci/run, every page is tried with both errors.
func TestDiskFaults(t *testing.T) {
	if !seccomp.Supported() {
		if os.Getenv("CI") == "true" {
			t.Fatal("this kernel has no seccomp, by which writes are made to fail")
		}
		t.Skip("this kernel has no seccomp, by which writes are made to fail")
	}
	type fault struct {
		page  string
		errno unix.Errno
	}
	faults := []fault{{"0", unix.EIO}, {"1", unix.ENOSPC}, {"8", unix.ENOSPC}, {"13", unix.EIO}, {"sync", unix.EIO}}
	if os.Getenv("SEA_TEST_FULL") != "" {
		for page := range faultPages {
			faults = append(faults, fault{strconv.Itoa(page), unix.ENOSPC}, fault{strconv.Itoa(page), unix.EIO})
		}
	}
	key, peer := keyOf(t, 2), keyOf(t, 3)
	dir := t.TempDir()
	base := filepath.Join(dir, "base")
	l, err := Open(base, key, Config{test: true, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(payMany(t, l, peer.Entity(), 3), l.Close()); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i, f := range faults {
		path := filepath.Join(dir, fmt.Sprint(i))
		b, err := os.ReadFile(base)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFaultChild$", "-test.v")
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", faultEnv, path, f.page, f.errno))
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("page %s, %v: %v\n%s", f.page, f.errno, err, out)
		}
		acked := strings.Count(string(out), "acked\n")
		if bytes.Contains(out, []byte("stopped\n")) {
			failed++
		} else if acked != faultPays {
			t.Errorf("page %s, %v: %d payments, and no failure", f.page, f.errno, acked)
		}
		reopen(t, path, key, peer, uint64(3+acked))
	}
	t.Logf("%d of %d faults struck", failed, len(faults))
	if failed < 3 {
		t.Errorf("only %d of %d faults struck", failed, len(faults))
	}
}

// reopen opens a file after a fault: it holds at least so many entries for the
// peer, and once they meet the peer has them all.
func reopen(t *testing.T, path string, key, peer *identity.Key, entries uint64) {
	t.Helper()
	l, err := Open(path, key, Config{test: true})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := openTest(t, peer, Config{test: true})
	if got := l.Line(peer.Entity()); got.Mine.Seq < entries || got.Mine.Seq > 3+faultPays {
		t.Errorf("%d entries, %d were acknowledged", got.Mine.Seq, entries)
	}
	meet(t, l, other)
	a, b := l.Line(peer.Entity()), other.Line(key.Entity())
	if a.Mine != b.Theirs || a.Balance+b.Balance != 0 {
		t.Errorf("the sides differ: %+v and %+v", a, b)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(path); err != nil {
		t.Error(err)
	}
}

// TestFaultChild is the process of TestDiskFaults.
func TestFaultChild(t *testing.T) {
	args := strings.Split(os.Getenv(faultEnv), "|")
	if len(args) != 3 {
		t.Skip("it is started by TestDiskFaults")
	}
	errno, err := strconv.Atoi(args[2])
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(args[0], keyOf(t, 2), Config{wal: 16 << 10, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := refuseWrites(args[1], errno); err != nil {
		t.Fatal(err)
	}
	ctx, peer := context.Background(), keyOf(t, 3).Entity()
	for range faultPays {
		if _, err := l.Pay(ctx, peer, 1, NewRef()); err != nil {
			if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), unix.Errno(errno).Error()) {
				t.Errorf("got %v, want %v by %v", err, ErrReadOnly, unix.Errno(errno))
			}
			if _, err := l.Pay(ctx, peer, 1, NewRef()); !errors.Is(err, ErrReadOnly) {
				t.Errorf("after the disk failed: got %v, want %v", err, ErrReadOnly)
			}
			fmt.Println("stopped")
			return
		}
		fmt.Println("acked")
	}
}

// refuseWrites has every write at the beginning of a page fail, or every sync.
func refuseWrites(page string, errno int) error {
	group := seccomp.SyscallGroup{Action: seccomp.Action(unix.SECCOMP_RET_ERRNO | errno)}
	if page == "sync" {
		group.Names = []string{"fdatasync", "fsync"}
	} else {
		n, err := strconv.Atoi(page)
		if err != nil {
			return err
		}
		group.NamesWithCondtions = []seccomp.NameWithConditions{{Name: "pwrite64", Conditions: seccomp.ArgumentConditions{
			{Argument: 3, Operation: seccomp.Equal, Value: uint64(n * os.Getpagesize())},
		}}}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy:     seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{group}},
	})
}
