package compute

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/peersea/sea/compute/internal/meter"
)

// v8 runs jobs on Node's engine, in the world that browsers have: web/src/compute.
// Their checks ask the host every few instructions. One job at a time.
type v8 struct {
	dir     string // module and inputs of the job
	mu      sync.Mutex
	jobs    io.WriteCloser
	answers *bufio.Reader
}

// v8Job and v8Outcome are the lines of web/test/engine.ts.
type v8Job struct {
	Module      string   `json:"module"`
	Args        []string `json:"args"`
	Env         []string `json:"env"`
	Stdin       string   `json:"stdin"`
	Files       []v8File `json:"files"`
	Seed        []byte   `json:"seed"`
	Start       string   `json:"start"`
	Fuel        string   `json:"fuel"`
	Depth       uint32   `json:"depth"`
	OutputBytes uint64   `json:"output_bytes"`
	MaxFiles    uint32   `json:"max_files"`
	Entry       string   `json:"entry"`
}

type v8File struct {
	Path string `json:"path"`
	From string `json:"from"`
}

type v8Outcome struct {
	Refused string `json:"refused"`
	Failed  string `json:"failed"`
	End     End    `json:"end"`
	Code    int32  `json:"code"`
	Trap    string `json:"trap"`
	Stdout  string `json:"stdout"`
	Stderr  string `json:"stderr"`
	Files   []struct {
		Path string `json:"path"`
		Dir  bool   `json:"dir"`
		Data string `json:"data"`
	} `json:"files"`
	Fuel    string  `json:"fuel"`
	Pages   uint32  `json:"pages"`
	Seconds float64 `json:"seconds"`
}

// needTool skips the test when the program is not installed, or fails it where
// it has to be: in CI.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and this is CI: %v", name, err)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// startV8 starts Node, which ends with the test.
func startV8(t *testing.T) *v8 {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "engine.mjs")
	node := needTool(t, "node")
	bundle := exec.Command("go", "run", "generate.go", filepath.Join("test", "engine.ts"), program)
	bundle.Dir = filepath.Join("..", "web")
	if said, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("bundle web/test/engine.ts: %v\n%s", err, said)
	}
	cmd := exec.Command(node, program)
	cmd.Stderr = os.Stderr
	jobs, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = jobs.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return &v8{dir: dir, jobs: jobs, answers: bufio.NewReader(answers)}
}

// run runs k and gives its result, as an Engine would.
func (n *v8) run(k *task) (Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	metered, err := meter.Rewrite(k.blobs[k.Module], meter.Options{MemoryPages: k.Limits.MemoryPages, Hold: true})
	if err != nil {
		return Result{}, refusal(err)
	}
	if err := checkImports(metered.Info.Imports); err != nil {
		return Result{}, err
	}
	if err := checkExports(metered.Info.Exports, k.Entry); err != nil {
		return Result{}, err
	}
	line, err := n.describe(k, metered.Wasm)
	if err != nil {
		return Result{}, err
	}
	if _, err := n.jobs.Write(append(line, '\n')); err != nil {
		return Result{}, fmt.Errorf("node: %w", err)
	}
	answer, err := n.answers.ReadBytes('\n')
	if err != nil {
		return Result{}, fmt.Errorf("node: %w", err)
	}
	var o v8Outcome
	if err := json.Unmarshal(answer, &o); err != nil {
		return Result{}, fmt.Errorf("node: %w", err)
	}
	return o.result(k.Hash())
}

// describe puts the job's bytes into files and says where they are.
func (n *v8) describe(k *task, wasm []byte) ([]byte, error) {
	put := func(name string, b []byte) (string, error) {
		path := filepath.Join(n.dir, name)
		return path, os.WriteFile(path, b, 0o600)
	}
	l := k.Limits
	job := v8Job{
		Args: list(k.Args), Env: list(k.Env), Files: []v8File{}, Seed: k.Seed[:],
		Start: strconv.FormatInt(k.Start, 10), Fuel: strconv.FormatUint(l.Fuel, 10),
		Depth: l.Depth, OutputBytes: l.OutputBytes, MaxFiles: l.Files, Entry: k.Entry,
	}
	var err error
	if job.Module, err = put("module.wasm", wasm); err != nil {
		return nil, err
	}
	if k.Stdin.Size > 0 {
		if job.Stdin, err = put("stdin", k.blobs[k.Stdin.Hash]); err != nil {
			return nil, err
		}
	}
	for i, f := range k.Files {
		from, err := put(fmt.Sprintf("input%d", i), k.blobs[f.Hash])
		if err != nil {
			return nil, err
		}
		job.Files = append(job.Files, v8File{f.Path, from})
	}
	return json.Marshal(job)
}

func (o v8Outcome) result(job [32]byte) (Result, error) {
	switch {
	case o.Refused != "":
		return Result{}, fmt.Errorf("%w: %s", ErrModule, o.Refused)
	case o.Failed != "":
		return Result{}, fmt.Errorf("%w: %s", ErrEngine, o.Failed)
	}
	r := Result{Job: job, End: o.End, Code: o.Code, Trap: o.Trap, PeakPages: o.Pages, Engine: "V8"}
	var err error
	if r.Fuel, err = strconv.ParseUint(o.Fuel, 10, 64); err != nil {
		return Result{}, err
	}
	bytes := func(text string) []byte {
		b, e := base64.StdEncoding.AppendDecode(nil, []byte(text))
		if e != nil {
			err = e
		}
		return b
	}
	r.Stdout, r.Stderr = bytes(o.Stdout), bytes(o.Stderr)
	for _, f := range o.Files {
		data := bytes(f.Data)
		r.Files = append(r.Files, OutFile{Path: f.Path, Dir: f.Dir, Blob: BlobOf(data), Data: data})
	}
	return r, err
}

// difference says in what two results are not the same; "" when they are.
func difference(a, b Result) string {
	var list []string
	say := func(what string, got, want any) { list = append(list, fmt.Sprintf("%s %v, want %v", what, got, want)) }
	if a.End != b.End || a.Code != b.Code || a.Trap != b.Trap {
		say("end", fmt.Sprintf("%s %d %q", a.End, a.Code, a.Trap), fmt.Sprintf("%s %d %q", b.End, b.Code, b.Trap))
	}
	if a.Fuel != b.Fuel {
		say("fuel", a.Fuel, b.Fuel)
	}
	if a.PeakPages != b.PeakPages {
		say("pages", a.PeakPages, b.PeakPages)
	}
	stream := func(name string, a, b []byte) {
		if string(a) == string(b) {
			return
		}
		at := 0
		for at < min(len(a), len(b)) && a[at] == b[at] {
			at++
		}
		from := max(0, at-40)
		say(fmt.Sprintf("%s of %d and %d bytes, at %d:", name, len(a), len(b), at),
			fmt.Sprintf("%q", a[from:min(len(a), at+80)]), fmt.Sprintf("%q", b[from:min(len(b), at+80)]))
	}
	stream("stdout", a.Stdout, b.Stdout)
	stream("stderr", a.Stderr, b.Stderr)
	for i := range max(len(a.Files), len(b.Files)) {
		if i >= len(a.Files) || i >= len(b.Files) {
			say("files", len(a.Files), len(b.Files))
			break
		}
		x, y := a.Files[i], b.Files[i]
		if x.Path != y.Path || x.Dir != y.Dir {
			say("file", x.Path, y.Path)
			break
		}
		stream("file "+x.Path, x.Data, y.Data)
	}
	if len(list) == 0 && a.Hash() != b.Hash() {
		say("hash", a.Hash(), b.Hash())
	}
	return strings.Join(list, "; ")
}
