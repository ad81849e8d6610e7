package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// jobFlags are what "run" and "quote" can be told of a job.
type jobFlags struct {
	call              string
	inputs            []string
	env               []string
	stdin             string
	fuel, memory, out string
	depth             uint32
	maxCredit         float64
	maxPrice          float64
	timeout           time.Duration
	to                []string
	seed              string
	randomSeed        bool
	verify, auditor   string
	fresh             bool
	bootstrap         []string
	network           string
	labels            []string
	noInput           bool // our standard input is not the job's
}

func (f *jobFlags) declare(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.call, "call", "", "call the reactor's function `NAME`: it takes standard input and returns standard output")
	flags.StringArrayVarP(&f.inputs, "input", "i", nil, "give the job this `SRC[:DST]`, a file or a folder (repeatable)")
	flags.StringArrayVarP(&f.env, "env", "e", nil, "set an environment variable, `KEY=VALUE` (repeatable)")
	flags.StringVar(&f.stdin, "stdin", "", "read standard input from `FILE` (default: ours, unless it is a terminal)")
	flags.StringVar(&f.fuel, "fuel", "", "let it use at most `N` fuel, e.g. 500M or 20G (default: what --max-credit buys)")
	flags.StringVar(&f.memory, "memory", "512MiB", "let it have at most `N` bytes of memory")
	flags.Uint32Var(&f.depth, "depth", compute.DefaultLimits().Depth, "let it call `N` deep, counted by the size of each frame")
	flags.StringVar(&f.out, "output", "64MiB", "let it write at most `N` bytes, all together")
	flags.Float64Var(&f.maxCredit, "max-credit", 10, "spend at most `CREDITS`")
	flags.Float64Var(&f.maxPrice, "max-price", 0, "pay at most `CREDITS` per Gfuel (default: any price)")
	flags.DurationVar(&f.timeout, "timeout", market.DefaultTimeout, "give up after this `TIME`")
	flags.StringArrayVar(&f.to, "to", nil, "ask only this seller, an `ADDRESS` or a public key (repeatable)")
	flags.StringSliceVar(&f.labels, "label", nil, "ask only sellers that say `NAME=VALUE` of themselves: region=eu (repeatable)")
	flags.StringVar(&f.seed, "seed", "", "begin its randomness from this `TEXT`, so that it can be run again")
	flags.BoolVar(&f.randomSeed, "random-seed", false, "begin its randomness anew; the receipt keeps the seed")
	flags.StringVar(&f.verify, "verify", "none", "check the result before it is paid, `HOW`: none, audit or quorum=K")
	flags.StringVar(&f.auditor, "auditor", "sea", "with audit, who runs it again, `WHO`: sea, the seller that the lot names, or own, this node")
	flags.BoolVar(&f.fresh, "fresh", false, "have it run, and take no result that a seller holds from before")
	flags.StringArrayVar(&f.bootstrap, "bootstrap", nil, "without a daemon, join the sea by `URL` for this one command (repeatable)")
	flags.StringVar(&f.network, "network", "sea", "`NAME` of the sea to join with --bootstrap")
}

// spec uploads what the job needs and returns what is to be run.
func (f *jobFlags) spec(ctx context.Context, c *cli, api *client, module string, args []string) (market.Spec, error) {
	spec := market.Spec{
		Name:       filepath.Base(module),
		Args:       append([]string{filepath.Base(module)}, args...),
		Env:        f.env,
		Entry:      f.call,
		MaxCredit:  microOf(f.maxCredit),
		MaxPrice:   microOf(f.maxPrice),
		Timeout:    f.timeout,
		RandomSeed: f.randomSeed,
		Fresh:      f.fresh,
	}
	var err error
	if spec.Labels, err = parseLabels(f.labels); err != nil {
		return spec, err
	}
	if f.seed != "" {
		if f.randomSeed {
			return spec, usagef("", "--seed and --random-seed exclude each other")
		}
		spec.Seed = identity.HashOf([]byte(f.seed))
	}
	// Zero in a Spec is a default: what rounds to it is not what was meant.
	if spec.MaxCredit <= 0 || spec.MaxPrice < 0 || f.maxPrice > 0 && spec.MaxPrice == 0 || f.timeout <= 0 {
		return spec, usagef("see \"seaworker run --help\"", "--max-credit and --timeout must be above zero, --max-price not below it, and a credit has a million parts")
	}
	if err := f.limits(&spec); err != nil {
		return spec, err
	}
	if err := f.checks(&spec); err != nil {
		return spec, err
	}
	for _, text := range f.to {
		var to nodeView // the node knows first digits that we do not
		if err := api.do(ctx, http.MethodGet, "/peers/"+escapePath(text), nil, &to); err != nil {
			return spec, err
		}
		spec.To = append(spec.To, to.Address)
	}

	code, err := readModule(module, compute.Job{Entry: spec.Entry, Limits: spec.Limits})
	if err != nil {
		return spec, err
	}
	if spec.Module, err = upload(ctx, api, bytes.NewReader(code)); err != nil {
		return spec, err
	}
	if spec.Stdin, err = f.uploadStdin(ctx, c, api); err != nil {
		return spec, err
	}
	for _, text := range f.inputs {
		files, err := uploadInput(ctx, api, text)
		if err != nil {
			return spec, err
		}
		spec.Files = append(spec.Files, files...)
	}
	sort.Slice(spec.Files, func(i, j int) bool { return spec.Files[i].Path < spec.Files[j].Path })
	for i, file := range spec.Files {
		if err := compute.CheckPath(file.Path); err != nil {
			return spec, usagef("choose another name with --input SRC:DST", "--input: %v", err)
		}
		if i > 0 && file.Path == spec.Files[i-1].Path {
			return spec, usagef("give one of them another name with --input SRC:DST", "--input: %s is given twice", file.Path)
		}
	}
	return spec, nil
}

