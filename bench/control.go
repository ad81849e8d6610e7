package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/peersea/sea/compute"
)

const (
	cancelRounds = 500
	spinTime     = 6 * time.Millisecond // about what a guest has run when it is cancelled
	cancelLimit  = 50.0                 // ms
	shareTime    = 10 * time.Second
	shareWanted  = 30 // percent
)

// control measures how quickly a guest stops, and how well a share of a core is
// kept.
func control(ctx context.Context, report func(figure)) error {
	took, bare, err := cancels(ctx)
	if err != nil {
		return err
	}
	slices.Sort(took)
	slices.Sort(bare)
	at := func(took []time.Duration, part float64) float64 { return ms(took[int(part*float64(len(took)-1))]) }
	for _, f := range []struct {
		name string
		part float64
	}{{"cancel_p50_ms", 0.5}, {"cancel_p99_ms", 0.99}, {"cancel_worst_ms", 1}} {
		report(versus(f.name, at(took, f.part), "ms", "a bare process", at(bare, f.part)))
	}
	report(versus("cancel_p99_of_limit", at(took, 0.99), "ms", "limit", cancelLimit))
	got, err := shared(ctx)
	if err != nil {
		return err
	}
	report(versus("share_30", got, "% CPU", "asked for", shareWanted))
	return nil
}

// endless are jobs without an end: a module of compute's tests, and how many
// arguments it gets.
var endless = []struct {
	name, module string
	args         int
}{
	{"loop", "traps.wasm", 11},
	{"start function", "loops.wasm", 1},
	{"br_table", "loops.wasm", 2},
	{"mutual recursion", "loops.wasm", 3},
	{"tail calls", "loops.wasm", 4},
	{"host calls", "bombs.wasm", 4},
}

func endlessJob(i int) (compute.Job, compute.MapBlobs, error) {
	module, err := os.ReadFile(filepath.Join("..", "compute", "testdata", endless[i].module))
	if err != nil {
		return compute.Job{}, nil, fmt.Errorf("run this in the folder bench: %w", err)
	}
	blobs := compute.MapBlobs{}
	blob := blobs.Add(module)
	job := compute.Job{
		Module: blob.Hash, ModuleSize: blob.Size, Args: make([]string, endless[i].args),
		Limits: compute.DefaultLimits(), Tariff: compute.Tariff1,
	}
	job.Limits.Fuel = compute.MaxFuel
	return job, blobs, nil
}

// cancels is how long after its cancel each job's result was there, and, in
// turns, how long a process that is only busy takes to stop and say so: what the
// system's scheduler takes of it.
func cancels(ctx context.Context) (took, bare []time.Duration, err error) {
	e := compute.New(compute.Config{})
	defer e.Close()
	s, err := startSpinner()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for round := range cancelRounds {
		i := round % len(endless)
		job, blobs, err := endlessJob(i)
		if err != nil {
			return nil, nil, err
		}
		jobCtx, cancel := context.WithCancel(ctx)
		var at time.Time
		r, err := e.Run(jobCtx, job, blobs, compute.Live{Progress: func(fuel uint64) {
			if fuel > 0 && at.IsZero() {
				at = time.Now()
				cancel()
			}
		}})
		cancel()
		if err != nil || r.End != compute.Interrupted {
			return nil, nil, fmt.Errorf("%s: ended as %s, %w", endless[i].name, r.End, err)
		}
		took = append(took, time.Since(at))
		plain, err := s.stopped(spinTime)
		if err != nil {
			return nil, nil, err
		}
		bare = append(bare, plain)
	}
	return took, bare, nil
}

// shared is how much of a core, in percent, a job got that may have
// shareWanted of it, with all that its worker does.
func shared(ctx context.Context) (percent float64, err error) {
	job, blobs, err := endlessJob(0)
	if err != nil {
		return 0, err
	}
	before, err := childTime()
	if err != nil {
		return 0, err
	}
	e := compute.New(compute.Config{Workers: 1})
	var c compute.Control
	c.SetShare(shareWanted)
	jobCtx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	begin := time.Now()
	_, err = e.Run(jobCtx, job, blobs, compute.Live{Control: &c})
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if err := e.Close(); err != nil { // which waits for the worker
		return 0, err
	}
	after, err := childTime()
	return 100 * float64(after-before) / float64(took), err
}

// childTime is the processor time of all children that have ended.
func childTime() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
