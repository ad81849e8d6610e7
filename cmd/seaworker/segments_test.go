package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
)

// TestSweepChecks removes what a check left that was killed, and nothing else.
func TestSweepChecks(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"check-17/ledger.db.segments/one.seg", "check-18/ledger.db", "check-list", "checks/mine"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder(dir).sweepChecks(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "check-list" || filepath.Base(left[1]) != "checks" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestCheckSegments checks, copies and lists a ledger a part of which is sealed,
// and does so again without one of the files.
func TestCheckSegments(t *testing.T) {
	dir := t.TempDir()
	key, err := identity.NewKey(t.Context(), 0)
	if err == nil {
		err = key.Save(filepath.Join(dir, "key"), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), key, ledger.Config{Segment: 4})
	if err != nil {
		t.Fatal(err)
	}
	peer := ledgertest.Key(t).Entity()
	for range 20 {
		if _, err := l.Pay(t.Context(), peer, ledger.Credit, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
	}
	made, err := l.Seal(t.Context())
	if err := errors.Join(err, l.Close()); err != nil || made != 3 {
		t.Fatal(made, err)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := exec.Command(binary(t), append(args, "--dir", dir)...)
		cmd.Env = withoutSea(os.Environ())
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code {
			t.Errorf("%v: got %v, want exit code %d\n%s", args, err, code, out)
		}
		return string(out)
	}
	want := "20 entries of 1 lines, in 3 sealed segments and the live file: all signatures, chains and sums hold\n"
	if got := run(exitOK, "credit", "check"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if got := run(exitOK, "credit", "backup", copied); got != copied+": 20 records of 1 lines\n" {
		t.Errorf("got %q", got)
	}
	if rep, err := ledger.Check(copied); err != nil || rep.Segments != 3 {
		t.Errorf("the copy: got %+v, %v", rep, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "ledger.db.segments", "*.seg"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	got := run(exitMismatch, "credit", "check")
	for _, want := range []string{
		"DAMAGED, 16 entries verified", "record 5", filepath.Base(files[1]) + " back from a copy",
		"lost: " + filepath.Base(files[1]) + ", records 5 to 8: the file is missing; of 1 line: " + peer.Short(),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing from %q", want, got)
		}
	}
	if got := run(exitMismatch, "credit", "history"); !strings.Contains(got, "seaworker credit check") {
		t.Errorf("history: got %q", got)
	}
	if got := run(exitMismatch, "spending"); !strings.Contains(got, filepath.Base(files[1])) {
		t.Errorf("spending: got %q", got)
	}
	if got := run(exitOK, "credit", "list"); !strings.Contains(got, "-20 cr") {
		t.Errorf("the balance is missing from %q", got)
	}
}
