package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/peersea/sea/node"
	"github.com/spf13/cobra"
)

// pubPause is how long to wait before a line is said again that came too soon.
const pubPause = 100 * time.Millisecond

func newPub(c *cli) *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "pub CHANNEL [TEXT|-]",
		Short: "Say something in a channel",
		Long: `Say something in a channel: all who have subscribed to its name hear it. Without
TEXT each line of standard input is a message of its own; - takes all of it as
one. A message has at most 64 KiB.

Channels are public: whoever knows the name can listen and speak.`,
		Example: `  seaworker pub news "the tide is in"
  date | seaworker pub news`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("usage: "+cmd.UseLine(), "want a channel and at most one text; quote a text of several words")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			say := func(body []byte) error {
				return publish(cmd.Context(), api, publishRequest{Channel: args[0], Scope: scope, Body: body})
			}
			switch {
			case len(args) == 1:
				return eachLine(c.stdin, say)
			case args[1] == "-":
				body, err := io.ReadAll(io.LimitReader(c.stdin, node.MaxPublished+1))
				if err != nil {
					return err
				}
				return say(body)
			}
			return say([]byte(args[1]))
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "text", "what kind of message it is, as a `WORD`")
	return cmd
}

// eachLine calls say with the lines of r, without their ends.
func eachLine(r io.Reader, say func([]byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, node.MaxPublished+1)
	for lines.Scan() {
		if err := say(lines.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return usagef("", "a line has more than %d bytes", node.MaxPublished)
	}
	return lines.Err()
}

// publish says a message, again while it comes too soon after the last.
func publish(ctx context.Context, api *client, in publishRequest) error {
	for {
		err := api.do(ctx, http.MethodPost, "/channel", in, nil)
		if f, ok := errors.AsType[*failure](err); !ok || f.Reason != reasonRefused {
			return err
		}
		select {
		case <-time.After(pubPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
