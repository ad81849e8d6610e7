package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/spf13/cobra"
)

// evidenceView is what shows a job's receipts to others.
type evidenceView struct {
	JobHash     identity.Hash     `json:"job_hash"`
	Signers     []identity.Entity `json:"signers"`
	Contradicts bool              `json:"contradicts"`
	// Auditor is the address that the buyer's lot names, when there is a draw.
	Auditor  string `json:"auditor,omitempty"`
	Evidence []byte `json:"evidence"`

	Verifications []market.Verification `json:"verifications,omitempty"`
}

func viewEvidence(e market.Evidence, raw []byte) evidenceView {
	v := evidenceView{JobHash: e.Job.Hash(), Contradicts: e.Contradicts(), Evidence: raw}
	for _, r := range e.Receipts {
		v.Signers = append(v.Signers, r.By)
	}
	if lot, ok := e.Lot(); ok {
		v.Auditor = lot.Address().String()
	}
	return v
}

func newReceiptExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export JOB > FILE",
		Short: "Write a job's receipt for others to verify",
		Long: `Write a job's receipt with what it is of, and the draw that said whether the job
was to be checked. Anyone who has the job's bytes can verify it with "receipt
verify --file", on any machine.`,
		Example: "  seaworker receipt export 2cf24dba5f > job.receipt\n  seaworker receipt verify --file job.receipt primes.wasm",
		Args:    exactArgs(1),

		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.exportEvidence(cmd.Context(), args[0], "evidence")
		},
	}
}

func newReceiptProve(c *cli) *cobra.Command {
	var check string
	cmd := &cobra.Command{
		Use:   "prove JOB > FILE",
		Short: "Export what proves that a seller signed what is wrong, or check such a proof",
		Long: `Export two signed receipts of one job that contradict each other: one of those who
signed them lied. The file holds nothing else, and anyone can check it with
--check, on any machine, without a node; "receipt verify --file" with the job's
bytes says which of them it was. Exit code 5 when it proves nothing.`,
		Example: "  seaworker receipt prove 2cf24dba5f > lie.proof\n  seaworker receipt prove --check lie.proof\n  seaworker receipt verify --file lie.proof primes.wasm",
		Args: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				return exactArgs(0)(cmd, args)
			}
			return exactArgs(1)(cmd, args)
		},
		ValidArgsFunction: completeJobs(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check == "" {
				return c.exportEvidence(cmd.Context(), args[0], "contradiction")
			}
			e, raw, err := readEvidence(check)
			if err == nil && !e.Contradicts() {
				err = failf(exitMismatch, reasonMismatch, "believe nobody who shows it", "%s: one receipt proves nothing by itself", check)
			}
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(viewEvidence(e, raw))
			}
			return c.showContradiction(e)
		},
	}
	cmd.Flags().StringVar(&check, "check", "", "check the proof in `FILE` instead, with no node")
	return cmd
}

// exportEvidence writes evidence to standard output, for a file.
func (c *cli) exportEvidence(ctx context.Context, job, what string) error {
	var v evidenceView
	if err := c.read(ctx, "/jobs/"+escapePath(job)+"/"+what, &v); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(v)
	}
	if isTerminal(c.stdout) {
		return usagef("write it to a file, with > FILE", "it is %d bytes that no terminal shows", len(v.Evidence))
	}
	_, err := c.stdout.Write(v.Evidence)
	return err
}

func readEvidence(name string) (market.Evidence, []byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return market.Evidence{}, nil, usagef("name a file that \"receipt export\" or \"receipt prove\" wrote", "%v", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, market.MaxEvidence+1))
	if err != nil {
		return market.Evidence{}, nil, fmt.Errorf("read %s: %w", name, err)
	}
	e, err := market.OpenEvidence(raw)
	if err != nil {
		return market.Evidence{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, raw, nil
}

func (c *cli) showContradiction(e market.Evidence) error {
	for _, st := range e.Receipts {
		r, err := compute.DecodeReceipt(st.Body)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s\nsigned %s fuel and the result %s\n", st.By, commas(r.Fuel), r.Result)
	}
	_, err := fmt.Fprintf(c.stdout, "of the job\n%s\nThe signatures hold, and both cannot be true.\n", e.Job.Hash())
	return err
}

// verifyFile runs the job of evidence again, with nothing but files.
func (c *cli) verifyFile(ctx context.Context, name string, bytes []string, engine string) (err error) {
	e, raw, err := readEvidence(name)
	if err != nil {
		return err
	}
	blobs := fileBlobs{}
	for _, path := range bytes {
		if err := blobs.add(path); err != nil {
			return err
		}
	}
	run := compute.New(compute.Config{Interpreter: engine == "interpreter", Workers: 1})
	defer func() { err = errors.Join(err, run.Close()) }()
	all, err := e.Verify(ctx, blobs, run)
	if errors.Is(err, market.ErrGone) {
		return usagef("give the files with the job's module, its standard input and its input files", "module or input is not among the files")
	} else if err != nil {
		return err
	}
	v := viewEvidence(e, raw)
	v.Verifications = all
	for _, one := range all {
		if !one.Match {
			c.exit = exitMismatch
		}
	}
	if c.json {
		return c.printJSON(v)
	}
	if v.Auditor != "" {
		fmt.Fprintf(c.stdout, "lot              drawn by %s; the auditor is nearest to %s\n", e.Order.By.Short(), v.Auditor)
	}
	for i, one := range all {
		fmt.Fprintf(c.stdout, "signed by        %s\n", e.Receipts[i].By)
		c.showVerification(one)
	}
	return nil
}

// fileBlobs are bytes in files, by their hash.
type fileBlobs map[identity.Hash]string

func (b fileBlobs) add(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return usagef("name a file with the job's module or input", "%v", err)
	}
	defer f.Close()
	sum := newSum()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	b[identity.Hash(sum.Sum(nil))] = path
	return nil
}

// Open gives the bytes of h, or an error that wraps compute.ErrNoBlob.
func (b fileBlobs) Open(h identity.Hash) (io.ReadCloser, error) {
	path, ok := b[h]
	if !ok {
		return nil, fmt.Errorf("%w: %v", compute.ErrNoBlob, h)
	}
	return os.Open(path)
}

// getEvidence answers with what of gives for a job.
func (a *api) getEvidence(of func(*market.Book, market.ID) (market.Evidence, error)) func(*http.Request, none) (evidenceView, error) {
	return func(r *http.Request, _ none) (evidenceView, error) {
		j, err := a.find(r)
		if err != nil {
			return evidenceView{}, err
		}
		e, err := of(a.d.market.Book(), j.ID)
		if err != nil {
			return evidenceView{}, err
		}
		raw, err := e.Encode()
		return viewEvidence(e, raw), err
	}
}
