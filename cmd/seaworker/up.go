package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// statusView is how a node is.
type statusView struct {
	Address   addr.Addr       `json:"address"`
	Entity    identity.Entity `json:"entity"` // this node's key
	ActsFor   *ledger.Acting  `json:"acts_for,omitempty"`
	Version   string          `json:"version"`
	Online    bool            `json:"online"`
	Links     int             `json:"links"`
	Listening []string        `json:"listening"`
	Direct    []string        `json:"direct,omitempty"` // sea:// addresses
	Selling   bool            `json:"selling"`
	Shift     market.Shift    `json:"shift"`             // whether it does so now
	NotNow    string          `json:"not_now,omitempty"` // why nothing is sold at the moment
	Dir       string          `json:"dir"`
	PID       int             `json:"pid,omitempty"` // of the daemon; none without one

	// Outside is how others see the node's packets, once somebody has said so.
	Outside *outsideView `json:"outside,omitempty"`

	// Reached is whether others can dial the node, once somebody has tried.
	Reached *reachView `json:"reached,omitempty"`

	// Mapped is what the router does for the node, once it was asked.
	Mapped *mappedView `json:"mapped,omitempty"`

	// ClockAhead is by how many milliseconds this machine's clock is ahead of most
	// neighbours', once there are three.
	ClockAhead *int64 `json:"clock_ahead_ms,omitempty"`
}

func newUp(c *cli) *cobra.Command {
	cfg := defaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the daemon, in the foreground",
		Long: `Run the daemon, in the foreground, until "seaworker stop", Ctrl-C or SIGTERM. It
prints one line when it is ready, with the real ports.

Each flag can also stand in config.toml in the state folder, or in --config, by
its name (max-jobs = 2), or in the environment (SEA_MAX_JOBS=2). A flag wins
over the environment, and that over the file.

A node without --listen is reached through the sea, by WebRTC. On a private
network it listens on a port of the system's choice and tells the others there,
so that nodes on it meet with no address typed; see --lan. The router is asked
to let others in, which "seaworker status" tells of; see --portmap. Fresh strangers may
owe a seller 10 credits, all of them together; see --strangers.`,
		Example: `  seaworker up --listen 0.0.0.0:4160
  seaworker up --bootstrap ws://192.0.2.7:4160 --sell --price 0.8`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			if err := loadConfig(cmd.Flags(), &cfg, dir, file); err != nil {
				return err
			}
			if err := cfg.check(); err != nil {
				return err
			}
			spareProcessor()
			return serve(cmd.Context(), dir, cfg, c.stderr, func(s statusView) error {
				if c.json {
					return c.printJSON(s)
				}
				listening := "listening nowhere"
				if len(s.Listening) > 0 {
					listening = "listening on " + strings.Join(s.Listening, " ")
				}
				acts := ""
				if s.ActsFor != nil {
					acts = "  acts for " + s.ActsFor.Entity.Short()
				}
				_, err := fmt.Fprintf(c.stdout, "ready  entity %s%s  address %s  %s  links %d\n", s.Entity, acts, s.Address, listening, s.Links)
				return err
			})
		},
	}
	configFlags(cmd.Flags(), &cfg)
	cmd.Flags().StringVar(&file, "config", "", "read `FILE` instead of config.toml in the state folder")
	return cmd
}

// spareProcessor has Go use one processor more than there is, unless the
// environment's GOMAXPROCS says how many: Go takes one for busy that waits for
// the disk. What the system gives the process later no longer counts.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

func newStop(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "stop",
		Short:   "Stop the daemon",
		Long:    "Stop the daemon and wait until it has. Jobs that it sells or buys go on when it is\nstarted again.",
		Example: "  seaworker stop",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var s statusView
			if err := api.do(cmd.Context(), http.MethodPost, "/stop", nil, &s); err != nil {
				return err
			}
			dir := folder(s.Dir)
			if err := awaitEnd(cmd.Context(), dir); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]bool{"stopped": true})
			}
			_, err = fmt.Fprintln(c.stdout, "stopped")
			return err
		},
	}
}

// awaitEnd waits until the daemon of dir has removed its socket, which is the
// last thing it does.
func awaitEnd(ctx context.Context, dir folder) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Lstat(dir.socket()); os.IsNotExist(err) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return failf(exitTimeout, reasonTimeout, "see its log", "the daemon in %s does not end", dir)
		}
	}
}

func newStatus(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show how this node is",
		Example: "  seaworker status",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var s statusView
			if err := c.read(cmd.Context(), "/status", &s); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(s)
			}
			state := "offline: start it with \"seaworker up\""
			if s.Online {
				state = fmt.Sprintf("online, %d links", s.Links)
			}
			listening := "nowhere; others reach it through the sea"
			if len(s.Listening) > 0 {
				listening = strings.Join(s.Listening, " ")
			}
			selling := "no"
			if s.Selling {
				selling = "yes"
				switch {
				case s.Shift.Mode != market.Open:
					selling += ", but " + shiftText(s.Shift)
				case s.NotNow != "":
					selling += ", but not now: " + s.NotNow
				}
			}
			acts := ""
			if s.ActsFor != nil {
				acts = "acts for   " + actingText(*s.ActsFor) + "\n"
			}
			_, err := fmt.Fprintf(c.stdout, "entity     %s\n%saddress    %s\nstate      %s\nlistening  %s\nselling    %s\nversion    %s\nfolder     %s\n",
				s.Entity, acts, s.Address, state, listening, selling, s.Version, s.Dir)
			for _, url := range s.Direct {
				if err == nil {
					_, err = fmt.Fprintf(c.stdout, "direct     %s\n", url)
				}
			}
			if err == nil && s.Outside != nil {
				_, err = fmt.Fprintf(c.stdout, "outside    %s\n", s.Outside)
			}
			if err == nil && s.Mapped != nil {
				_, err = fmt.Fprintf(c.stdout, "router     %s\n", s.Mapped)
			}
			if err == nil && s.Online {
				_, err = fmt.Fprintf(c.stdout, "reachable  %s\n", s.reachable())
			}
			if off := s.clockOff(); err == nil && off != "" {
				_, err = fmt.Fprintf(c.stdout, "clock      %s\n", off)
			}
			return err
		},
	}
}

// reachable says whether others can dial the node.
func (s statusView) reachable() string {
	switch {
	case s.Reached != nil:
		return s.Reached.String()
	case len(s.Listening) == 0:
		return "through the sea only: it listens nowhere"
	}
	return "not known: no peer has tried yet"
}

// fairClock is by how much a clock may be off without a word: nodes bear a minute.
const fairClock = 10 * time.Second

// clockOff says that this machine's clock is wrong, as far as most neighbours' clocks show;
// empty when it is not.
func (s statusView) clockOff() string {
	if s.ClockAhead == nil {
		return ""
	}
	off, way := time.Duration(*s.ClockAhead)*time.Millisecond, "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	if off < fairClock {
		return ""
	}
	return fmt.Sprintf("the clock is %s %s most neighbours' clocks: set it, or start a time service; others refuse what is two minutes off", off.Round(time.Second), way)
}
