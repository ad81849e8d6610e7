package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// pair is a seller, or several, and a buyer, daemons on this machine, driven
// through their control API as any script could.
type pair struct {
	dir    string
	binary string
	env    []string    // of the daemons, beside this process's
	nodes  []*exec.Cmd // the sellers first
	buyer  *http.Client
	module blob
}

type blob struct {
	Hash string `json:"hash"`
	Size uint64 `json:"size"`
}

// tiny is a command that does nothing: (module (memory (export "memory") 1)
// (func (export "_start"))).
var tiny = []byte("\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" +
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" + "\x0a\x04\x01\x02\x00\x0b")

// startPair starts so many sellers, each of which runs at most slots jobs at
// once, and their buyer, with env beside this process's environment.
func startPair(ctx context.Context, sellers, slots int, env ...string) (p *pair, err error) {
	dir, err := os.MkdirTemp("", "sea-bench-")
	if err != nil {
		return nil, err
	}
	p = &pair{dir: dir, env: env}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	p.binary = filepath.Join(dir, "seaworker")
	build := exec.CommandContext(ctx, "go", "build", "-o", p.binary, "./cmd/seaworker")
	build.Dir = ".." // in the module that it belongs to, with its dependencies' versions
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return p, fmt.Errorf("build seaworker: %w", err)
	}
	var meet []string
	for i := range sellers {
		// A seller lends enough for the whole run.
		flags := []string{"--listen", "127.0.0.1:0", "--sell", "--strangers", "1000", "--max-jobs", fmt.Sprint(slots)}
		listening, err := p.up(ctx, fmt.Sprint("seller", i), append(flags, meet...)...)
		if err != nil {
			return p, err
		}
		if i == 0 {
			meet = []string{"--bootstrap", listening}
		}
	}
	if _, err := p.up(ctx, "buyer", meet...); err != nil {
		return p, err
	}
	socket := filepath.Join(p.home("buyer"), "control.sock")
	p.buyer = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	return p, p.do(ctx, http.MethodPut, "/blobs", bytes.NewReader(tiny), &p.module)
}

func (p *pair) home(name string) string { return filepath.Join(p.dir, name) }

// up starts a daemon and returns where it listens.
func (p *pair) up(ctx context.Context, name string, flags ...string) (string, error) {
	args := append([]string{"up", "--json", "--lan=false", "--log-level", "error", "--dir", p.home(name)}, flags...)
	cmd := exec.Command(p.binary, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), p.env...)
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	p.nodes = append(p.nodes, cmd)
	line, err := bufio.NewReader(ready).ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("%s did not start: %w", name, err)
	}
	var status struct {
		Listening []string `json:"listening"`
	}
	if err := json.Unmarshal(line, &status); err != nil {
		return "", err
	}
	return strings.Join(status.Listening, " "), ctx.Err()
}

func (p *pair) do(ctx context.Context, method, path string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://sea/v1"+path, body)
	if err != nil {
		return err
	}
	resp, err := p.buyer.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s", method, path, text)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// trade buys the tiny job and returns how long it took from the submission to
// the end, the payment made.
func (p *pair) trade(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	spec, err := json.Marshal(map[string]any{"module": p.module, "args": []string{"tiny"}, "max_credit_micro": 1_000_000})
	if err != nil {
		return 0, err
	}
	var job struct {
		Job string `json:"job"`
	}
	if err := p.do(ctx, http.MethodPost, "/jobs", bytes.NewReader(spec), &job); err != nil {
		return 0, err
	}
	var update struct {
		Job *struct {
			State string `json:"state"`
			Error string `json:"error"`
			Paid  bool   `json:"paid"`
		} `json:"job"`
	}
	var took time.Duration
	err = p.events(ctx, "/jobs/"+job.Job+"/events", func(data []byte) (bool, error) {
		err := json.Unmarshal(data, &update)
		took = time.Since(start)
		return update.Job != nil, err
	})
	if err != nil {
		return 0, fmt.Errorf("job %s: %w", job.Job, err)
	}
	if update.Job.State != "done" || !update.Job.Paid {
		return 0, fmt.Errorf("job %s is %s (paid: %t): %s", job.Job, update.Job.State, update.Job.Paid, update.Job.Error)
	}
	return took, nil
}

// events reads a stream of events until seen says that one is the last.
func (p *pair) events(ctx context.Context, path string, seen func(data []byte) (last bool, err error)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sea/v1"+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.buyer.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("no end: %w", err)
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if last, err := seen([]byte(data)); last || err != nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			return err
		}
	}
}

// tradeMany buys n tiny jobs, at most flight at a time.
func (p *pair) tradeMany(ctx context.Context, n, flight int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(flight)
	for range n {
		group.Go(func() error {
			_, err := p.trade(ctx)
			return err
		})
	}
	return group.Wait()
}

// close stops the daemons, the buyer first, and removes their folders.
func (p *pair) close() error {
	var errs []error
	for i := len(p.nodes) - 1; i >= 0; i-- {
		errs = append(errs, p.nodes[i].Process.Signal(os.Interrupt), p.nodes[i].Wait())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}
