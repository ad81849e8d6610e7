// Package examples_test opens the pages of examples/web in Chromium.
package examples_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/bundle"
	"github.com/peersea/sea/web/internal/tradetest"
)

// site serves the examples as their README has them served.
func site(t *testing.T) string {
	t.Helper()
	files := fstest.MapFS{}
	folder := os.DirFS("../../../examples/web")
	names, err := fs.Glob(folder, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	package_, err := bundle.File("../../src/index.ts", bundle.Small)
	if err != nil {
		t.Fatal(err)
	}
	files["peersea.js"] = &fstest.MapFile{Data: package_}
	return browsertest.Serve(t, files)
}

// public is n Go nodes of the public network's rules, each linked to each.
func public(t *testing.T, n int) *nodetest.Sea {
	t.Helper()
	s := nodetest.LooseOn(t, nodetest.WS(), 0)
	for i := range n {
		key, err := identity.NewKey(t.Context(), identity.DefaultWork)
		if err != nil {
			t.Fatal(err)
		}
		s.AddKey(key, func(c *node.Config) {
			c.Still, c.Network, c.Work = false, "", 0
			c.Negotiator = rtcnet.New(rtcnet.Config{Loopback: true})
		})
		for j := range i {
			s.Link(i, j)
		}
	}
	return s
}

// until waits in a page until an expression holds.
func until(t *testing.T, tab *browsertest.Tab, holds string) {
	t.Helper()
	tab.Run(t, fmt.Sprintf("while (!(%s)) await new Promise(requestAnimationFrame)", holds))
}

const with = `document.querySelector("[role=status]").textContent.includes("with others")`

func TestChat(t *testing.T) {
	browser := browsertest.Start(t)
	page := site(t) + "chat.html?via=" + url.QueryEscape(public(t, 1).URLs[0]) + "#test"
	one, two := browser.Tab(t, page), browser.Profile(t).Tab(t, page)
	until(t, one, with)
	until(t, two, with)
	for _, tab := range []*browsertest.Tab{one, two} {
		tab.Run(t, `document.querySelector("input").value = "<b>hello</b>"; document.querySelector("form").requestSubmit()`)
	}
	for _, tab := range []*browsertest.Tab{one, two} {
		until(t, tab, `document.querySelectorAll("li").length === 2`)
		said := browsertest.Value[string](t, tab, `[...document.querySelectorAll("li")].map((l) => l.lastChild.textContent).join()`)
		if said != "<b>hello</b>,<b>hello</b>" {
			t.Errorf("the page shows %q", said)
		}
	}
}

func TestBoard(t *testing.T) {
	browser := browsertest.Start(t)
	page := site(t) + "board.html?via=" + url.QueryEscape(public(t, 1).URLs[0])
	one, two := browser.Tab(t, page), browser.Profile(t).Tab(t, page)
	until(t, one, with)
	until(t, two, with)
	// The second tab's board is empty until the first one draws across its own.
	ink := `(() => {
		const c = document.querySelector("canvas");
		const all = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		return all.reduce((n, x, i) => n + (i % 4 === 3 && x > 0), 0);
	})()`
	if n := browsertest.Value[int](t, two, ink); n != 0 {
		t.Errorf("%d points of a new board are drawn", n)
	}
	one.Run(t, `
		const c = document.querySelector("canvas");
		const { left, top, width, height } = c.getBoundingClientRect();
		const at = (type, x) => c.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: left + x * width, clientY: top + x * height }));
		c.setPointerCapture = () => {};
		at("pointerdown", 0.1);
		for (let x = 0.1; x < 0.9; x += 0.05) at("pointermove", x);
		at("pointerup", 0.9)`)
	until(t, two, ink+" > 500")
	until(t, one, ink+" > 500")
}

func TestFractal(t *testing.T) {
	s := public(t, 2)
	for i := range s.Nodes {
		tradetest.Sell(t, s, i)
	}
	tab := browsertest.Start(t).Tab(t, site(t)+"fractal.html?via="+url.QueryEscape(s.URLs[0]))
	until(t, tab, `!document.querySelector("button").disabled`)
	for _, n := range s.Nodes { // as people who know each other do
		tab.Run(t, fmt.Sprintf(`
			const { sea, HashAddress } = await import("./peersea.js");
			await sea.connect(HashAddress.from(%[1]q)).ready();
			await (await sea.node()).call(HashAddress.from(%[1]q), "ledger:grant", new TextEncoder().encode("50000000"))`, n.Addr()))
	}
	tab.Run(t, `document.querySelector("button").click()`)
	until(t, tab, `!document.querySelector("button").disabled`)
	status := browsertest.Value[string](t, tab, `document.querySelector("[role=status]").textContent`)
	if status != "done: 16 tiles" {
		t.Fatalf("the page says %q", status)
	}
	rows := browsertest.Value[[][]string](t, tab, `[...document.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))`)
	// The same picture costs the same fuel, whoever draws which tile.
	if all := rows[len(rows)-1]; len(rows) != 3 || all[0] != "All" || all[1] != "16" || all[2] != "1,308,933,574" {
		t.Errorf("the bill is %q", rows)
	}
}
