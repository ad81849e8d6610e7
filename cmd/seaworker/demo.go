package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

func newDemo(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "demo [MODULE.wasm [-- ARGS...]]",
		Short: "A small sea on this machine: buy a real job, recompute the bill, compare the ledgers",
		Long: `Start a small sea on this machine: a bootstrap, two sellers and a buyer, four
processes with a key, a ledger and a folder each, over real sockets. The buyer
buys a job, runs it again to recompute the bill, and both ledgers are shown.
Everything is gone afterwards.

Without a program of your own it counts the words of the opening of Moby-Dick;
with one, standard input is its input.`,
		Example: `  seaworker demo
  seaworker demo MY.wasm -- args < input`,
		RunE: func(cmd *cobra.Command, args []string) error {
			job := demoJob{module: examples.WordFreq, name: "wordfreq.wasm", args: []string{"8"}, stdin: bytes.NewReader(examples.Loomings)}
			if len(args) > 0 {
				module, err := readModule(args[0], compute.Job{Limits: compute.DefaultLimits()})
				if err != nil {
					return err
				}
				job = demoJob{module: module, name: filepath.Base(args[0]), args: args[1:], stdin: c.stdin}
				if isTerminal(c.stdin) {
					job.stdin = nil
				}
			}
			return c.demo(cmd.Context(), job)
		},
	}
}

type demoJob struct {
	module []byte
	name   string
	args   []string
	stdin  io.Reader
}

// demo starts the sea, trades, and takes everything down again.
func (c *cli) demo(ctx context.Context, job demoJob) (err error) {
	base, err := os.MkdirTemp("", "sea-demo-")
	if err != nil {
		return err
	}
	sea := &demoSea{cli: c, base: base}
	defer func() { err = errors.Join(err, sea.close()) }()

	bootstrap, err := sea.start(ctx, "bootstrap", "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := bootstrap.status.Listening[0]
	sellers := make(map[identity.Entity]*demoNode)
	for i, price := range []string{"1", "1.2"} {
		seller, err := sea.start(ctx, fmt.Sprintf("seller-%d", i+1), "--bootstrap", url, "--sell", "--price", price)
		if err != nil {
			return err
		}
		sellers[seller.status.Entity] = seller
	}
	buyer, err := sea.start(ctx, "buyer", "--bootstrap", url)
	if err != nil {
		return err
	}

	final, err := c.demoBuy(ctx, buyer, job)
	if err != nil {
		return err
	}
	seller := sellers[final.Seller]
	if seller == nil || final.Receipt == (identity.Hash{}) {
		return c.finish(final, newJobView(c, true)) // nothing was bought: say why
	}
	if err := c.demoLinks(ctx, buyer, seller); err != nil {
		return err
	}
	verified, err := c.demoVerify(ctx, buyer, final)
	if err != nil {
		return err
	}
	agree, err := c.demoBooks(ctx, buyer, seller, final)
	if err != nil {
		return err
	}
	switch {
	case !verified.Match:
		return failf(exitMismatch, reasonMismatch, "please report this", "the recomputed bill differs from the receipt")
	case !agree:
		return failf(exitMismatch, reasonMismatch, "please report this", "the two ledgers do not agree")
	}
	c.exit = exitOf(final)
	if c.json {
		return c.printJSON(map[string]any{"job": final.ID, "state": final.State, "exit": final.Exit, "fuel": final.Fuel,
			"cost_micro": final.Cost, "verified": verified.Match, "ledgers_agree": agree})
	}
	return nil
}

// say tells the person who watches.
func (c *cli) say(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.stdout, format+"\n", args...)
	}
}

// demoBuy submits the job at the buyer and shows it until its end.
func (c *cli) demoBuy(ctx context.Context, buyer *demoNode, job demoJob) (market.Job, error) {
	spec := market.Spec{Name: job.name, Args: append([]string{job.name}, job.args...)}
	var err error
	if spec.Module, err = upload(ctx, buyer.api, bytes.NewReader(job.module)); err != nil {
		return market.Job{}, err
	}
	if job.stdin != nil {
		if spec.Stdin, err = upload(ctx, buyer.api, job.stdin); err != nil {
			return market.Job{}, err
		}
	}
	var in submitted
	if err := buyer.api.do(ctx, http.MethodPost, "/jobs", spec, &in); err != nil {
		return market.Job{}, err
	}
	c.say("\n— the job, bought by the buyer from the cheaper of the sellers that answered in time")
	v := newJobView(c, false)
	v.talk = !c.json
	v.begin(in.Job, market.Spec{Module: spec.Module, MaxCredit: market.DefaultMaxCredit})
	final, err := watchJob(ctx, buyer.api, in.Job, v)
	if err == nil && final.State != market.Done {
		c.say("job %s: %s", final.State, clean(final.Error))
	}
	return final, err
}

// demoLinks says how the buyer and the seller were connected.
func (c *cli) demoLinks(ctx context.Context, buyer, seller *demoNode) error {
	var peers []peerView
	if err := buyer.api.do(ctx, http.MethodGet, "/peers", nil, &peers); err != nil {
		return err
	}
	for _, p := range peers {
		if p.Peer == seller.status.Entity {
			c.say("\n— the way: %s ↔ %s directly over %s (%s), found through the bootstrap", buyer.name, seller.name, p.Transport, p.Remote)
		}
	}
	return nil
}

