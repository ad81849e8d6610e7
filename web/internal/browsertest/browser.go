// Package browsertest runs tests in a real browser: headless Chromium or Firefox,
// driven from Go. A test serves files, opens tabs on them, runs scripts there, and
// hears of all that went wrong in a tab's console.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// A Browser is a Chromium or Firefox of its own, or a profile in one: tabs of one
// Browser share cookies, IndexedDB and locks, and share none with another.
type Browser struct {
	chromium context.Context // nil in a Firefox
	firefox  *firefox
	profile  string // of the Firefox; the first has no name
}

// Each runs a test in a Chromium and in a Firefox.
func Each(t *testing.T, test func(t *testing.T, browser *Browser)) {
	t.Run("Chromium", func(t *testing.T) { test(t, Start(t)) })
	t.Run("Firefox", func(t *testing.T) { test(t, Firefox(t)) })
}

// find gives the path of a browser's program. Without one the test is skipped, or fails
// when the environment has CI=true.
func find(t testing.TB, browser string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (none of %v), and this is CI", browser, names)
	}
	t.Skipf("%s is not installed: none of %v", browser, names)
	return ""
}

// driver opens an empty tab.
func (b *Browser) driver(t testing.TB, tab *Tab) driver {
	t.Helper()
	if b.firefox != nil {
		return b.firefox.open(t, b.profile, tab)
	}
	return newChromeTab(t, b.chromium, tab)
}

// Profile returns an empty profile in the same Chromium, as if on another
// machine, until the test ends.
func (b *Browser) Profile(t testing.TB) *Browser {
	t.Helper()
	if b.firefox != nil {
		return &Browser{firefox: b.firefox, profile: b.firefox.profile(t)}
	}
	ctx, cancel := chromedp.NewContext(b.chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("make a profile: %v", err)
	}
	return &Browser{chromium: ctx}
}
