package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/peersea/sea/compute"
	"golang.org/x/sync/errgroup"
)

// The sizes of suite market.
const (
	cliJobs   = 60
	rateItems = 2000 // for each number in flight
	leakItems = 10_000
	upRuns    = 5

	// The work of map_efficiency: spinning commands, as many as spinItems of
	// spinLoops rounds each, for spinSellers sellers with one slot each.
	spinSellers = 4
	spinCores   = 2
	spinItems   = 48
	spinLoops   = 400_000_000
)

// marketSuite measures a trade between two daemons: how long a tiny job takes,
// how many there are in a second, what they cost the daemons and leave behind,
// and what a map of long ones loses.
func marketSuite(ctx context.Context, report func(figure)) error {
	p, err := startPair(ctx, 1, inFlight)
	if err != nil {
		return err
	}
	err = marketJobs(ctx, p, report)
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	if err := marketLeaks(ctx, report); err != nil {
		return err
	}
	return marketMap(ctx, report)
}

func marketJobs(ctx context.Context, p *pair, report func(figure)) error {
	limit, err := newPlain(ctx)
	if err != nil {
		return err
	}
	defer limit.close(ctx)
	const alone = "plain wazero in one process"

	for range warmJobs {
		if _, err := p.trade(ctx); err != nil {
			return err
		}
	}
	var took, bare []time.Duration
	for range latencyJobs {
		d, err := p.trade(ctx)
		if err != nil {
			return err
		}
		took = append(took, d)
		if d, err = limit.run(ctx); err != nil {
			return err
		}
		bare = append(bare, d)
	}
	p50, p99 := quantiles(took)
	bare50, bare99 := quantiles(bare)
	report(versus("api_p50_ms", ms(p50), "ms", alone, ms(bare50)))
	report(versus("api_p99_ms", ms(p99), "ms", alone, ms(bare99)))

	cli, err := p.cli(ctx)
	if err != nil {
		return err
	}
	report(versus("cli_p50_ms", ms(cli), "ms", "by the API", ms(p50)))

	for _, flight := range []int{8, 64} {
		if _, err := p.mapTiny(ctx, rateItems/10, flight); err != nil {
			return err
		}
		start, err := p.usage()
		if err != nil {
			return err
		}
		perSecond, err := p.mapTiny(ctx, rateItems, flight)
		if err != nil {
			return err
		}
		most, err := limit.many(ctx, rateItems, flight)
		if err != nil {
			return err
		}
		report(versus(fmt.Sprint("jobs_per_s_", flight), perSecond, "jobs/s", alone, most))
		if flight != 64 {
			continue
		}
		end, err := p.usage()
		if err != nil {
			return err
		}
		var each [2]float64 // of the seller, of the buyer
		for i := range each {
			each[i] = ms(end[i].cpu-start[i].cpu) / rateItems
		}
		workers := ms(end[0].workers-start[0].workers) / rateItems
		report(figure{
			Name: "daemon_cpu_ms_per_job", Value: max(each[0], each[1]), Unit: "ms",
			Against: fmt.Sprintf("64 in flight; seller %.3g ms, beside its workers' %.3g ms; buyer %.3g ms", each[0], workers, each[1]),
		})
	}
	return p.starts(ctx, report)
}

// cli is how long "seaworker run" takes for the tiny job, the median.
func (p *pair) cli(ctx context.Context) (time.Duration, error) {
	file := filepath.Join(p.dir, "tiny.wasm")
	if err := os.WriteFile(file, tiny, 0o600); err != nil {
		return 0, err
	}
	var took []time.Duration
	for range cliJobs {
		cmd := exec.CommandContext(ctx, p.binary, "run", "--dir", p.home("buyer"), file)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("seaworker run: %w: %s", err, out)
		}
		took = append(took, time.Since(start))
	}
	p50, _ := quantiles(took)
	return p50, nil
}

// mapTiny buys n tiny jobs by maps, flight at a time, and returns how many there
// were in a second. More than 32 in flight are those of several maps.
func (p *pair) mapTiny(ctx context.Context, n, flight int) (perSecond float64, err error) {
	spec := mapSpec{Module: p.module, Args: []string{"tiny", "{}"}, Each: "range", First: 1, Parallel: min(flight, 32), Anew: true, MaxCredit: 100e6}
	maps := flight / spec.Parallel
	spec.Last = int64(n / maps)
	start := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range maps {
		group.Go(func() error { return p.follow(ctx, spec) })
	}
	err = group.Wait()
	return float64(n) / time.Since(start).Seconds(), err
}

// mapSpec is what is posted to /maps.
type mapSpec struct {
	Module    blob           `json:"module"`
	Args      []string       `json:"args"`
	Each      string         `json:"each"`
	First     int64          `json:"first"`
	Last      int64          `json:"last"`
	Parallel  int            `json:"parallel"`
	Anew      bool           `json:"anew"`
	MaxCredit int64          `json:"max_credit_micro"`
	Limits    map[string]any `json:"limits,omitempty"`
}

// follow runs a map to its end, all items of which must be well.
func (p *pair) follow(ctx context.Context, spec mapSpec) error {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var in struct {
		Map string `json:"map"`
	}
	if err := p.do(ctx, http.MethodPost, "/maps", bytes.NewReader(raw), &in); err != nil {
		return err
	}
	var last struct {
		Map struct {
			State string `json:"state"`
			Error string `json:"error"`
			Done  int64  `json:"done"`
		} `json:"map"`
		Final bool `json:"final"`
	}
	err = p.events(ctx, "/maps/"+in.Map+"/events", func(data []byte) (bool, error) {
		err := json.Unmarshal(data, &last)
		return last.Final, err
	})
	if err != nil {
		return fmt.Errorf("map %s: %w", in.Map, err)
	}
	if last.Map.State != "done" || last.Map.Done != spec.Last {
		return fmt.Errorf("map %s is %s with %d of %d items: %s", in.Map, last.Map.State, last.Map.Done, spec.Last, last.Map.Error)
	}
	return nil
}

