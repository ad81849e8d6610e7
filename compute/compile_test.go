package compute

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// slowModules are modules that the meter admits and a compiler finds hard, each
// near a limit of admission.
func slowModules() map[string][]byte {
	body := func(bodies ...string) []byte { return assembly{bodies: bodies}.bytes() }
	many := func(n int, code, local string) []byte {
		a := assembly{}
		for range n {
			a.bodies, a.locals = append(a.bodies, code), append(a.locals, local)
		}
		return a.bytes()
	}
	const full = 1 << 20
	sum := "\x20\x00\x20\x01\x7c\x21\x00"                                      // local 0 += local 1
	diamonds := "\x20\x00\x50\x04\x40\x42\x01\x21\x00\x05\x42\x02\x21\x01\x0b" // if !l0 {l0 = 1} else {l1 = 2}
	wide := "\x02" + leb(2) + "\x7e" + leb(1000) + "\x7e"                      // two groups of i64 locals
	var spill strings.Builder                                                  // 1,000 locals, all alive
	for i := range 1000 {
		spill.WriteString("\x20" + leb(i) + "\x20" + leb((i*7+1)%1000) + "\x7c\x21" + leb((i*13+5)%1000))
	}
	return map[string][]byte{
		"nested blocks":           body(strings.Repeat("\x02\x40", 8191) + strings.Repeat("\x0b", 8191)),
		"nested loops":            body(strings.Repeat("\x03\x40", 8191) + strings.Repeat("\x0b", 8191)),
		"nested loops that end":   body("\x0f" + strings.Repeat("\x03\x40", 8000) + strings.Repeat("\x41\x00\x0d\x00\x0b", 8000)),
		"br_table":                many(120, "\x41\x00\x0e"+leb(8191)+strings.Repeat("\x00", 8192), "\x00"),
		"49,991 locals":           many(19, "", "\x01"+leb(49_991)+"\x7e"),
		"one long run":            assembly{bodies: []string{strings.Repeat(sum, full/len(sum)-3)}, locals: []string{wide}}.bytes(),
		"diamonds":                assembly{bodies: []string{strings.Repeat(diamonds, full/len(diamonds)-3)}, locals: []string{wide}}.bytes(),
		"1,000 locals alive":      assembly{bodies: []string{strings.Repeat(spill.String(), (full-20)/spill.Len())}, locals: []string{wide}}.bytes(),
		"locals alive over loops": assembly{bodies: []string{strings.Repeat("\x03\x40", 500) + spill.String() + strings.Repeat("\x20\x00\x50\x0d\x00\x0b", 500)}, locals: []string{wide}}.bytes(),
		"calls":                   many(4, strings.Repeat("\x10\x00", full/2-10), "\x00"),
		"100,000 functions":       many(99_999, "", "\x00"),
	}
}

// TestCompileTime says how long the hardest modules take a worker, by byte, and
// demands that it ends: compiled, refused, or by the process's own limit. What
// they cost on a machine is in docs/SECURITY.md.
func TestCompileTime(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("minutes: SEA_TEST_FULL=1 runs it")
	}
	e := newEngine(t, Config{Workers: 1})
	for name, module := range slowModules() {
		t.Run(name, func(t *testing.T) {
			k := newTask(module)
			k.Limits.Fuel = 1000
			begin := time.Now()
			r, err := e.Run(t.Context(), k.Job, k.blobs, Live{})
			took := time.Since(begin)
			if err != nil { // too long: the next one is told at once
				_, again := e.Run(t.Context(), k.Job, k.blobs, Live{})
				if !errors.Is(err, ErrEngine) || again == nil || again.Error() != err.Error() {
					t.Errorf("got %v, then %v", err, again)
				}
			}
			t.Logf("%d bytes, %v, %.1f µs a byte: %s %v", len(module), took.Round(time.Millisecond), float64(took.Microseconds())/float64(len(module)), r.End, err)
		})
	}
}
