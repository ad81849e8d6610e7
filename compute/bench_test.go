package compute

import (
	"testing"
	"time"
)

// BenchmarkTiny is a job of a few instructions, from Run to result, with its
// code in the compile cache.
func BenchmarkTiny(b *testing.B) {
	for name, cfg := range map[string]Config{
		"worker":     {CacheDir: b.TempDir()},
		"in process": {InProcess: true, CacheDir: b.TempDir()},
	} {
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, cfg)
			k := newTask(wasmFile(b, "start.wasm"))
			k.run(b, e)
			b.ReportAllocs()
			for b.Loop() {
				k.run(b, e)
			}
		})
	}
}

// hostMixes are what testdata/hostmix.wat does for each number of arguments.
var hostMixes = []string{"sched_yield", "clock_time_get", "random_get of nothing", "random_get of 64 KiB", "fd_write of 1 byte",
	"fd_seek", "fd_readdir", "path_filestat_get of a long path", "path_open and fd_close", "path_create_directory and its end"}

// BenchmarkHostMix measures how much fuel a second of processor time of each
// host call costs. See BenchmarkMix in internal/meter for the rest.
func BenchmarkHostMix(b *testing.B) {
	e := newEngine(b, Config{InProcess: true, CacheDir: b.TempDir()})
	module := wasmFile(b, "hostmix.wasm")
	for i, name := range hostMixes {
		b.Run(name, func(b *testing.B) {
			k := argc(module, i+1)
			k.run(b, e)
			fuel, took := uint64(0), time.Duration(0)
			for b.Loop() {
				start, known := ownTime()
				if !known {
					b.Skip("this system does not tell the processor time")
				}
				r := k.run(b, e)
				end, _ := ownTime()
				if r.End != Exit {
					b.Fatal(r.End, r.Trap)
				}
				fuel, took = fuel+r.Fuel, took+end-start
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(fuel)/took.Seconds()/1e6, "Mfuel/s")
		})
	}
}
