package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// How often each form of a kernel runs; the shortest time counts.
const (
	meterRounds = 20
	v8Rounds    = 6
)

// kernel is one of those that compute/internal/meter runs, with the shortest
// times of its forms by their names.
type kernel struct {
	Name   string `json:"name"`
	Arg    uint64 `json:"arg"`    // 0: a command
	Floats bool   `json:"floats"` // most of what it does
	times  map[string]float64
}

// meter measures what metering costs. The rewriter is internal to compute, so
// its own benchmarks do the work, and leave the modules for other engines.
func meter(ctx context.Context, report func(figure)) error {
	dir, err := os.MkdirTemp("", "sea-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Overhead|Rewrite)$",
		"-benchtime", fmt.Sprint(meterRounds, "x"), "-timeout", "1h", "./compute/internal/meter")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "SEA_OVERHEAD_KEEP="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	results := benchmarks(out)
	text, err := os.ReadFile(filepath.Join(dir, "kernels.json"))
	if err != nil {
		return err
	}
	var kernels []kernel
	if err := json.Unmarshal(text, &kernels); err != nil {
		return err
	}
	for i, k := range kernels {
		kernels[i].times = results["BenchmarkOverhead/"+k.Name]
		if len(kernels[i].times) == 0 {
			return errors.New("no result for " + k.Name)
		}
	}
	reportWazero(kernels, report)
	rewrite := results["BenchmarkRewrite"]
	report(figure{Name: "rewrite_mb_per_s", Value: rewrite["best-MB/s"], Unit: "MB/s"})
	report(figure{Name: "rewrite_of_compile", Value: rewrite["of-compiling"], Unit: "x"})
	if err := meterV8(ctx, dir, report); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

func reportWazero(kernels []kernel, report func(figure)) {
	var metered, stoppable, floats, others mean
	for _, k := range kernels {
		ms := k.times
		report(versus(k.Name, ms["metered-ms"], "ms", "unmetered", ms["plain-ms"]))
		metered.add(ms["metered-ms"] / ms["plain-ms"])
		stoppable.add(ms["ctxdone-ms"] / ms["metered-ms"])
		nan := ms["metered-ms"] / ms["without-nan-ms"]
		if k.Floats {
			floats.add(nan)
		} else {
			others.add(nan)
		}
	}
	report(figure{Name: "meter_overhead_geomean", Value: metered.geometric(), Unit: "x"})
	report(figure{Name: "meter_overhead_worst", Value: metered.worst, Unit: "x"})
	report(figure{Name: "ctxdone_speedup_geomean", Value: stoppable.geometric(), Unit: "x"})
	report(figure{Name: "nan_overhead_float_geomean", Value: floats.geometric(), Unit: "x"})
	report(figure{Name: "nan_overhead_other_geomean", Value: others.geometric(), Unit: "x"})
}

// mean is the geometric mean of ratios, and the largest of them.
type mean struct {
	logs, worst float64
	n           int
}

func (m *mean) add(ratio float64) {
	m.logs += math.Log(ratio)
	m.worst = max(m.worst, ratio)
	m.n++
}

func (m *mean) geometric() float64 { return math.Exp(m.logs / float64(m.n)) }

// benchmarks reads what go test prints: the values by unit by benchmark.
func benchmarks(out []byte) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i] // the number of processors
		}
		values := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				values[fields[i+1]] = v
			}
		}
		all[name] = values
	}
	return all
}

// meterV8 runs the same modules in Node's V8, where there is one.
func meterV8(ctx context.Context, dir string, report func(figure)) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, node, "--expose-gc", "--no-liftoff", "--no-wasm-lazy-compilation", "--no-warnings",
		filepath.Join("kernels", "v8.mjs"), dir, strconv.Itoa(v8Rounds))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var metered mean
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var k struct {
			Name           string
			Plain, Metered float64
		}
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			return err
		}
		report(versus("v8_"+k.Name, k.Metered, "ms", "unmetered in V8", k.Plain))
		metered.add(k.Metered / k.Plain)
	}
	report(figure{Name: "v8_overhead_geomean", Value: metered.geometric(), Unit: "x"})
	return nil
}
