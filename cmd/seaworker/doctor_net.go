package main

import (
	"context"
	"fmt"
	"io"
)

// networkView is how a running daemon is connected. Hints say what is in the
// way, and what to do about it.
type networkView struct {
	Links     int          `json:"links"`
	Relayed   int          `json:"relayed"` // of them
	Listening []string     `json:"listening"`
	Outside   *outsideView `json:"outside,omitempty"`
	Reached   *reachView   `json:"reached,omitempty"`
	Mapped    *mappedView  `json:"mapped,omitempty"`
	Hints     []string     `json:"hints"`
}

// examineNetwork asks the daemon of dir; nil when none runs.
func examineNetwork(ctx context.Context, dir folder) *networkView {
	api, err := daemonClient(ctx, dir)
	if err != nil {
		return nil
	}
	defer api.close()
	var s statusView
	var peers []peerView
	if api.do(ctx, "GET", "/status", nil, &s) != nil || api.do(ctx, "GET", "/peers", nil, &peers) != nil {
		return nil // it has just ended
	}
	return networkOf(s, peers)
}

// networkOf judges what the daemon says.
func networkOf(s statusView, peers []peerView) *networkView {
	v := &networkView{Links: len(peers), Listening: s.Listening, Outside: s.Outside, Reached: s.Reached, Mapped: s.Mapped, Hints: []string{}}
	for _, p := range peers {
		if p.Relayed {
			v.Relayed++
		}
	}
	hint := func(text string) { v.Hints = append(v.Hints, text) }
	if v.Links == 0 {
		hint("no links: check --bootstrap, and that a firewall lets the node out by TCP")
		return v
	}
	if s.Outside == nil {
		hint("nobody has answered STUN: a firewall may keep UDP in, or no linked node has a URL; give a server with --stun")
	}
	if s.Outside != nil && s.Outside.NAT == natDraws && (s.Mapped == nil || len(s.Mapped.URLs) == 0) {
		hint("the router draws a port for each destination: switch UPnP or NAT-PMP on in it, or forward a port to this machine, and give it with --listen and --public")
	}
	if text := s.clockOff(); text != "" {
		hint(text)
	}
	if v.Relayed > 0 {
		hint("relayed links carry 128 KiB/s at most; \"seaworker peer ping PEER\" says what is in the way of a direct one")
	}
	if s.Reached != nil && len(s.Reached.Yes) == 0 {
		hint("nobody comes through to " + clean(s.Reached.URL) + ": open or forward the TCP port, or do without: others reach the node through the sea")
	}
	return v
}

// print writes the section of the network; nil says that there is no daemon.
func (v *networkView) print(w io.Writer) {
	fmt.Fprintln(w, "\nnetwork")
	if v == nil {
		fmt.Fprintln(w, "  no daemon runs; with one this says how it is connected")
		return
	}
	fmt.Fprintf(w, "  links      %d, %d of them relayed\n", v.Links, v.Relayed)
	if v.Outside != nil {
		fmt.Fprintf(w, "  outside    %s\n", clean(v.Outside.String()))
	}
	if v.Mapped != nil {
		fmt.Fprintf(w, "  router     %s\n", v.Mapped)
	}
	fmt.Fprintf(w, "  reachable  %s\n", statusView{Listening: v.Listening, Reached: v.Reached}.reachable())
	for _, h := range v.Hints {
		fmt.Fprintf(w, "  hint: %s\n", h)
	}
}
