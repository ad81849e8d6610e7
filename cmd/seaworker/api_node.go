package main

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport/rtcnet"
)

// nodeRoutes are about the daemon itself and its links.
func (a *api) nodeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/status", route(func(*http.Request, none) (statusView, error) { return a.d.status(), nil }))
	mux.HandleFunc("POST /v1/stop", route(a.postStop))
	mux.HandleFunc("GET /v1/peers", route(a.getPeers))
	mux.HandleFunc("POST /v1/peers", route(a.postPeers))
	mux.HandleFunc("GET /v1/peers/{peer}", route(a.getPeer))
	mux.HandleFunc("GET /v1/peers/{peer}/trust", route(a.getTrust))
	mux.HandleFunc("POST /v1/peers/{peer}/forgive", route(a.postForgive))
	mux.HandleFunc("POST /v1/peers/{peer}/ping", route(a.postPing))
	mux.HandleFunc("GET /v1/map", route(a.getMap))
	mux.HandleFunc("POST /v1/call", route(a.postCall))
}

// status is how the node is at this moment.
func (d *daemon) status() statusView {
	s := statusView{
		Address: d.node.Addr(),
		Entity:  d.node.Key(),
		Version: versionText(),
		Online:  d.node.IsOnline(),
		Links:   len(d.node.Links()),
		Selling: d.market.Policy().Selling && d.ledger.MaySell(),
		Shift:   d.market.Shift(),
		Dir:     string(d.dir),
		Outside: d.outside.Load(),
		Reached: d.reached.Load(),
		Mapped:  d.mapped.Load(),
	}
	for _, url := range d.node.Listening() {
		if strings.HasPrefix(url, rtcnet.Scheme+"://") {
			s.Direct = append(s.Direct, url)
		} else {
			s.Listening = append(s.Listening, url)
		}
	}
	if s.Selling {
		s.NotNow = d.market.NotNow()
	}
	if s.Listening == nil {
		s.Listening = []string{}
	}
	s.ActsFor = d.ledger.Acting()
	if ahead, ok := d.node.ClockAhead(); ok {
		ms := ahead.Milliseconds()
		s.ClockAhead = &ms
	}
	if s.Online {
		s.PID = os.Getpid()
	}
	return s
}

// postStop answers first and stops the daemon then: the request that asked is
// one of those that stopping waits for.
func (a *api) postStop(*http.Request, none) (statusView, error) {
	if a.stop == nil {
		return statusView{}, failf(exitUnreachable, reasonNoDaemon, "", "no daemon runs here")
	}
	defer a.stop()
	return a.d.status(), nil
}

func viewOf(l node.Link) peerView {
	return peerView{
		Peer: l.Peer.Node, ActsFor: actsFor(l.Peer), Address: l.Peer.Addr, Transport: l.Transport, Relayed: l.Relayed(), Remote: l.Remote,
		Outbound: l.Outbound, RTTMicros: l.RTT.Microseconds(), Since: l.Since, Sent: l.Sent, Received: l.Received, Obstacle: l.Obstacle,
	}
}

// actsFor is the entity of a peer that is another key; nil is itself.
func actsFor(p rpc.Peer) *identity.Entity {
	if p.Entity == p.Node {
		return nil
	}
	return &p.Entity
}

func (a *api) getPeers(*http.Request, none) ([]peerView, error) {
	peers := []peerView{}
	for _, l := range a.d.node.Links() {
		peers = append(peers, viewOf(l))
	}
	return peers, nil
}

func (a *api) postPeers(r *http.Request, in dialRequest) (peerView, error) {
	l, err := a.d.node.Dial(r.Context(), in.URL)
	if err != nil {
		return peerView{}, failf(exitUnreachable, reasonUnreachable, "check the URL, and that the node there is up", "%v", err)
	}
	a.d.known.add(knownURL{URL: in.URL, Own: true})
	return viewOf(l), nil
}

func (a *api) getPeer(r *http.Request, _ none) (nodeView, error) {
	at, err := a.findNode(r.PathValue("peer"))
	return nodeView{at}, err
}

