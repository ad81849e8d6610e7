package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/peersea/sea/compute"
	"golang.org/x/sync/errgroup"
)

// engineAlone measures the tiny job on the engine the seller uses, through its
// worker processes, without any trade.
func engineAlone(ctx context.Context) (p50, p99 time.Duration, err error) {
	e, job, blobs, done, err := openEngine()
	if err != nil {
		return 0, 0, err
	}
	defer done()
	var took []time.Duration
	for i := range warmJobs + latencyJobs {
		start := time.Now()
		if err := runTiny(ctx, e, job, blobs); err != nil {
			return 0, 0, err
		}
		if i >= warmJobs {
			took = append(took, time.Since(start))
		}
	}
	p50, p99 = quantiles(took)
	return p50, p99, nil
}

// engineMany is how many tiny jobs a second the engine alone runs.
func engineMany(ctx context.Context, n, flight int) (perSecond float64, err error) {
	e, job, blobs, done, err := openEngine()
	if err != nil {
		return 0, err
	}
	defer done()
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(flight)
	for range n {
		group.Go(func() error { return runTiny(ctx, e, job, blobs) })
	}
	err = group.Wait()
	return float64(n) / time.Since(start).Seconds(), err
}

func openEngine() (e *compute.Engine, job compute.Job, blobs compute.MapBlobs, done func(), err error) {
	dir, err := os.MkdirTemp("", "sea-bench-engine-")
	if err != nil {
		return nil, job, nil, nil, err
	}
	e = compute.New(compute.Config{CacheDir: dir, Workers: inFlight})
	blobs = compute.MapBlobs{}
	module := blobs.Add(tiny)
	job = compute.Job{Module: module.Hash, ModuleSize: module.Size, Args: []string{"tiny"}, Limits: compute.DefaultLimits(), Tariff: compute.Tariff1}
	return e, job, blobs, func() {
		_ = e.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

func runTiny(ctx context.Context, e *compute.Engine, job compute.Job, blobs compute.Blobs) error {
	result, err := e.Run(ctx, job, blobs, compute.Live{})
	if err == nil && (result.End != compute.Exit || result.Code != 0) {
		err = fmt.Errorf("the tiny job ended as %s %d", result.End, result.Code)
	}
	return err
}
