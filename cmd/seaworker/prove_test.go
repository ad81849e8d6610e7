package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/ledgertest"
)

// seaworker runs the command line and returns its exit code and output.
func seaworker(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestProve shows a peer that signed one number twice, by a copy of its ledger:
// what "credit show" says of it, and a proof that holds anywhere.
func TestProve(t *testing.T) {
	dir := folder(filepath.Join(t.TempDir(), "alice"))
	if err := dir.make(); err != nil {
		t.Fatal(err)
	}
	key := ledgertest.Key(t)
	if err := key.Save(dir.key(), ""); err != nil {
		t.Fatal(err)
	}
	alice, err := ledger.Open(dir.ledger(), key, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	thief := ledgertest.Key(t)
	twice := filepath.Join(t.TempDir(), "first.db")
	first := ledgertest.Open(t, twice, thief, ledger.Config{})
	second := filepath.Join(t.TempDir(), "second.db")
	if err := first.Snapshot(second); err != nil {
		t.Fatal(err)
	}
	copied := ledgertest.Open(t, second, thief, ledger.Config{})
	for i, l := range []*ledger.Ledger{first, copied} {
		if _, err := l.Pay(t.Context(), alice.Entity(), ledger.Amount(i+2)*ledger.Credit, ledger.NewRef()); err != nil {
			t.Fatal(err)
		}
		message, err := l.Next(alice.Entity())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alice.Receive(t.Context(), thief.Entity(), message); (err != nil) != (i == 1) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}

	peer := thief.Entity().String()[:10]
	const words = "signed two different entries 1: one that says 2 credits in all, and one that says 3"
	code, out, errs := seaworker(t, "--dir", string(dir), "credit", "show", peer)
	if code != 0 || !strings.Contains(out, words) || !strings.Contains(out, "credit prove "+peer) {
		t.Errorf("show: %d\n%s%s", code, out, errs)
	}
	code, proof, errs := seaworker(t, "--dir", string(dir), "credit", "prove", peer)
	if code != 0 || !strings.Contains(errs, words) {
		t.Fatalf("prove: %d\n%s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "fork.proof")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(proof)
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	code, out, errs = seaworker(t, "--dir", nowhere, "credit", "prove", "--check", file)
	if code != 0 || !strings.Contains(out, thief.Entity().String()+"\n"+words) || !strings.Contains(out, alice.Entity().String()) {
		t.Errorf("check: %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("checking made a state folder")
	}
	write(proof[:len(proof)-1] + "x")
	if code, out, errs = seaworker(t, "credit", "prove", "--check", file); code != exitMismatch || !strings.Contains(errs, file+": it proves nothing") {
		t.Errorf("forged: %d\n%s%s", code, out, errs)
	}
	write("a letter")
	if code, out, errs = seaworker(t, "credit", "prove", "--check", file); code != exitMismatch || !strings.Contains(errs, "does not begin with") {
		t.Errorf("irrelevant: %d\n%s%s", code, out, errs)
	}
	if code, out, errs = seaworker(t, "--dir", string(dir), "credit", "prove", ledgertest.Key(t).Entity().String()); code != exitUsage || !strings.Contains(errs, "no proof against") {
		t.Errorf("nothing held: %d\n%s%s", code, out, errs)
	}
	if code, out, errs = seaworker(t, "credit", "prove"); code != exitUsage {
		t.Errorf("no peer: %d\n%s%s", code, out, errs)
	}
}
