package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// browserTurns is how often each thing is measured; the median counts, of fuel
// the best.
const browserTurns = "15x"

// browser measures peers in Chromium. The page's sources and its tests' kit are
// internal to web, so its own benchmarks do the work.
func browser(ctx context.Context, report func(figure)) error {
	var err error
	bench := func(pkg, name string) (unit func(string) float64) {
		var values map[string]float64
		if err == nil {
			values, err = webBenchmark(ctx, pkg, name)
		}
		return func(unit string) float64 {
			v, ok := values[unit]
			if !ok && err == nil {
				err = fmt.Errorf("%s of %s says nothing of %s", name, pkg, unit)
			}
			return v
		}
	}

	size := bench("./web", "BenchmarkSize")
	figures := []figure{
		{Name: "core_gzip_bytes", Value: size("core-B"), Unit: "B"},
		{Name: "buyer_gzip_bytes", Value: size("buyer-B"), Unit: "B", Against: "beside the core"},
		{Name: "seller_gzip_bytes", Value: size("seller-B"), Unit: "B", Against: "beside those: guests' world, and the meter"},
	}
	visit := bench("./web/test/figures", "BenchmarkVisit")
	for _, name := range []string{"online", "call", "job"} {
		figures = append(figures, figure{Name: name + "_ms", Value: visit(name + "-ms"), Unit: "ms",
			Against: fmt.Sprintf("on a first visit, when the tab's key is made: %.4g ms", visit("first-"+name+"-ms"))})
	}
	peers := bench("./web/test/figures", "BenchmarkPeers")
	for _, pair := range []string{"tab_go", "tab_tab"} {
		unit := map[string]string{"tab_go": "tab-go", "tab_tab": "tab-tab"}[pair]
		figures = append(figures,
			figure{Name: "rpc_" + pair + "_p50_vs_raw", Value: peers(unit + "-ms/raw"), Unit: "x",
				Against: fmt.Sprintf("a call %.3g ms; raw: a data channel between two tabs, in turns", peers(unit+"-ms"))},
			figure{Name: "throughput_" + pair + "_vs_raw", Value: peers(unit + "-B/s/raw"), Unit: "x",
				Against: fmt.Sprintf("%.3g MB/s", peers(unit+"-B/s")/1e6)})
	}
	fuel := bench("./web/test/guests", "BenchmarkFuel")
	figures = append(figures, figure{Name: "fuel_rate_tab_vs_go", Value: fuel("tab/go"), Unit: "x",
		Against: fmt.Sprintf("the tab %.4g Mfuel/s, Go's engine %.4g", fuel("tab-Mfuel/s"), fuel("go-Mfuel/s"))})
	if err != nil {
		return err
	}
	for _, f := range figures {
		report(f)
	}
	return nil
}

// webBenchmark runs a benchmark of the parent module and gives its values by unit.
func webBenchmark(ctx context.Context, pkg, name string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$", "-benchtime", browserTurns, "-timeout", "1h", pkg)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CI=true") // without Chromium it fails, and says so
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	values, ok := benchmarks(out)[name]
	if !ok {
		return nil, errors.New("no figures of " + name + ":\n" + string(out))
	}
	return values, nil
}
