package meter

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
)

// kernels are the functions of testdata/golden/kernels.c, each with an argument that
// takes some ten milliseconds.
var kernels = []struct {
	name string
	arg  uint64
}{
	{"fib", 27}, {"sieve", 1 << 20}, {"sort", 1 << 16}, {"sha", 5000}, {"interp", 100_000}, {"calls", 2_000_000},
	{"tree", 1 << 14}, {"matmul", 10}, {"mandel", 100}, {"nbody", 20_000},
}

// BenchmarkKernels runs each kernel as it is and metered: the ratio of their
// times is what metering costs.
func BenchmarkKernels(b *testing.B) {
	wasm, err := os.ReadFile(filepath.Join("testdata", "golden", "kernels.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	m := mustRewrite(b, wasm, Options{})
	for _, k := range kernels {
		b.Run(k.name+"/plain", func(b *testing.B) {
			rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
			defer rt.Close(ctx)
			mod, err := rt.Instantiate(ctx, wasm)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := mod.ExportedFunction(k.name).Call(ctx, k.arg); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(k.name+"/metered", func(b *testing.B) {
			rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
			defer rt.Close(ctx)
			g, err := instantiate(rt, m, "", MaxLimit)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := g.call(k.name, k.arg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(g.fuel())/b.Elapsed().Seconds()/1e9, "Gfuel/s")
		})
	}
}

// goProgram builds a Go program for wasip1: a large real module. The toolchain
// that runs the tests can always do it.
var goProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "meter")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	const source = `package main
import ("os"; "sort"; "strconv"; "strings"; "math")
func main() {
	words := strings.Fields(strings.Repeat("the sea is wide and the sky is high ", 20))
	count := map[string]int{}
	for i, w := range words { count[w] += i }
	sort.Strings(words)
	os.Stdout.WriteString(words[0] + " " + strconv.Itoa(count["sea"]) + " " +
		strconv.FormatFloat(math.Sqrt(float64(len(words))), 'g', -1, 64) + "\n")
}`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "out.wasm")
	cmd := exec.Command("go", "build", "-o", out, filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		return text, err
	}
	return os.ReadFile(out)
})

func BenchmarkRewrite(b *testing.B) {
	wasm, err := goProgram()
	if err != nil {
		b.Fatalf("%v: %s", err, wasm)
	}
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	var m Module
	for b.Loop() {
		m = mustRewrite(b, wasm, Options{})
	}
	b.ReportMetric(float64(len(m.Wasm))/float64(len(wasm)), "growth")
}

func BenchmarkAdmit(b *testing.B) {
	wasm, err := goProgram()
	if err != nil {
		b.Fatalf("%v: %s", err, wasm)
	}
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Admit(wasm, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
