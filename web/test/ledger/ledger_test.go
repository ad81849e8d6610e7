// Package ledger_test has ledgers of a browser: what they keep in IndexedDB.
package ledger_test

import (
	"strings"
	"testing"

	"github.com/peersea/sea/web/internal/browsertest"
)

// TestLedger has a ledger live through a reload, a second tab and the crash of
// its own.
func TestLedger(t *testing.T) {
	url := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	browser := browsertest.Start(t)
	tab := browser.Tab(t, url)
	value := browsertest.Value[int]
	tab.Run(t, "await test.open()")
	if got := value(t, tab, "test.pay(1, 2, 3, 2, 1)"); got != -6 {
		t.Errorf("after three payments, two of them asked for twice: %d", got)
	}
	if got := value(t, tab, "test.deliver()"); got != 6 {
		t.Errorf("the payee has %d", got)
	}

	tab.Open(t, url)
	tab.Run(t, "await test.open()")
	if got := value(t, tab, "test.balance()"); got != -6 {
		t.Errorf("after a reload: %d", got)
	}
	if got := value(t, tab, "test.paid(3)"); got != 3 {
		t.Errorf("what is kept for a payment: %d", got)
	}
	if got := value(t, tab, "test.pay(3, 4)"); got != -10 {
		t.Errorf("after one more: %d", got)
	}

	// A second tab with the same ledger: once it has written, the first may not.
	other := browser.Tab(t, url)
	other.Run(t, "await test.open()")
	if got := value(t, other, "test.pay(5)"); got != -15 {
		t.Errorf("in the second tab: %d", got)
	}
	for _, n := range []string{"6", "7"} {
		if got := browsertest.Value[string](t, tab, "test.refused("+n+")"); !strings.Contains(got, "unavailable: ") || !strings.Contains(got, "another tab") {
			t.Errorf("the first tab paid: %q", got)
		}
	}
	if got := value(t, other, "test.deliver()"); got != 15 {
		t.Errorf("the payee has %d", got)
	}

	// Whatever was promised before a crash is there after it.
	other.Run(t, "test.rush(); while (test.promised() < 20) await new Promise((go) => setTimeout(go, 1))")
	other.Crash(t)
	after := browser.Tab(t, url)
	after.Run(t, "await test.open()")
	promised, kept := value(t, after, "test.promised()"), -value(t, after, "test.balance()")-15
	if kept < 20 || kept < promised {
		t.Errorf("%d payments were promised, %d are kept", promised, kept)
	}
	if got := value(t, after, "test.deliver()"); got != 15+kept {
		t.Errorf("the payee has %d, %d were promised", got, 15+kept)
	}
	after.Run(t, "for (let n = 100; n < 200; n++) await test.pay(n)")
	after.Run(t, "await test.deliver()")
	if tips := browsertest.Value[[]string](t, after, "test.tips()"); tips[0] != tips[1] {
		t.Errorf("the half-chains end in %q", tips)
	}
	if got := value(t, after, "test.runs()"); got != 64 {
		t.Errorf("the payee keeps %d runs", got)
	}
}