func (f *jobFlags) limits(spec *market.Spec) error {
	if f.fuel != "" {
		n, err := parseCount(f.fuel)
		if err != nil || n == 0 {
			return usagef("write it as 500M or 20G", "--fuel: %v", err)
		}
		spec.Limits.Fuel = n
	}
	memory, err := parseBytes(f.memory)
	if err != nil {
		return usagef("write it as 512MiB", "--memory: %v", err)
	}
	pages := (memory + 1<<16 - 1) >> 16
	if pages < 1 || pages > compute.MaxMemoryPages {
		return usagef("write it as 512MiB", "--memory: want 64KiB to 4GiB less 64KiB")
	}
	spec.Limits.MemoryPages = uint32(pages)
	if f.depth < 1 || f.depth > compute.MaxDepth {
		return usagef("", "--depth: want 1 to %d", compute.MaxDepth)
	}
	spec.Limits.Depth = f.depth
	if spec.Limits.OutputBytes, err = parseBytes(f.out); err != nil {
		return usagef("write it as 64MiB", "--output: %v", err)
	}
	return nil
}

// checks takes in how the result is to be checked.
func (f *jobFlags) checks(spec *market.Spec) error {
	spec.Verify = market.Verify(f.verify)
	if spec.Verify != market.VerifyNone && spec.Verify != market.VerifyAudit && spec.Verify.Quorum() == 0 {
		return usagef("use none, audit or quorum=3", "--verify is %q", f.verify)
	}
	switch f.auditor {
	case "sea":
	case "own":
		spec.OwnAudit = true
	default:
		return usagef("use sea or own", "--auditor is %q", f.auditor)
	}
	if spec.OwnAudit && spec.Verify != market.VerifyAudit {
		return usagef("add --verify audit", "--auditor says who checks, and nothing is to be checked")
	}
	return nil
}

func (f *jobFlags) uploadStdin(ctx context.Context, c *cli, api *client) (compute.Blob, error) {
	if f.stdin != "" {
		return uploadFile(ctx, api, f.stdin)
	}
	if f.noInput || isTerminal(c.stdin) {
		return compute.Blob{}, nil // a program cannot be typed to: it runs elsewhere
	}
	return upload(ctx, api, c.stdin)
}

// upload puts what r holds into the node's storage. No bytes are no blob.
func upload(ctx context.Context, api *client, r io.Reader) (compute.Blob, error) {
	body, err := api.open(ctx, http.MethodPut, "/blobs", r)
	if err != nil {
		return compute.Blob{}, err
	}
	defer body.Close()
	var blob compute.Blob
	if err := decodeJSON(body, &blob); err != nil {
		return compute.Blob{}, err
	}
	if blob.Size == 0 {
		return compute.Blob{}, nil
	}
	return blob, nil
}

