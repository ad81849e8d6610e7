package compute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// loops are modules that never end, in as many ways as there are.
func loops(t testing.TB) map[string]*task {
	loops, bombs := wasmFile(t, "loops.wasm"), wasmFile(t, "bombs.wasm")
	all := map[string]*task{
		"loop":             argc(wasmFile(t, "traps.wasm"), 11),
		"start function":   argc(loops, 1),
		"br_table":         argc(loops, 2),
		"mutual recursion": argc(loops, 3),
		"tail calls":       argc(loops, 4),
		"random numbers":   argc(bombs, 3),
		"the time":         argc(bombs, 4),
	}
	for _, k := range all {
		k.Limits.Fuel = MaxFuel
	}
	return all
}

// TestCancelLoops: a loop of any kind is cancelled, and running it up to there
// gives the same.
func TestCancelLoops(t *testing.T) {
	e := newEngine(t, Config{})
	for name, k := range loops(t) {
		t.Run(name, func(t *testing.T) {
			r := k.cancelled(t, e, &Control{}, func(*Control) {})
			again, err := e.Run(t.Context(), k.Job, k.blobs, Live{StopAt: r.Fuel})
			if err != nil {
				t.Fatal(err)
			}
			same(t, again, r)
		})
	}
}

// cancelled runs a job without an end, calls first when it runs, and then
// cancels it.
func (k *task) cancelled(t *testing.T, e *Engine, c *Control, first func(*Control)) Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	r, err := e.Run(ctx, k.Job, k.blobs, Live{Control: c, Progress: func(fuel uint64) {
		if fuel > 0 {
			once.Do(func() {
				first(c)
				cancel()
			})
		}
	}})
	if err != nil || r.End != Interrupted || r.Cause != causeCancelled || r.Fuel == 0 {
		t.Fatalf("got %s at %d because %q, %v", r.End, r.Fuel, r.Cause, err)
	}
	return r
}

// TestSteered: neither a pause nor a share changes what comes of a job.
func TestSteered(t *testing.T) {
	e := newEngine(t, Config{CacheDir: t.TempDir(), Workers: 1})
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = 300e6
	want := k.run(t, e)
	for name, steer := range map[string]func(c *Control){
		"paused": func(c *Control) {
			c.Pause("a")
			c.Pause("b")
			c.Resume("a")
			go c.Resume("b")
		},
		"a share": func(c *Control) { c.SetShare(40) },
	} {
		c := &Control{}
		var once sync.Once
		got, err := e.Run(t.Context(), k.Job, k.blobs, Live{Control: c, Progress: func(uint64) {
			once.Do(func() { steer(c) })
		}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, got, want)
	}
}

// TestPausedCancel: a job that is held as a process is cancelled like any other.
func TestPausedCancel(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	for range 3 {
		k.cancelled(t, e, &Control{}, func(c *Control) {
			c.Pause("test")
			waitStopped(t, os.Getpid(), 1)
		})
	}
	argc(wasmFile(t, "traps.wasm"), 0).run(t, e)
}

// TestPausedClose: closing an engine leaves no process, held or not.
func TestPausedClose(t *testing.T) {
	e := New(Config{Workers: 1})
	before := childrenOf(t, os.Getpid())
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	c := &Control{}
	errs := make(chan error, 1)
	var once sync.Once
	running := make(chan struct{})
	go func() {
		_, err := e.Run(t.Context(), k.Job, k.blobs, Live{Control: c, Progress: func(uint64) {
			once.Do(func() { close(running) })
		}})
		errs <- err
	}()
	<-running
	c.Pause("test")
	waitStopped(t, os.Getpid(), 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("the job that was held: %v", err)
	}
	if left := childrenOf(t, os.Getpid()); len(left) != len(before) {
		t.Errorf("processes %v are left, were %v", left, before)
	}
}

// waitStopped returns when n children of pid are stopped by a signal.
func waitStopped(t testing.TB, pid, n int) {
	t.Helper()
	for {
		stopped := 0
		for _, child := range childrenOf(t, pid) {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
			if err != nil {
				continue // it has ended
			}
			// "pid (name) state …"
			if f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])); f[0] == "T" {
				stopped++
			}
		}
		if stopped >= n {
			return
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// TestPausedBefore: a job that is held before it begins takes no worker, and
// waits without a clock.
func TestPausedBefore(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "traps.wasm"), 0)
	c := &Control{}
	c.Pause("test")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	run := func(ctx context.Context) {
		_, err := e.Run(ctx, k.Job, k.blobs, Live{Control: c})
		done <- err
	}
	go run(ctx)
	k.run(t, e) // the only worker is free
	if len(done) > 0 {
		t.Error("it ran while it was held")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	go run(t.Context())
	k.run(t, e)
	c.Resume("test")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
