package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/ledger/journal"
	"github.com/peersea/sea/plugins/market"
)

// creditRoutes are about the ledger.
func (a *api) creditRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/credit", route(a.getLines))
	mux.HandleFunc("GET /v1/credit/strangers", route(func(*http.Request, none) (ledger.Strangers, error) { return a.d.ledger.Strangers(), nil }))
	mux.HandleFunc("GET /v1/credit/history", a.getHistory)
	mux.HandleFunc("GET /v1/credit/curve", route(a.getCurve))
	mux.HandleFunc("GET /v1/earnings", a.getSum(journal.Earned, true))
	mux.HandleFunc("GET /v1/spending", a.getSum(journal.Spent, false))
	mux.HandleFunc("GET /v1/credit/{peer}", route(a.getLine))
	mux.HandleFunc("GET /v1/credit/{peer}/proof", route(a.getProof))
	mux.HandleFunc("PUT /v1/credit/{peer}/limit", route(a.putLimit))
	mux.HandleFunc("POST /v1/credit/{peer}/pay", route(a.postPay))
	mux.HandleFunc("POST /v1/credit/check", route(a.postCheck))
	mux.HandleFunc("POST /v1/credit/backup", route(a.postBackup))
	mux.HandleFunc("POST /v1/credit/checkpoint", route(a.postCheckpoint))
	mux.HandleFunc("POST /v1/credit/rebuild", route(a.postRebuild))
}

func (a *api) getLines(*http.Request, none) ([]ledger.Line, error) {
	lines := a.d.ledger.Lines()
	if lines == nil {
		lines = []ledger.Line{}
	}
	return lines, nil
}

func (a *api) getLine(r *http.Request, _ none) (ledger.Line, error) {
	peer, err := a.findPeer(r.PathValue("peer"))
	if err != nil {
		return ledger.Line{}, err
	}
	return a.d.ledger.Line(peer), nil
}

// getHistory streams the postings that the query names.
func (a *api) getHistory(w http.ResponseWriter, r *http.Request) {
	filter, err := a.historyFilter(r.URL.Query())
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	orders, err := a.d.market.Orders()
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	next, stop := iter.Pull2(a.d.ledger.History(filter))
	defer stop()
	sendEvents(w, r, func(context.Context) (e historyEvent, more bool, err error) {
		p, err, ok := next()
		switch {
		case err != nil:
			a.d.log.Error("the ledger's history cannot be read", "err", err)
			return e, false, err
		case !ok:
			return historyEvent{Entity: a.d.ledger.Entity()}, false, nil
		}
		o := a.ordered(orders, p.Ref)
		p.Module = o.Module
		if o.Job != (market.ID{}) {
			p.Job = o.Job.String()
		}
		return historyEvent{Posting: &p}, true, nil
	})
}

func (a *api) historyFilter(ask url.Values) (f ledger.Filter, err error) {
	if text := ask.Get("peer"); text != "" {
		if f.Peer, err = a.findPeer(text); err != nil {
			return f, err
		}
	}
	if text := ask.Get("ref"); text != "" {
		if f.Ref, err = a.findRef(text); err != nil {
			return f, err
		}
	}
	if f.From, err = parseWhen("--from", ask.Get("from")); err != nil {
		return f, err
	}
	f.To, err = parseWhen("--to", ask.Get("to"))
	return f, err
}

// findRef reads what a payment is for: the hash of an order, all its digits, or
// a job, whose first digits are enough.
func (a *api) findRef(text string) (identity.Hash, error) {
	if ref, err := identity.ParseHash(text); err == nil {
		return ref, nil
	}
	j, err := a.d.market.Book().Find(text)
	if err == nil && j.Order == (identity.Hash{}) {
		err = failf(exitUsage, reasonNotFound, "see \"seaworker job show\"", "job %s was not ordered", j.ID.Short())
	}
	return j.Order, err
}

