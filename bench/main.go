// Command bench measures Sea side by side with what it stands on, in one run,
// because these figures mean something only as ratios.
//
//	go run . [--json] SUITE...
//
// It is a module of its own, so that what it compares with never becomes a
// dependency of Sea.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"github.com/peersea/sea/compute"
)

// A figure is one measured number.
type figure struct {
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Against string   `json:"against,omitempty"` // what the ratio compares with, or what Value is made of
	Ratio   *float64 `json:"ratio,omitempty"`   // value divided by that of Against
}

// versus is a figure beside another one that was measured in the same run.
func versus(name string, value float64, unit, against string, other float64) figure {
	ratio := value / other
	return figure{Name: name, Value: value, Unit: unit, Against: fmt.Sprintf("%s: %.4g %s", against, other, unit), Ratio: &ratio}
}

// suites are what can be run, by name.
var suites = map[string]func(ctx context.Context, report func(figure)) error{
	"base":      base,
	"browser":   browser,
	"control":   control,
	"jobs":      jobs,
	"ledger":    ledgerSuite,
	"market":    marketSuite,
	"marketsim": marketsimSuite,
	"meter":     meter,
	"network":   networkSuite,
	"sim":       simSuite,
}

func main() {
	if compute.IsWorker() {
		os.Exit(compute.Worker())
	}
	if isSpinner() {
		os.Exit(spin())
	}
	if isChild() {
		os.Exit(actAsChild())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print one JSON object per figure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var names []string
	for name := range suites {
		names = append(names, name)
	}
	slices.Sort(names)
	if flags.NArg() == 0 {
		return fmt.Errorf("name a suite: %s", strings.Join(names, " "))
	}
	if !*asJSON {
		fmt.Fprintf(out, "%s\n", machine())
	}
	report := func(f figure) {
		if *asJSON {
			line, _ := json.Marshal(f) // strings and finite numbers
			fmt.Fprintf(out, "%s\n", line)
			return
		}
		ratio := ""
		if f.Ratio != nil {
			ratio = fmt.Sprintf("%.3g × (%s)", *f.Ratio, f.Against)
		} else if f.Against != "" {
			ratio = "(" + f.Against + ")"
		}
		fmt.Fprintf(out, "%-28s %12.4g %-8s %s\n", f.Name, f.Value, f.Unit, ratio)
	}
	for _, name := range flags.Args() {
		suite, ok := suites[name]
		if !ok {
			return errors.New("no suite " + name + "; there are: " + strings.Join(names, " "))
		}
		if err := suite(ctx, report); err != nil {
			return fmt.Errorf("suite %s: %w", name, err)
		}
	}
	return nil
}

// machine describes where the figures come from.
func machine() string {
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s, %d × %s, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu, runtime.Version())
}
