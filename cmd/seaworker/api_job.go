package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/plugins/market"
	"github.com/peersea/sea/plugins/market/rest"
)

// maxListed is how many jobs GET /v1/jobs lists at most, and sales GET /v1/sales.
const maxListed = 1000

// jobRoutes are about what is bought, offered and sold.
func (a *api) jobRoutes(mux *http.ServeMux) {
	mux.HandleFunc("PUT /v1/blobs", a.putBlob)
	mux.HandleFunc("POST /v1/jobs", route(a.postJob))
	mux.HandleFunc("GET /v1/jobs", route(a.getJobs))
	mux.HandleFunc("GET /v1/jobs/{job}", route(a.getJob))
	mux.HandleFunc("GET /v1/jobs/{job}/events", a.getEvents)
	mux.HandleFunc("GET /v1/jobs/{job}/stdout", a.getLog(market.Stdout))
	mux.HandleFunc("GET /v1/jobs/{job}/stderr", a.getLog(market.Stderr))
	mux.HandleFunc("GET /v1/jobs/{job}/files/{path...}", a.getFile)
	mux.HandleFunc("POST /v1/jobs/{job}/cancel", route(a.postCancel))
	mux.HandleFunc("POST /v1/jobs/{job}/retry", route(a.postRetry))
	mux.HandleFunc("GET /v1/jobs/{job}/why", route(a.getWhy))
	mux.HandleFunc("GET /v1/jobs/{job}/papers", route(a.getPapers))
	mux.HandleFunc("GET /v1/jobs/{job}/receipt", route(a.getReceipt))
	mux.HandleFunc("POST /v1/jobs/{job}/verify", route(a.postVerify))
	mux.HandleFunc("GET /v1/jobs/{job}/evidence", route(a.getEvidence((*market.Book).Evidence)))
	mux.HandleFunc("GET /v1/jobs/{job}/contradiction", route(a.getEvidence((*market.Book).Contradiction)))
	mux.HandleFunc("POST /v1/quotes", route(a.postQuotes))
	mux.HandleFunc("POST /v1/estimates", route(a.postEstimate))
	mux.HandleFunc("GET /v1/offer", route(func(*http.Request, none) (offerView, error) { return a.d.offer(), nil }))
	mux.HandleFunc("PUT /v1/offer", route(a.putOffer))
	mux.HandleFunc("GET /v1/offers", route(a.getOffers))
	mux.HandleFunc("GET /v1/sales", route(a.getSales))
}

func (a *api) putBlob(w http.ResponseWriter, r *http.Request) {
	blob, err := a.d.storage.Put(r.Context(), r.Body, compute.MaxInputBytes)
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	route(func(*http.Request, none) (compute.Blob, error) { return blob, nil })(w, &http.Request{Method: http.MethodGet})
}

// submitted is the answer to a new job.
type submitted struct {
	Job market.ID `json:"job"`
}

func (a *api) postJob(r *http.Request, spec market.Spec) (submitted, error) {
	j, err := a.d.market.Submit(r.Context(), spec)
	return submitted{j.ID}, err
}

func (a *api) getJobs(r *http.Request, _ none) ([]market.Job, error) {
	n, err := newest(r)
	if err != nil {
		return nil, err
	}
	return a.d.market.Book().Jobs(n, r.URL.Query().Get("alone") == "true")
}

// newest reads ?newest=, how many of a list are wanted: at most maxListed.
func newest(r *http.Request) (int, error) {
	text := r.URL.Query().Get("newest")
	if text == "" {
		return maxListed, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxListed {
		return 0, usagef("see docs/API.md", "newest is 1 to %d, not %q", maxListed, text)
	}
	return n, nil
}

// find is the job that the request's path names, by the first digits of its id
// or of its receipt's hash.
func (a *api) find(r *http.Request) (market.Job, error) {
	text := r.PathValue("job")
	j, err := a.d.market.Book().Find(text)
	if errors.Is(err, market.ErrNoJob) && len(text) == 2*len(identity.Hash{}) {
		return a.d.market.Book().FindReceipt(text)
	}
	return j, err
}

func (a *api) getJob(r *http.Request, _ none) (market.Job, error) { return a.find(r) }

func (a *api) getEvents(w http.ResponseWriter, r *http.Request) {
	j, err := a.find(r)
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	var from market.Cursor
	for name, to := range map[string]*uint64{"event": &from.Event, "stdout": &from.Stdout, "stderr": &from.Stderr} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		if *to, err = strconv.ParseUint(text, 10, 64); err != nil {
			sendFailure(w, r, usagef("see docs/API.md", "%s is %q, want a number", name, text))
			return
		}
	}
	sendAll(w, r, a.d.market.Watch(r.Context(), j.ID, from), func(u market.Update) bool { return u.Job != nil })
}

func (a *api) getLog(s market.Stream) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		j, err := a.find(r)
		if err != nil {
			sendFailure(w, r, err)
			return
		}
		text, err := a.d.market.Book().Log(j.ID, s)
		sendBytes(w, r, text, err)
	}
}

func (a *api) getFile(w http.ResponseWriter, r *http.Request) {
	j, err := a.find(r)
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	a.sendOutFile(w, r, "job "+j.ID.Short(), j.Files)
}

