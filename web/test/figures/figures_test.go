// Package figures_test measures whole peers in Chromium.
package figures_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/web/internal/browsertest"
)

// BenchmarkPeers compares calls and connections of two tabs, and of a tab and a Go
// node, with a data channel as the browser gives it between the same tabs, in turns
// of one run. first-ms is from the page's beginning to the first link on a first
// visit, when the tab's key is made; online-ms the same on a second one, call-ms to
// the first call's answer.
func BenchmarkPeers(b *testing.B) {
	s := nodetest.LooseOn(b, nodetest.WS(), 0)
	s.Add(func(c *node.Config) { c.Still = false })
	other := s.Add(func(c *node.Config) {
		c.Still = false
		c.Negotiator = rtcnet.New(rtcnet.Config{Loopback: true})
		c.Listeners = nil
	})
	s.Link(1, 0)
	for _, n := range s.Nodes {
		n.Handle("echo", func(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil })
	}
	browser := browsertest.Start(b)
	page := browsertest.Serve(b, browsertest.Page(b, "page.ts"))
	one, two := browser.Tab(b, page), browser.Tab(b, page)
	online := func(tab *browsertest.Tab) []float64 {
		return browsertest.Value[[]float64](b, tab, fmt.Sprintf("bench.online(%q, %q)", s.URLs[0], s.Nodes[0].Addr()))
	}
	first := online(two)
	online(one)
	two.Open(b, page)
	again := online(two)
	id := browsertest.Value[string](b, two, "bench.id()")
	one.Run(b, fmt.Sprintf("await bench.meet(%q)", id))
	one.Run(b, fmt.Sprintf("await bench.trips(%q)", id)) // to warm up

	all := map[string][]float64{}
	pair := func(name string, of []float64) {
		all[name+"/raw"] = append(all[name+"/raw"], of[1]/of[0])
		all[name] = append(all[name], of[1])
	}
	for b.Loop() {
		pair("tab-tab-ms", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.trips(%q)", id)))
		pair("tab-go-ms", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.trips(%q)", other.Addr())))
		pair("tab-tab-B/s", browsertest.Value[[]float64](b, one, "bench.pours(512)"))
	}
	for name, of := range all {
		slices.Sort(of)
		b.ReportMetric(of[len(of)/2], name)
	}
	b.ReportMetric(first[0], "first-ms")
	b.ReportMetric(again[0], "online-ms")
	b.ReportMetric(again[1], "call-ms")
	b.ReportMetric(0, "ns/op")
}
