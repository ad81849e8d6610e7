package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDamagedLedger spoils a daemon's ledger in several ways. Each time "up" ends
// without having touched it, and says which backups and peers can help and what to
// type next; typing that brings everything back.
func TestDamagedLedger(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.db")
	seller := startProcess(t, t.TempDir(), "", "--listen", "127.0.0.1:0")
	start := func() *process { return startProcess(t, dir, "", "--bootstrap", seller.status.Listening[0]) }
	peer := seller.status.Entity
	pay := func(p *process) {
		t.Helper()
		if err := p.api.do(t.Context(), http.MethodPost, "/credit/"+peer.String()+"/pay", creditAmount{Micro: 1e6}, nil); err != nil {
			t.Fatal(err)
		}
		agreed(t, p, seller)
	}
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start()
	pay(p)
	pay(p)
	p.stop(t)
	write("ledger-monday.db", read())
	p = start()
	pay(p)
	p.stop(t)
	sound := read()
	spoilt := bytes.Clone(sound)
	for at := 2 * os.Getpagesize(); at < len(spoilt); at += 16 {
		spoilt[at] ^= 0x40
	}
	write("old.bak", spoilt)

	up := func(point string, args ...string) (out string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary(t), append(args, "--dir", dir)...)
		cmd.Env = append(withoutSea(os.Environ()), "SEA_FAILPOINT="+point)
		b, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitMismatch {
			t.Errorf("%v: got %v, want exit code %d\n%s", args, err, exitMismatch, b)
		}
		return string(b)
	}
	for name, test := range map[string]struct {
		file  []byte
		point string
		what  string
		args  []string
	}{
		"flipped bytes":      {spoilt, "", "damaged", []string{"up"}},
		"cut off":            {sound[:len(bytes.TrimRight(sound, "\x00"))-os.Getpagesize()], "", "damaged", []string{"up"}},
		"empty":              {nil, "", "damaged", []string{"up"}},
		"rubbish":            {bytes.Repeat([]byte("rubbish!"), 4096), "", "damaged", []string{"credit", "list"}},
		"a page far away":    {farPage(sound), "", "damaged", []string{"up"}},
		"the child is ended": {sound, "ledger:examine", "ended the process that did", []string{"credit", "show", peer.String()}},
	} {
		t.Run(name, func(t *testing.T) {
			write("ledger.db", test.file)
			out := up(test.point, test.args...)
			for _, want := range []string{
				test.what, "nothing was changed",
				"backup  ledger-monday.db: whole, 2 records of 1 lines, the newest of 20",
				"backup  old.bak: damaged too",
				"peer    " + peer.Short() + " holds 3 entries of ours, 3 cr, to head ",
				"next    mv ledger.db ledger.db.damaged", "next    cp ledger-monday.db ledger.db", "seaworker credit rebuild",
			} {
				if test.point != "" && strings.HasPrefix(want, "backup") || strings.HasPrefix(want, "next    cp") && test.point != "" {
					continue // the children that look at the backups are ended too
				}
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing from\n%s", want, out)
				}
			}
			if !bytes.Equal(read(), test.file) {
				t.Error("the file was changed")
			}
		})
	}

	// What it says to type.
	write("ledger.db", spoilt)
	for _, line := range strings.Split(up("", "up"), "\n") {
		command, ok := strings.CutPrefix(line, "  next    ")
		if !ok || strings.HasPrefix(command, "seaworker") {
			continue
		}
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	p = start()
	var rebuilt []rebuiltLine
	if !soon(func() bool {
		err := p.api.do(t.Context(), http.MethodPost, "/credit/rebuild", rebuildAsk{}, &rebuilt)
		return err == nil && len(rebuilt) == 1 && rebuilt[0].Rebuilt
	}) {
		t.Fatalf("got %+v\n%s", rebuilt, p.log)
	}
	if rebuilt[0].Entries != 3 {
		t.Errorf("got %+v", rebuilt)
	}
	pay(p)
	p.checked(t)
	seller.checked(t)
}

// farPage is the file b with the root pages of its buckets far behind its end,
// which bbolt believes: the checksums are right.
func farPage(b []byte) []byte {
	out := bytes.Clone(b)
	page := os.Getpagesize()
	for at := 0; at < 2*page; at += page {
		meta := out[at+16 : at+16+64]
		copy(meta[16:24], []byte{0, 0, 0, 1, 0, 0, 0, 0}) // the root bucket's page
		sum := uint64(14695981039346656037)               // FNV-1a of what stands before it
		for _, c := range meta[:56] {
			sum = (sum ^ uint64(c)) * 1099511628211
		}
		for i := range 8 {
			meta[56+i] = byte(sum >> (8 * i))
		}
	}
	return out
}
