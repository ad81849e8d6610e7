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
	"github.com/peersea/sea/web/internal/browsertest"
	"github.com/peersea/sea/web/internal/bundle"
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

// bootstrap is a Go node of the public network's rules.
func bootstrap(t *testing.T) string {
	t.Helper()
	key, err := identity.NewKey(t.Context(), identity.DefaultWork)
	if err != nil {
		t.Fatal(err)
	}
	s := nodetest.LooseOn(t, nodetest.WS(), 0)
	s.AddKey(key, func(c *node.Config) { c.Still, c.Network, c.Work = false, "", 0 })
	return s.URLs[0]
}

// until waits in a page until an expression holds.
func until(t *testing.T, tab *browsertest.Tab, holds string) {
	t.Helper()
	tab.Run(t, fmt.Sprintf("while (!(%s)) await new Promise(requestAnimationFrame)", holds))
}

const with = `document.querySelector("[role=status]").textContent.includes("with others")`

func TestChat(t *testing.T) {
	browser := browsertest.Start(t)
	page := site(t) + "chat.html?via=" + url.QueryEscape(bootstrap(t)) + "#test"
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
	page := site(t) + "board.html?via=" + url.QueryEscape(bootstrap(t))
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
