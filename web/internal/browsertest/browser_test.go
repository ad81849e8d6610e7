package browsertest_test

import (
	"strings"
	"testing"

	"github.com/peersea/sea/web/internal/browsertest"
)

func TestChromium(t *testing.T) {
	url := browsertest.Serve(t, browsertest.Page(t, "testdata/page.ts"))
	browser := browsertest.Start(t)
	one := drive(t, browser, url)
	one.Crash(t)
	three := browser.Tab(t, url)
	if got := browsertest.Value[string](t, three, `test.kept("name")`); got != "value" {
		t.Errorf("a tab after a crash sees %q", got)
	}
}

func TestFirefox(t *testing.T) {
	drive(t, browsertest.Firefox(t), browsertest.Serve(t, browsertest.Page(t, "testdata/page.ts")))
}

// drive holds a browser to what the package promises of both, and gives a tab.
func drive(t *testing.T, browser *browsertest.Browser, url string) *browsertest.Tab {
	t.Helper()
	one := browser.Tab(t, url)
	if n := browsertest.Value[int](t, one, "test.later(41)"); n != 42 {
		t.Errorf("a promise gave %d", n)
	}

	one.Run(t, `test.keep("name", "value"); await test.later(1)`)
	two := browser.Tab(t, url)
	if got := browsertest.Value[string](t, two, `test.kept("name")`); got != "value" {
		t.Errorf("the second tab sees %q", got)
	}
	other := browser.Profile(t).Tab(t, url)
	if got := browsertest.Value[*string](t, other, `test.kept("name")`); got != nil {
		t.Errorf("another profile sees %q", *got)
	}

	if bad := other.Problems(t); len(bad) != 0 {
		t.Errorf("problems: %q", bad)
	}
	other.Run(t, "test.fail(); await test.later(1)")
	other.Run(t, `await fetch("nowhere")`)
	if bad := strings.Join(other.Problems(t), "\n"); strings.Count(bad, "\n") != 2 ||
		!strings.Contains(bad, "as asked") || !strings.Contains(bad, "nobody caught this") || !strings.Contains(bad, "404") {
		t.Errorf("problems: %s", bad)
	}

	two.Close(t)
	one.Open(t, url)
	if got := browsertest.Value[string](t, one, `test.kept("name")`); got != "value" {
		t.Errorf("the tab, loaded again, sees %q", got)
	}
	return one
}
