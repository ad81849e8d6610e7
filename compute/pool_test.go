package compute

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestNothingIsLeft: 200 jobs leave no process, goroutine or descriptor.
func TestNothingIsLeft(t *testing.T) {
	k := newTask(wasmFile(t, "start.wasm"))
	there := countWhatIsThere(t)
	e := New(Config{CacheDir: t.TempDir(), Workers: 4})
	var jobs sync.WaitGroup
	for range 8 {
		jobs.Go(func() {
			for range 25 {
				r, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
				if err != nil || string(r.Stdout) != "start run\n" {
					t.Errorf("got %s %q, %v", r.End, r.Stdout, err)
					return
				}
			}
		})
	}
	jobs.Wait()
	if got := len(childrenOf(t, os.Getpid())) - there.children; got > 4+maxSpares+1 {
		t.Errorf("%d processes after the jobs", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	there.leaves(t, 0)
	if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestClose ends a job that runs, and one that waits for its turn.
func TestClose(t *testing.T) {
	for name, cfg := range map[string]Config{"worker": {Workers: 1}, "in process": {Workers: 1, InProcess: true}} {
		e := New(cfg)
		k := argc(wasmFile(t, "traps.wasm"), 11)
		k.Limits.Fuel = MaxFuel
		running := make(chan struct{})
		var once sync.Once
		errs := make(chan error, 2)
		run := func() {
			_, err := e.Run(t.Context(), k.Job, k.blobs, Live{Progress: func(uint64) { once.Do(func() { close(running) }) }})
			errs <- err
		}
		go run()
		<-running
		go run()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("%s: got %v, want ErrClosed", name, err)
			}
		}
	}
}

// TestSlots: no more jobs run at once than there are workers, and one that waits
// can be cancelled.
func TestSlots(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	var once sync.Once
	first := make(chan Result, 1)
	go func() {
		r, _ := e.Run(ctx, k.Job, k.blobs, Live{Progress: func(uint64) { once.Do(func() { close(running) }) }})
		first <- r
	}()
	<-running
	waiting, giveUp := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := e.Run(waiting, k.Job, k.blobs, Live{})
		second <- err
	}()
	giveUp()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the job that waited: %v", err)
	}
	cancel()
	if r := <-first; r.End != Interrupted {
		t.Errorf("the job that ran: %s", r.End)
	}
	small := argc(wasmFile(t, "traps.wasm"), 0)
	small.run(t, e) // the slot is free again
}

// TestSpareDied: a worker that died while it waited costs no job.
func TestSpareDied(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "traps.wasm"), 0)
	for range 3 {
		k.run(t, e)
		e.pool.work.Wait() // until there are spares
		e.pool.mu.Lock()
		for _, p := range e.pool.spares {
			p.reap()
		}
		n := len(e.pool.spares)
		e.pool.mu.Unlock()
		if n == 0 {
			t.Error("no spares")
		}
	}
	k.run(t, e)
}

// TestBadStart: a program that does not begin with IsWorker is told so.
func TestBadStart(t *testing.T) {
	p := &process{}
	if _, err := p.words.Write([]byte("first line\nsecond" + strings.Repeat("x", 2*maxTail))); err != nil {
		t.Fatal(err)
	}
	if got := p.lastWords(); got != "exit status 0: first line" {
		t.Errorf("last words %q", got)
	}
}
