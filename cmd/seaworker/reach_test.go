package main

import (
	"encoding/xml"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

// What the doctor says about how a node is connected.
func TestNetworkHints(t *testing.T) {
	one := []peerView{{Transport: "ws"}}
	seen := &outsideView{NAT: natKeeps}
	fast, slow, fair := int64(75_000), int64(-20_001), int64(9_999)
	for _, c := range []struct {
		name  string
		s     statusView
		peers []peerView
		want  string // in the only hint; none is wanted when empty
	}{
		{"all is well", statusView{Outside: seen}, one, ""},
		{"alone", statusView{}, nil, "no links"},
		{"no STUN", statusView{}, one, "--stun"},
		{"a hard NAT", statusView{Outside: &outsideView{NAT: natDraws}}, one, "forward a port"},
		{"a hard NAT that maps", statusView{Outside: &outsideView{NAT: natDraws}, Mapped: &mappedView{URLs: []string{"ws://20.0.0.7:1"}}}, one, ""},
		{"relayed", statusView{Outside: seen}, []peerView{{Transport: "relay", Relayed: true}}, "relayed links"},
		{"a clock that is fast", statusView{Outside: seen, ClockAhead: &fast}, one, "1m15s ahead"},
		{"a clock that is slow", statusView{Outside: seen, ClockAhead: &slow}, one, "20s behind"},
		{"a fair clock", statusView{Outside: seen, ClockAhead: &fair}, one, ""},
		{"closed", statusView{Outside: seen, Reached: &reachView{URL: "ws://:1", No: []identity.Entity{{}}}}, one, "nobody comes through to ws://:1"},
	} {
		hints := networkOf(c.s, c.peers).Hints
		if c.want == "" && len(hints) == 0 || len(hints) == 1 && c.want != "" && strings.Contains(hints[0], c.want) {
			continue
		}
		t.Errorf("%s: %q", c.name, hints)
	}
}

// A daemon behind a proxy dials no address inside back.
func TestDialBackPolicy(t *testing.T) {
	for _, c := range []struct {
		public bool
		only   string
		dials  bool
	}{
		{false, "127.0.0.1", true}, {false, "203.0.114.1", true}, {true, "127.0.0.1", false}, {true, "10.0.0.1", false}, {true, "203.0.114.1", true},
	} {
		if got := dialBack(c.public)(netip.MustParseAddr(c.only)) != nil; got != c.dials {
			t.Errorf("public %v, %s: dials %v", c.public, c.only, got)
		}
	}
}

// The map is XML with each node and link once, whatever the peers said.
func TestMap(t *testing.T) {
	a, b, c := addr.Make([]byte("a")), addr.Make([]byte("b")), addr.Make([]byte("c"))
	v := mapView{
		Address: addr.Make([]byte("me")),
		Peers:   []peerView{{Address: a, Transport: "ws"}, {Address: b, Transport: `re"lay</svg>`, Relayed: true}},
		Near:    map[string][]addr.Addr{a.String(): {b, c, addr.Make([]byte("me"))}, b.String(): {a}, "nonsense": {c}},
	}
	links, beyond := v.edges()
	if len(links) != 2 || len(beyond) != 1 || beyond[0] != c {
		t.Errorf("edges %v, beyond %v", links, beyond)
	}
	counts := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(v.svg())); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			counts[e.Name.Local]++
		}
	}
	if counts["svg"] != 1 || counts["line"] != 4 || counts["circle"] != 4 {
		t.Errorf("the picture has %v", counts)
	}
	dot := v.dot()
	if n := strings.Count(dot, " -- "); n != 4 || !strings.Contains(dot, "style=dashed") || strings.Contains(dot, "<") {
		t.Errorf("%d edges in\n%s", n, dot)
	}
}
