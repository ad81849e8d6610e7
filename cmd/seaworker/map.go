package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// mapFlags are what "map" can be told beside what "run" can.
type mapFlags struct {
	job      jobFlags
	each     string
	numbers  string
	parallel int
	anew     bool
	detach   bool
	show     mapShow
}

// mapShow is how a map's results are shown.
type mapShow struct {
	dir     string
	raw     bool
	verbose bool
}

func (s *mapShow) declare(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.dir, "out", "o", "", "put each item's stdout, stderr and output folder into a folder of its own below `DIR`")
	cmd.Flags().BoolVar(&s.raw, "raw", false, "pass control characters of the programs' output to the terminal")
	cmd.Flags().BoolVarP(&s.verbose, "verbose", "v", false, "say who did what even when standard error is no terminal")
}

func newMap(c *cli) *cobra.Command {
	var f mapFlags
	cmd := &cobra.Command{
		Use:   "map MODULE.wasm (--each FILE|FOLDER|- | --range A..B) [flags] [-- ARGS...]",
		Short: "Buy one execution for each line, file or number",
		Long: `Buy one execution of a program for each line of a file, each file of a folder or
each number of a range, from as many sellers as there are, and print what they
write in the order of the items.

A line or number is the program's standard input, and so are a file's bytes.
Where ARGS hold {} it stands there instead; for a file it is its name, and the
file is among the program's input files.

--max-credit is for all items together, whatever happens; --timeout is for each.
An item that fails does not end the others. When nothing but slow items is left
they are bought a second time elsewhere, and the first answer wins.

After Ctrl-C the daemon goes on; the same command typed again shows the same
items and goes on where it stands, also after a crash, and with a higher
--max-credit where that had come to its end. Without a daemon (--bootstrap)
Ctrl-C stops what runs, and the same command goes on another time.`,
		Example: `  seaworker map primes.wasm --range 1..100 -- {}000
  seaworker map wordfreq.wasm --each books/ -o counts
  seaworker map render.wasm --each scenes.txt --max-credit 5 -- --scene {}`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("usage: "+cmd.UseLine(), "no module given")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			view, err := newItemsView(c, f.show)
			if err != nil {
				return err
			}
			defer view.close()
			f.job.noInput = true
			api, err := c.buyer(ctx, &f.job)
			if err != nil {
				return err
			}
			defer api.close()
			spec, err := f.spec(ctx, c, api, args[0], args[1:])
			if err != nil {
				return err
			}
			var in submittedMap
			if err := api.do(ctx, http.MethodPost, "/maps", mapRequest{spec, f.anew}, &in); err != nil {
				return err
			}
			if f.detach {
				if c.json {
					return c.printJSON(in)
				}
				_, err := fmt.Fprintln(c.stdout, in.Map)
				return err
			}
			view.begin(in)
			return c.followMap(ctx, api, in.Map, view)
		},
	}
	f.job.declare(cmd)
	f.show.declare(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.each, "each", "", "one item for each line of `FILE` (- is standard input), or for each file below a folder")
	flags.StringVar(&f.numbers, "range", "", "one item for each number of `A..B`")
	flags.IntVar(&f.parallel, "parallel", market.DefaultParallel, fmt.Sprintf("have at most `N` under way at once, up to %d", market.MaxParallel))
	flags.BoolVar(&f.anew, "new", false, "begin anew, even if the same map has not come to its end")
	flags.BoolVar(&f.detach, "detach", false, "print the map's id and do not wait")
	cmd.MarkFlagsMutuallyExclusive("each", "range")
	cmd.MarkFlagsOneRequired("each", "range")
	cmd.MarkFlagsMutuallyExclusive("detach", "out")
	cmd.AddCommand(newMapList(c), newMapShow(c), newMapGet(c), newMapResume(c), newMapStop(c))
	return cmd
}

