// Package figures_test measures whole peers in Chromium.
package figures_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/tradetest"
)

// BenchmarkVisit opens a page again and again, and gives the ms from its beginning to
// the first link, to the first call's answer, and to the result of the first job,
// which is bought and paid: on a profile's first visit, when the tab's key is made,
// and on its second.
func BenchmarkVisit(b *testing.B) {
	s := nodetest.NewOn(b, nodetest.WS(), 1)
	tradetest.Sell(b, s, 0)
	s.Nodes[0].Handle("echo", echo)
	browser := browsertest.Start(b)
	site := browsertest.Page(b, "page.ts")
	site["primes.wasm"] = &fstest.MapFile{Data: examples.Primes}
	page := browsertest.Serve(b, site)
	all := map[string][]float64{}
	for b.Loop() {
		tab := browser.Profile(b).Tab(b, page)
		for _, visit := range []string{"first-", ""} {
			if visit == "" {
				tab.Open(b, page)
			}
			got := browsertest.Value[[]float64](b, tab, fmt.Sprintf("bench.visit(%q, %q)", s.URLs[0], s.Nodes[0].Addr()))
			for i, name := range []string{"online-ms", "call-ms", "job-ms"} {
				all[visit+name] = append(all[visit+name], got[i])
			}
		}
		tab.Close(b)
	}
	report(b, all)
}

func echo(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil }

// report gives the medians.
func report(b *testing.B, all map[string][]float64) {
	for name, of := range all {
		slices.Sort(of)
		b.ReportMetric(of[len(of)/2], name)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPeers compares calls and connections of two tabs, and of a tab and a Go
// node, with a data channel as the browser gives it between the same tabs, in turns
// of one run.
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
		n.Handle("echo", echo)
	}
	other.Handle("drain", func(ctx context.Context, from rpc.Peer, _ []byte) ([]byte, error) {
		c, err := other.Connect(ctx, from.Addr)
		if err != nil {
			return nil, err
		}
		go drain(context.WithoutCancel(ctx), c)
		return nil, nil
	})
	browser := browsertest.Start(b)
	page := browsertest.Serve(b, browsertest.Page(b, "page.ts"))
	one, two := browser.Tab(b, page), browser.Tab(b, page)
	for _, tab := range []*browsertest.Tab{one, two} {
		tab.Run(b, fmt.Sprintf("await bench.online(%q)", s.URLs[0]))
	}
	id := browsertest.Value[string](b, two, "bench.id()")
	one.Run(b, fmt.Sprintf("await bench.meet(%q)", id))
	one.Run(b, fmt.Sprintf("await bench.reach(%q)", other.Addr()))
	one.Run(b, fmt.Sprintf("await bench.trips(%q)", id)) // to warm up

	all := map[string][]float64{}
	pair := func(name string, of []float64) {
		all[name+"/raw"] = append(all[name+"/raw"], of[1]/of[0])
		all[name] = append(all[name], of[1])
	}
	for b.Loop() {
		pair("tab-tab-ms", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.trips(%q)", id)))
		pair("tab-go-ms", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.trips(%q)", other.Addr())))
		pair("tab-tab-B/s", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.pours(%q, 512)", id)))
		pair("tab-go-B/s", browsertest.Value[[]float64](b, one, fmt.Sprintf("bench.pours(%q, 512)", other.Addr())))
	}
	report(b, all)
}

// drain reads what a tab pours, and says when it has read the last.
func drain(ctx context.Context, c *node.Conn) {
	defer c.Close()
	go func() {
		for {
			if _, err := c.Recv(ctx, "pour"); err != nil {
				return // the tab has gone
			}
		}
	}()
	for {
		body, err := c.Recv(ctx, "last")
		if err != nil {
			return
		}
		if err := c.Send(ctx, "heard", body); err != nil {
			return
		}
	}
}