func uploadFile(ctx context.Context, api *client, name string) (compute.Blob, error) {
	file, err := os.Open(name)
	if err != nil {
		return compute.Blob{}, usagef("check the name", "%v", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return compute.Blob{}, usagef("name a file", "%s is a folder", name)
	}
	return upload(ctx, api, file)
}

// readModule reads a module that can be what job runs. What cannot is refused
// here, before a seller is asked.
func readModule(name string, job compute.Job) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("check the name", "%v", err)
	}
	defer file.Close()
	module, err := io.ReadAll(io.LimitReader(file, compute.MaxModuleBytes+1))
	if err != nil {
		return nil, usagef("name a file", "%v", err)
	}
	if len(module) > compute.MaxModuleBytes {
		return nil, failf(exitUsage, string(market.ModuleSize), market.ModuleSize.Hint(), "%s has more than %d bytes", name, compute.MaxModuleBytes)
	}
	if err := compute.Admit(module, job); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return module, nil
}

// uploadInput uploads SRC[:DST]: a file as DST or its own name, a folder's
// regular files below DST or below its own name. os.Root keeps what is read
// inside the folder, whatever links it holds.
func uploadInput(ctx context.Context, api *client, text string) ([]compute.File, error) {
	src, dst, named := strings.Cut(text, ":")
	if !named {
		dst = filepath.Base(filepath.Clean(src))
	}
	dst = path.Clean(strings.TrimPrefix(dst, "/"))
	info, err := os.Stat(src)
	if err != nil {
		return nil, usagef("check the name", "--input: %v", err)
	}
	if !info.IsDir() {
		blob, err := uploadFile(ctx, api, src)
		return []compute.File{{Path: dst, Hash: blob.Hash, Size: blob.Size}}, err
	}
	root, err := os.OpenRoot(src)
	if err != nil {
		return nil, usagef("", "--input: %v", err)
	}
	defer root.Close()
	var files []compute.File
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		blob, err := upload(ctx, api, file)
		files = append(files, compute.File{Path: path.Join(dst, name), Hash: blob.Hash, Size: blob.Size})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("--input %s: %w", src, err)
	}
	return files, nil
}

func newRun(c *cli) *cobra.Command {
	var job jobFlags
	var outDir, stdoutFile string
	var detach, raw, verbose bool
	cmd := &cobra.Command{
		Use:   "run MODULE.wasm [flags] [-- ARGS...]",
		Short: "Buy one execution and wait for it",
		Long: `Buy one execution of a WebAssembly program and wait for it. Standard input,
output, error and the exit code are as if it ran here. The program finds its
input files under /, may write to /out, and sees nothing else. What happens
meanwhile is told on standard error when that is a terminal.

With --call the module is a reactor: no program that runs, but functions that
take bytes and return bytes. Standard input is what the function takes, what it
returns is on standard output.

With --verify audit the result is checked before it is shown and paid: each time,
until 10 of a seller's jobs in a row have matched, then one in ten, drawn by lot.
Half of --max-credit is left over for the check, which costs what a job costs;
with --auditor own it runs here, for nothing. A seller that is found out is not
paid and is asked no more, and the job is bought from another one.

With --verify quorum=3 three sellers of different owners run the very same job, for
a third of --max-credit each, and what more than half of them say is shown and
paid. When two of two contradict each other a third is asked; where there are
none left, this node runs it.

Unless told otherwise a job may cost 10 credits, use 512 MiB of memory, write
64 MiB and take 10 minutes; when one of these is hit the message says so and
names the flag.`,
		Example: `  seaworker run primes.wasm -- 1000000
  seaworker run wordfreq.wasm < book.txt
  seaworker run --call count wordcount.wasm < book.txt
  seaworker run mandelbrot.wasm -o pictures --max-credit 2 -- 800 600`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("usage: "+cmd.UseLine(), "no module given")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			view := newJobView(c, raw)
			view.talk = view.talk || verbose && !c.json
			// Where the output goes is looked at before anything is bought.
			if stdoutFile != "" {
				file, err := os.Create(stdoutFile)
				if err != nil {
					return usagef("choose another file", "--stdout: %v", err)
				}
				defer file.Close()
				view.stdout = file
			}
			if outDir != "" {
				if err := os.MkdirAll(outDir, 0o777); err != nil {
					return usagef("choose another folder", "--out: %v", err)
				}
			}
			api, err := c.buyer(ctx, &job)
			if err != nil {
				return err
			}
			defer api.close()
			spec, err := job.spec(ctx, c, api, args[0], args[1:])
			if err != nil {
				return err
			}
			if view.talk {
				view.progress.expect = c.foresee(ctx, api, spec)
			}
			var in submitted
			if err := api.do(ctx, http.MethodPost, "/jobs", spec, &in); err != nil {
				return err
			}
			id := in.Job
			if detach {
				if c.json {
					return c.printJSON(in)
				}
				_, err := fmt.Fprintln(c.stdout, id)
				return err
			}

			view.begin(id, spec)
			final, err := watchJob(ctx, api, id, view)
			if err != nil && ctx.Err() != nil {
				return c.interrupted(api, id, view)
			}
			if err != nil {
				return err
			}
			if outDir != "" {
				if err := fetchFiles(ctx, api, final, outDir); err != nil {
					return err
				}
			}
			return c.finish(final, view)
		},
	}
	job.declare(cmd)
	cmd.Flags().StringVarP(&outDir, "out", "o", "", "put the output folder's files into `DIR`")
	cmd.Flags().StringVar(&stdoutFile, "stdout", "", "write the program's standard output to `FILE`")
	cmd.Flags().BoolVar(&detach, "detach", false, "print the job's id and do not wait")
	cmd.Flags().BoolVar(&raw, "raw", false, "pass control characters of the program's output to the terminal")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "say what happens even when standard error is no terminal")
	cmd.MarkFlagsMutuallyExclusive("detach", "out")
	cmd.MarkFlagsMutuallyExclusive("detach", "stdout")
	return cmd
}

