package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/peersea/sea/node"
	"github.com/spf13/pflag"
)

// config is what "up" can be told. Each field is a flag, an environment
// variable and a key of config.toml of the same name ("max-jobs", SEA_MAX_JOBS,
// max-jobs), and wins in that order; the zero value works.
type config struct {
	Listen     string   `toml:"listen"`      // host:port for WebSockets; none unless told
	Public     []string `toml:"public"`      // URLs at which others can reach Listen
	Join       bool     `toml:"join"`        // show browsers that come to Listen the join page
	Pages      string   `toml:"pages"`       // or this folder of pages
	Bootstrap  []string `toml:"bootstrap"`   // URLs to join the sea by
	TLSCert    string   `toml:"tls-cert"`    // PEM file; Listen then speaks wss
	TLSKey     string   `toml:"tls-key"`     // PEM file
	ACME       string   `toml:"acme"`        // domain to have a certificate made for
	ACMEServer string   `toml:"acme-server"` // its directory URL; Let's Encrypt unless told
	Sell       bool     `toml:"sell"`        // serve jobs
	Price      float64  `toml:"price"`       // credits per Gfuel
	Fee        float64  `toml:"fee"`         // credits per job
	Strangers  float64  `toml:"strangers"`   // credits that all strangers together may owe
	Grow       bool     `toml:"grow"`        // let limits grow as peers repay
	MaxJobs    int      `toml:"max-jobs"`    // jobs at one time
	Disk       string   `toml:"disk"`        // bytes of inputs, outputs and compiled programs
	Network    string   `toml:"network"`     // whose nodes to speak with
	LAN        bool     `toml:"lan"`         // meet nodes on the local network
	PortMap    bool     `toml:"portmap"`     // have the router let others in
	MaxLinks   int      `toml:"max-links"`   // links of the node
	PerAddress int      `toml:"per-address"` // links that nodes of one IP address may have to this one
	Relay      int      `toml:"relay"`       // connections of others to relay, where Listen is told
	STUN       []string `toml:"stun"`        // servers that tell us our public UDP address, beside the bootstraps
	LogLevel   string   `toml:"log-level"`   // debug, info, warn or error

	given     map[string]bool // the keys that were told, wherever
	impatient bool            // fail when no bootstrap answers
}

// defaultConfig is what a node does when it is told nothing.
func defaultConfig() config {
	return config{
		Price:      1,
		Strangers:  10,
		Grow:       true,
		MaxJobs:    runtime.NumCPU(),
		Disk:       "2GiB",
		Network:    "sea",
		LAN:        true,
		PortMap:    true,
		Relay:      16,
		MaxLinks:   node.DefaultMaxLinks,
		PerAddress: node.DefaultMaxPerHost,
		LogLevel:   "info",
	}
}

// smallestDisk is the least that disk may be: room for a job with its module.
const smallestDisk = 256 << 20

// halfDisk is half of disk, in bytes.
func (c config) halfDisk() (int64, error) {
	n, err := parseBytes(c.Disk)
	if err != nil || n < smallestDisk || n > math.MaxInt64 {
		return 0, usagef("write it as 10GiB; the least is 256MiB", "--disk is %q", c.Disk)
	}
	return int64(n / 2), nil
}

// configFlags declares a flag for every field, with cfg's values as defaults.
func configFlags(flags *pflag.FlagSet, cfg *config) {
	flags.StringVar(&cfg.Listen, "listen", cfg.Listen, "accept WebSockets on `HOST:PORT` (port 0 takes a free one)")
	flags.StringSliceVar(&cfg.Public, "public", cfg.Public, "`URL` at which others reach --listen, when it is not the one it binds")
	flags.BoolVar(&cfg.Join, "join", cfg.Join, "show browsers that come to --listen a page by which their tab joins the sea, buys and sells")
	flags.StringVar(&cfg.Pages, "pages", cfg.Pages, "show them the files of this `FOLDER` instead, such as examples/web")
	flags.StringSliceVar(&cfg.Bootstrap, "bootstrap", cfg.Bootstrap, "join the sea by the node at `URL` (repeatable)")
	flags.StringVar(&cfg.TLSCert, "tls-cert", cfg.TLSCert, "serve wss:// with the certificate in this PEM `FILE`")
	flags.StringVar(&cfg.TLSKey, "tls-key", cfg.TLSKey, "the certificate's key, a PEM `FILE`")
	flags.StringVar(&cfg.ACME, "acme", cfg.ACME, "serve wss:// with a certificate for `DOMAIN` from Let's Encrypt")
	flags.StringVar(&cfg.ACMEServer, "acme-server", cfg.ACMEServer, "ask another ACME server, by its directory `URL`")
	flags.BoolVar(&cfg.Sell, "sell", cfg.Sell, "sell computing to others")
	flags.Float64Var(&cfg.Price, "price", cfg.Price, "`CREDITS` per Gfuel (10^9 fuel)")
	flags.Float64Var(&cfg.Fee, "fee", cfg.Fee, "`CREDITS` per job, beside the fuel")
	flags.Float64Var(&cfg.Strangers, "strangers", cfg.Strangers, "`CREDITS` that all strangers together may owe")
	flags.BoolVar(&cfg.Grow, "grow", cfg.Grow, "let a limit grow by a tenth of what its peer repays, up to twice what was granted")
	flags.IntVar(&cfg.MaxJobs, "max-jobs", cfg.MaxJobs, "run at most `N` jobs at a time")
	flags.StringVar(&cfg.Disk, "disk", cfg.Disk, "keep at most `N` bytes of inputs and outputs, and of compiled programs, half for each, the oldest go first")
	flags.StringVar(&cfg.Network, "network", cfg.Network, "`NAME` of the sea to be in; other seas are not spoken with")
	flags.BoolVar(&cfg.LAN, "lan", cfg.LAN, "find nodes on the local network by mDNS, and be found: --lan=false does neither")
	flags.BoolVar(&cfg.PortMap, "portmap", cfg.PortMap, "on a private network, ask the router (NAT-PMP, UPnP) to let others in, unless --public is told: --portmap=false does not")
	flags.IntVar(&cfg.MaxLinks, "max-links", cfg.MaxLinks, "have at most `N` links; a bootstrap that many come to needs 1024 or more")
	flags.IntVar(&cfg.PerAddress, "per-address", cfg.PerAddress, "let nodes of one IP address (IPv6: /56) have `N` links to this one; 0 for no bound; private networks have none")
	flags.IntVar(&cfg.Relay, "relay", cfg.Relay, "with --listen, relay up to `N` connections of others that find no direct way, each 128 KiB/s each way; 0 for none")
	flags.StringSliceVar(&cfg.STUN, "stun", cfg.STUN, "ask the STUN server at `HOST:PORT` too for the public UDP address; nodes with a URL are asked anyway")
	flags.StringVar(&cfg.LogLevel, "log-level", cfg.LogLevel, "debug, info, warn or error")
}

