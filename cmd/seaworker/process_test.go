package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market"
)

// built is the binary with fail points, made once for all tests.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// binary returns the path of a seaworker with fail points.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "seaworker-test-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "seaworker")
		out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", built.path, ".").CombinedOutput()
		if err != nil {
			t.Logf("%s", out)
		}
		built.err = err
	})
	if built.err != nil {
		t.Fatalf("build seaworker: %v", built.err)
	}
	return built.path
}

// process is a daemon in a process of its own.
type process struct {
	cmd    *exec.Cmd
	log    *logBuffer
	status statusView
	api    *client
	ended  chan error // holds one value once the process has ended
}

// logBuffer is what a process has said so far.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startProcess runs "up" in dir and waits for its ready line. point, unless
// empty, is where it kills itself.
func startProcess(t *testing.T, dir, point string, flags ...string) *process {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"up", "--json", "--dir", dir}, flags...)...)
	cmd.Env = append(withoutSea(os.Environ()), "SEA_FAILPOINT="+point, "SEA_LAN=false", "SEA_PORTMAP=false")
	return startCommand(t, cmd, dir)
}

// startCommand is startProcess of a command that was made already.
func startCommand(t *testing.T, cmd *exec.Cmd, dir string) *process {
	t.Helper()
	p := &process{cmd: cmd, log: new(logBuffer), ended: make(chan error, 1)}
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadBytes('\n')
	go func() {
		_, _ = lines.WriteTo(p.log)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill() })
	if err != nil {
		t.Fatalf("no ready line: %v\n%s", err, p.log)
	}
	if err := json.Unmarshal(line, &p.status); err != nil || p.status.PID == 0 {
		t.Fatalf("no ready line: %s, %v\n%s", line, err, p.log)
	}
	if p.api, err = daemonClient(t.Context(), folder(dir)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.api.close() })
	return p
}

// kill ends the process as a power cut would, if it has not ended.
func (p *process) kill() {
	select {
	case err := <-p.ended:
		p.ended <- err
	default:
		_ = p.cmd.Process.Kill()
		p.ended <- <-p.ended
	}
}

// died waits until the process has killed itself.
func (p *process) died(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		if exit, ok := err.(*exec.ExitError); !ok || exit.Exited() {
			t.Fatalf("the process ended with %v, want a kill\n%s", err, p.log)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the process did not reach its fail point\n%s", p.log)
	}
}

// stop stops the daemon in order and demands that it ends well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.api.do(t.Context(), http.MethodPost, "/stop", nil, nil); err != nil {
		t.Fatal(err)
	}
	err := <-p.ended
	p.ended <- err
	if err != nil {
		t.Fatalf("the daemon ended with %v\n%s", err, p.log)
	}
}

func (p *process) get(t *testing.T, path string, out any) {
	t.Helper()
	if err := p.api.do(t.Context(), http.MethodGet, path, nil, out); err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, p.log)
	}
}

// submit uploads and submits a job.
func (p *process) submit(t *testing.T, module, stdin []byte, spec market.Spec) (market.ID, error) {
	t.Helper()
	var err error
	if spec.Module, err = upload(t.Context(), p.api, bytes.NewReader(module)); err != nil {
		return market.ID{}, err
	}
	if spec.Stdin, err = upload(t.Context(), p.api, bytes.NewReader(stdin)); err != nil {
		return market.ID{}, err
	}
	var in submitted
	err = p.api.do(t.Context(), http.MethodPost, "/jobs", spec, &in)
	return in.Job, err
}

// wait returns the job once it has ended.
func (p *process) wait(t *testing.T, id market.ID) market.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	j, err := watchJob(ctx, p.api, id, &jobView{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), sum: newSum()})
	if err != nil {
		var now market.Job
		p.get(t, "/jobs/"+id.String(), &now)
		t.Fatalf("job %s (%s) has no end: %v\n%+v\n%s", id, now.State, err, now.History, p.log)
	}
	return j
}

// soon asks ok until it says yes, for a minute at most, and reports whether it
// did.
func soon(ok func() bool) bool {
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// linked waits until the daemon has a link.
func (p *process) linked(t *testing.T) {
	t.Helper()
	var s statusView
	if !soon(func() bool { p.get(t, "/status", &s); return s.Links > 0 }) {
		t.Fatalf("no link\n%s", p.log)
	}
}

// agreed returns both sides' lines once everything is delivered.
func agreed(t *testing.T, buyer, seller *process) (ours, theirs ledger.Line) {
	t.Helper()
	if !soon(func() bool {
		buyer.get(t, "/credit/"+seller.status.Entity.String(), &ours)
		seller.get(t, "/credit/"+buyer.status.Entity.String(), &theirs)
		return !ours.Undelivered && !theirs.Undelivered && ours.Mine.Seq == theirs.Theirs.Seq
	}) {
		t.Fatalf("the ledgers do not meet: buyer %+v, seller %+v\nbuyer's log:\n%s\nseller's log:\n%s", ours, theirs, buyer.log, seller.log)
	}
	return ours, theirs
}

// settled returns what the seller has earned once nothing is due.
func (p *process) settled(t *testing.T) (e sumView) {
	t.Helper()
	if !soon(func() bool { p.get(t, "/earnings", &e); return e.DueMicro == 0 }) {
		t.Fatalf("still due: %+v\n%s", e, p.log)
	}
	return e
}

// checked demands that the daemon's ledger verifies.
func (p *process) checked(t *testing.T) {
	t.Helper()
	var v checkView
	if err := p.api.do(t.Context(), http.MethodPost, "/credit/check", nil, &v); err != nil {
		t.Fatal(err)
	}
	if !v.OK {
		t.Fatalf("credit check: %+v", v)
	}
}
