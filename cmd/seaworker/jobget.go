package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// getView is what "job get --json" prints.
type getView struct {
	Job   market.ID    `json:"job"`
	State market.State `json:"state"`
	Dir   string       `json:"dir"`
	Files []string     `json:"files"` // below dir, in the order written
}

func newJobGet(c *cli) *cobra.Command {
	var outDir string
	cmd := &cobra.Command{
		Use:   "get JOB",
		Short: "Fetch a job's output: stdout, stderr and its output folder",
		Long: `Wait until a job has ended and write its output into a folder: stdout and stderr,
and the files of its output folder in out/. The exit code is that of "run". Of a
job that failed what arrived is written.`,
		Example: "  seaworker run --detach render.wasm\n  seaworker job get 2cf24dba5f -o pictures",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, err := c.reader(ctx)
			if err != nil {
				return err
			}
			defer api.close()
			var j market.Job
			if err := api.do(ctx, http.MethodGet, "/jobs/"+escapePath(args[0]), nil, &j); err != nil {
				return err
			}
			if !j.State.Final() {
				api.close()
				if api, err = c.running(ctx); err != nil { // or nothing would come
					return err
				}
				defer api.close()
				v := newJobView(&cli{stdout: io.Discard, stderr: c.stderr, json: c.json}, true)
				if j, err = watchJob(ctx, api, j.ID, v); err != nil {
					return err
				}
			}
			if outDir == "" {
				outDir = j.ID.Short()
			}
			view, err := getJob(ctx, api, j, outDir)
			if err != nil {
				return err
			}
			c.exit = exitOf(j)
			if c.json {
				return c.printJSON(view)
			}
			for _, name := range view.Files {
				fmt.Fprintln(c.stdout, filepath.Join(view.Dir, name))
			}
			if j.State != market.Done {
				fmt.Fprintf(c.stderr, "seaworker: job %s %s: %s\n", j.ID.Short(), j.State, clean(j.Error))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&outDir, "out", "o", "", "put it into `DIR` (default: the job's short id)")
	return cmd
}

// getJob writes what there is of a job's output into dir, which is made.
func getJob(ctx context.Context, api *client, j market.Job, dir string) (getView, error) {
	v := getView{Job: j.ID, State: j.State, Dir: dir, Files: []string{}}
	if err := os.MkdirAll(filepath.Join(dir, "out"), 0o777); err != nil {
		return v, usagef("choose another folder", "--out: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return v, usagef("choose another folder", "--out: %v", err)
	}
	defer root.Close()
	for _, name := range []string{"stdout", "stderr"} {
		if err := fetchInto(ctx, api, "/jobs/"+j.ID.String()+"/"+name, root, name); err != nil {
			return v, fmt.Errorf("%s: %w", name, err)
		}
		v.Files = append(v.Files, name)
	}
	if err := fetchFiles(ctx, api, j, filepath.Join(dir, "out")); err != nil {
		return v, err
	}
	for _, f := range j.Files {
		if !f.Dir {
			v.Files = append(v.Files, filepath.Join("out", filepath.FromSlash(f.Path)))
		}
	}
	return v, nil
}
