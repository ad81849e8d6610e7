package compute

import (
	"testing"
)

func TestHello(t *testing.T) {
	for name, cfg := range map[string]Config{
		"worker": {CacheDir: t.TempDir()}, "in process": {InProcess: true},
		"interpreter": {Interpreter: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTask(goProgram(t, "hello"), "a", "b c").input("dir/in.txt", []byte("some bytes")).stdin([]byte("typed"))
			k.Env = []string{"CODE=7", "X=y"}
			r := k.run(t, newEngine(t, cfg))
			t.Logf("%s %d %s fuel %d pages %d\n%s%s", r.End, r.Code, r.Trap, r.Fuel, r.PeakPages, r.Stdout, r.Stderr)
		})
	}
}
