package compute

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// textOf makes n bytes of lines of random words.
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

func TestSort(t *testing.T) {
	text := textOf(50 << 20)
	want := sorted(text)
	_ = t.TempDir()
	for _, cfg := range []Config{{Interpreter: true}} {
		k := newTask(goProgram(t, "sortlines")).input("in.txt", text)
		k.Limits.Fuel = 1e12
		e := newEngine(t, cfg)
		t0 := time.Now()
		r := k.run(t, e)
		t.Log(r.End, r.Fuel, r.PeakPages, time.Since(t0), bytes.Equal(file(t, r, "sorted.txt"), want))
	}
}
