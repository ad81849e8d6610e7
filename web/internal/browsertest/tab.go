package browsertest

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a page or a script may take, on a machine that is busy
// with much else. It is there so that what hangs is named.
const patience = 3 * time.Minute

// A Tab is an open page. One goroutine at a time uses it.
type Tab struct {
	driver driver
	closed bool

	marks int           // how often Problems was called
	seen  chan struct{} // a mark has been read

	mu       sync.Mutex
	problems []string // guarded by mu
}

// A driver is a tab as its browser is told what to do.
type driver interface {
	// open loads a page and waits for it.
	open(ctx context.Context, url string) error

	// eval runs an expression whose value is a promise of text, and waits for it.
	eval(ctx context.Context, expression string) (string, error)

	// front shows the tab, which hides the others of its window.
	front(ctx context.Context) error

	// close closes the tab; nothing comes from its console any more.
	close(ctx context.Context) error
}

// Tab opens a tab at a URL and waits until the page has loaded. What goes wrong
// in it (see Problems) and is not asked for fails the test at its end, which
// closes the tab.
func (b *Browser) Tab(t testing.TB, url string) *Tab {
	t.Helper()
	tab := &Tab{seen: make(chan struct{}, 1)}
	tab.driver = b.driver(t, tab)
	t.Cleanup(func() { tab.Close(t) })
	tab.Open(t, url)
	return tab
}

// mark begins what Problems writes to the console to know that it has all.
const mark = "browsertest: all until here is read: "

// message takes what the console shows; bad tells that it is an error.
func (tab *Tab) message(t testing.TB, text string, bad bool) {
	switch {
	case strings.Contains(text, mark):
		tab.seen <- struct{}{}
	case bad:
		tab.mu.Lock()
		defer tab.mu.Unlock()
		tab.problems = append(tab.problems, text)
	default:
		t.Log(text)
	}
}

// do has the driver do something.
func (tab *Tab) do(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f(ctx); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Open leaves the page for another, or for the same anew.
func (tab *Tab) Open(t testing.TB, url string) {
	t.Helper()
	tab.do(t, "open "+url, func(ctx context.Context) error { return tab.driver.open(ctx, url) })
}

// Front shows the tab: others of its window are hidden then.
func (tab *Tab) Front(t testing.TB) {
	t.Helper()
	tab.do(t, "bring a tab to the front", tab.driver.front)
}

// Run runs statements in the page, such as `await test.send(5)`. The test fails
// if they throw.
func (tab *Tab) Run(t testing.TB, script string) {
	t.Helper()
	tab.eval(t, "(async () => { "+script+"\n; return '' })()")
}

// Value runs an expression in the page, waits if it is a promise, and returns
// its value, which is carried as JSON. The test fails if it throws.
func Value[T any](t testing.TB, tab *Tab, expression string) (v T) {
	t.Helper()
	text := tab.eval(t, "(async () => JSON.stringify(await ("+expression+")) ?? 'null')()")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (tab *Tab) eval(t testing.TB, expression string) (text string) {
	t.Helper()
	tab.do(t, expression, func(ctx context.Context) (err error) {
		text, err = tab.driver.eval(ctx, expression)
		return err
	})
	return text
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
	case <-time.After(patience):
		t.Error("the console says nothing any more")
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	found := tab.problems
	tab.problems = nil
	return found
}

// Close closes the tab, as a person would. It may be called again.
func (tab *Tab) Close(t testing.TB) {
	t.Helper()
	if tab.closed {
		return
	}
	for _, problem := range tab.Problems(t) {
		t.Errorf("in the browser: %s", problem)
	}
	tab.closed = true
	tab.do(t, "close a tab", tab.driver.close)
}
