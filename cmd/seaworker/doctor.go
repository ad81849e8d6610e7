package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/spf13/cobra"
)

// doctorView is how this machine is, as far as a seller needs to know. Zero
// stands for what this system does not tell.
type doctorView struct {
	OK         bool           `json:"ok"` // nothing needed is missing
	Engine     string         `json:"engine"`
	Runs       bool           `json:"runs"` // a job of ours ran through it
	Problem    string         `json:"problem,omitempty"`
	Walls      []compute.Wall `json:"walls"`
	Dir        string         `json:"dir"`
	Memory     uint64         `json:"memory_bytes"`
	MemoryFree uint64         `json:"memory_free_bytes"`
	DiskFree   uint64         `json:"disk_free_bytes"`
	Clock      time.Time      `json:"clock"`
	ClockSet   string         `json:"clock_set"` // "yes", "no": by the network; "unknown"

	// Network is how the daemon is connected; none runs when there is none.
	Network *networkView `json:"network,omitempty"`
}

// Below these a job with the default limits, or its output, may not fit.
const (
	leastMemory = 1 << 30
	leastDisk   = 1 << 30
)

// builtAfter is a time before this program was written: a clock before it is wrong.
var builtAfter = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// noop is the least program: (module (func (export "_start"))).
var noop = []byte("\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" +
	"\x07\x0a\x01\x06_start\x00\x00" + "\x0a\x04\x01\x02\x00\x0b")

func newDoctor(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine: the walls around guests, memory, disk, clock, network",
		Long: `Start a worker process, ask it which walls stand around it, run a job in it, and
look at memory, disk and clock. What is missing comes with what to do about it.
Needs no daemon; where one runs, say how it is connected, too. Exit code 1 when something that a seller to strangers needs is
missing.`,
		Example: "  seaworker doctor\n  seaworker doctor --json",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := pickFolder(c.dir)
			if err != nil {
				return err
			}
			v := examine(cmd.Context(), dir)
			v.Network = examineNetwork(cmd.Context(), dir)
			if !v.OK {
				c.exit = exitJobFailed
			}
			if c.json {
				return c.printJSON(v)
			}
			return v.print(c.stdout)
		},
	}
}

// examine looks at this machine.
func examine(ctx context.Context, dir folder) doctorView {
	engine := compute.New(compute.Config{Workers: 1})
	defer engine.Close()
	v := doctorView{Engine: engine.Name(), Dir: string(dir), Clock: time.Now().UTC().Truncate(time.Second)}
	v.Memory, v.MemoryFree = memoryOf()
	v.DiskFree = diskOf(dir)
	v.ClockSet = clockSet()
	var err error
	if v.Walls, err = engine.Walls(); err == nil {
		err = tryJob(ctx, engine)
	}
	v.Runs = err == nil
	if err != nil {
		v.Problem = err.Error()
	}
	v.OK = v.Runs && v.Clock.After(builtAfter)
	for _, w := range v.Walls {
		v.OK = v.OK && (w.Stands || !w.Needed)
	}
	return v
}

// tryJob runs the least program.
func tryJob(ctx context.Context, engine *compute.Engine) error {
	blobs := compute.MapBlobs{}
	blob := blobs.Add(noop)
	job := compute.Job{Module: blob.Hash, ModuleSize: blob.Size, Tariff: compute.Tariff1, Limits: compute.DefaultLimits(), Args: []string{"doctor"}}
	r, err := engine.Run(ctx, job, blobs, compute.Live{})
	if err == nil && r.End != compute.Exit {
		err = fmt.Errorf("it ended as %s", r.End)
	}
	return err
}

func (v doctorView) print(w io.Writer) error {
	fmt.Fprintf(w, "engine   %s\n", v.Engine)
	if v.Runs {
		fmt.Fprintln(w, "job      ran in a worker process")
	} else {
		fmt.Fprintf(w, "job      FAILED: %s\n  hint: run the daemon with --log debug and look at what it says\n", clean(v.Problem))
	}
	fmt.Fprintf(w, "memory   %s free of %s\n", size(v.MemoryFree), size(v.Memory))
	if v.MemoryFree > 0 && v.MemoryFree < leastMemory {
		fmt.Fprintln(w, "  hint: offer less with \"seaworker offer set --memory\"")
	}
	fmt.Fprintf(w, "disk     %s free for %s\n", size(v.DiskFree), clean(v.Dir))
	if v.DiskFree > 0 && v.DiskFree < leastDisk {
		fmt.Fprintln(w, "  hint: make room, or put the state elsewhere with --dir")
	}
	fmt.Fprintf(w, "clock    %s, set by the network: %s\n", v.Clock.Format(time.RFC3339), v.ClockSet)
	if !v.Clock.After(builtAfter) || v.ClockSet == "no" {
		fmt.Fprintln(w, "  hint: peers refuse a clock that is wrong; start a time service")
	}
	fmt.Fprintln(w, "\nwalls of a worker process")
	missing := 0
	for _, wall := range v.Walls {
		state := "stands "
		if !wall.Stands {
			state = "MISSING"
			missing++
		}
		fmt.Fprintf(w, "  %-13s %s  %s\n  %-13s          %s\n", wall.Name, state, clean(wall.Detail), "", wall.Protects)
		if !wall.Stands {
			fmt.Fprintf(w, "    hint: %s\n", wall.Hint)
		}
	}
	_, err := fmt.Fprintf(w, "\n%d of %d walls stand\n", len(v.Walls)-missing, len(v.Walls))
	v.Network.print(w)
	return err
}

// size writes bytes for people; nothing is known of none.
func size(n uint64) string {
	if n == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
