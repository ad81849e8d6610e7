package pages_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sea is a few daemons on this machine's loopback.
type sea struct {
	dir string
}

// daemon is one of them, in a process of its own.
type daemon struct {
	*sea
	name   string
	url    string // where it listens
	entity string
}

// built is where the binary is, made once for all tests.
var built string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "sea-pages-")
	if err != nil {
		log.Fatal(err)
	}
	built = filepath.Join(dir, "seaworker")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var build = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("go", "build", "-o", built, "../../cmd/seaworker").CombinedOutput()
})

func newSea(t *testing.T) *sea {
	t.Helper()
	if out, err := build(); err != nil {
		t.Fatalf("build seaworker: %v\n%s", err, out)
	}
	return &sea{dir: t.TempDir()}
}

func (s *sea) command(args ...string) *exec.Cmd {
	cmd := exec.Command(built, args...)
	cmd.Env = append(os.Environ(), "SEA_LAN=false", "SEA_PORTMAP=false", "SEA_DIR=")
	return cmd
}

// up starts a daemon that sells, and ends it with the test.
func (s *sea) up(t *testing.T, name string, flags ...string) *daemon {
	t.Helper()
	cmd := s.command(append([]string{"up", "--json", "--dir", filepath.Join(s.dir, name), "--sell", "--listen", "127.0.0.1:0"}, flags...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Logf("%s ended with %v:\n%s", name, err, log.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("%s: no ready line: %v", name, err)
	}
	var status struct {
		Entity    string   `json:"entity"`
		Listening []string `json:"listening"`
	}
	if err := json.Unmarshal(line, &status); err != nil || len(status.Listening) != 1 {
		t.Fatalf("%s: %s, %v", name, line, err)
	}
	return &daemon{sea: s, name: name, url: status.Listening[0], entity: status.Entity}
}

// run is a command of the command line, which must succeed. It returns what it
// printed.
func (d *daemon) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := d.command(append([]string{"--dir", filepath.Join(d.dir, d.name)}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("seaworker %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// primes buys a job that counts the primes below n.
func (d *daemon) primes(t *testing.T, n string, flags ...string) string {
	t.Helper()
	return d.run(t, append(append([]string{"run"}, flags...), "../../examples/primes/primes.wasm", "--", n)...)
}