// spec uploads what the map needs and returns what is to be run.
func (f *mapFlags) spec(ctx context.Context, c *cli, api *client, module string, args []string) (spec market.MapSpec, err error) {
	spec.Parallel = f.parallel
	if f.parallel < 1 {
		return spec, usagef("", "--parallel: want 1 to %d", market.MaxParallel)
	}
	if spec.Spec, err = f.job.spec(ctx, c, api, module, args); err != nil {
		return spec, err
	}
	if f.numbers != "" {
		spec.Each = market.EachNumber
		spec.First, spec.Last, err = parseRange(f.numbers)
		return spec, err
	}
	if f.each == "-" {
		spec.Each = market.EachLine
		spec.Input, err = upload(ctx, api, c.stdin)
		return spec, err
	}
	info, err := os.Stat(f.each)
	if err != nil {
		return spec, usagef("check the name", "--each: %v", err)
	}
	if !info.IsDir() {
		spec.Each = market.EachLine
		spec.Input, err = uploadFile(ctx, api, f.each)
		return spec, err
	}
	spec.Each = market.EachFile
	spec.Input, err = uploadEach(ctx, api, f.each)
	return spec, err
}

// parseRange reads A..B, both whole numbers and both included.
func parseRange(text string) (first, last int64, err error) {
	a, b, ok := strings.Cut(text, "..")
	if ok {
		if first, err = strconv.ParseInt(a, 10, 64); err == nil {
			last, err = strconv.ParseInt(b, 10, 64)
		}
	}
	if !ok || err != nil || last < first {
		return 0, 0, usagef("write it as 1..100", "--range is %q", text)
	}
	return first, last, nil
}

// uploadEach uploads the regular files below a folder, and the list of them.
// os.Root keeps what is read inside the folder, whatever links it holds.
func uploadEach(ctx context.Context, api *client, dir string) (compute.Blob, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return compute.Blob{}, usagef("", "--each: %v", err)
	}
	defer root.Close()
	var list bytes.Buffer
	lines := json.NewEncoder(&list)
	n := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if n++; n > market.MaxItems {
			return usagef("give a part of them at a time", "there are more than %d files", market.MaxItems)
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		blob, err := upload(ctx, api, file)
		if err != nil {
			return err
		}
		return lines.Encode(compute.File{Path: name, Hash: blob.Hash, Size: blob.Size})
	})
	if err != nil {
		return compute.Blob{}, fmt.Errorf("--each %s: %w", dir, err)
	}
	return upload(ctx, api, &list)
}

// followMap shows a map until it has ended, and says how it did.
func (c *cli) followMap(ctx context.Context, api *client, id market.ID, view *itemsView) error {
	final, err := watchMap(ctx, api, id, view)
	if err != nil && ctx.Err() != nil {
		return c.interruptedMap(api, id, view)
	}
	if err != nil {
		return err
	}
	return view.finish(final)
}

// watchMap shows a map's items until it has ended, and returns it.
func watchMap(ctx context.Context, api *client, id market.ID, view *itemsView) (market.Map, error) {
	var final *market.Map
	err := api.events(ctx, fmt.Sprintf("/maps/%s/events?item=%d", id, view.next), func(data []byte) error {
		var u market.MapUpdate
		if err := json.Unmarshal(data, &u); err != nil {
			return err
		}
		if u.Final {
			final = &u.Map
		}
		return view.update(ctx, api, id, u)
	})
	view.erase()
	switch {
	case err != nil:
		return market.Map{}, err
	case final == nil:
		return market.Map{}, failf(exitUnreachable, reasonNoDaemon, "start it again with \"seaworker up\": the map goes on", "the daemon stopped while map %s was running", id.Short())
	}
	return *final, nil
}

// interruptedMap is Ctrl-C during a map: a daemon goes on with it, a node of
// this process stops it and pays for what ran.
func (c *cli) interruptedMap(api *client, id market.ID, view *itemsView) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if !api.ephemeral {
		return failf(exitInterrupted, reasonInterrupted,
			"see it with \"seaworker map get "+id.Short()+"\", stop it with \"seaworker map stop "+id.Short()+"\"",
			"interrupted; map %s goes on", id.Short())
	}
	again := "the same command goes on with it"
	if err := api.do(ctx, http.MethodPost, "/maps/"+id.String()+"/stop", nil, nil); err != nil {
		return err
	}
	view.quiet = true
	final, err := watchMap(ctx, api, id, view)
	if err != nil {
		return failf(exitInterrupted, reasonInterrupted, again, "interrupted; what ran of map %s did not end in time", id.Short())
	}
	return failf(exitInterrupted, reasonInterrupted, again, "interrupted; %d of %d items of map %s are done, %s paid", final.Done, final.Items, id.Short(), credits(int64(final.Cost)))
}

