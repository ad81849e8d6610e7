package main

import (
	"errors"
	"net/http"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/plugins/guest"
)

// pluginRoutes are about the services that this node offers.
func (a *api) pluginRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/plugins", route(func(*http.Request, none) (pluginsView, error) {
		return pluginsView{BuiltIn: a.d.plugins.Names(), Guests: a.d.guests.List()}, nil
	}))
	mux.HandleFunc("PUT /v1/plugins/{name}", route(a.putPlugin))
	mux.HandleFunc("POST /v1/plugins/{name}/disable", route(func(r *http.Request, _ none) (none, error) {
		return none{}, guestFailure(a.d.guests.Disable(r.PathValue("name")))
	}))
	mux.HandleFunc("DELETE /v1/plugins/{name}", route(func(r *http.Request, _ none) (none, error) {
		return none{}, guestFailure(a.d.guests.Forget(r.PathValue("name")))
	}))
}

// pluginsView is what a node serves beside its core.
type pluginsView struct {
	BuiltIn []string     `json:"built_in"`
	Guests  []guest.View `json:"guests"`
}

// pluginAsk is a guest to enable: a module that was uploaded, and on which terms.
type pluginAsk struct {
	Module compute.Blob `json:"module"`
	Powers []string     `json:"powers"`
	Terms  guest.Terms  `json:"terms"`
}

func (a *api) putPlugin(r *http.Request, in pluginAsk) (guest.View, error) {
	v, err := a.d.guests.Enable(r.PathValue("name"), in.Module, in.Powers, in.Terms)
	return v, guestFailure(err)
}

func guestFailure(err error) error {
	switch {
	case errors.Is(err, guest.ErrUnknown):
		return failf(exitUsage, reasonNotFound, "see \"seaworker plugin list\"", "%v", err)
	case errors.Is(err, guest.ErrRefused):
		return usagef("see \"seaworker plugin enable --help\"", "%v", err)
	}
	return err
}
