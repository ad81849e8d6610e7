package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/spf13/cobra"
)

// peerView is a link.
type peerView struct {
	Peer    identity.Entity `json:"peer"`
	Address addr.Addr       `json:"address"`

	// ActsFor is the entity that let the peer act for it; none is itself.
	ActsFor *identity.Entity `json:"acts_for,omitempty"`

	Transport string    `json:"transport"`
	Remote    string    `json:"remote"`
	Outbound  bool      `json:"outbound"`
	RTTMicros int64     `json:"rtt_us"`
	Since     time.Time `json:"since"`
}

// pingView is an answer to a ping.
type pingView struct {
	Address   addr.Addr `json:"address"`
	RTTMicros int64     `json:"rtt_us"`
	Direct    bool      `json:"direct"`
	Transport string    `json:"transport,omitempty"`
}

// nodeView is where a node is.
type nodeView struct {
	Address addr.Addr `json:"address"`
}

// dialRequest names whom to link to.
type dialRequest struct {
	URL string `json:"url"`
}

func newPeer(c *cli) *cobra.Command {
	group := &cobra.Command{
		Use:   "peer",
		Short: "Look at the links to other nodes, and make them",
	}
	group.AddCommand(newPeerList(c), newPeerAdd(c), newPeerPing(c))
	return asGroup(group)
}

func newPeerList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the nodes this one is linked to",
		Example: "  seaworker peer list",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			var peers []peerView
			if err := c.read(cmd.Context(), "/peers", &peers); err != nil {
				return err
			}
			return c.printPeers(peers)
		},
	}
}

func (c *cli) printPeers(peers []peerView) error {
	if c.json {
		return c.printJSON(peers)
	}
	var rows []string
	for _, p := range peers {
		way := "in"
		if p.Outbound {
			way = "out"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", p.Peer, p.Address.Short(), p.Transport, way, clean(p.Remote),
			time.Duration(p.RTTMicros)*time.Microsecond, time.Since(p.Since).Round(time.Second)))
	}
	return c.table("PEER\tADDRESS\tTRANSPORT\tWAY\tREMOTE\tRTT\tAGE", rows)
}

func newPeerAdd(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "add URL",
		Short:   "Link to the node at a URL",
		Example: "  seaworker peer add ws://192.0.2.7:4160",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var p peerView
			if err := api.do(cmd.Context(), http.MethodPost, "/peers", dialRequest{args[0]}, &p); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(p)
			}
			return c.printPeers([]peerView{p})
		},
	}
}

func newPeerPing(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "ping PEER",
		Short:   "Measure the way to a node, linked or not",
		Example: "  seaworker peer ping 9b1c04",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v pingView
			if err := api.do(cmd.Context(), http.MethodPost, "/peers/"+escapePath(args[0])+"/ping", nil, &v); err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			way := "through the sea"
			if v.Direct {
				way = "direct, " + v.Transport
			}
			_, err = fmt.Fprintf(c.stdout, "%s  %s  %s\n", v.Address.Short(), time.Duration(v.RTTMicros)*time.Microsecond, way)
			return err
		},
	}
}