func (a *api) putLimit(r *http.Request, in creditAmount) (ledger.Line, error) {
	peer, err := a.findPeer(r.PathValue("peer"))
	if err != nil {
		return ledger.Line{}, err
	}
	if err := a.d.ledger.Grant(peer, ledger.Amount(in.Micro), in.Until); err != nil {
		return ledger.Line{}, err
	}
	a.deliver(r.Context(), peer)
	return a.d.ledger.Line(peer), nil
}

func (a *api) postPay(r *http.Request, in creditAmount) (ledger.Line, error) {
	peer, err := a.findPeer(r.PathValue("peer"))
	if err != nil {
		return ledger.Line{}, err
	}
	if _, err := a.d.ledger.Pay(r.Context(), peer, ledger.Amount(in.Micro), ledger.NewRef()); err != nil {
		return ledger.Line{}, err
	}
	a.deliver(r.Context(), peer)
	return a.d.ledger.Line(peer), nil
}

// deliver gives what was just signed a moment to reach the peer, so that the
// answer can say whether it has. It is delivered later otherwise.
func (a *api) deliver(ctx context.Context, peer identity.Entity) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := a.d.credit.Deliver(ctx, peer); err != nil {
		a.d.log.Debug("not delivered yet", "peer", peer, "err", err)
	}
}

// checkPrefix begins the names of the folders for snapshots that are checked.
const checkPrefix = "check-"

// sweepChecks removes the snapshots that a daemon left which was killed.
func (f folder) sweepChecks() error {
	files, err := os.ReadDir(string(f))
	for _, file := range files {
		if strings.HasPrefix(file.Name(), checkPrefix) && file.IsDir() {
			err = errors.Join(err, os.RemoveAll(filepath.Join(string(f), file.Name())))
		}
	}
	return err
}

// postCheck checks a snapshot of the ledger, so that it can go on meanwhile.
func (a *api) postCheck(r *http.Request, _ none) (checkView, error) {
	dir, err := os.MkdirTemp(string(a.d.dir), checkPrefix)
	if err != nil {
		return checkView{}, err
	}
	defer os.RemoveAll(dir)
	snapshot := filepath.Join(dir, "ledger.db")
	if err := a.d.ledger.Snapshot(snapshot); err != nil {
		return checkView{}, err
	}
	v, err := checkInChild(r.Context(), snapshot)
	v.Error = strings.ReplaceAll(v.Error, dir, string(a.d.dir)) // segments are the same files
	for i := range v.Lost {
		v.Lost[i].File = strings.Replace(v.Lost[i].File, dir, string(a.d.dir), 1)
	}
	return v, err
}

// checkLedger is "credit check": by the daemon where one runs, which has the
// file, and here where none does.
func (c *cli) checkLedger(ctx context.Context) (v checkView, err error) {
	dir, err := pickFolder(c.dir)
	if err != nil {
		return v, err
	}
	if api, err := daemonClient(ctx, dir); err == nil {
		defer api.close()
		err := api.do(ctx, http.MethodPost, "/credit/check", nil, &v)
		return v, err
	}
	if _, err := os.Stat(dir.ledger()); errors.Is(err, fs.ErrNotExist) {
		return v, failf(exitUsage, reasonNotFound, "name its folder with --dir", "there is no ledger in %s", dir)
	}
	return checkInChild(ctx, dir.ledger())
}

// checkCommand is the hidden command that checks a file in a process of its
// own: reading a damaged file may end the process that maps it.
const checkCommand = "check-ledger-file"

// checkInChild checks the file at path in another process.
func checkInChild(ctx context.Context, path string) (v checkView, err error) {
	self, err := os.Executable()
	if err != nil {
		return v, err
	}
	out, err := exec.CommandContext(ctx, self, checkCommand, path).Output()
	if err == nil {
		return v, json.Unmarshal(out, &v)
	}
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	return checkView{
		Error: "reading the file ended the process that did: " + err.Error(),
		Hint:  "put a backup of ledger.db back, or move it away; then \"seaworker credit rebuild\" asks the peers for what is missing",
	}, nil
}
