package browsertest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/inspector"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Start starts a Chromium with an empty profile; the end of the test ends it.
// Without Chromium the test is skipped, or fails when the environment has
// CI=true.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := find(t, "Chromium", "chromium", "chromium-browser", "google-chrome")
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
	return &Browser{chromium: ctx}
}

// A chromeTab is a tab of a Chromium.
type chromeTab struct {
	ctx    context.Context
	cancel context.CancelFunc
	read   sync.WaitGroup // the reader of the console
}

// newChromeTab opens an empty one, whose console tab hears.
func newChromeTab(t testing.TB, browser context.Context, tab *Tab) *chromeTab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	c := &chromeTab{ctx: ctx, cancel: cancel}
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatalf("open a tab: %v", err)
	}
	messages := chromedp.Console(ctx)
	c.read.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			text := m.String()
			if m.URL != "" {
				text += fmt.Sprintf(" (%s:%d)", m.URL, m.Line+1)
			}
			tab.message(t, text, m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException || m.Type == "assert")
		}
	})
	return c
}

// within is the tab's context with the deadline of another.
func (c *chromeTab) within(ctx context.Context) (context.Context, context.CancelFunc) {
	end, _ := ctx.Deadline()
	return context.WithDeadline(c.ctx, end)
}

func (c *chromeTab) open(ctx context.Context, url string) error {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

func (c *chromeTab) eval(ctx context.Context, expression string) (string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) {
		yes := true
		p.UserGesture = &yes
	}))
}

func (c *chromeTab) front(ctx context.Context) error {
	ctx, cancel := c.within(ctx)
	defer cancel()
	_, err := chromedp.Call(ctx, cdppage.BringToFront, cdp.Empty{})
	return err
}

func (c *chromeTab) close(context.Context) error {
	c.cancel()
	c.read.Wait()
	return nil
}

// chrome is the tab where only Chromium will do.
func (tab *Tab) chrome() *chromeTab { return tab.driver.(*chromeTab) }

// Context is for chromedp's own actions on this tab, of Chromium: clicks, keys, pictures.
func (tab *Tab) Context() context.Context { return tab.chrome().ctx }

// Instances collects the page's garbage, and says how many objects of a class,
// such as RTCPeerConnection, are left, in Chromium.
func (tab *Tab) Instances(t testing.TB, class string) int {
	t.Helper()
	n, err := chromedp.Run(tab.Context(), func(ctx context.Context, target *chromedp.Target) (int, error) {
		prototype, err := cdp.Call(ctx, target, runtime.Evaluate, runtime.EvaluateParams{Expression: class + ".prototype"})
		if err != nil {
			return 0, err
		}
		found, err := cdp.Call(ctx, target, runtime.QueryObjects, runtime.QueryObjectsParams{PrototypeObjectID: prototype.Result.ObjectID})
		if err != nil {
			return 0, err
		}
		counted, err := cdp.Call(ctx, target, runtime.CallFunctionOn, runtime.CallFunctionOnParams{
			FunctionDeclaration: "function () { return this.length }", ObjectID: found.Objects.ObjectID, ReturnByValue: new(true),
		})
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(counted.Result.Value))
	})
	if err != nil {
		t.Fatalf("count %s: %v", class, err)
	}
	return n
}

// Crash ends the tab's process in the middle of what it does. The page hears
// nothing of it; the tab, of Chromium, is closed.
func (tab *Tab) Crash(t testing.TB) {
	t.Helper()
	tab.closed = true
	defer tab.chrome().read.Wait()
	defer tab.chrome().cancel()
	ctx, cancel := context.WithTimeout(tab.Context(), patience)
	defer cancel()
	crashed := chromedp.Events(ctx, inspector.TargetCrashed)
	var command sync.WaitGroup
	defer command.Wait()
	command.Go(func() {
		// It is never answered.
		_, _ = chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) (cdp.Empty, error) {
			return cdp.Call(ctx, target, cdppage.Crash, cdp.Empty{})
		})
	})
	for _, err := range crashed {
		if err != nil {
			t.Errorf("crash a tab: %v", err)
		}
		cancel()
		return
	}
}
