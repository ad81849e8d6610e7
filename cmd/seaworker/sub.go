package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/peersea/sea/node"
	"github.com/spf13/cobra"
)

// errHeard ends a subscription that has heard enough.
var errHeard = errors.New("heard enough")

func newSub(c *cli) *cobra.Command {
	var past, count int
	var raw bool
	cmd := &cobra.Command{
		Use:   "sub CHANNEL",
		Short: "Listen to a channel",
		Long: `Listen to a channel until it is interrupted, a line for each message: when, who,
what. With --json a line is an object whose body is base64. Lines are cut to 256
bytes and control characters are taken out, unless --raw.`,
		Example: `  seaworker sub news
  seaworker sub --past 16 news`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if past < 0 || past > node.MaxPast || count < 0 {
				return usagef("see \"seaworker sub --help\"", "--past is 0 to %d and --count no less than 0", node.MaxPast)
			}
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			ask := url.Values{"channel": {args[0]}, "past": {strconv.Itoa(past)}}
			heard := 0
			err = api.events(cmd.Context(), "/channel?"+ask.Encode(), func(data []byte) error {
				var e channelEvent
				if err := json.Unmarshal(data, &e); err != nil {
					return err
				}
				if e.Message == nil {
					fmt.Fprintf(c.stderr, "joined %s\n", clean(args[0]))
					return nil
				}
				if err := c.showMessage(e.Message, raw); err != nil {
					return err
				}
				if heard++; heard == count {
					return errHeard
				}
				return nil
			})
			if errors.Is(err, errHeard) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().IntVar(&past, "past", 0, "ask others for the last `N` messages, 16 at most")
	cmd.Flags().IntVar(&count, "count", 0, "stop after `N` messages; 0 never stops")
	cmd.Flags().BoolVar(&raw, "raw", false, "print messages as they came, one after the other, and nothing else")
	return cmd
}

// showMessage prints a message.
func (c *cli) showMessage(m *messageView, raw bool) error {
	if m.Missed > 0 {
		fmt.Fprintf(c.stderr, "lagged: %d messages were lost here\n", m.Missed)
	}
	switch {
	case c.json:
		return json.NewEncoder(c.stdout).Encode(m)
	case raw:
		_, err := c.stdout.Write(m.Body)
		return err
	}
	_, err := fmt.Fprintf(c.stdout, "%s  %s  %s\n", m.Issued.Local().Format("15:04:05"), m.From.Short(), clean(string(m.Body)))
	return err
}
