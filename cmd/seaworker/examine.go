package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/spf13/cobra"
)

// examineCommand is the hidden command that looks at a ledger file in a process
// of its own, before anybody opens it.
const examineCommand = "examine-ledger-file"

// examineView is what it says.
type examineView struct {
	Found   *ledger.Examined `json:"found,omitempty"` // nil with an Error
	Error   string           `json:"error,omitempty"`
	Damaged bool             `json:"damaged,omitempty"` // else Error is of another kind, which Open has too
}

func newExamineFile(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:    examineCommand + " FILE",
		Hidden: true,
		Args:   exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := ledger.Examine(args[0])
			v := examineView{Found: &found}
			if err != nil {
				v = examineView{Error: err.Error(), Damaged: errors.Is(err, ledger.ErrDamaged)}
			}
			return json.NewEncoder(c.stdout).Encode(v)
		},
	}
}

// examineInChild examines the file at path in another process: bbolt on a damaged
// file may panic, fault or overflow its stack, and that ends the process.
func examineInChild(ctx context.Context, path string) (v examineView, err error) {
	self, err := os.Executable()
	if err != nil {
		return v, err
	}
	out, err := exec.CommandContext(ctx, self, examineCommand, path).Output()
	switch exit := new(exec.ExitError); {
	case err == nil:
		return v, json.Unmarshal(out, &v)
	case ctx.Err() != nil:
		return v, ctx.Err()
	case errors.As(err, &exit):
		return examineView{Error: "reading the file ended the process that did: " + exit.Error(), Damaged: true}, nil
	}
	return v, err
}

// examineLedger refuses a damaged ledger before it is opened here.
func (d *daemon) examineLedger(ctx context.Context) error {
	if _, err := os.Stat(d.dir.ledger()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	v, err := examineInChild(ctx, d.dir.ledger())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		d.log.Warn("the ledger is opened without having been examined", "err", err)
	case v.Damaged:
		return damaged(ctx, d.dir, d.key.Entity(), v.Error)
	}
	return nil
}

// damaged says what is wrong with the ledger and all that helps: the backups that
// were found, who can return what, and what to type next.
func damaged(ctx context.Context, dir folder, self identity.Entity, what string) *failure {
	f := failf(exitMismatch, reasonMismatch, "nothing was changed. The ledger can be put together again from a backup and from the peers", "%s", what)
	backups := findBackups(ctx, dir)
	best := slices.IndexFunc(backups, func(b backup) bool { return b.usable(self) })
	for _, b := range backups {
		f.Lines = append(f.Lines, "backup  "+b.words(self))
	}
	if len(backups) == 0 {
		f.Lines = append(f.Lines, "backup  none in "+string(dir))
	}
	f.Lines = append(f.Lines, helpers(dir, self)...)
	f.Lines = append(f.Lines, "next    cd "+string(dir), "next    mv ledger.db ledger.db.damaged")
	if _, err := os.Stat(dir.ledger() + "-wal"); err == nil {
		f.Lines = append(f.Lines, "next    mv ledger.db-wal ledger.db-wal.damaged")
	}
	if best >= 0 {
		name := backups[best].name
		f.Lines = append(f.Lines, "next    cp "+name+" ledger.db")
		if info, err := os.Stat(filepath.Join(string(dir), name+".segments")); err == nil && info.IsDir() {
			f.Lines = append(f.Lines, "next    mkdir -p ledger.db.segments && cp "+name+".segments/* ledger.db.segments/")
		}
	}
	f.Lines = append(f.Lines, "next    seaworker up, and when it is ready: seaworker credit rebuild")
	return f
}

// helpers says which peers can return which of our heads, as the copy of the heads
// has it.
func helpers(dir folder, self identity.Entity) (lines []string) {
	heads, err := ledger.ReadHeads(dir.heads(), self)
	if err != nil {
		return []string{"peer    no copy of the heads: each peer that has dealt with this node can be asked"}
	}
	const most = 10
	for i, h := range heads {
		if i == most {
			return append(lines, fmt.Sprintf("peer    and %d others", len(heads)-most))
		}
		text := fmt.Sprintf("peer    %s holds %d entries of ours, %s, to head %s", h.Peer.Short(), h.Mine.Seq, credits(int64(h.Mine.Cum)), h.Mine.Tip.Short())
		if h.Checkpoint > 0 {
			text += fmt.Sprintf("; checkpoint %d is signed by both", h.Checkpoint)
		}
		lines = append(lines, text)
	}
	return lines
}

// backup is a file that may be an older copy of the ledger.
type backup struct {
	name string
	at   time.Time // when it was written
	examineView
}

const (
	// maxBackups is how many are looked at, the newest.
	maxBackups = 8

	// backupPatience is how long that may take.
	backupPatience = 30 * time.Second
)

// findBackups looks at the files beside the ledger that are of its kind, whatever
// they are called: those with the most in them first, damaged ones last.
func findBackups(ctx context.Context, dir folder) (all []backup) {
	files, err := os.ReadDir(string(dir))
	if err != nil {
		return nil
	}
	for _, file := range files {
		info, err := file.Info()
		if err == nil && info.Mode().IsRegular() && file.Name() != filepath.Base(dir.ledger()) && isBolt(filepath.Join(string(dir), file.Name())) {
			all = append(all, backup{name: file.Name(), at: info.ModTime()})
		}
	}
	slices.SortStableFunc(all, func(a, b backup) int { return b.at.Compare(a.at) })
	all = all[:min(len(all), maxBackups)]
	ctx, cancel := context.WithTimeout(ctx, backupPatience)
	defer cancel()
	for i := range all {
		if all[i].examineView, err = examineInChild(ctx, filepath.Join(string(dir), all[i].name)); err != nil {
			all[i].Error = err.Error()
		}
	}
	slices.SortStableFunc(all, func(a, b backup) int {
		return cmp.Compare(b.records(), a.records())
	})
	return all
}

// records is how many are in it, -1 when it cannot be read.
func (b backup) records() int64 {
	if b.Found == nil {
		return -1
	}
	return int64(b.Found.Records)
}

func (b backup) usable(self identity.Entity) bool { return b.Found != nil && b.Found.Entity == self }

func (b backup) words(self identity.Entity) string {
	switch {
	case b.Damaged:
		return b.name + ": damaged too"
	case b.Found == nil:
		return b.name + ": " + b.Error
	case b.Found.Entity != self:
		return b.name + ": of another key"
	}
	text := fmt.Sprintf("%s: whole, %d records of %d lines", b.name, b.Found.Records, b.Found.Lines)
	if newest := b.Found.Newest; !newest.IsZero() {
		text += ", the newest of " + newest.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if b.Found.Torn != "" {
		text += "; it may lack its last transactions"
	}
	return text
}

// isBolt says whether the file begins as bbolt's do, on one of its two first
// pages.
func isBolt(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, at := range []int64{16, 4096 + 16} { // its magic, little-endian
		b := make([]byte, 4)
		if _, err := f.ReadAt(b, at); err == nil && [4]byte(b) == [4]byte{0xED, 0xDA, 0x0C, 0xED} {
			return true
		}
	}
	return false
}
