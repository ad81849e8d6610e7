package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	honesty "github.com/peersea/sea/plugins/market/trust"
	"github.com/spf13/cobra"
)

// trustView is what this node knows of a peer's honesty as a seller.
type trustView struct {
	Peer    identity.Entity `json:"peer"`
	Address addr.Addr       `json:"address"`
	honesty.Record
	// OneIn is how often its next job is checked, if it is bought with --verify
	// audit; Sure and Floor are the rule's.
	OneIn    uint64 `json:"one_in"`
	Sure     uint64 `json:"sure"`
	Floor    uint64 `json:"floor"`
	Excluded bool   `json:"excluded"`
	Auditor  bool   `json:"auditor"` // whether it may check others' jobs
	Means    string `json:"means"`

	Link *peerView `json:"link,omitempty"` // nil when there is none
}

func newPeerShow(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show PEER",
		Short: "Show a peer, and how far it is trusted as a seller",
		Long: `Show what this node knows of a peer: its link, and what came of the jobs that it
sold to this node. Trust is what this node has seen itself; nobody else's word
counts. It says how often the peer's next jobs are checked under --verify audit.`,
		Example: "  seaworker peer show 9b1c04",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v trustView
			if err := c.read(cmd.Context(), "/peers/"+escapePath(args[0])+"/trust", &v); err != nil {
				return err
			}
			return c.printTrust(v)
		},
	}
}

func newPeerForgive(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "forgive PEER",
		Short: "Buy again from a seller that has lied, checking each job",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.running(cmd.Context())
			if err != nil {
				return err
			}
			defer api.close()
			var v trustView
			if err := api.do(cmd.Context(), http.MethodPost, "/peers/"+escapePath(args[0])+"/forgive", nil, &v); err != nil {
				return err
			}
			return c.printTrust(v)
		},
	}
}

func (c *cli) printTrust(v trustView) error {
	if c.json {
		return c.printJSON(v)
	}
	link := "none"
	if v.Link != nil {
		link = fmt.Sprintf("%s, %v, for %v", clean(v.Link.Transport), time.Duration(v.Link.RTTMicros)*time.Microsecond, time.Since(v.Link.Since).Round(time.Second))
	}
	_, err := fmt.Fprintf(c.stdout, "peer        %s\naddress     %s\nlink        %s\njobs        %d accepted, %d checked\nmatches     %d, the last %d in a row\nmismatches  %d, %d of them its fault\nrule        every job until %d in a row match, then one in as many, at least one in %d\nmeans       %s\n",
		v.Peer, v.Address, link, v.Jobs, v.Checked, v.Matches, v.Straight, v.Mismatches, v.Lies, v.Sure, v.Floor, v.Means)
	return err
}

func (a *api) trustOf(peer identity.Entity) trustView {
	rec, rule := a.d.market.Trust(peer)
	v := trustView{
		Peer: peer, Address: addr.OfNode(peer), Record: rec, OneIn: rule.OneIn(rec.Straight), Sure: rule.Sure, Floor: rule.Floor,
		Excluded: rec.Excluded(), Auditor: rule.Audits(rec), Means: rec.Explain(rule),
	}
	for _, l := range a.d.node.Links() {
		if l.Peer.Node == peer {
			link := viewOf(l)
			v.Link = &link
		}
	}
	return v
}

func (a *api) getTrust(r *http.Request, _ none) (trustView, error) {
	peer, err := a.findSeller(r.PathValue("peer"))
	if err != nil {
		return trustView{}, err
	}
	return a.trustOf(peer), nil
}

func (a *api) postForgive(r *http.Request, _ none) (trustView, error) {
	peer, err := a.findSeller(r.PathValue("peer"))
	if err != nil {
		return trustView{}, err
	}
	if err := a.d.market.Forgive(peer); err != nil {
		return trustView{}, err
	}
	return a.trustOf(peer), nil
}

// findSeller is findPeer that also knows the sellers that were checked.
func (a *api) findSeller(text string) (identity.Entity, error) {
	peer, err := a.findPeer(text)
	if err == nil {
		return peer, nil
	}
	known := map[identity.Entity]bool{}
	for _, s := range a.d.market.TrustBook() {
		known[s.Seller] = true
	}
	if found, again := uniquePrefix(known, text); again == nil {
		return found, nil
	}
	return identity.Entity{}, err
}
