package compute

import (
	"testing"
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
