package main

import (
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/peersea/sea/ledger"
	"github.com/spf13/cobra"
)

// newCheckFile is the hidden command behind "credit check".
func newCheckFile(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:    checkCommand + " FILE",
		Hidden: true,
		Args:   exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := ledger.Check(args[0])
			v := checkView{OK: err == nil, Entries: report.Entries, Lines: report.Lines, Segments: report.Segments}
			if bad, ok := errors.AsType[*ledger.DamageError](err); ok && bad.File != "" {
				v.Error, v.Hint = err.Error(), "put "+filepath.Base(bad.File)+" back from a copy of the folder ledger.db.segments; the node can go on meanwhile"
			} else if err != nil {
				v.Error, v.Hint = err.Error(), "put a backup of ledger.db back, or move it away; then \"seaworker credit rebuild\" asks the peers for what is missing"
			}
			return json.NewEncoder(c.stdout).Encode(v)
		},
	}
}
