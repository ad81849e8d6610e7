package compute

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"
)

// textOf makes n bytes of lines of random letters.
func textOf(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		for range 3 + r.IntN(60) {
			b = append(b, 'a'+byte(r.IntN(26)))
		}
		b = append(b, '\n')
	}
	return b
}

func sorted(text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}

// TestSort: a Go program sorts a file and writes it back, byte for byte like a
// native sort, with the same fuel in ten runs on the compiler and one on the
// interpreter.
//
// The file has 1 MB, and 50 MB when SEA_TEST_FULL is set, as .ci/run does: the
// interpreter alone then takes minutes. With the race detector it has 8 KB
// and is sorted twice, by the compiler only.
func TestSort(t *testing.T) {
	size, runs := 1<<20, 10
	switch {
	case raceEnabled:
		size, runs = 8<<10, 2
	case os.Getenv("SEA_TEST_FULL") != "":
		size = 50 << 20
	}
	text := textOf(size)
	want := sorted(text)
	k := newTask(goProgram(t, "sortlines")).input("in.txt", text)
	k.Limits.Fuel = 1e12
	k.Limits.WallMillis = MaxWallMillis
	compiler, interpreter := newEngine(t, Config{CacheDir: t.TempDir()}), newEngine(t, Config{Interpreter: true})
	first := k.run(t, compiler)
	if first.End != Exit || first.Code != 0 || !bytes.Equal(file(t, first, "sorted.txt"), want) {
		t.Fatalf("got %s %d %q, or not sorted: %s", first.End, first.Code, first.Trap, first.Stderr)
	}
	for range runs - 1 {
		begin := time.Now()
		same(t, k.run(t, compiler), first)
		t.Logf("%d bytes, %d fuel, %d pages, %v", size, first.Fuel, first.PeakPages, time.Since(begin))
	}
	if !raceEnabled {
		same(t, k.run(t, interpreter), first)
	}
}
