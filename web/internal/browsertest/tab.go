package browsertest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/inspector"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page or a script may take, on a machine that is busy
// with much else. It is there so that what hangs is named.
const patience = 3 * time.Minute

// A Tab is an open page. One goroutine at a time uses it.
type Tab struct {
	ctx    context.Context
	cancel context.CancelFunc
	read   sync.WaitGroup // the reader of the console

	marks int           // how often Problems was called
	seen  chan struct{} // a mark has been read

	mu       sync.Mutex
	problems []string // guarded by mu
}

// Tab opens a tab at a URL and waits until the page has loaded. What goes wrong
// in it (see Problems) and is not asked for fails the test at its end, which
// closes the tab.
func (b *Browser) Tab(t testing.TB, url string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	tab := &Tab{ctx: ctx, cancel: cancel, seen: make(chan struct{}, 1)}
	t.Cleanup(func() { tab.Close(t) })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	messages := chromedp.Console(ctx)
	tab.read.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			tab.message(t, m)
		}
	})
	tab.Open(t, url)
	return tab
}

// mark begins what Problems writes to the console to know that it has all.
const mark = "browsertest: all until here is read: "

func (tab *Tab) message(t testing.TB, m chromedp.ConsoleMessage) {
	if strings.HasPrefix(m.Text, mark) {
		tab.seen <- struct{}{}
		return
	}
	text := m.String()
	if m.URL != "" {
		text += fmt.Sprintf(" (%s:%d)", m.URL, m.Line+1)
	}
	switch m.Type {
	case chromedp.ConsoleError, chromedp.ConsoleException, "assert":
		tab.mu.Lock()
		defer tab.mu.Unlock()
		tab.problems = append(tab.problems, text)
	default:
		t.Log(text)
	}
}

// Context is for chromedp's own actions on this tab: clicks, keys, pictures.
func (tab *Tab) Context() context.Context { return tab.ctx }

// Open leaves the page for another, or for the same anew.
func (tab *Tab) Open(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

// Run runs statements in the page, such as `await test.send(5)`. The test fails
// if they throw.
func (tab *Tab) Run(t testing.TB, script string) {
	t.Helper()
	// A function gives undefined, which nothing needs to decode.
	eval[*struct{}](t, tab, "(async () => { "+script+" })()")
}

// Value runs an expression in the page, waits if it is a promise, and returns
// its value, which is carried as JSON. The test fails if it throws.
func Value[T any](t testing.TB, tab *Tab, expression string) T {
	t.Helper()
	return eval[T](t, tab, "(async () => ("+expression+"))()")
}

func eval[T any](t testing.TB, tab *Tab, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) {
		yes := true
		p.UserGesture = &yes
	}))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Problems returns what has gone wrong in the page since it was last asked, and
// forgets it: console.error, exceptions that nobody caught, and the browser's
// own errors, such as files that were not found and policies that were broken.
func (tab *Tab) Problems(t testing.TB) []string {
	t.Helper()
	tab.marks++
	tab.Run(t, "console.debug("+strconv.Quote(mark+strconv.Itoa(tab.marks))+")")
	select {
	case <-tab.seen:
	case <-tab.ctx.Done():
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	found := tab.problems
	tab.problems = nil
	return found
}

// Instances collects the page's garbage, and says how many objects of a class,
// such as RTCPeerConnection, are left.
func (tab *Tab) Instances(t testing.TB, class string) int {
	t.Helper()
	n, err := chromedp.Run(tab.ctx, func(ctx context.Context, target *chromedp.Target) (int, error) {
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

// Close closes the tab, as a person would. It may be called again.
func (tab *Tab) Close(t testing.TB) {
	t.Helper()
	if tab.ctx.Err() != nil {
		return
	}
	defer tab.read.Wait()
	defer tab.cancel()
	for _, problem := range tab.Problems(t) {
		t.Errorf("in the browser: %s", problem)
	}
}

// Crash ends the tab's process in the middle of what it does. The page hears
// nothing of it; the tab is closed.
func (tab *Tab) Crash(t testing.TB) {
	t.Helper()
	defer tab.read.Wait()
	defer tab.cancel()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
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
