package pages_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/peersea/sea/web/internal/browsertest"
)

// TestJoin: two visitors open a node's page, each in a fresh browser with nothing
// installed. Both tabs become peers, talk in a channel, and one buys a run of a
// program on the node, whose ledger has the bill to the unit, and recomputes it.
// Both sell one to the node.
func TestJoin(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	s := newSea(t)
	harbour := s.up(t, "harbour", "--price", "0.8", "--join")
	url := strings.Replace(harbour.url, "ws://", "http://", 1) + "/"

	one, two := browser.Tab(t, url), browser.Profile(t).Tab(t, url)
	look(t, one, desk)
	for _, tab := range []*browsertest.Tab{one, two} {
		until(t, tab, `document.querySelector("h1").textContent === "This tab is a peer of the sea"`)
		until(t, tab, `document.querySelector(".pill.good")?.textContent === "others are here"`)
	}
	say := func(tab *browsertest.Tab, text string) {
		tab.Run(t, `
			document.querySelector("input").value = "`+text+`";
			document.querySelector("input").form.requestSubmit();
		`)
	}
	heard := func(tab *browsertest.Tab, text string) {
		until(t, tab, `[...document.querySelectorAll(".said li:not(.mine) p")].some((p) => p.textContent === "`+text+`")`)
	}
	reach(t, one, "input[name=text]") // by keyboard alone
	press(t, one, "Ahoy, is anybody there?\r")
	heard(two, "Ahoy, is anybody there?")
	say(two, "Aye, and no server between us.")
	heard(one, "Aye, and no server between us.")

	const script = "<img src=x onerror=document.title=1>" // is text
	say(two, script)
	heard(one, script)

	reach(t, one, "select + button")
	press(t, one, "\r")
	until(t, one, `document.querySelector(".problem, .tile")`)
	if got := browsertest.Value[string](t, one, `document.querySelector(".problem")?.textContent ?? document.querySelector(".tile strong").textContent`); got != "78498" {
		t.Fatalf("there are %s primes below 1,000,000, want 78498", got)
	}
	bill := browsertest.Value[string](t, one, `[...document.querySelectorAll(".tile")].find((d) => d.textContent.startsWith("Bill")).querySelector("strong").textContent`)
	if !soonOwed(t, harbour, bill) {
		t.Errorf("the seller's ledger does not have %s:\n%s", bill, harbour.run(t, "credit", "list"))
	}
	reach(t, one, ".tiles + button") // "Recompute the bill in this tab"
	press(t, one, "\r")
	until(t, one, `document.querySelector(".verdict, .said li.note")`)
	until(t, one, `document.querySelector(".verdict.good")?.textContent.startsWith("The same to the unit")`)

	// Both sell: the node buys from each, and its ledger has what the other earned.
	for _, tab := range []*browsertest.Tab{two, one} {
		if _, err := chromedp.Call(tab.Context(), page.BringToFront, cdp.Empty{}); err != nil { // a hidden tab rests
			t.Fatal(err)
		}
		tab.Run(t, `[...document.querySelectorAll("button")].find((b) => b.textContent === "Sell").click()`)
		until(t, tab, `[...document.querySelectorAll(".pill")].some((p) => p.textContent === "waiting for work")`)
		if got := harbour.primes(t, "100000", "--to", browsertest.Value[string](t, tab, `document.querySelector(".name code").title`)); got != "9592" {
			t.Errorf("a tab says that there are %s primes below 100,000, want 9592", got)
		}
		until(t, tab, `document.querySelector(".sales .pill")?.textContent === "paid"`)
	}
	earned := browsertest.Value[string](t, two, `[...document.querySelectorAll(".tile")].find((d) => d.textContent.startsWith("Earned")).querySelector("strong").textContent`)
	if !soonOwed(t, harbour, "-"+earned) {
		t.Errorf("the buyer's ledger does not have %s:\n%s", earned, harbour.run(t, "credit", "list"))
	}

	for _, on := range []screen{desk, night, phone} {
		photograph(t, one, "join", on)
	}
	if bad := browsertest.Value[[]string](t, one, nameless); len(bad) > 0 {
		t.Errorf("a screen reader has no name for %q", bad)
	}
	inject(t, two)
}

// soonOwed waits until the seller's ledger has a bill: the buyer delivers what it
// has promised by and by.
func soonOwed(t *testing.T, d *daemon, bill string) bool {
	t.Helper()
	for range 1000 {
		if strings.Contains(d.run(t, "credit", "list"), bill) {
			return true
		}
	}
	return false
}
