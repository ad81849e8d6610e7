// Package browsertest runs tests in a real browser: headless Chromium, driven
// from Go. A test serves files, opens tabs on them, runs scripts there, and
// hears of all that went wrong in a tab's console.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// names are what Chromium may be called.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// A Browser is a Chromium of its own, or a profile in one: tabs of one Browser
// share cookies, IndexedDB and locks, and share none with another.
type Browser struct {
	ctx context.Context
}

// Start starts a Chromium with an empty profile; the end of the test ends it.
// Without Chromium the test is skipped, or fails when the environment has
// CI=true.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Chromium is not installed, and this is CI: %v", err)
		}
		t.Skipf("Chromium is not installed: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path),
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox, // Chromium's own needs rights that containers lack
		chromedp.DisableGPU,
		// WebRTC between two pages, or a page and a program, of one machine: with
		// plain addresses, loopback among them.
		chromedp.Flag("disable-features", "Translate,WebRtcHideLocalIpsWithMdns"),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &Browser{ctx}
}

func find() (path string, err error) {
	for _, name := range names {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("none of %v: %w", names, err)
}

// Profile returns an empty profile in the same Chromium, as if on another
// machine, until the test ends.
func (b *Browser) Profile(t testing.TB) *Browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("make a profile: %v", err)
	}
	return &Browser{ctx}
}