// demoVerify runs the job again at the buyer and compares the bill.
func (c *cli) demoVerify(ctx context.Context, buyer *demoNode, final market.Job) (market.Verification, error) {
	var r receiptView
	path := "/jobs/" + final.ID.String()
	if err := buyer.api.do(ctx, http.MethodGet, path+"/receipt", nil, &r); err != nil {
		return market.Verification{}, err
	}
	c.say("\n— the receipt, signed by %s\nreceipt          %s\nend              %s %d\npeak memory      %d pages\ncost             %s = %s per job + %s per Gfuel",
		r.By.Short(), r.Receipt, r.End, r.Code, r.PeakPages, credits(r.CostMicro), credits(int64(r.Price.Fee)), credits(int64(r.Price.PerGfuel)))
	var v market.Verification
	if err := buyer.api.do(ctx, http.MethodPost, path+"/verify", verifyRequest{}, &v); err != nil {
		return v, err
	}
	same := map[bool]string{true: "the same", false: "DIFFERENT"}
	c.say("\n— the bill, recomputed by the buyer in a process of its own\nfuel claimed     %s\nfuel recomputed  %s   %s to the unit\noutput           %s, byte for byte",
		commas(v.FuelClaimed), commas(v.FuelRecomputed), same[v.FuelClaimed == v.FuelRecomputed], same[v.OutputMatch])
	return v, nil
}

// demoBooks shows the line in both ledgers, once the payment has arrived.
func (c *cli) demoBooks(ctx context.Context, buyer, seller *demoNode, final market.Job) (agree bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var ours, theirs ledger.Line
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if err := buyer.api.do(ctx, http.MethodGet, "/credit/"+seller.status.Entity.String(), nil, &ours); err != nil {
			return false, err
		}
		if err := seller.api.do(ctx, http.MethodGet, "/credit/"+buyer.status.Entity.String(), nil, &theirs); err != nil {
			return false, err
		}
		if !ours.Undelivered && ours.Mine.Seq == theirs.Theirs.Seq {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, failf(exitTimeout, reasonTimeout, "", "the payment does not reach the seller")
		}
	}
	c.say("\n— both ledgers\n%-10s %12s  in %d entries", buyer.name, credits(int64(ours.Balance)), ours.Mine.Seq)
	c.say("%-10s %12s  in %d entries", seller.name, credits(int64(theirs.Balance)), theirs.Theirs.Seq)
	agree = ours.Balance == -theirs.Balance && ours.Balance == -final.Cost && ours.Mine.Tip == theirs.Theirs.Tip
	if agree {
		c.say("they agree: the sum is 0, and the newest entry is %s on both", ours.Mine.Tip.Short())
	}
	return agree, nil
}

// demoSea is the processes of a demo and the folder they live in.
type demoSea struct {
	cli   *cli
	base  string
	nodes []*demoNode
}

// demoNode is one process that runs "up".
type demoNode struct {
	name   string
	cmd    *exec.Cmd
	log    *os.File
	api    *client
	status statusView
}

// start runs "up" in a folder of its own and waits for its ready line.
func (s *demoSea) start(ctx context.Context, name string, flags ...string) (*demoNode, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := folder(filepath.Join(s.base, name))
	log, err := os.Create(filepath.Join(s.base, name+".log"))
	if err != nil {
		return nil, err
	}
	n := &demoNode{name: name, log: log}
	n.cmd = exec.Command(self, append([]string{"up", "--json", "--lan=false", "--dir", string(dir)}, flags...)...)
	n.cmd.Env = withoutSea(os.Environ())
	n.cmd.Stderr = log
	n.cmd.SysProcAttr = ownGroup()
	ready, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		log.Close()
		return nil, err
	}
	s.nodes = append(s.nodes, n)
	line := make(chan []byte, 1)
	go func() {
		text, _ := bufio.NewReader(ready).ReadBytes('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if err := json.Unmarshal(text, &n.status); err != nil {
			return nil, fmt.Errorf("%s did not start: %s%s", name, text, s.tail(n))
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("%s is not ready: %s", name, s.tail(n))
	}
	if n.api, err = daemonClient(ctx, dir); err != nil {
		return nil, err
	}
	s.cli.say("%-10s pid %-7d entity %s  %s", name, n.cmd.Process.Pid, n.status.Entity.Short(), strings.Join(n.status.Listening, " "))
	return n, nil
}

// tail is the end of a node's log, for when something went wrong.
func (s *demoSea) tail(n *demoNode) string {
	text, _ := os.ReadFile(n.log.Name())
	return string(text[max(0, len(text)-2000):])
}

// close stops the nodes, the last started first, and removes their folders.
func (s *demoSea) close() error {
	var errs []error
	for i := len(s.nodes) - 1; i >= 0; i-- {
		n := s.nodes[i]
		patience := time.Duration(0)
		if n.api != nil && n.api.do(context.Background(), http.MethodPost, "/stop", nil, nil) == nil {
			patience = 20 * time.Second
		}
		force := time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() })
		if err := n.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w: %s", n.name, err, s.tail(n)))
		}
		force.Stop()
		if n.api != nil {
			n.api.close()
		}
		errs = append(errs, n.log.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.base))...)
}

// withoutSea is an environment without the settings of another node.
func withoutSea(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "SEA_") {
			kept = append(kept, e)
		}
	}
	return kept
}
