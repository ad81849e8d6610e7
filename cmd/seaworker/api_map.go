package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/market"
)

// mapRoutes are about maps: one program bought for many inputs.
func (a *api) mapRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/maps", route(a.postMap))
	mux.HandleFunc("GET /v1/maps", route(func(*http.Request, none) ([]market.Map, error) { return a.d.market.Maps() }))
	mux.HandleFunc("GET /v1/maps/{map}", route(func(r *http.Request, _ none) (market.Map, error) { return a.d.market.Map(r.PathValue("map")) }))
	mux.HandleFunc("GET /v1/maps/{map}/events", a.getMapEvents)
	mux.HandleFunc("GET /v1/maps/{map}/items/{item}", route(a.getItem))
	mux.HandleFunc("GET /v1/maps/{map}/items/{item}/stdout", a.getItemLog(market.Stdout))
	mux.HandleFunc("GET /v1/maps/{map}/items/{item}/stderr", a.getItemLog(market.Stderr))
	mux.HandleFunc("GET /v1/maps/{map}/items/{item}/files/{path...}", a.getItemFile)
	mux.HandleFunc("POST /v1/maps/{map}/stop", route(a.postMapStop))
	mux.HandleFunc("POST /v1/maps/{map}/resume", route(a.postMapResume))
}

// mapRequest is a map's spec. Anew has it begun anew though there is one that
// asks for the same and has not come to its end.
type mapRequest struct {
	market.MapSpec
	Anew bool `json:"anew"`
}

// submittedMap is the answer to a map that begins or goes on.
type submittedMap struct {
	Map     market.ID `json:"map"`
	Resumed bool      `json:"resumed"`
}

func (a *api) postMap(r *http.Request, in mapRequest) (submittedMap, error) {
	id, resumed, err := a.d.market.SubmitMap(r.Context(), in.MapSpec, in.Anew)
	return submittedMap{id, resumed}, err
}

func (a *api) postMapStop(r *http.Request, _ none) (none, error) {
	return none{}, a.d.market.StopMap(r.Context(), r.PathValue("map"))
}

func (a *api) postMapResume(r *http.Request, in market.MapChange) (submittedMap, error) {
	id, err := a.d.market.ResumeMap(r.Context(), r.PathValue("map"), in)
	return submittedMap{id, true}, err
}

func (a *api) getMapEvents(w http.ResponseWriter, r *http.Request) {
	v, err := a.d.market.Map(r.PathValue("map"))
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	from := 0
	if text := r.URL.Query().Get("item"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			sendFailure(w, r, usagef("see docs/API.md", "item is %q, want a number", text))
			return
		}
	}
	sendAll(w, r, a.d.market.WatchMap(r.Context(), v.ID, from), func(u market.MapUpdate) bool { return u.Final })
}

// item is the one that the request's path names.
func (a *api) item(r *http.Request) (market.MapItem, error) {
	n, err := strconv.Atoi(r.PathValue("item"))
	if err != nil {
		return market.MapItem{}, usagef("see docs/API.md", "item is %q, want a number", r.PathValue("item"))
	}
	return a.d.market.Item(r.PathValue("map"), n)
}

func (a *api) getItem(r *http.Request, _ none) (market.MapItem, error) { return a.item(r) }

func (a *api) getItemLog(s market.Stream) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		item, err := a.item(r)
		if err != nil {
			sendFailure(w, r, err)
			return
		}
		text, err := a.d.market.ItemLog(r.PathValue("map"), item.Item, s)
		sendBytes(w, r, text, err)
	}
}

func (a *api) getItemFile(w http.ResponseWriter, r *http.Request) {
	item, err := a.item(r)
	if err != nil {
		sendFailure(w, r, err)
		return
	}
	a.sendOutFile(w, r, fmt.Sprintf("item %d", item.Item), item.Files)
}

// sendOutFile answers with the file of an output folder that the path names.
func (a *api) sendOutFile(w http.ResponseWriter, r *http.Request, of string, files []compute.OutFile) {
	name := r.PathValue("path")
	i := slices.IndexFunc(files, func(f compute.OutFile) bool { return f.Path == name && !f.Dir })
	if i < 0 {
		sendFailure(w, r, failf(exitUsage, reasonNotFound, "see \"seaworker job show\"", "%s has no output file %q", of, name))
		return
	}
	if files[i].Blob.Size == 0 {
		w.Header().Set("Content-Type", "application/octet-stream")
		return
	}
	text, err := a.d.storage.Open(files[i].Blob.Hash)
	if errors.Is(err, compute.ErrNoBlob) {
		err = market.ErrGone
	}
	sendBytes(w, r, text, err)
}
