package pages_test

import (
	"strings"
	"testing"

	"github.com/peersea/sea/web/internal/browsertest"
)

// A visitor has a node's join page open.
type visitor struct{ *browsertest.Tab }

// arrive opens the page and waits until the tab is a peer.
func arrive(t *testing.T, browser *browsertest.Browser, url string) visitor {
	t.Helper()
	tab := browser.Tab(t, url)
	until(t, tab, `document.querySelector("h1").textContent === "This tab is a peer of the sea"`)
	return visitor{tab}
}

// accompanied waits until it has found others.
func (v visitor) accompanied(t *testing.T) {
	t.Helper()
	until(t, v.Tab, `document.querySelector(".pill.good")?.textContent === "others are here"`)
}

func (v visitor) say(t *testing.T, text string) {
	t.Helper()
	v.Run(t, `
		document.querySelector("input").value = "`+text+`";
		document.querySelector("input").form.requestSubmit();
	`)
}

func (v visitor) heard(t *testing.T, text string) {
	t.Helper()
	until(t, v.Tab, `[...document.querySelectorAll(".said li:not(.mine) p")].some((p) => p.textContent === "`+text+`")`)
}

// bought waits for the result of the job that was begun, whose bill the seller's
// ledger comes to have.
func (v visitor) bought(t *testing.T, seller *daemon) {
	t.Helper()
	until(t, v.Tab, `document.querySelector(".problem, .tile")`)
	if got := browsertest.Value[string](t, v.Tab, `document.querySelector(".problem")?.textContent ?? document.querySelector(".tile strong").textContent`); got != "78498" {
		t.Fatalf("there are %s primes below 1,000,000, want 78498", got)
	}
	if bill := v.tile(t, "Bill"); !soonOwed(t, seller, bill) {
		t.Errorf("the seller's ledger does not have %s:\n%s", bill, seller.run(t, "credit", "list"))
	}
}

// recomputed waits for what came of a bill's recomputing.
func (v visitor) recomputed(t *testing.T) {
	t.Helper()
	until(t, v.Tab, `document.querySelector(".verdict, .said li.note")`)
	until(t, v.Tab, `document.querySelector(".verdict.good")?.textContent.startsWith("The same to the unit")`)
}

// click presses the button with a text.
func (v visitor) click(t *testing.T, text string) {
	t.Helper()
	v.Run(t, `[...document.querySelectorAll("button")].find((b) => b.textContent === "`+text+`").click()`)
}

// sell has the visitor sell, and the node buy of it.
func (v visitor) sell(t *testing.T, buyer *daemon) {
	t.Helper()
	v.Front(t) // a hidden tab rests
	v.click(t, "Sell")
	until(t, v.Tab, `[...document.querySelectorAll(".pill")].some((p) => p.textContent === "waiting for work")`)
	if got := buyer.primes(t, "100000", "--to", browsertest.Value[string](t, v.Tab, `document.querySelector(".name code").title`)); got != "9592" {
		t.Errorf("a tab says that there are %s primes below 100,000, want 9592", got)
	}
	until(t, v.Tab, `document.querySelector(".sales .pill")?.textContent === "paid"`)
}

// tile is the number under a name.
func (v visitor) tile(t *testing.T, name string) string {
	t.Helper()
	return browsertest.Value[string](t, v.Tab, `[...document.querySelectorAll(".tile")].find((d) => d.textContent.startsWith("`+name+`")).querySelector("strong").textContent`)
}

// harbour is a node with a join page, and the page's URL.
func harbour(t *testing.T) (*daemon, string) {
	t.Helper()
	d := newSea(t).up(t, "harbour", "--price", "0.8", "--join")
	return d, strings.Replace(d.url, "ws://", "http://", 1) + "/"
}

// TestJoin: two visitors open a node's page, each in a fresh browser with nothing
// installed. Both tabs become peers, talk in a channel, and one buys a run of a
// program on the node, whose ledger has the bill to the unit, and recomputes it.
// Both sell one to the node.
func TestJoin(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	node, url := harbour(t)
	one := arrive(t, browser, url)
	look(t, one.Tab, desk)
	two := arrive(t, browser.Profile(t), url)
	one.accompanied(t)
	two.accompanied(t)

	reach(t, one.Tab, "input[name=text]") // by keyboard alone
	press(t, one.Tab, "Ahoy, is anybody there?\r")
	two.heard(t, "Ahoy, is anybody there?")
	two.say(t, "Aye, and no server between us.")
	one.heard(t, "Aye, and no server between us.")

	const script = "<img src=x onerror=document.title=1>" // is text
	two.say(t, script)
	one.heard(t, script)

	reach(t, one.Tab, "select + button")
	press(t, one.Tab, "\r")
	one.bought(t, node)
	reach(t, one.Tab, ".tiles + button") // "Recompute the bill in this tab"
	press(t, one.Tab, "\r")
	one.recomputed(t)

	two.sell(t, node)
	if earned := two.tile(t, "Earned"); !soonOwed(t, node, "-"+earned) {
		t.Errorf("the buyer's ledger does not have %s:\n%s", earned, node.run(t, "credit", "list"))
	}
	one.sell(t, node)

	for _, on := range []screen{desk, night, phone} {
		photograph(t, one.Tab, "join", on)
	}
	if bad := browsertest.Value[[]string](t, one.Tab, nameless); len(bad) > 0 {
		t.Errorf("a screen reader has no name for %q", bad)
	}
	inject(t, two.Tab)
}

// TestJoinFirefox is the same visit in Firefox, beside somebody in Chromium.
func TestJoinFirefox(t *testing.T) {
	t.Parallel()
	node, url := harbour(t)
	one, two := arrive(t, browsertest.Firefox(t), url), arrive(t, browsertest.Start(t), url)
	one.accompanied(t)
	two.accompanied(t)
	one.say(t, "Ahoy from Firefox.")
	two.heard(t, "Ahoy from Firefox.")
	two.say(t, "Ahoy from Chromium.")
	one.heard(t, "Ahoy from Chromium.")
	one.Run(t, `document.querySelector("select + button").click()`)
	one.bought(t, node)
	one.Run(t, `document.querySelector(".tiles + button").click()`)
	one.recomputed(t)
	one.sell(t, node)
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
