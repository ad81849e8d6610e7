package compute

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkShare measures what processor time the kernel counts for the workers of
// endless jobs at each share, over six seconds of real time, in percent of a core,
// and the ratio to the one that has all of it, in the same run:
//
//	go test -run '^$' -bench '^BenchmarkShare$' -benchtime 1x ./compute
func BenchmarkShare(b *testing.B) {
	const span = 6 * time.Second
	for b.Loop() {
		had := map[int]float64{}
		for _, share := range []int{100, 30} {
			had[share] = coreOf(b, share, span)
			b.ReportMetric(had[share], fmt.Sprintf("core%%_at_%d", share))
		}
		b.ReportMetric(100*had[30]/had[100], "%_of_full")
	}
}

// coreOf runs an endless job at a share for some time and returns how much of a
// core its engine's workers had, in percent.
func coreOf(b *testing.B, share int, span time.Duration) float64 {
	e := New(Config{Workers: 1})
	defer e.Close()
	k := argc(wasmFile(b, "traps.wasm"), 11)
	k.Limits.Fuel = MaxFuel
	control := &Control{}
	control.SetShare(share)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var once sync.Once
	running := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		_, _ = e.Run(ctx, k.Job, k.blobs, Live{Control: control, Progress: func(uint64) { once.Do(func() { close(running) }) }})
	})
	<-running
	cpu, start := processorTime(b), time.Now()
	time.Sleep(span)
	used, passed := processorTime(b)-cpu, time.Since(start)
	cancel()
	ended.Wait()
	return 100 * used.Seconds() / passed.Seconds()
}

// processorTime is what all workers of this process have had: user and system time
// in the kernel's hundredths of a second.
func processorTime(b *testing.B) (sum time.Duration) {
	for _, pid := range childrenOf(b, os.Getpid()) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		user, err1 := strconv.Atoi(f[11])
		system, err2 := strconv.Atoi(f[12])
		if err1 != nil || err2 != nil {
			b.Fatal(err1, err2)
		}
		sum += time.Duration(user+system) * 10 * time.Millisecond
	}
	return sum
}
