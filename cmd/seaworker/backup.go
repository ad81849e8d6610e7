package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// backupAsk is the body of a request for a copy of the ledger.
type backupAsk struct {
	Path string `json:"path"` // absolute; "" is a new file beside the ledger
}

// backupView is the copy that was made.
type backupView struct {
	Path    string `json:"path"`
	Records uint64 `json:"records"`
	Lines   int    `json:"lines"`
}

func newCreditBackup(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Copy the ledger to a new file while it goes on",
		Long: `Copy the ledger to a new file while it goes on, and read the copy once. Without
FILE it stands beside the ledger, with the time in its name. Sealed segments go to
FILE.segments, on the same disk as second names of the same files: copy both to
another disk. A copy that is put back later signs nothing on a line before the peer
has shown what is missing: "credit rebuild" asks.`,
		Example: "  seaworker credit backup\n  seaworker credit backup /mnt/usb/ledger.db",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("usage: "+cmd.UseLine(), "more than one file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var ask backupAsk
			for _, name := range args {
				path, err := filepath.Abs(name)
				if err != nil {
					return err
				}
				ask.Path = path
			}
			api, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v backupView
			if err := api.do(cmd.Context(), http.MethodPost, "/credit/backup", ask, &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			_, err = fmt.Fprintf(c.stdout, "%s: %d records of %d lines\n", v.Path, v.Records, v.Lines)
			return err
		},
	}
}

// postBackup copies the ledger, and has a child read the copy.
func (a *api) postBackup(r *http.Request, in backupAsk) (v backupView, err error) {
	if in.Path == "" {
		in.Path = filepath.Join(string(a.d.dir), time.Now().UTC().Format("ledger-20060102-150405.000.db"))
	}
	if !filepath.IsAbs(in.Path) {
		return v, usagef("give its whole path", "%s is not the path of a file", in.Path)
	}
	err = a.d.ledger.Snapshot(in.Path)
	if errors.Is(err, fs.ErrExist) {
		return v, usagef("a copy never writes over another file: name a new one", "%v", err)
	} else if err != nil {
		return v, err
	}
	found, err := examineInChild(r.Context(), in.Path)
	if err != nil {
		return v, err
	}
	if found.Found == nil {
		return v, failf(exitMismatch, reasonMismatch, "look at the disk, then copy again", "the copy in %s cannot be read: %s", in.Path, found.Error)
	}
	return backupView{in.Path, found.Found.Records, found.Found.Lines}, nil
}
