package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

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
			v := checkView{OK: err == nil, Entries: report.Entries, Lines: report.Lines, Segments: report.Segments, Lost: report.Lost}
			if bad, ok := errors.AsType[*ledger.DamageError](err); ok && bad.File != "" {
				names := []string{filepath.Base(bad.File)}
				for _, l := range report.Lost {
					if name := filepath.Base(l.File); name != names[0] {
						names = append(names, name)
					}
				}
				v.Error, v.Hint = err.Error(), "put "+strings.Join(names, ", ")+" back from a copy of the folder ledger.db.segments; the node can go on meanwhile"
			} else if err != nil {
				v.Error, v.Hint = err.Error(), "put a backup of ledger.db back, or move it away; then \"seaworker credit rebuild\" asks the peers for what is missing"
			}
			return json.NewEncoder(c.stdout).Encode(v)
		},
	}
}
