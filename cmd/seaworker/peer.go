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
	Relayed   bool      `json:"relayed"`            // over another node, until there is a direct way
	Obstacle  string    `json:"obstacle,omitempty"` // why there is none yet
	Remote    string    `json:"remote"`             // the relay's address in the sea when relayed
	Outbound  bool      `json:"outbound"`
	RTTMicros int64     `json:"rtt_us"`
	Since     time.Time `json:"since"`
	Sent      uint64    `json:"sent_bytes"`
	Received  uint64    `json:"received_bytes"`
}

// pingView is an answer to a ping.
type pingView struct {
	Address   addr.Addr `json:"address"`
	RTTMicros int64     `json:"rtt_us"`
	Direct    bool      `json:"direct"`
	Transport string    `json:"transport,omitempty"`
	Remote    string    `json:"remote,omitempty"`
	Relayed   bool      `json:"relayed,omitempty"`
	Obstacle  string    `json:"obstacle,omitempty"` // why a relayed link has no direct way
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
	group.AddCommand(newPeerList(c), newPeerAdd(c), newPeerPing(c), newPeerMap(c), newPeerShow(c), newPeerForgive(c))
	return asGroup(group)
}

func newPeerList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the nodes this one is linked to, and how",
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
		entity := p.Peer
		if p.ActsFor != nil {
			entity = *p.ActsFor
		}
		path, remote := "direct", clean(p.Remote)
		if p.Relayed {
			path = "relayed"
			if a, err := addr.Parse(p.Remote); err == nil {
				remote = "by " + a.Short()
			}
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", p.Peer, p.Address.Short(), entity.Short(), clean(p.Transport), path, way, remote,
			time.Duration(p.RTTMicros)*time.Microsecond, time.Since(p.Since).Round(time.Second), bytesText(p.Sent), bytesText(p.Received)))
	}
	return c.table("PEER\tADDRESS\tENTITY\tTRANSPORT\tPATH\tWAY\tREMOTE\tRTT\tAGE\tSENT\tRECEIVED", rows)
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
		Use:   "ping PEER",
		Short: "Measure the way to a node, linked or not",
		Long: `Measure the round trip to a node, and say how it goes: direct, relayed by a third
node, with what is in the way of a direct link, or through the sea, from node to
node.`,
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
			_, err = fmt.Fprintf(c.stdout, "%s  %s  %s\n", v.Address.Short(), time.Duration(v.RTTMicros)*time.Microsecond, v.way())
			return err
		},
	}
}

// way says in words how the packets go.
func (v pingView) way() string {
	switch {
	case v.Direct:
		return "direct, " + clean(v.Transport)
	case v.Relayed:
		by := clean(v.Remote)
		if a, err := addr.Parse(v.Remote); err == nil {
			by = a.Short()
		}
		return fmt.Sprintf("relayed by %s; a direct way is looked for each minute: %s", by, clean(v.Obstacle))
	}
	return "through the sea"
}

// bytesText writes an amount of traffic for people.
func bytesText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
