package compute

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// idlePids are the processes of the workers that wait for a job of their own
// module, longest idle first.
func idlePids(e *Engine) (pids []int) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	for _, w := range e.pool.idle {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}

// ranIn runs k as tenant and gives the process it ran in.
func ranIn(t *testing.T, e *Engine, k *task, tenant string) (Result, int) {
	t.Helper()
	r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Tenant: tenant})
	if err != nil {
		t.Fatal(err)
	}
	pids := idlePids(e)
	if len(pids) == 0 {
		t.Fatal("its worker did not stay")
	}
	return r, pids[len(pids)-1]
}

// TestReuse: jobs of one tenant and module share a process, and none finds a
// trace of another there, however it ended.
func TestReuse(t *testing.T) {
	module := wasmFile(t, "traces.wasm")
	e := newEngine(t, Config{Workers: 1})
	var first, pid = map[int]Result{}, 0
	for _, how := range []int{1, 2, 3, 1, 3, 2, 1} {
		k := argc(module, how)
		if first[how].End == "" {
			first[how] = k.run(t, newEngine(t, Config{Workers: 1}))
			same(t, k.run(t, newEngine(t, Config{InProcess: true})), first[how])
		}
		r, in := ranIn(t, e, k, "a")
		same(t, r, first[how])
		if pid != 0 && in != pid {
			t.Errorf("job ran in process %d, the one before in %d", in, pid)
		}
		pid = in
	}
}

// TestNotShared: another tenant, module, limit or size of inputs is another
// process.
func TestNotShared(t *testing.T) {
	module := wasmFile(t, "traces.wasm")
	plain := argc(module, 1)
	fuel := argc(module, 1)
	fuel.Limits.Fuel--
	wall := argc(module, 1)
	wall.Limits.WallMillis++
	large := argc(module, 1).stdin(make([]byte, 1<<20))
	e := newEngine(t, Config{Workers: 8})
	seen := map[int]string{}
	for _, tt := range []struct {
		name   string
		k      *task
		tenant string
	}{
		{"plain", plain, "a"}, {"tenant", plain, "b"}, {"nobody", plain, ""}, {"fuel", fuel, "a"}, {"wall", wall, "a"},
		{"inputs", large, "a"}, {"module", argc(wasmFile(t, "traps.wasm"), 0), "a"},
	} {
		_, pid := ranIn(t, e, tt.k, tt.tenant)
		if other := seen[pid]; other != "" {
			t.Errorf("%q ran in the process of %q", tt.name, other)
		}
		seen[pid] = tt.name
	}
	if _, pid := ranIn(t, e, plain, "a"); seen[pid] != "plain" {
		t.Errorf("the first again ran in the process of %q", seen[pid])
	}
}

// TestIdleBound: the worker that was idle for longest makes room.
func TestIdleBound(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := newTask(wasmFile(t, "start.wasm"))
	_, a := ranIn(t, e, k, "a")
	_, b := ranIn(t, e, k, "b")
	_, again := ranIn(t, e, k, "a")
	_, c := ranIn(t, e, k, "c")
	if pids := idlePids(e); again != a || len(pids) != e.pool.most || pids[0] != a || pids[1] != c {
		t.Errorf("workers %v are idle after a %d, b %d, a %d, c %d", pids, a, b, again, c)
	}
}

// TestIdleEnds: a worker does not wait for long.
func TestIdleEnds(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	e.pool.maxIdle = time.Millisecond
	k := newTask(wasmFile(t, "start.wasm"))
	for _, tenant := range []string{"a", "b"} {
		if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{Tenant: tenant}); err != nil {
			t.Fatal(err)
		}
	}
	for len(idlePids(e)) > 0 {
		runtime.Gosched()
	}
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if e.pool.old != nil {
		t.Error("a timer is left")
	}
}

// TestIdleDied: a worker that died while it was idle costs no job.
func TestIdleDied(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := newTask(wasmFile(t, "start.wasm"))
	first, pid := ranIn(t, e, k, "a")
	for range 3 {
		e.pool.mu.Lock()
		e.pool.idle[0].kill()
		e.pool.mu.Unlock()
		r, in := ranIn(t, e, k, "a")
		same(t, r, first)
		if in == pid {
			t.Error("the dead worker ran a job")
		}
		pid = in
	}
}

// TestLastJob: a worker ends after its last job, and the next one gets another.
func TestLastJob(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := newTask(wasmFile(t, "start.wasm"))
	_, first := ranIn(t, e, k, "a")
	e.pool.mu.Lock()
	w := e.pool.idle[0].process
	w.jobs = maxJobs - 1 // it does not know
	e.pool.mu.Unlock()
	if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{Tenant: "a"}); err != nil {
		t.Fatal(err)
	}
	if pids := idlePids(e); len(pids) != 0 {
		t.Errorf("workers %v are idle, the last was %d", pids, first)
	}
}

// TestCancelled: a worker that was told to stop does not stay, so that what it
// was told never meets another job.
func TestCancelledEnds(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	k := argc(wasmFile(t, "traces.wasm"), 4)
	k.Limits.Fuel = MaxFuel
	quick := argc(wasmFile(t, "traces.wasm"), 1)
	quick.Limits = k.Limits
	first, pid := ranIn(t, e, quick, "a")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := e.Run(ctx, k.Job, k.blobs, Live{Tenant: "a", Progress: func(uint64) { cancel() }})
	if err != nil || r.End != Interrupted {
		t.Fatalf("got %s, %v", r.End, err)
	}
	again, other := ranIn(t, e, quick, "a")
	same(t, again, first)
	if pid == other {
		t.Error("the worker that was told to stop ran another job")
	}
}

// TestLateCancel: a cancel of another job is read and ignored, and a job that
// takes long enough for the listener is followed by one that does not.
func TestLateCancel(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	slow := argc(wasmFile(t, "traces.wasm"), 4)
	slow.Limits.Fuel = 2e7
	quick := argc(wasmFile(t, "traces.wasm"), 1)
	quick.Limits = slow.Limits
	first, pid := ranIn(t, e, quick, "a")
	for range 3 {
		e.pool.mu.Lock()
		w := e.pool.idle[0].process
		e.pool.mu.Unlock()
		for number := range w.jobs + 1 {
			if err := w.in.number(frameCancel, number, []byte("late")...); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.in.flush(); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*task{slow, quick, slow} {
			r, in := ranIn(t, e, k, "a")
			if in != pid {
				t.Errorf("job ran in process %d, the one before in %d", in, pid)
			}
			if k == quick {
				same(t, r, first)
			} else if r.End != OutOfFuel {
				t.Errorf("the slow job ended as %s %q", r.End, r.Cause)
			}
		}
	}
}

// TestManyJobs: thousands of jobs through the same workers leave goroutines,
// descriptors and processes as they were.
func TestManyJobs(t *testing.T) {
	e := newEngine(t, Config{Workers: 2})
	k := newTask(wasmFile(t, "start.wasm"))
	run := func(n int) {
		var jobs sync.WaitGroup
		for range 2 {
			jobs.Go(func() {
				for range n {
					if _, err := e.Run(t.Context(), k.Job, k.blobs, Live{}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		jobs.Wait()
		e.pool.work.Wait() // until there are spares
	}
	run(10)
	there := countWhatIsThere(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	run(1500 / slowdown)
	runtime.GC()
	runtime.ReadMemStats(&after)
	there.leaves(t, 4) // a worker's stderr has a goroutine
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
