package pages_test

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/peersea/sea/web/internal/browsertest"
)

var photos = flag.String("photos", "", "keep the photographs in this `FOLDER`")

// screen is what a page is looked at on.
type screen struct {
	name          string
	width, height int64
	scheme        string
}

var (
	desk  = screen{"desk", 1280, 800, "light"}
	night = screen{"night", 1280, 800, "dark"}
	phone = screen{"phone", 390, 844, "light"}
)

// TestDashboard looks at a daemon that trades: each view loads, on a desk by day
// and by night and on a phone, follows what happens, and can be used by keyboard.
// Nothing goes wrong in the console, or the tab fails the test.
func TestDashboard(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	s := newSea(t)
	harbour := s.up(t, "harbour", "--price", "0.8")

	// Nothing has happened yet, and every view says so.
	tab := browser.Tab(t, harbour.run(t, "dashboard"))
	for _, hash := range []string{"#/", "#/network", "#/jobs", "#/credit", "#/offers", "#/earnings"} {
		visit(t, tab, hash)
		until(t, tab, `document.querySelector("main .empty")`)
	}
	tab.Close(t)

	me := s.up(t, "me", "--price", "1.2", "--bootstrap", harbour.url)
	me.primes(t, "300000")
	me.run(t, "run", "-o", filepath.Join(s.dir, "out"), "../../examples/mandelbrot/mandelbrot.wasm", "--", "200", "150")
	me.run(t, "map", "--range", "1..3", "../../examples/primes/primes.wasm", "--", "{}")
	harbour.primes(t, "400000", "--to", me.entity)

	if *photos != "" {
		crowd(t, harbour, me)
	}

	tab = browser.Tab(t, me.run(t, "dashboard"))
	until(t, tab, `document.querySelector(".hero")`)
	if at := browsertest.Value[string](t, tab, "location.href"); strings.Contains(at, "token") {
		t.Errorf("the token stays in sight: %s", at)
	}

	for _, view := range []struct{ hash, name, has string }{
		{"#/", "overview", harbour.entity[:4]}, // its dial has the neighbour
		{"#/network", "network", "WebSocket"},
		{"#/jobs", "jobs", "mandelbrot.wasm"},
		{"#/credit", "credit", harbour.entity[:10]},
		{"#/credit/" + harbour.entity, "line", "Promised"},
		{"#/offers", "offers", harbour.entity[:10]},
		{"#/earnings", "earnings", "primes.wasm"},
	} {
		visit(t, tab, view.hash)
		until(t, tab, fmt.Sprintf(`document.querySelector("main").textContent.includes(%q)`, view.has))
		for _, on := range []screen{desk, night, phone} {
			photograph(t, tab, view.name, on)
		}
		if bad := browsertest.Value[[]string](t, tab, nameless); len(bad) > 0 {
			t.Errorf("%s: a screen reader has no name for %q", view.name, bad)
		}
	}

	// A new job comes into the list while one looks, and its page follows it.
	look(t, tab, desk)
	visit(t, tab, "#/jobs")
	rows := browsertest.Value[int](t, tab, `document.querySelectorAll("tbody tr").length`)
	harbour.run(t, "credit", "limit", me.entity, "10000") // enough for minutes of it
	id := me.primes(t, "4000000000", "--detach", "--max-credit", "5000", "--to", harbour.entity)
	until(t, tab, fmt.Sprintf(`document.querySelectorAll("tbody tr").length === %d`, rows+1))
	visit(t, tab, "#/jobs/"+id)
	until(t, tab, `document.querySelector(".progress progress")?.value > 0`)
	before := browsertest.Value[float64](t, tab, `document.querySelector(".progress progress").value`)
	until(t, tab, `document.querySelector(".progress progress").value > `+strconv.FormatFloat(before, 'f', -1, 64))
	photograph(t, tab, "running", desk)

	// The keyboard cancels it.
	tab.Run(t, `document.querySelector("button.danger").focus()`)
	press(t, tab, "\r")
	until(t, tab, `document.querySelector(".jobhead .pill").textContent === "cancelled"`)

	// The bill of one that is done is recomputed, and its output is there.
	visit(t, tab, "#/jobs")
	tab.Run(t, `[...document.querySelectorAll("tbody a")].find((a) => a.textContent.includes("mandelbrot")).click()`)
	until(t, tab, `document.querySelector(".files") && document.querySelector(".log").textContent.trim() !== ""`)
	tab.Run(t, `document.querySelector(".acts button").click()`)
	until(t, tab, `document.querySelector(".verdict.good")?.textContent.includes("the same, byte for byte")`)
	for _, on := range []screen{desk, night, phone} {
		photograph(t, tab, "job", on)
	}

	// Selling is paused and goes on, and the daemon says so.
	look(t, tab, desk)
	for _, want := range []string{"paused", "open"} {
		tab.Run(t, `document.querySelector("button.shift").click()`)
		until(t, tab, fmt.Sprintf(`document.querySelector("button.shift").textContent === %q`, map[string]string{"paused": "Sell again", "open": "Pause selling"}[want]))
		if status := me.run(t, "status", "--json"); !strings.Contains(status, `"mode":"`+want+`"`) {
			t.Errorf("selling is not %s: %s", want, status)
		}
	}

	// Tab and Enter lead around: from the link to the content past the sea's name
	// and the first view to the second.
	visit(t, tab, "#/")
	tab.Run(t, `document.querySelector(".skip").focus()`)
	press(t, tab, "\t\t\t\r")
	until(t, tab, `location.hash === "#/network" && document.activeElement.tagName === "H1" && document.activeElement.textContent === "Network"`)

	// When the daemon has gone the page says so, and keeps what it had.
	me.run(t, "stop")
	until(t, tab, `document.querySelector("#problem").textContent.includes("does not answer") && document.querySelector(".sonar")`)
	tab.Problems(t) // as it should: nobody answers
	tab.Close(t)
}