func (a *api) postPing(r *http.Request, _ none) (pingView, error) {
	to, err := a.findNode(r.PathValue("peer"))
	if err != nil {
		return pingView{}, err
	}
	rtt, err := a.d.node.Ping(r.Context(), to)
	if err != nil {
		return pingView{}, failf(exitUnreachable, reasonUnreachable, "it may be offline", "ping %s: %v", to.Short(), err)
	}
	view := pingView{Address: to, RTTMicros: rtt.Microseconds()}
	for _, l := range a.d.node.Links() {
		if l.Peer.Addr == to {
			view.Transport, view.Remote, view.Obstacle = l.Transport, l.Remote, l.Obstacle
			view.Direct, view.Relayed = !l.Relayed(), l.Relayed()
		}
	}
	return view, nil
}

func (a *api) postCall(r *http.Request, in callRequest) (callAnswer, error) {
	to, err := a.findNode(in.To)
	if err != nil {
		return callAnswer{}, err
	}
	body, err := fromJSON(in.Body)
	if err != nil {
		return callAnswer{}, usagef("see \"seaworker call --help\"", "the argument: %v", err)
	}
	if in.MaxCreditMicro != 0 {
		return a.d.buyCall(r.Context(), to, in.Scope, body, ledger.Amount(in.MaxCreditMicro))
	}
	answer, err := a.d.node.Call(r.Context(), to, in.Scope, body)
	if err != nil {
		f := failf(exitUnreachable, reasonUnreachable, "see \"seaworker peer ping\"", "call %s of %s: %v", in.Scope, to.Short(), err)
		if answer, ok := errors.AsType[*rpc.Error](err); ok && answer.Code != rpc.Unreachable && answer.Code != rpc.Timeout {
			f.Code, f.Reason, f.Hint = exitRefused, reasonRefused, "it answered: check the scope and its argument"
		}
		return callAnswer{}, f
	}
	text, err := toJSON(answer)
	if err != nil {
		return callAnswer{}, failf(exitMismatch, reasonMismatch, "the scope does not speak CBOR", "the answer: %v", err)
	}
	return callAnswer{Body: text}, nil
}

// findNode reads an address, a public key, or the first digits of either of a
// node that this one is linked to or has a line with.
func (a *api) findNode(text string) (addr.Addr, error) {
	if to, err := parsePeer(text); err == nil {
		return to, nil
	}
	known := []addr.Addr{a.d.node.Addr()}
	for _, l := range a.d.node.Links() {
		known = append(known, l.Peer.Addr)
	}
	if to, err := addr.Resolve(text, slices.Values(known)); err == nil {
		return to, nil
	}
	peer, err := a.findPeer(text)
	return addr.OfNode(peer), err
}

// findPeer reads a public key, or the first digits, 6 or more, of one that this
// node is linked to or has a line with.
func (a *api) findPeer(text string) (identity.Entity, error) {
	if e, err := identity.ParseEntity(text); err == nil {
		return e, nil
	} else if len(text) == 2*len(identity.Entity{}) {
		return identity.Entity{}, usagef("see \"seaworker peer list\"", "%v", err)
	}
	known := map[identity.Entity]bool{}
	for _, l := range a.d.node.Links() {
		known[l.Peer.Node] = true
	}
	for _, l := range a.d.ledger.Lines() {
		known[l.Peer] = true
	}
	found, err := uniquePrefix(known, text)
	if err != nil {
		return identity.Entity{}, failf(exitUsage, reasonNotFound, "see \"seaworker peer list\" and \"seaworker credit list\"", "peer %q: %v", text, err)
	}
	return found, nil
}

func uniquePrefix(known map[identity.Entity]bool, text string) (found identity.Entity, err error) {
	const fewest = 6
	if len(text) < fewest {
		return found, errors.New("give at least 6 digits")
	}
	n := 0
	for e := range known {
		if s := e.String(); len(text) <= len(s) && s[:len(text)] == text {
			found = e
			n++
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return identity.Entity{}, errors.New("no such peer is known")
	}
	return identity.Entity{}, errors.New("several peers begin like that")
}
