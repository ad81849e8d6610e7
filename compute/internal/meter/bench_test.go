package meter

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

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
	runtime.LockOSThread() // whose clock is read
	defer runtime.UnlockOSThread()
	wasm, err := goProgram()
	if err != nil {
		b.Fatalf("%v: %s", err, wasm)
	}
	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	var m Module
	rewriting, compiling := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for b.Loop() {
		start := cpuTime()
		m = mustRewrite(b, wasm, Options{})
		rewriting = min(rewriting, cpuTime()-start)
	}
	for range 3 {
		ctx := context.Background()
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
		start := cpuTime()
		if _, err := rt.CompileModule(ctx, m.Wasm); err != nil {
			b.Fatal(err)
		}
		compiling = min(compiling, cpuTime()-start)
		_ = rt.Close(ctx)
	}
	b.ReportMetric(float64(len(m.Wasm))/float64(len(wasm)), "growth")
	b.ReportMetric(float64(len(wasm))/1e6/rewriting.Seconds(), "best-MB/s")
	b.ReportMetric(rewriting.Seconds()/compiling.Seconds(), "of-compiling")
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