// crowd makes more to see: five more nodes, and what they trade. The ledger's
// clock has steps of 10 s, so that it takes a minute for a curve to have some.
func crowd(t *testing.T, harbour, me *daemon) {
	var crew []*daemon
	for i, price := range []string{"0.4", "0.6", "0.7", "0.9", "1.1"} {
		crew = append(crew, me.up(t, fmt.Sprintf("crew%d", i), "--price", price, "--bootstrap", harbour.url))
	}
	for round := range 6 {
		for i, d := range crew {
			if (i+round)%2 == 0 {
				d.primes(t, strconv.Itoa(1_000_000*(1+(i*3+round)%7)), "--to", me.entity)
			} else {
				me.primes(t, strconv.Itoa(1_000_000*(1+(i+round*5)%9)), "--to", d.entity)
			}
		}
		time.Sleep(11 * time.Second)
	}
}

// TestForeignPages: a page of another site gets nothing out of the dashboard's
// port, though it knows the token, and the dashboard's own page runs no script
// that somebody got into it.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	browser := browsertest.Start(t)
	me := newSea(t).up(t, "me")
	url := me.run(t, "dashboard")
	base, token, _ := strings.Cut(url, "/#token=")

	other := browser.Tab(t, browsertest.Serve(t, os.DirFS("testdata")))
	got := browsertest.Value[[]string](t, other, fmt.Sprintf(`forge(%q, %q)`, base, token))
	if len(got) != 30 {
		t.Errorf("%d requests were forged, want 30", len(got))
	}
	for _, reached := range got {
		if reached != "" {
			t.Errorf("a foreign page: %s", reached)
		}
	}
	if refused := strings.Join(other.Problems(t), "\n"); !strings.Contains(refused, "frame-ancestors 'none'") {
		t.Errorf("the dashboard stands in a foreign frame, or nobody says that it does not: %s", refused)
	}
	if status := me.run(t, "status", "--json"); !strings.Contains(status, `"mode":"open"`) {
		t.Errorf("a foreign page has changed something: %s", status)
	}

	tab := browser.Tab(t, url)
	until(t, tab, `document.querySelector(".hero")`)
	inject(t, tab)
}

