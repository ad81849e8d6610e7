package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/peersea/sea/node/addr"
	"github.com/spf13/cobra"
)

// mapView is a node's neighbourhood: its links, and who its neighbours say is
// near.
type mapView struct {
	Address addr.Addr  `json:"address"`
	Peers   []peerView `json:"peers"`

	// Near are the neighbours' own neighbours, of each the 8 nearest to this
	// node, by the neighbour's address.
	Near map[string][]addr.Addr `json:"near"`
}

// mapAsked is how many neighbours are asked at once who is near.
const mapAsked = 16

// getMap asks every neighbour. Those that do not say are left out.
func (a *api) getMap(r *http.Request, _ none) (mapView, error) {
	v := mapView{Address: a.d.node.Addr(), Peers: []peerView{}, Near: map[string][]addr.Addr{}}
	var mu sync.Mutex // guards v.Near
	var asking sync.WaitGroup
	slots := make(chan struct{}, mapAsked)
	for _, l := range a.d.node.Links() {
		v.Peers = append(v.Peers, viewOf(l))
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			near, err := a.d.node.Near(r.Context(), l.Peer.Addr)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			v.Near[l.Peer.Addr.String()] = append([]addr.Addr{}, near...) // [] in JSON, not null
		})
	}
	asking.Wait()
	return v, nil
}

func newPeerMap(c *cli) *cobra.Command {
	form := "svg"
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Draw the node's neighbourhood, as SVG or for Graphviz",
		Long: `Draw the node's neighbourhood and write it to standard output: this node in the
middle, the nodes that it is linked to around it, and the nodes near to it that
those are linked to. Nodes stand by their address, clockwise. A dashed line is a
relayed link.`,
		Example: "  seaworker peer map > sea.svg\n  seaworker peer map --format dot | dot -Tpng > sea.png",
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if form != "svg" && form != "dot" {
				return usagef("use svg or dot", "--format is %q", form)
			}
			v, err := c.readMap(cmd.Context())
			switch {
			case err != nil:
				return err
			case c.json:
				return c.printJSON(v)
			case form == "dot":
				_, err = fmt.Fprint(c.stdout, v.dot())
			default:
				_, err = fmt.Fprint(c.stdout, v.svg())
			}
			return err
		},
	}
	cmd.Flags().StringVar(&form, "format", form, "`FORM` of the picture: svg, or dot for Graphviz")
	return cmd
}

func (c *cli) readMap(ctx context.Context) (v mapView, err error) {
	api, err := c.running(ctx)
	if err != nil {
		return v, err
	}
	defer api.close()
	return v, api.do(ctx, http.MethodGet, "/map", nil, &v)
}

// An edge is a link between two nodes of the map.
type edge struct{ a, b addr.Addr }

// edges returns the links that neighbours told of, each once, and the nodes
// that nobody but they know of. Both are sorted.
func (v mapView) edges() (links []edge, beyond []addr.Addr) {
	known := map[addr.Addr]bool{v.Address: true}
	for _, p := range v.Peers {
		known[p.Address] = true
	}
	seen := map[edge]bool{}
	for from, near := range v.Near {
		a, err := addr.Parse(from)
		if err != nil {
			continue
		}
		for _, b := range near {
			e := edge{a, b}
			if compare(a, b) > 0 {
				e = edge{b, a}
			}
			if b == v.Address || a == b || seen[e] {
				continue
			}
			seen[e] = true
			links = append(links, e)
			if !known[b] {
				known[b] = true
				beyond = append(beyond, b)
			}
		}
	}
	slices.SortFunc(links, func(x, y edge) int { return cmp.Or(compare(x.a, y.a), compare(x.b, y.b)) })
	slices.SortFunc(beyond, compare)
	return links, beyond
}

func compare(a, b addr.Addr) int { return slices.Compare(a[:], b[:]) }

// dot writes the map in Graphviz's language.
func (v mapView) dot() string {
	var b strings.Builder
	links, beyond := v.edges()
	b.WriteString("graph sea {\n\tlayout=neato overlap=false\n\tnode [shape=box style=rounded fontname=\"monospace\"]\n")
	fmt.Fprintf(&b, "\t%q [label=%q style=\"rounded,filled\" fillcolor=\"#cfe8ff\"]\n", v.Address.String(), v.Address.Short())
	for _, p := range v.Peers {
		style := "solid"
		if p.Relayed {
			style = "dashed"
		}
		fmt.Fprintf(&b, "\t%q [label=%q]\n\t%q -- %q [style=%s label=%q]\n", p.Address.String(), p.Address.Short(),
			v.Address.String(), p.Address.String(), style, wireName(p.Transport))
	}
	for _, a := range beyond {
		fmt.Fprintf(&b, "\t%q [label=%q color=gray fontcolor=gray]\n", a.String(), a.Short())
	}
	for _, e := range links {
		fmt.Fprintf(&b, "\t%q -- %q [color=gray]\n", e.a.String(), e.b.String())
	}
	b.WriteString("}\n")
	return b.String()
}

// The measures of the picture, in pixels.
const (
	mapSize   = 900
	mapInner  = 240 // the ring of neighbours
	mapOuter  = 390 // the ring of those beyond
	mapMiddle = mapSize / 2
)

// svg draws the map.
func (v mapView) svg() string {
	var b strings.Builder
	links, beyond := v.edges()
	at := map[addr.Addr][2]float64{v.Address: {mapMiddle, mapMiddle}}
	for _, p := range v.Peers {
		at[p.Address] = place(p.Address, mapInner)
	}
	for _, a := range beyond {
		at[a] = place(a, mapOuter)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="monospace" font-size="12" text-anchor="middle">`+"\n", mapSize, mapSize)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", mapSize, mapSize)
	line := func(x, y addr.Addr, look string) {
		p, q := at[x], at[y]
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", p[0], p[1], q[0], q[1], look)
	}
	for _, e := range links {
		line(e.a, e.b, `stroke="#cccccc"`)
	}
	for _, p := range v.Peers {
		look := `stroke="#2060a0" stroke-width="2"`
		if p.Relayed {
			look += ` stroke-dasharray="6 4"`
		}
		line(v.Address, p.Address, look)
	}
	dot := func(a addr.Addr, fill, title string) {
		p := at[a]
		fmt.Fprintf(&b, `<g><title>%s</title><circle cx="%.1f" cy="%.1f" r="7" fill="%s"/><text x="%.1f" y="%.1f">%s</text></g>`+"\n",
			title, p[0], p[1], fill, p[0], p[1]-11, a.Short())
	}
	for _, a := range beyond {
		dot(a, "#999999", a.String())
	}
	for _, p := range v.Peers {
		dot(p.Address, "#2060a0", p.Address.String()+", "+wireName(p.Transport))
	}
	dot(v.Address, "#d04020", "this node, "+v.Address.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// wireName is a wire's name as it may stand in a picture.
func wireName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
}

// place is where an address stands on a ring: clockwise from the top.
func place(a addr.Addr, radius float64) [2]float64 {
	turn := 2 * math.Pi * float64(uint32(a[0])<<24|uint32(a[1])<<16|uint32(a[2])<<8|uint32(a[3])) / (1 << 32)
	return [2]float64{mapMiddle + radius*math.Sin(turn), mapMiddle - radius*math.Cos(turn)}
}
