package main

import (
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"github.com/peersea/sea/web/pages"
)

// pageRoutes is what a browser may ask of the control API: what there is to see,
// to cancel a job, to recompute a bill, and to pause selling. What spends, lends,
// writes files, starts programs or stops the daemon is not among it.
var pageRoutes = []string{
	"GET /v1/status",
	"GET /v1/peers",
	"GET /v1/map",
	"GET /v1/jobs",
	"GET /v1/jobs/{job}",
	"GET /v1/jobs/{job}/events",
	"GET /v1/jobs/{job}/stdout",
	"GET /v1/jobs/{job}/stderr",
	"GET /v1/jobs/{job}/files/{path...}",
	"POST /v1/jobs/{job}/cancel",
	"POST /v1/jobs/{job}/verify",
	"GET /v1/maps",
	"GET /v1/offer",
	"GET /v1/offers",
	"GET /v1/sales",
	"GET /v1/tasks",
	"GET /v1/shift",
	"PUT /v1/shift",
	"GET /v1/earnings",
	"GET /v1/spending",
	"GET /v1/credit",
	"GET /v1/credit/strangers",
	"GET /v1/credit/curve",
}

// gate stands between a loopback port, which every program and every web page on
// this machine can reach, and the control API. It answers 403 to what does not
// come from the dashboard's own page with its token.
type gate struct {
	token string
	api   *http.ServeMux // pageRoutes of it
}

// newGate lets pageRoutes of api through to who shows the token, and shows the
// pages themselves, which hold no secrets, to all.
func newGate(token string, api http.Handler) *gate {
	mux := http.NewServeMux()
	for _, pattern := range pageRoutes {
		mux.Handle(pattern, api)
	}
	return &gate{token: token, api: mux}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !isLoopback(r.Host):
		// A name that an attacker has led to 127.0.0.1 (DNS rebinding) is one origin
		// with the attacker's page.
		sendFailure(w, r, failf(exitRefused, reasonRefused, "open the address that \"seaworker dashboard\" prints", "no host %q here", r.Host))
	case !strings.HasPrefix(r.URL.Path, "/v1/"):
		pages.Dashboard().ServeHTTP(w, r)
	case isForeign(r):
		sendFailure(w, r, failf(exitRefused, reasonRefused, "", "another site's page asks"))
	case !g.knows(r):
		sendFailure(w, r, failf(exitRefused, reasonRefused, "open the address that \"seaworker dashboard\" prints", "not the token of this daemon"))
	default:
		pages.Protect(w.Header())
		g.serve(w, r)
	}
}

// serve answers 403, too, what is no page's business.
func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	if _, pattern := g.api.Handler(r); pattern == "" {
		sendFailure(w, r, failf(exitRefused, reasonRefused, "use the command line", "not for browsers: %s %s", r.Method, r.URL.Path))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	g.api.ServeHTTP(w, r)
}

// isLoopback reports whether a request's host is this machine's own, by a name
// that nobody else can give out. Its port may be that of a tunnel.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// isForeign reports whether a browser says that another origin's page asks.
func isForeign(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	return site != "" && site != "same-origin" || origin != "" && origin != "http://"+r.Host
}

// knows reports whether r shows the token. It is in a header, which no page of
// another origin can set, and not in a cookie, which browsers send along by
// themselves, to every port of this machine.
func (g *gate) knows(r *http.Request) bool {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(shown), []byte(g.token)) == 1
}