// inject tries to get scripts into a page, whose policy refuses each.
func inject(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	tab.Run(t, `
		for (const attempt of [
			() => { const el = document.createElement("script"); el.append("globalThis.broken = 1"); document.body.append(el); },
			() => document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='globalThis.broken = 2'>"),
			() => { const el = document.createElement("a"); el.setAttribute("onclick", "globalThis.broken = 3"); document.body.append(el); el.click(); },
			() => { const el = document.createElement("script"); el.src = "data:,globalThis.broken = 4"; document.body.append(el); },
		]) try { attempt(); } catch {}
		await new Promise((go) => setTimeout(go, 100)); // what is let through would run by then
	`)
	if browsertest.Value[bool](t, tab, `"broken" in globalThis`) {
		t.Error("the page runs scripts of its content")
	}
	tab.Problems(t) // as it should: each was refused
}

// nameless is an expression: the elements that a keyboard reaches and that have
// no name, and what else a screen reader needs.
const nameless = `[...document.querySelectorAll("a, button, table, progress, svg[role], figure svg")]
	.filter((el) => !el.closest("[aria-hidden]") && !el.getAttribute("aria-label") && !el.textContent.trim())
	.concat(document.querySelectorAll("h1").length === 1 ? [] : [document.body])
	.map((el) => el.outerHTML.slice(0, 200))`

// until waits in the page until a condition holds.
func until(t *testing.T, tab *browsertest.Tab, condition string) {
	t.Helper()
	tab.Run(t, `while (!(`+condition+`)) await new Promise((go) => setTimeout(go, 30));`)
}

// press types keys.
func press(t *testing.T, tab *browsertest.Tab, keys string) {
	t.Helper()
	if err := chromedp.Do(tab.Context(), chromedp.KeyEvent(keys)); err != nil {
		t.Fatal(err)
	}
}

// reach presses Tab until the focus is on what a selector names.
func reach(t *testing.T, tab *browsertest.Tab, selector string) {
	t.Helper()
	for range 40 { // more than a page has
		press(t, tab, "\t")
		if browsertest.Value[bool](t, tab, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
	}
	t.Fatalf("no Tab leads to %s", selector)
}

// visit goes to a view and waits until it is shown.
func visit(t *testing.T, tab *browsertest.Tab, hash string) {
	t.Helper()
	tab.Run(t, fmt.Sprintf("location.hash = %q", hash))
	until(t, tab, fmt.Sprintf(`document.querySelector("main").dataset.at === %q`, hash))
}

// look makes the tab's window a screen.
func look(t *testing.T, tab *browsertest.Tab, on screen) {
	t.Helper()
	if err := chromedp.Do(tab.Context(), chromedp.EmulateViewport(on.width, on.height)); err != nil {
		t.Fatal(err)
	}
	scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: on.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if _, err := chromedp.Call(tab.Context(), emulation.SetEmulatedMedia, scheme); err != nil {
		t.Fatal(err)
	}
}

// photograph takes a picture of a view, all of its height, and demands that it
// fits the screen's width and shows something. Pictures by night and of a phone
// are only taken to be kept; they take longer than all else.
func photograph(t *testing.T, tab *browsertest.Tab, name string, on screen) {
	t.Helper()
	look(t, tab, on)
	until(t, tab, fmt.Sprintf(`innerWidth === %d && [...document.querySelectorAll(".chart")].every((c) => c.viewBox.baseVal.width === (innerWidth > 720 ? 1000 : 400))`, on.width))
	if over := browsertest.Value[int64](t, tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("%s on a %s: %d pixels too wide", name, on.name, over)
	}
	if *photos == "" && on != desk {
		return
	}
	full := on
	full.height = max(on.height, browsertest.Value[int64](t, tab, "document.documentElement.scrollHeight"))
	look(t, tab, full)
	picture, err := chromedp.Run(tab.Context(), chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	colors := map[any]bool{}
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			colors[img.At(x, y)] = true
		}
	}
	if len(colors) < 30 {
		t.Errorf("%s on a %s: the picture has %d colors, there is nothing to see", name, on.name, len(colors))
	}
	if *photos == "" {
		return
	}
	quality := int64(85)
	small, err := chromedp.Call(tab.Context(), page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*photos, name+"-"+on.name+".webp"), small.Data, 0o644); err != nil {
		t.Fatal(err)
	}
}