func newMapList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the maps, newest first",
		Example: "  seaworker map list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []market.Map
			if err := c.read(cmd.Context(), "/maps", &all); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(all)
			}
			var rows []string
			for _, m := range all {
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s", m.ID.Short(), m.Created.Local().Format(time.DateTime),
					clean(m.Spec.Name), m.State, m.Items, m.Done, m.Failed, commas(m.Fuel), credits(int64(m.Cost))))
			}
			return c.table("MAP\tCREATED\tPROGRAM\tSTATE\tITEMS\tDONE\tFAILED\tFUEL\tCOST", rows)
		},
	}
}

func newMapShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "show MAP",
		Short:   "Show how far a map is, and who did what for how much",
		Example: "  seaworker map show 2cf24dba5f",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var m market.Map
			if err := c.read(cmd.Context(), "/maps/"+escapePath(args[0]), &m); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(m)
			}
			fmt.Fprintf(c.stdout, "map       %s\nprogram   %s  %s\nstate     %s\n", m.ID, clean(m.Spec.Name), m.Spec.Module.Hash, m.State)
			if m.Reason != "" {
				fmt.Fprintf(c.stdout, "reason    %s: %s\nhint      %s\n", m.Reason, clean(m.Error), clean(m.Hint))
			}
			return summarize(c.stdout, m)
		},
	}
}

func newMapGet(c *cli) *cobra.Command {
	var show mapShow
	cmd := &cobra.Command{
		Use:     "get MAP",
		Short:   "Print what a map's programs wrote, as far as it is, and wait for the rest",
		Example: "  seaworker map get 2cf24dba5f -o counts",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			view, err := newItemsView(c, show)
			if err != nil {
				return err
			}
			defer view.close()
			api, err := c.reader(ctx)
			if err != nil {
				return err
			}
			defer api.close()
			var m market.Map
			if err := api.do(ctx, http.MethodGet, "/maps/"+escapePath(args[0]), nil, &m); err != nil {
				return err
			}
			if m.State == market.MapRunning {
				api.close()
				if api, err = c.running(ctx); err != nil { // or nothing would come
					return err
				}
				defer api.close()
			}
			return c.followMap(ctx, api, m.ID, view)
		},
	}
	show.declare(cmd)
	return cmd
}

func newMapResume(c *cli) *cobra.Command {
	var show mapShow
	var change market.MapChange
	var maxCredit, maxPrice float64
	var job jobFlags
	cmd := &cobra.Command{
		Use:   "resume MAP",
		Short: "Go on with a map that was stopped, or with its items that failed",
		Example: `  seaworker map resume 2cf24dba5f --max-credit 20
  seaworker map resume 2cf24dba5f --failed`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			view, err := newItemsView(c, show)
			if err != nil {
				return err
			}
			defer view.close()
			api, err := c.buyer(ctx, &job)
			if err != nil {
				return err
			}
			defer api.close()
			change.MaxCredit, change.MaxPrice = microOf(maxCredit), microOf(maxPrice)
			var in submittedMap
			if err := api.do(ctx, http.MethodPost, "/maps/"+escapePath(args[0])+"/resume", change, &in); err != nil {
				return err
			}
			return c.followMap(ctx, api, in.Map, view)
		},
	}
	show.declare(cmd)
	flags := cmd.Flags()
	flags.Float64Var(&maxCredit, "max-credit", 0, "spend at most `CREDITS` on all of it, what it has cost included (default: as it was)")
	flags.Float64Var(&maxPrice, "max-price", 0, "pay at most `CREDITS` per Gfuel (default: as it was)")
	flags.IntVar(&change.Parallel, "parallel", 0, "have at most `N` under way at once (default: as it was)")
	flags.BoolVar(&change.Failed, "failed", false, "try the items again that failed")
	flags.StringArrayVar(&job.bootstrap, "bootstrap", nil, "without a daemon, join the sea by `URL` for this one command (repeatable)")
	flags.StringVar(&job.network, "network", "sea", "`NAME` of the sea to join with --bootstrap")
	return cmd
}

func newMapStop(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "stop MAP",
		Short:   "Begin nothing more of a map, and cancel what runs of it",
		Long:    "Begin nothing more of a map, and cancel what runs of it: that is paid to the\npoint it has come to. \"map resume\" goes on with it.",
		Example: "  seaworker map stop 2cf24dba5f",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			return api.do(cmd.Context(), http.MethodPost, "/maps/"+escapePath(args[0])+"/stop", nil, nil)
		},
	}
}