// loadConfig fills every field of cfg whose flag was not given, from the
// environment, else from file. An empty file means config.toml in the state
// folder, which need not exist.
func loadConfig(flags *pflag.FlagSet, cfg *config, dir folder, file string) error {
	given := file != ""
	if !given {
		file = filepath.Join(string(dir), "config.toml")
	}
	fromFile := map[string]any{}
	switch _, err := toml.DecodeFile(file, &fromFile); {
	case errors.Is(err, fs.ErrNotExist) && !given:
	case err != nil:
		return usagef("see \"seaworker up --help\" for the names; each flag is a key", "read %s: %v", file, err)
	}
	for key := range fromFile {
		if flags.Lookup(key) == nil || !isConfigKey(key) {
			return usagef("see \"seaworker up --help\" for the names", "%s: unknown key %q", file, key)
		}
	}
	var bad error
	cfg.given = map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) {
		if bad != nil || !isConfigKey(f.Name) {
			return
		}
		if f.Changed {
			cfg.given[f.Name] = true
			return
		}
		env := "SEA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := os.LookupEnv(env); ok {
			cfg.given[f.Name] = true
			if err := f.Value.Set(v); err != nil {
				bad = usagef("", "%s: %v", env, err)
			}
			return
		}
		if v, ok := fromFile[f.Name]; ok {
			cfg.given[f.Name] = true
			if err := f.Value.Set(spell(v)); err != nil {
				bad = usagef("", "%s: %s: %v", file, f.Name, err)
			}
		}
	})
	return bad
}

// isConfigKey says whether a flag is one of configFlags', not one of cobra's or
// of the command line alone.
func isConfigKey(name string) bool {
	var own pflag.FlagSet
	configFlags(&own, new(config))
	return own.Lookup(name) != nil
}

// spell writes a TOML value as a flag would be written.
func spell(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = fmt.Sprint(x)
	}
	return strings.Join(words, ",")
}

// check refuses what cannot be meant.
func (c config) check() error {
	switch {
	case c.Price < 0 || c.Fee < 0 || c.Strangers < 0:
		return usagef("", "a price, fee or limit is below zero")
	case c.MaxLinks < 32:
		return usagef("a node needs 32 to find others", "--max-links is %d", c.MaxLinks)
	case c.PerAddress < 0:
		return usagef("use 0 for no bound", "--per-address is %d", c.PerAddress)
	case c.Relay < 0:
		return usagef("use 0 to relay nothing", "--relay is %d", c.Relay)
	case c.MaxJobs < 1:
		return usagef("leave --sell away to sell nothing", "--max-jobs is %d", c.MaxJobs)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return usagef("give both --tls-cert and --tls-key", "a certificate without its key, or a key without its certificate")
	case c.Join && c.Pages != "":
		return usagef("", "--join and --pages exclude each other")
	case (c.Join || c.Pages != "") && c.Listen == "":
		return usagef("add --listen HOST:PORT", "a page for browsers, and nothing that listens")
	case c.ACME != "" && c.TLSCert != "":
		return usagef("", "--acme and --tls-cert exclude each other")
	case (c.ACME != "" || c.TLSCert != "" || len(c.Public) > 0) && c.Listen == "":
		return usagef("add --listen HOST:PORT", "a certificate or a public URL, and nothing that listens")
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel):
		return usagef("use debug, info, warn or error", "--log-level is %q", c.LogLevel)
	}
	_, err := c.halfDisk()
	return err
}
