package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/market/rest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if compute.IsWorker() {
		os.Exit(compute.Worker())
	}
	if len(os.Args) > 1 && os.Args[1] == examineCommand { // a test that runs a command in its own process
		main()
		return
	}
	os.Setenv("SEA_LAN", "false") // daemons of different tests do not meet
	os.Setenv("SEA_PORTMAP", "false")
	testscript.Main(cleaned{m}, map[string]func(){"seaworker": func() {
		if lie := os.Getenv("SEA_TEST_LIE"); lie != "" {
			jobEngine = func(e *compute.Engine) runner { return liar{e, lie} }
		}
		if is := os.Getenv("SEA_TEST_MACHINE"); is != "" {
			thisMachine = machine(is)
		}
		main()
	}})
}

// machine is one that is as SEA_TEST_MACHINE says: on "battery", "used" or
// "dumb".
type machine string

func (m machine) OnBattery(context.Context) (bool, error) { return m == "battery", m.wrong() }

func (m machine) Use(context.Context) (string, error) {
	if m == "used" {
		return "other programs use 80 % of its processors", nil
	}
	return "", m.wrong()
}

func (m machine) wrong() error {
	if m == "dumb" {
		return fmt.Errorf("%w anything", rest.ErrUnknown)
	}
	return nil
}

// liar is an engine that signs for what did not happen, as SEA_TEST_LIE says:
// "output", or a number of fuel that is added to what was used.
type liar struct {
	runner
	lie string
}

func (l liar) Run(ctx context.Context, job compute.Job, blobs compute.Blobs, live compute.Live) (compute.Result, error) {
	r, err := l.runner.Run(ctx, job, blobs, compute.Live{StopAt: live.StopAt})
	if err != nil {
		return r, err
	}
	if more, bad := strconv.ParseUint(l.lie, 10, 64); bad == nil {
		r.Fuel += more
	} else {
		r.Stdout = []byte("42\n")
	}
	if live.Stdout != nil {
		_, err = live.Stdout.Write(r.Stdout)
	}
	return r, err
}

// cleaned removes what all tests share once they have run.
type cleaned struct{ m *testing.M }

func (c cleaned) Run() int {
	code := c.m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	return code
}

// TestScript runs testdata/script: transcripts of the command line. Beside
// testscript's own commands there are
//
//	up NAME [KEY=VALUE...] FLAGS...
//	                     start a daemon in the folder NAME, with the environment
//	                     told, and wait for its ready line; sets $NAME_url,
//	                     $NAME_entity and $NAME_address
//	json FILE KEY VALUE  demand that the last line of FILE is an object whose
//	                     KEY is VALUE; with KEY alone, that it has KEY
func TestScript(t *testing.T) { testscript.Run(t, scriptParams("testdata/script")) }

func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			for name, from := range map[string]string{
				"examples": "../../examples", "hostile": "../../compute/testdata", "proofs": "../../ledger/testdata",
			} {
				abs, err := filepath.Abs(from)
				if err != nil {
					return err
				}
				if err := os.Symlink(abs, filepath.Join(e.WorkDir, name)); err != nil {
					return err
				}
			}
			e.Setenv("SEA_DIR", "")
			e.Setenv("SEA_LAN", "false")
			e.Setenv("SEA_PORTMAP", "false")
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"up": scriptUp, "json": scriptJSON},
	}
}

func scriptUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up NAME FLAGS...")
	}
	name := args[0]
	env := os.Environ()
	for args = args[1:]; len(args) > 0 && strings.HasPrefix(args[0], "SEA_"); args = args[1:] {
		env = append(env, args[0])
	}
	self, err := exec.LookPath("seaworker")
	ts.Check(err)
	cmd := exec.Command(self, append([]string{"up", "--json", "--dir", ts.MkAbs(name)}, args...)...)
	cmd.Env = env
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have been stopped
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			ts.Logf("%s ended with %v:\n%s", name, err, text)
		}
		_ = log.Close()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	ts.Check(err)
	var status statusView
	ts.Check(json.Unmarshal(line, &status))
	ts.Setenv(name+"_url", strings.Join(status.Listening, " "))
	ts.Setenv(name+"_entity", status.Entity.String())
	ts.Setenv(name+"_address", status.Address.String())
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: json FILE KEY [VALUE]")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	var object map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &object); err != nil {
		ts.Fatalf("%s: %v", lines[len(lines)-1], err)
	}
	value, ok := object[args[1]]
	if !ok {
		ts.Fatalf("no %q in %v", args[1], object)
	}
	if len(args) == 3 {
		got := fmt.Sprint(value)
		if f, ok := value.(float64); ok && f == float64(int64(f)) {
			got = fmt.Sprint(int64(f))
		}
		if got != args[2] {
			ts.Fatalf("%s is %s, want %s, in %v", args[1], got, args[2], object)
		}
	}
}
