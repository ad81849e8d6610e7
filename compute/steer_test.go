package compute

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeProcess is busy on one core, but for the time it is held.
type fakeProcess struct {
	t       *testing.T
	stuck   bool // cannot be held
	clock   bool // tells its processor time
	held    bool
	holds   int
	last    time.Time
	had     time.Duration
	started time.Time
}

func newFakeProcess(t *testing.T, clock bool) *fakeProcess {
	return &fakeProcess{t: t, clock: clock, last: time.Now(), started: time.Now()}
}

func (p *fakeProcess) spend() {
	now := time.Now()
	if !p.held {
		p.had += now.Sub(p.last)
	}
	p.last = now
}

func (p *fakeProcess) hold() bool {
	if p.held {
		p.t.Error("held twice")
	}
	p.spend()
	p.held = !p.stuck
	p.holds++
	return p.held
}

func (p *fakeProcess) letGo() {
	if !p.held {
		p.t.Error("continued, and not held")
	}
	p.spend()
	p.held = false
}

func (p *fakeProcess) cpuTime() (time.Duration, bool) {
	p.spend()
	return p.had, p.clock
}

// TestShare: a process gets its share of a core, in slices.
func TestShare(t *testing.T) {
	for _, clock := range []bool{true, false} {
		for _, share := range []int{1, 30, 90, 100} {
			synctest.Test(t, func(t *testing.T) {
				p := newFakeProcess(t, clock)
				c := &Control{}
				c.SetShare(share)
				g := newGovernor(p, c)
				if got := g.run(t.Context(), nil, nil, 10*time.Second); got != late {
					t.Fatalf("it ended because of %v", got)
				}
				if passed := time.Since(p.started); passed != 10*time.Second {
					t.Errorf("the belt of 10 s was over after %v: it runs on between the slices", passed)
				}
				g.goOn()
				got := 100 * p.had.Seconds() / 10
				if got < float64(share)-1.5 || got > float64(share)+1.5 {
					t.Errorf("share %d: it had %.1f %% of the time", share, got)
				}
				if want := 95; share < 100 && p.holds < want || share == 100 && p.holds != 0 {
					t.Errorf("share %d: held %d times in 10 s, want %d or more", share, p.holds, want)
				}
			})
		}
	}
}

// TestPauseClock: a pause stands outside the belt and outside the share, takes
// effect at once, and is over with its last reason.
func TestPauseClock(t *testing.T) {
	for _, share := range []int{100, 50} {
		synctest.Test(t, func(t *testing.T) {
			p := newFakeProcess(t, true)
			c := &Control{}
			c.SetShare(share)
			ended := make(chan why, 1)
			go func() {
				g := newGovernor(p, c)
				ended <- g.run(t.Context(), nil, nil, 10*time.Second)
				g.goOn()
			}()
			time.Sleep(time.Second)
			c.Pause("a")
			c.Pause("b")
			synctest.Wait()
			had := p.had
			if !p.held {
				t.Error("not held by a pause")
			}
			time.Sleep(time.Hour)
			c.Resume("a")
			synctest.Wait()
			if !p.held {
				t.Error("let go with a reason left")
			}
			time.Sleep(time.Hour)
			if p.had != had {
				t.Error("it ran on while paused")
			}
			c.Resume("b")
			if got := <-ended; got != late {
				t.Errorf("it ended because of %v", got)
			}
			if passed := time.Since(p.started); passed != 2*time.Hour+10*time.Second {
				t.Errorf("the belt of 10 s was over after %v", passed)
			}
			synctest.Wait()
			if p.held {
				t.Error("left behind, held")
			}
		})
	}
}

// TestPausedEnds: a job that is held ends by cancel and by Close as any other.
func TestPausedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Control{}
		c.Pause("test")
		for want := range late {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			until, engine := make(chan struct{}), make(chan struct{})
			p := newFakeProcess(t, true)
			g := newGovernor(p, c)
			ended := make(chan why, 1)
			go func() { ended <- g.run(ctx, engine, until, time.Second) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			if !p.held || len(ended) > 0 {
				t.Fatal("not held")
			}
			switch want {
			case reached:
				close(until)
			case closed:
				close(engine)
			case cancelled:
				cancel()
			}
			if got := <-ended; got != want {
				t.Errorf("it ended because of %v, want %v", got, want)
			}
			g.goOn()
			if p.held {
				t.Error("left behind, held")
			}
		}
	})
}

// TestCannotHold: where a process cannot be held, the job goes on and so does
// its clock.
func TestCannotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakeProcess(t, false)
		p.stuck = true
		c := &Control{}
		c.Pause("test")
		g := newGovernor(p, c)
		if got := g.run(t.Context(), nil, nil, time.Second); got != late || time.Since(p.started) != time.Second {
			t.Errorf("it ended because of %v after %v", got, time.Since(p.started))
		}
	})
}

// TestPace: a job is too slow when it is over some seconds, not at first and not
// for a moment.
func TestPace(t *testing.T) {
	const (
		least = 1000
		grace = 2 * time.Second
		over  = 3 * time.Second
	)
	for _, tt := range []struct {
		name string
		rate func(at time.Duration) float64 // fuel per second of running time
		end  time.Duration                  // 0: never
	}{
		{"fast", func(time.Duration) float64 { return 1001 }, 0},
		{"slow", func(time.Duration) float64 { return 999 }, grace + over},
		{"slow at first", func(at time.Duration) float64 {
			if at < grace {
				return 0
			}
			return 1001
		}, 0},
		{"a moment's trouble", func(at time.Duration) float64 {
			if at%(10*time.Second) < time.Second {
				return 0
			}
			return 1600
		}, 0},
		{"slow later", func(at time.Duration) float64 {
			if at < 20*time.Second {
				return 2000
			}
			return 0
		}, 21600 * time.Millisecond},
	} {
		p, fuel := &pace{least: least, grace: grace, over: over}, 0.0
		end := time.Duration(0)
		for at := time.Duration(0); at < time.Minute && end == 0; at += 100 * time.Millisecond {
			if p.slow(at, uint64(fuel)) {
				end = at
			}
			fuel += tt.rate(at) / 10
			if len(p.marks) > paceMarks+2 {
				t.Fatalf("%s: %d marks", tt.name, len(p.marks))
			}
		}
		if end != tt.end {
			t.Errorf("%s: ended at %v, want %v", tt.name, end, tt.end)
		}
	}
	if p := newPace(0); p.slow(time.Hour, 0) || !strings.Contains(newPace(7).cause(), "slower than 7 fuel") {
		t.Error("no rate, and yet too slow")
	}
}

// TestSlowest: a guest below the slowest rate is stopped, whatever runs it, and
// running it up to there gives the same.
func TestSlowest(t *testing.T) {
	const rate = 1 << 50
	for name, e := range engines(t) {
		k := argc(wasmFile(t, "traps.wasm"), 11)
		k.Limits.Fuel = MaxFuel
		r, err := e.Run(t.Context(), k.Job, k.blobs, Live{Slowest: rate})
		if err != nil || r.End != Interrupted || r.Cause != newPace(rate).cause() || !r.TooSlow() {
			t.Fatalf("%s: got %s at %d because %q, %v", name, r.End, r.Fuel, r.Cause, err)
		}
		if r.Fuel == 0 {
			continue // in this process real time counts, and its thread had none
		}
		again, err := e.Run(t.Context(), k.Job, k.blobs, Live{StopAt: r.Fuel})
		if err != nil {
			t.Fatal(err)
		}
		same(t, again, r)
	}
}