// buyer is the daemon, or where none runs a node that joins the sea for this
// command.
func (c *cli) buyer(ctx context.Context, job *jobFlags) (*client, error) {
	dir, err := pickFolder(c.dir)
	if err != nil {
		return nil, err
	}
	api, err := daemonClient(ctx, dir)
	if err == nil {
		if len(job.bootstrap) > 0 {
			api.close()
			return nil, usagef("leave --bootstrap away, or use \"seaworker peer add\"", "a daemon runs in %s and has its own way into the sea", dir)
		}
		return api, nil
	}
	if len(job.bootstrap) == 0 {
		return nil, failf(exitUnreachable, reasonNoDaemon,
			"start one with \"seaworker up --bootstrap URL\", or give \"run\" a --bootstrap URL", "no daemon runs in %s", dir)
	}
	return ephemeral(ctx, dir, job.bootstrap, job.network)
}

// interrupted is Ctrl-C during a job: a daemon goes on with it, a node of this
// process cancels it and pays for what ran.
func (c *cli) interrupted(api *client, id market.ID, view *jobView) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if !api.ephemeral {
		return failf(exitInterrupted, reasonInterrupted,
			"see it with \"seaworker job show "+id.Short()+"\", stop it with \"seaworker job cancel "+id.Short()+"\"",
			"interrupted; job %s goes on", id.Short())
	}
	if err := api.do(ctx, http.MethodPost, "/jobs/"+id.String()+"/cancel", nil, nil); err != nil {
		return err
	}
	final, err := watchJob(ctx, api, id, view)
	if err != nil {
		return failf(exitInterrupted, reasonInterrupted, "", "interrupted; job %s did not end in time", id.Short())
	}
	return failf(exitInterrupted, reasonInterrupted, "", "interrupted; job %s %s, %s paid", id.Short(), final.State, credits(int64(final.Cost)))
}

// fetchFiles writes the job's output folder into dir. os.Root keeps every name
// inside it.
func fetchFiles(ctx context.Context, api *client, job market.Job, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return usagef("choose another folder", "--out: %v", err)
	}
	defer root.Close()
	for _, out := range job.Files {
		if err := fetchFile(ctx, api, job.ID, root, out); err != nil {
			return fmt.Errorf("--out %s: %w", dir, err)
		}
	}
	return nil
}

func fetchFile(ctx context.Context, api *client, id market.ID, root *os.Root, out compute.OutFile) error {
	name := filepath.FromSlash(out.Path)
	if out.Dir {
		return root.MkdirAll(name, 0o777)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return fetchInto(ctx, api, "/jobs/"+id.String()+"/files/"+escapePath(out.Path), root, name)
}

// fetchInto writes what the control API has at path into the file name below
// root.
func fetchInto(ctx context.Context, api *client, path string, root *os.Root, name string) (err error) {
	body, err := api.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, body)
	return err
}

// parsePeer reads an address, or a public key and takes its node's address.
func parsePeer(text string) (addr.Addr, error) {
	if a, err := addr.Parse(text); err == nil {
		return a, nil
	}
	e, err := identity.ParseEntity(text)
	if err != nil {
		return addr.Addr{}, usagef("see \"seaworker peer list\"", "%q is neither an address (56 hex digits) nor a public key (64)", text)
	}
	return addr.OfNode(e), nil
}
