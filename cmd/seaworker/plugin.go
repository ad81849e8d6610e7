package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/guest"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newPlugin(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "plugin",
		Short: "Serve scopes from WebAssembly modules",
		Long: `Serve scopes of this node from WebAssembly modules: each function of one that takes
and returns bytes becomes a scope that any node may call. A module runs in the same
sandbox as a job, with a limit of fuel, memory and time for each call, and may do
nothing else unless it is allowed to.`,
	}
	group.AddCommand(newPluginList(c), newPluginEnable(c), newPluginDisable(c))
	return asGroup(group)
}

func newPluginList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the plugins, what they serve and what they have done",
		Example: "  seaworker plugin list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v pluginsView
			if err := c.read(cmd.Context(), "/plugins", &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			var rows []string
			for _, name := range v.BuiltIn {
				rows = append(rows, name+"\tbuilt in\t\t\t\t\t\t")
			}
			for _, g := range v.Guests {
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", g.Name, guestState(g), orDash(strings.Join(g.Powers, ",")), priceText(g.Terms.Price),
					commas(g.Calls), commas(g.Failed+g.Busy), commas(g.Fuel), bytesText(uint64(g.Stored))))
			}
			return c.table("NAME\tSERVES\tMAY\tPRICE\tCALLS\tREFUSED\tFUEL\tSTORED", rows)
		},
	}
}

func guestState(g guest.View) string {
	switch {
	case g.Trouble != "":
		return "nothing: " + g.Trouble
	case !g.On:
		return "nothing (disabled)"
	}
	return strings.Join(g.Scopes, " ")
}

// priceText is a price in a word: of a Gfuel, or of a call and a Gfuel.
func priceText(p market.Price) string {
	switch {
	case p.Fee == 0 && p.PerGfuel == 0:
		return "free"
	case p.Fee == 0:
		return credits(int64(p.PerGfuel)) + "/Gfuel"
	}
	return credits(int64(p.Fee)) + " + " + credits(int64(p.PerGfuel)) + "/Gfuel"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// pluginFlags are the terms of a guest as they are typed.
type pluginFlags struct {
	allow                           []string
	price, fee, fuel, memory, store string
}

func (f *pluginFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.allow, "allow", nil, "the `POWERS` it may use, by name")
	flags.StringVar(&f.price, "price", "0", "`CREDITS` for a Gfuel")
	flags.StringVar(&f.fee, "fee", "0", "`CREDITS` for a call")
	flags.StringVar(&f.fuel, "fuel", "1G", "most `FUEL` for one call")
	flags.StringVar(&f.memory, "memory", "64MiB", "most memory for one call")
	flags.StringVar(&f.store, "store", "16MiB", "most that it may keep on the disk")
}

func (f *pluginFlags) read() (ask pluginAsk, err error) {
	ask.Powers = f.allow
	price, err := parseCredits(f.price)
	if err != nil {
		return ask, err
	}
	fee, err := parseCredits(f.fee)
	if err != nil {
		return ask, err
	}
	ask.Terms.PerGfuel, ask.Terms.Fee = ledger.Amount(price), ledger.Amount(fee)
	if ask.Terms.Fuel, err = parseCount(f.fuel); err != nil {
		return ask, usagef("write it as 500M or 5G", "--fuel: %v", err)
	}
	memory, err := parseBytes(f.memory)
	if err != nil || memory>>16 > compute.MaxMemoryPages {
		return ask, usagef("write it as 64MiB", "--memory is %q", f.memory)
	}
	ask.Terms.MemoryPages = uint32(memory >> 16)
	store, err := parseBytes(f.store)
	if err != nil {
		return ask, usagef("write it as 16MiB", "--store: %v", err)
	}
	ask.Terms.StoreBytes = int64(store)
	return ask, nil
}

func newPluginEnable(c *cli) *cobra.Command {
	var name string
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:   "enable MODULE.wasm --scope NAME",
		Short: "Serve a module's functions as NAME:FUNCTION",
		Long: `Serve the functions of a reactor that take and return bytes, (i32, i32) -> i64, as
scopes NAME:FUNCTION. A module that asks for no power is a pure function of what it
is called with. Powers are allowed by name:

` + grantsText() + `
With a --price or a --fee its calls are sold as jobs are, while this node sells:
"call --max-credit" buys one, with a receipt. Without, anyone may call it for
nothing. It is served again after a restart, until "plugin disable". Enabling
another module under the same name replaces it and keeps its store.`,
		Example: `  seaworker plugin enable kv.wasm --scope kv --allow store
  seaworker plugin enable thumbnail.wasm --scope thumbnail --fuel 5G --price 2`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				return usagef("give it a name, such as --scope kv", "--scope is missing")
			}
			ask, err := flags.read()
			if err != nil {
				return err
			}
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			if ask.Module, err = uploadFile(cmd.Context(), api, args[0]); err != nil {
				return err
			}
			var v guest.View
			if err := api.do(cmd.Context(), http.MethodPut, "/plugins/"+url.PathEscape(name), ask, &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			_, err = fmt.Fprintf(c.stdout, "%s serves %s\n", v.Name, strings.Join(v.Scopes, " "))
			return err
		},
	}
	cmd.Flags().StringVar(&name, "scope", "", "the `NAME` before the colon of its scopes: a-z and 0-9")
	flags.add(cmd.Flags())
	return cmd
}

// grantsText says what each power is, a line each.
func grantsText() string {
	var b strings.Builder
	for _, g := range guest.Grants {
		fmt.Fprintf(&b, "  %-8s %s\n", g.Word, g.Meaning)
	}
	return b.String()
}

func newPluginDisable(c *cli) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:     "disable NAME",
		Short:   "Serve a module no longer",
		Long:    "Serve a module no longer. It and what it has stored are kept, unless they shall be\nforgotten.",
		Example: "  seaworker plugin disable kv\n  seaworker plugin disable kv --forget",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			method, path, done := http.MethodPost, "/plugins/"+url.PathEscape(args[0])+"/disable", "disabled"
			if forget {
				method, path, done = http.MethodDelete, "/plugins/"+url.PathEscape(args[0]), "forgotten"
			}
			if err := api.do(cmd.Context(), method, path, nil, &none{}); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]bool{done: true})
			}
			_, err = fmt.Fprintln(c.stdout, done)
			return err
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "remove the module and all that it has stored")
	return cmd
}
