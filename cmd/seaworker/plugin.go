package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/peersea/sea/plugins/guest"
	"github.com/spf13/cobra"
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
				rows = append(rows, name+"\tbuilt in\t\t\t\t\t")
			}
			for _, g := range v.Guests {
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", g.Name, guestState(g), orDash(strings.Join(g.Powers, ",")),
					commas(g.Calls), commas(g.Failed+g.Busy), commas(g.Fuel), bytesText(uint64(g.Stored))))
			}
			return c.table("NAME\tSERVES\tMAY\tCALLS\tREFUSED\tFUEL\tSTORED", rows)
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

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newPluginEnable(c *cli) *cobra.Command {
	var name, fuel, memory, store string
	var allow []string
	cmd := &cobra.Command{
		Use:   "enable MODULE.wasm --scope NAME",
		Short: "Serve a module's functions as NAME:FUNCTION",
		Long: `Serve the functions of a reactor that take and return bytes, (i32, i32) -> i64, as
scopes NAME:FUNCTION. A module that asks for no power is a pure function of what it
is called with. Powers are allowed by name:

` + grantsText() + `
It is served again after a restart, until "plugin disable". Enabling another module
under the same name replaces it and keeps its store.`,
		Example: "  seaworker plugin enable kv.wasm --scope kv --allow store\n  seaworker plugin enable thumbnail.wasm --scope thumbnail --fuel 5G",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := pluginAsk{Powers: allow}
			if name == "" {
				return usagef("give it a name, such as --scope kv", "--scope is missing")
			}
			var err error
			if ask.Limits.Fuel, err = parseCount(fuel); err != nil {
				return usagef("write it as 500M or 5G", "--fuel: %v", err)
			}
			bytes, err := parseBytes(memory)
			if err != nil || bytes>>16 > 1<<16 {
				return usagef("write it as 64MiB", "--memory %q: %v", memory, err)
			}
			ask.Limits.MemoryPages = uint32(bytes >> 16)
			if bytes, err = parseBytes(store); err != nil {
				return usagef("write it as 16MiB", "--store %q: %v", store, err)
			}
			ask.Limits.StoreBytes = int64(bytes)
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
	cmd.Flags().StringSliceVar(&allow, "allow", nil, "the `POWERS` it may use, by name")
	cmd.Flags().StringVar(&fuel, "fuel", "1G", "most `FUEL` for one call")
	cmd.Flags().StringVar(&memory, "memory", "64MiB", "most memory for one call")
	cmd.Flags().StringVar(&store, "store", "16MiB", "most that it may keep on the disk")
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