// sendBytes answers with what from holds, and closes it.
func sendBytes(w http.ResponseWriter, r *http.Request, from io.ReadCloser, err error) {
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	defer from.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := io.Copy(w, from); err != nil {
		panic(http.ErrAbortHandler) // so that the reader sees that it is not all
	}
}

func (a *api) postCancel(r *http.Request, _ none) (none, error) {
	j, err := a.find(r)
	if err != nil {
		return none{}, err
	}
	return none{}, a.d.market.Cancel(r.Context(), j.ID)
}

func (a *api) postRetry(r *http.Request, in market.Change) (submitted, error) {
	j, err := a.find(r)
	if err != nil {
		return submitted{}, err
	}
	j, err = a.d.market.Retry(r.Context(), j.ID, in)
	return submitted{j.ID}, err
}

func (a *api) getWhy(r *http.Request, _ none) (market.Why, error) {
	j, err := a.find(r)
	if err != nil {
		return market.Why{}, err
	}
	return a.d.market.Book().Why(j.ID)
}

func (a *api) getPapers(r *http.Request, _ none) ([]market.Paper, error) {
	j, err := a.find(r)
	if err != nil {
		return nil, err
	}
	all, err := a.d.market.Book().Signed(j.ID)
	return append([]market.Paper{}, all...), err
}

func (a *api) getReceipt(r *http.Request, _ none) (receiptView, error) {
	j, err := a.find(r)
	if err != nil {
		return receiptView{}, err
	}
	s, receipt, err := a.d.market.Book().Receipt(j.ID)
	if err != nil {
		return receiptView{}, err
	}
	return receiptView{
		Receipt: s.Hash(compute.ReceiptPurpose), By: s.By, JobHash: receipt.Job, Result: receipt.Result,
		End: receipt.End, Code: receipt.Code, Fuel: receipt.Fuel, PeakPages: receipt.PeakPages, Tariff: receipt.Tariff,
		Engine: receipt.Engine, Job: j.ID, Price: j.Price, CostMicro: int64(j.Cost), Resold: j.Resold, Statement: s.Encode(),
	}, nil
}

// postVerify runs the job again on an engine of its own: another process, and
// nothing of what was kept of its result.
func (a *api) postVerify(r *http.Request, in verifyRequest) (market.Verification, error) {
	j, err := a.find(r)
	if err != nil {
		return market.Verification{}, err
	}
	engine := compute.New(compute.Config{Interpreter: in.Engine == "interpreter", Workers: 1, Log: a.d.log})
	v, err := a.d.market.Book().Verify(r.Context(), j.ID, engine)
	if errors.Is(err, compute.ErrImport) && j.Receipt != (identity.Hash{}) { // of a service with powers
		err = failf(exitJobFailed, reasonRefused, "its price and its cap were checked when it was paid",
			"job %s asked its seller's node: that cannot be run again here", j.ID.Short())
	}
	return v, errors.Join(err, engine.Close())
}

func (a *api) postQuotes(r *http.Request, spec market.Spec) ([]market.Quoted, error) {
	return a.d.market.Quotes(r.Context(), spec)
}

// estimateRequest is a spec, and how much of its input to run as a sample.
type estimateRequest struct {
	market.Spec
	Sample uint64 `json:"sample,omitempty"` // bytes; 0 runs nothing and looks at past receipts
}

func (a *api) postEstimate(r *http.Request, in estimateRequest) (market.Estimate, error) {
	if in.Sample > 0 {
		return a.d.market.Sample(r.Context(), in.Spec, in.Sample)
	}
	return a.d.market.Book().Estimate(in.Spec)
}

func (a *api) getOffers(r *http.Request, _ none) ([]market.SellerOffer, error) {
	return a.d.market.Offers(r.Context())
}

func (a *api) getSales(r *http.Request, _ none) ([]market.Sale, error) {
	n, err := newest(r)
	if err != nil {
		return nil, err
	}
	sales, err := a.d.market.Sales(n)
	if sales == nil {
		sales = []market.Sale{}
	}
	return sales, err
}

func (d *daemon) offer() offerView {
	s := d.ledger.Strangers()
	return offerView{Policy: d.market.Policy(), StrangersMicro: int64(s.Budget), StrangersUsedMicro: int64(s.Used)}
}

func (a *api) putOffer(_ *http.Request, in offerChange) (offerView, error) {
	p := a.d.market.Policy()
	in.apply(&p)
	if err := p.Check(); err != nil {
		return offerView{}, usagef("see \"seaworker offer show\"", "%v", err)
	}
	if in.StrangersMicro != nil {
		if err := a.d.setStrangers(*in.StrangersMicro); err != nil {
			return offerView{}, err
		}
	}
	if err := a.d.market.SetPolicy(p); errors.Is(err, rest.ErrUnknown) {
		return offerView{}, usagef("see docs/SELLING.md for what a machine must tell for --on-battery and --when-idle", "%v", err)
	} else if err != nil {
		return offerView{}, fmt.Errorf("keep the offer: %w", err)
	}
	return a.d.offer(), nil
}
