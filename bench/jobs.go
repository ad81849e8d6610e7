package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/peersea/sea/compute"
	"golang.org/x/sync/errgroup"
)

// The sizes of suite jobs.
const (
	tinyRuns  = 5000 // of each kind, in turns
	tinyMany  = 20000
	startRuns = 9
)

// jobs measures what an engine adds to a job: a tiny one through a warm worker
// and in this process, as many as there can be, and how a large module starts.
func jobs(ctx context.Context, report func(figure)) error {
	if err := tinyJobs(ctx, report); err != nil {
		return err
	}
	return starts(ctx, report)
}

func tinyJobs(ctx context.Context, report func(figure)) error {
	blobs := compute.MapBlobs{}
	job := jobOf(blobs.Add(tiny), "tiny")
	var took [2][]time.Duration
	var engines [2]*compute.Engine
	for i, cfg := range []compute.Config{{Workers: 2}, {Workers: 2, InProcess: true}} {
		e := compute.New(cfg)
		defer e.Close()
		if err := runTiny(ctx, e, job, blobs); err != nil {
			return err
		}
		engines[i] = e
	}
	for range 10 { // in turns, so that the machine's moods fall on both alike
		for i, e := range engines {
			for range tinyRuns / 10 {
				start := time.Now()
				if err := runTiny(ctx, e, job, blobs); err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(start))
			}
		}
	}
	worker, _ := quantiles(took[0])
	here, _ := quantiles(took[1])
	report(versus("worker_vs_inprocess", us(worker), "µs", "in process", us(here)))

	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range 4 {
		group.Go(func() error {
			for range tinyMany / 4 {
				if err := runTiny(ctx, engines[0], job, blobs); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	report(figure{Name: "tiny_jobs_per_s", Value: tinyMany / time.Since(start).Seconds(), Unit: "jobs/s"})
	return nil
}

// starts measures from Run to the first byte of a Go program: when its module is
// new, when another engine has compiled it, and when a worker has it.
func starts(ctx context.Context, report func(figure)) error {
	module, err := goProgram(ctx)
	if err != nil {
		return err
	}
	blobs := compute.MapBlobs{}
	job := jobOf(blobs.Add(module), "hello")
	var first, second, third []time.Duration
	for range startRuns {
		dir, err := os.MkdirTemp("", "sea-bench-cache-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		for _, into := range []*[]time.Duration{&first, &second} {
			e := compute.New(compute.Config{CacheDir: dir, Workers: 2})
			err := startOf(ctx, e, job, blobs, into)
			if err == nil && into == &second {
				err = startOf(ctx, e, job, blobs, &third)
			}
			if err = joinClose(err, e); err != nil {
				return err
			}
		}
	}
	cold, _ := quantiles(first)
	again, _ := quantiles(second)
	warm, _ := quantiles(third)
	against := fmt.Sprintf("the first, %.1f MB to compile", float64(len(module))/1e6)
	report(versus("second_start_ratio", ms(again), "ms", against, ms(cold)))
	report(versus("warm_start_ratio", ms(warm), "ms", against, ms(cold)))
	return nil
}

func joinClose(err error, e *compute.Engine) error {
	if e := e.Close(); err == nil {
		err = e
	}
	return err
}

// startOf runs the job on an engine with a spare worker and notes when it says
// something.
func startOf(ctx context.Context, e *compute.Engine, job compute.Job, blobs compute.Blobs, into *[]time.Duration) error {
	e.Warm()
	time.Sleep(100 * time.Millisecond) // until the spare waits
	said := &firstWrite{begin: time.Now()}
	result, err := e.Run(ctx, job, blobs, compute.Live{Stdout: said})
	if err == nil && (result.End != compute.Exit || result.Code != 0 || said.after == 0) {
		err = fmt.Errorf("the program ended as %s %d", result.End, result.Code)
	}
	*into = append(*into, said.after)
	return err
}

// firstWrite notes the time of the first Write.
type firstWrite struct {
	begin time.Time
	after time.Duration
}

func (w *firstWrite) Write(b []byte) (int, error) {
	if w.after == 0 {
		w.after = time.Since(w.begin)
	}
	return len(b), nil
}

// goProgram compiles a Go program of about 3 MB for wasip1.
func goProgram(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "sea-bench-go-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "main.go")
	const text = `package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

func main() {
	fmt.Println("hello")
	if len(os.Args) > 9 { // never; what it needs is there to be compiled
		_ = json.NewEncoder(os.Stdout).Encode(regexp.MustCompile("a+").FindString(os.Args[1]))
	}
}
`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "main.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, source)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build a Go program: %w\n%s", err, said)
	}
	return os.ReadFile(out)
}

func jobOf(module compute.Blob, name string) compute.Job {
	return compute.Job{Module: module.Hash, ModuleSize: module.Size, Args: []string{name}, Limits: compute.DefaultLimits(), Tariff: compute.Tariff1}
}
