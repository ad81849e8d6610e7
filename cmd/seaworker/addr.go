package main

import (
	"fmt"

	"github.com/peersea/sea/node/addr"
	"github.com/spf13/cobra"
)

func newAddr(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "addr",
		Short: "Make and compare addresses",
		Long:  "An address is 224 bits: where to find something in the sea.",
	}
	group.AddCommand(
		&cobra.Command{
			Use:     "make TEXT",
			Short:   "Print the address of a text",
			Example: "  seaworker addr make hello",
			Args:    exactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				a := addr.MakeString(args[0])
				if c.json {
					return c.printJSON(map[string]any{"address": a})
				}
				_, err := fmt.Fprintln(c.stdout, a)
				return err
			},
		},
		&cobra.Command{
			Use:   "dist A B",
			Short: "Print the XOR distance of two addresses",
			Long: `Print the XOR distance of two addresses: as a number with 24 significant bits,
and as the index of the first bit that differs (224 when they are equal).`,
			Example: "  seaworker addr dist $(seaworker addr make a) $(seaworker addr make b)",
			Args:    exactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				var pair [2]addr.Addr
				for i, text := range args {
					a, err := addr.Parse(text)
					if err != nil {
						return usagef("an address is 56 lower-case hex digits", "%q: %v", text, err)
					}
					pair[i] = a
				}
				dist, log := addr.Dist(pair[0], pair[1]), addr.LogDist(pair[0], pair[1])
				if c.json {
					return c.printJSON(struct {
						LogDist int     `json:"log_dist"`
						Dist    float64 `json:"dist"`
					}{log, float64(dist)})
				}
				_, err := fmt.Fprintf(c.stdout, "%g  (first differing bit: %d)\n", dist, log)
				return err
			},
		},
	)
	return asGroup(group)
}
