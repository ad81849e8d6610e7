// Package original_test holds the package peersea against the README of the first
// Sea, line by line, in Chromium.
package original_test

import (
	"fmt"
	"testing"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/web/internal/browsertest"
)

func TestOriginal(t *testing.T) { browsertest.Each(t, walk) }

func walk(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := nodetest.LooseOn(t, nodetest.WS(), 0)
	bootstrap := s.Add(func(c *node.Config) { c.Still = false })
	url := s.URLs[0]
	page := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	one, two := browser.Tab(t, page), browser.Tab(t, page)
	other := browsertest.Value[string](t, two, "original.id()")
	two.Run(t, fmt.Sprintf("await original.online(%q)", url))
	one.Run(t, fmt.Sprintf("await original.id(); original.others(%q, %q)", other, bootstrap.Addr()))
	for i, line := range browsertest.Value[[]string](t, one, "original.lines()") {
		t.Run(line, func(t *testing.T) {
			one.Run(t, fmt.Sprintf("await original.hold(%d, %q)", i, url))
		})
	}
}
