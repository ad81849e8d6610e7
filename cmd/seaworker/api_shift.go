package main

import (
	"net/http"
	"time"

	"github.com/peersea/sea/plugins/market"
)

// shiftRoutes are about the work that this node does for others now.
func (a *api) shiftRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/shift", route(func(*http.Request, none) (market.Shift, error) { return a.d.market.Shift(), nil }))
	mux.HandleFunc("PUT /v1/shift", route(a.putShift))
	mux.HandleFunc("GET /v1/tasks", route(a.getTasks))
}

func (a *api) putShift(_ *http.Request, in shiftAsk) (market.Shift, error) {
	s := market.Shift{Mode: in.Mode}
	if in.ForMillis != 0 {
		s.Until = time.Now().UnixMilli() + in.ForMillis
	}
	if err := s.Check(); err != nil || in.ForMillis < 0 {
		return market.Shift{}, usagef("see docs/API.md", "shift %q for %d ms: %v", in.Mode, in.ForMillis, err)
	}
	err := a.d.market.SetShift(s)
	return a.d.market.Shift(), err
}

func (a *api) getTasks(*http.Request, none) ([]market.Task, error) {
	tasks := a.d.market.Tasks()
	if tasks == nil {
		tasks = []market.Task{}
	}
	return tasks, nil
}
