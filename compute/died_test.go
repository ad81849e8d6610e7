//go:build unix

package compute

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// ended is how a process ends that exits with 2, as Go does when it has no
// memory, or of a signal.
func ended(t *testing.T, how string) error {
	t.Helper()
	err := exec.Command("/bin/sh", "-c", "ulimit -c 0; "+how).Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("%s: %v", how, err)
	}
	return err
}

// TestCompileKills: a module whose compilation ends its worker is not tried
// again, and remembered if the worker died of it.
func TestCompileKills(t *testing.T) {
	taken := frames(t, func(w *frameWriter) error { return w.send(frameTaken, nil) })
	for name, tt := range map[string]struct {
		said       []byte
		how        string
		again      bool // another worker may tell the truth
		remembered bool
		want       string
	}{
		"no memory":           {taken, "exit 2", false, true, "compiling the module ended its worker"},
		"no processor time":   {taken, "kill -XCPU $$", false, true, "processor time"},
		"a fault":             {taken, "kill -SEGV $$", false, true, "compiling the module ended its worker"},
		"no such call":        {taken, "kill -SYS $$", false, true, "compiling the module ended its worker"},
		"the machine's doing": {taken, "kill -KILL $$", false, false, "compiling the module ended its worker"},
		"a person's doing":    {taken, "kill -TERM $$", false, false, "compiling the module ended its worker"},
		"while it waited":     {nil, "kill -KILL $$", true, false, "the worker died"},
		"before it had it":    {nil, "exit 2", true, false, "the worker died"},
	} {
		t.Run(name, func(t *testing.T) {
			p := deaf(tt.said)
			p.state = ended(t, tt.how)
			e := &Engine{}
			k := newTask(nil)
			s := newSession(e, k.Job, nil, Live{}, newSink(k.Job, Live{}), p)
			s.room = &room{}
			err := s.read()
			if !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), tt.want) || errors.Is(err, errUnbegun) != tt.again {
				t.Errorf("got %v, want %q, again %v", err, tt.want, tt.again)
			}
			if got := e.refusals.get(k.Job); (got != nil) != tt.remembered {
				t.Errorf("remembered: %v", got)
			}
		})
	}
}