// starts measures a daemon's start on a new folder's second use, until it says
// that it is ready.
func (p *pair) starts(ctx context.Context, report func(figure)) error {
	var took, memory []float64
	for i := range upRuns + 1 {
		start := time.Now()
		if _, err := p.up(ctx, "starts"); err != nil {
			return err
		}
		t := time.Since(start)
		last := p.nodes[len(p.nodes)-1]
		u, err := usageOf(last.Process.Pid)
		if err != nil {
			return err
		}
		p.nodes = p.nodes[:len(p.nodes)-1]
		if err := errors.Join(last.Process.Signal(os.Interrupt), last.Wait()); err != nil {
			return err
		}
		if i > 0 { // the first makes the key
			took, memory = append(took, ms(t)), append(memory, float64(u.rss)/1e6)
		}
	}
	report(figure{Name: "start_ms", Value: median(took), Unit: "ms"})
	report(figure{Name: "start_rss_mb", Value: median(memory), Unit: "MB"})
	return nil
}

// marketLeaks measures what many jobs leave behind. The daemons collect garbage at a
// tenth above what is in use: at Go's own doubling what is counted is mostly how
// long ago the last collection was.
func marketLeaks(ctx context.Context, report func(figure)) error {
	p, err := startPair(ctx, 1, inFlight, "GOGC=10")
	if err != nil {
		return err
	}
	if _, err = p.mapTiny(ctx, rateItems, 64); err == nil {
		err = p.leaks(ctx, report)
	}
	return errors.Join(err, p.close())
}

// leaks measures what many jobs leave behind in memory and descriptors, in both
// daemons together, by the least of several looks before and after.
func (p *pair) leaks(ctx context.Context, report func(figure)) error {
	rest := func() (private int64, files int, err error) {
		for i := range 10 {
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return 0, 0, ctx.Err()
			}
			all, err := p.usage()
			if err != nil {
				return 0, 0, err
			}
			var m int64
			f := 0
			for _, u := range all {
				m, f = m+u.private, f+u.files
			}
			if i == 0 {
				private, files = m, f
			}
			private, files = min(private, m), min(files, f)
		}
		return private, files, nil
	}
	m0, f0, err := rest()
	if err != nil {
		return err
	}
	if _, err := p.mapTiny(ctx, leakItems, 64); err != nil {
		return err
	}
	m1, f1, err := rest()
	if err != nil {
		return err
	}
	report(figure{Name: "leak_mb_per_10k", Value: float64(m1-m0) / 1e6, Unit: "MB", Against: fmt.Sprintf("both daemons: %.4g MB before, %.4g MB after", float64(m0)/1e6, float64(m1)/1e6)})
	report(figure{Name: "leak_fds_per_10k", Value: float64(f1 - f0), Unit: "", Against: fmt.Sprintf("both daemons: %d before, %d after", f0, f1)})
	return nil
}

// usage is what the daemons have used so far, in their order.
func (p *pair) usage() ([]usage, error) {
	var all []usage
	for _, n := range p.nodes {
		u, err := usageOf(n.Process.Pid)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// marketMap measures a map of long jobs over several sellers against the same
// fuel on the engine alone, on as many cores. They run in turns.
func marketMap(ctx context.Context, report func(figure)) error {
	p, err := startPair(ctx, spinSellers, 1)
	if err != nil {
		return err
	}
	defer p.close()
	spinner := spinning(spinLoops)
	if err := p.do(ctx, http.MethodPut, "/blobs", bytes.NewReader(spinner), &p.module); err != nil {
		return err
	}
	e := compute.New(compute.Config{CacheDir: p.home("cache"), Workers: spinCores})
	defer e.Close()
	blobs := compute.MapBlobs{}
	job := jobOf(blobs.Add(spinner), "spin")
	direct := func(n int) (time.Duration, error) {
		start := time.Now()
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(spinCores)
		for range n {
			group.Go(func() error { return runTiny(ctx, e, job, blobs) })
		}
		err := group.Wait()
		return time.Since(start), err
	}
	spec := mapSpec{
		Module: p.module, Args: []string{"spin", "{}"}, Each: "range", First: 1, Parallel: 2 * spinSellers, Anew: true, MaxCredit: 900e6,
		Limits: map[string]any{"fuel": 10 * spinLoops},
	}
	traded := func(n int64) (time.Duration, error) {
		spec.Last = n
		start := time.Now()
		err := p.follow(ctx, spec)
		return time.Since(start), err
	}
	if _, err := traded(2 * spinSellers); err != nil { // modules everywhere, rates known
		return err
	}
	if _, err := direct(spinCores); err != nil {
		return err
	}
	var ratios, ours, theirs []float64
	for range 3 {
		d, err := direct(spinItems)
		if err != nil {
			return err
		}
		t, err := traded(spinItems)
		if err != nil {
			return err
		}
		ratios, ours, theirs = append(ratios, d.Seconds()/t.Seconds()), append(ours, t.Seconds()), append(theirs, d.Seconds())
	}
	slices.Sort(ratios)
	report(figure{
		Name: "map_efficiency", Value: median(ratios), Unit: "x",
		Against: fmt.Sprintf("%d sellers: %.4g s, the engine on %d cores: %.4g s; 3 rounds, %.3g to %.3g", spinSellers, median(ours), spinCores, median(theirs), ratios[0], ratios[len(ratios)-1]),
	})
	return nil
}
