package rtc_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/web/internal/browsertest"
)

// rtcPair makes a wire between a tab and a Go node: from the tab's offer, from
// the node's, or by the node's sea:// address.
type rtcPair func(t *testing.T, tab *browsertest.Tab) transport.Conn

func rtcPairs(t *testing.T) map[string]rtcPair {
	t.Helper()
	n := rtcnet.New(rtcnet.Config{Loopback: true, OpenTime: 3 * time.Minute})
	t.Cleanup(func() { n.Close() })
	cert, err := rtcnet.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	l := n.NewListener(cert, rtcnet.ListenConfig{})
	t.Cleanup(func() { l.Close() })
	if err := l.Open(":0"); err != nil { // not loopback alone, where Firefox has no candidate
		t.Fatal(err)
	}
	return map[string]rtcPair{
		"the tab offers": func(t *testing.T, tab *browsertest.Tab) transport.Conn {
			answer, wait, err := n.Answer(t.Context(), unhex(t, browsertest.Value[string](t, tab, "test.offer()")))
			if err != nil {
				t.Fatal(err)
			}
			tab.Run(t, fmt.Sprintf("await test.accept('%x')", answer))
			c, err := wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return closed(t, c)
		},
		"the node offers": func(t *testing.T, tab *browsertest.Tab) transport.Conn {
			o, err := n.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			answer := unhex(t, browsertest.Value[string](t, tab, fmt.Sprintf("test.answer('%x')", o.Bytes())))
			c, err := o.Accept(t.Context(), answer)
			if err != nil {
				t.Fatal(err)
			}
			tab.Run(t, "await test.answered()")
			return closed(t, c)
		},
		"the tab dials": func(t *testing.T, tab *browsertest.Tab) transport.Conn {
			tab.Run(t, fmt.Sprintf("await test.dial('%s')", l.URLs()[0]))
			c, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return closed(t, c)
		},
	}
}

// TestRTC holds the browser's wires against Go's.
func TestRTC(t *testing.T) {
	url := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	browsertest.Each(t, func(t *testing.T, browser *browsertest.Browser) { withGo(t, browser.Tab(t, url)) })
}

func withGo(t *testing.T, tab *browsertest.Tab) {
	for name, pair := range rtcPairs(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("messages", func(t *testing.T) { rtcMessages(t, tab, pair(t, tab)) })
			t.Run("5 MiB each way", func(t *testing.T) { rtcFlow(t, tab, pair(t, tab)) })
			t.Run("the node closes", func(t *testing.T) {
				c := pair(t, tab)
				for i := range 100 {
					send(t, c, []byte{byte(i)})
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				tab.Run(t, "test.start()")
				for i := range 100 {
					if got := browsertest.Value[string](t, tab, "test.next(0)"); got != fmt.Sprintf("%02x", i) {
						t.Fatalf("message %d is %s", i, got)
					}
				}
				if why := browsertest.Value[string](t, tab, "test.ended()"); why != "closed by the other side" {
					t.Errorf("ended: %s", why)
				}
			})
			t.Run("the tab closes", func(t *testing.T) {
				c := pair(t, tab)
				tab.Run(t, "test.start(); for (let i = 0; i < 100; i++) test.send('0' + i % 10, 0); test.close()")
				for i := range 100 {
					if got := recv(t, c); len(got) != 1 || got[0] != byte(i%10) {
						t.Fatalf("message %d is %x", i, got)
					}
				}
				if _, err := c.Recv(t.Context()); err == nil {
					t.Error("a message after the last")
				}
				if why := browsertest.Value[string](t, tab, "test.ended()"); why == "" {
					t.Error("it did not end")
				}
			})
		})
	}
	if open := browsertest.Value[int](t, tab, "test.open()"); open != 0 {
		t.Errorf("%d connections are left open", open)
	}
}

// TestRTCTabs links two tabs and sends 5 MiB each way at once.
func TestRTCTabs(t *testing.T) {
	url := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	chromium, firefox := browsertest.Start(t), browsertest.Firefox(t)
	for name, of := range map[string][2]*browsertest.Browser{
		"Chromium":             {chromium, chromium.Profile(t)},
		"Firefox":              {firefox, firefox.Profile(t)},
		"Chromium and Firefox": {chromium, firefox},
		"Firefox and Chromium": {firefox, chromium},
	} {
		t.Run(name, func(t *testing.T) { pourBoth(t, of[0].Tab(t, url), of[1].Tab(t, url)) })
	}
}

func pourBoth(t *testing.T, a, b *browsertest.Tab) {
	t.Helper()
	tabs(t, a, b)
	const size, count = transport.MaxMessage, 5<<20/transport.MaxMessage + 1
	for _, tab := range []*browsertest.Tab{a, b} {
		tab.Run(t, fmt.Sprintf("test.pour(%d, %d)", count, size))
	}
	a.Run(t, "test.send('2a', 0)")
	if got := browsertest.Value[string](t, b, "test.next(0)"); got != "2a" {
		t.Errorf("the control lane brought %s", got)
	}
	want := poured(count, size)
	for _, tab := range []*browsertest.Tab{a, b} {
		if got := browsertest.Value[string](t, tab, fmt.Sprintf("test.collect(%d)", count)); got != want {
			t.Errorf("a tab got other bytes: %s", got)
		}
	}
	a.Run(t, "test.close()")
	if why := browsertest.Value[string](t, b, "test.ended()"); why != "closed by the other side" {
		t.Errorf("ended: %s", why)
	}
	a.Run(t, "await test.ended()")
	for _, tab := range []*browsertest.Tab{a, b} {
		if open := browsertest.Value[int](t, tab, "test.open()"); open != 0 {
			t.Errorf("%d connections are left open", open)
		}
	}
}

// TestRTCRude connects a tab to programs that break the rules, and gives attempts
// up in all ways that there are.
func TestRTCRude(t *testing.T) {
	tab := browsertest.Start(t).Tab(t, browsertest.Serve(t, browsertest.Page(t, "page.ts")))
	for how, want := range map[string]string{
		"text that is neither": "control lane: text that is neither credit nor bye",
		"credit for nothing":   "bulk lane: text that is neither credit nor bye",
		"an empty message":     "control lane: a message of 0 bytes",
		"a message too long":   "control lane: a message of 17409 bytes",
		"a channel of its own": "the other side opened a channel of its own",
		"a channel closed":     "closed by the other side",
		"all closed":           "closed by the other side",
		"half a bye":           "closed by the other side",
	} {
		if got := browsertest.Value[string](t, tab, fmt.Sprintf("test.rude(%q)", how)); got != want {
			t.Errorf("%s: it ended with %q", how, got)
		}
	}
	if got := browsertest.Value[string](t, tab, "test.impostor()"); got != "SeaError: WebRTC: connection lost" {
		t.Errorf("another certificate: %s", got)
	}
	got := browsertest.Value[map[string]string](t, tab, "test.attempts()")
	want := map[string]string{
		"no answer":               "SeaError: bad offer or answer: it is of kind 1, not 2",
		"after it failed":         "SeaError: WebRTC: closed on this side",
		"closed":                  "SeaError: WebRTC: closed on this side",
		"no offer":                "SeaError: bad offer or answer: it is of kind 2, not 1",
		"nowhere":                 "SeaError: WebRTC: an address that nothing may be sent to",
		"nobody there":            "SeaError: WebRTC: no way to the other side was found in time",
		"closed while it opens":   "SeaError: WebRTC: closed on this side",
		"closed while it offers":  "SeaError: WebRTC: closed on this side",
		"closed while it answers": "SeaError: WebRTC: closed on this side",
		"one more":                "SeaError: WebRTC: too many connections are being opened",
		"in its place":            "fine",
		"closed with all":         "SeaError: WebRTC: closed on this side",
	}
	if !maps.Equal(got, want) {
		t.Errorf("attempts: got %q, want %q", got, want)
	}
	if open := browsertest.Value[int](t, tab, "test.open()"); open != 0 {
		t.Errorf("%d connections are left open", open)
	}
}

// TestRTCVanished crashes a tab: the other one finds out, after 15 s.
func TestRTCVanished(t *testing.T) {
	if os.Getenv("SEA_TEST_FULL") == "" {
		t.Skip("it takes 15 s: run with SEA_TEST_FULL=1")
	}
	browser := browsertest.Start(t)
	url := browsertest.Serve(t, browsertest.Page(t, "page.ts"))
	a, b := browser.Tab(t, url), browser.Profile(t).Tab(t, url)
	tabs(t, a, b)
	b.Crash(t)
	if why := browsertest.Value[string](t, a, "test.ended()"); why != "connection lost" {
		t.Errorf("ended: %s", why)
	}
	if open := browsertest.Value[int](t, a, "test.open()"); open != 0 {
		t.Errorf("%d connections are left open", open)
	}
}

// tabs links two tabs, and carries what they say between them.
func tabs(t *testing.T, a, b *browsertest.Tab) {
	t.Helper()
	offer := browsertest.Value[string](t, a, "test.offer()")
	answer := browsertest.Value[string](t, b, "test.answer('"+offer+"')")
	a.Run(t, "await test.accept('"+answer+"'); test.start()")
	b.Run(t, "await test.answered(); test.start()")
}

// TestRTCRounds connects again and again, closed by either side, and looks for
// what is left in the browser. It takes 10 rounds, with SEA_TEST_FULL=1 a hundred.
func TestRTCRounds(t *testing.T) {
	rounds := 10
	if os.Getenv("SEA_TEST_FULL") != "" {
		rounds = 100
	}
	tab := browsertest.Start(t).Tab(t, browsertest.Serve(t, browsertest.Page(t, "page.ts")))
	pair := rtcPairs(t)["the tab dials"]
	for i := range rounds {
		c := pair(t, tab)
		tab.Run(t, "test.start(); test.send('2a', 1)")
		recv(t, c.(transport.Bulk).Bulk())
		if i%2 == 0 {
			tab.Run(t, "test.close()")
		} else if err := c.Close(); err != nil {
			t.Error(err)
		}
		tab.Run(t, "await test.ended()")
	}
	if made := browsertest.Value[int](t, tab, "test.made()"); made < rounds {
		t.Errorf("%d connections were made in %d rounds", made, rounds)
	}
	if open := browsertest.Value[int](t, tab, "test.open()"); open != 0 {
		t.Errorf("%d connections are left open", open)
	}
	// The page holds the last wire, and its collector may not see at once that one
	// or two more are garbage.
	if left := tab.Instances(t, "RTCPeerConnection"); left < 1 || left > 3 {
		t.Errorf("%d connections are left in memory", left)
	}
}

// rtcMessages sends messages of several sizes over both lanes and back.
func rtcMessages(t *testing.T, tab *browsertest.Tab, c transport.Conn) {
	tab.Run(t, "test.start()")
	t.Logf("the tab sees %q", browsertest.Value[string](t, tab, "test.remote()"))
	for lane, conn := range []transport.Conn{c, c.(transport.Bulk).Bulk()} {
		for _, size := range []int{1, 2, 16384, transport.MaxMessage} {
			want := bytes.Repeat([]byte{byte(size), 7}, size)[:size]
			tab.Run(t, fmt.Sprintf("test.send('%x', %d)", want, lane))
			got := recv(t, conn)
			if !bytes.Equal(got, want) {
				t.Errorf("lane %d, %d bytes: %d came", lane, size, len(got))
			}
			send(t, conn, got)
			if back := unhex(t, browsertest.Value[string](t, tab, fmt.Sprintf("test.next(%d)", lane))); !bytes.Equal(back, want) {
				t.Errorf("lane %d, %d bytes: %d came back", lane, size, len(back))
			}
		}
	}
}

// rtcFlow sends 5 MiB each way while the reader takes nothing at first: what is
// sent until then is a window, and the control lane is free.
func rtcFlow(t *testing.T, tab *browsertest.Tab, c transport.Conn) {
	const size = transport.MaxMessage
	const count = 5<<20/size + 1
	want := poured(count, size)
	bulk := c.(transport.Bulk).Bulk()

	// From the node, as much as the window takes, then the rest.
	const window = rtcnet.Window / (size + rtcnet.Overhead)
	for i := range window {
		send(t, bulk, message(i, size))
	}
	send(t, c, []byte("free"))
	tab.Run(t, "test.start()")
	if got := browsertest.Value[string](t, tab, "test.next(0)"); got != hex.EncodeToString([]byte("free")) {
		t.Errorf("the control lane brought %s", got)
	}
	rest := make(chan error, 1)
	go func() {
		for i := window; i < count; i++ {
			if err := bulk.Send(t.Context(), message(i, size)); err != nil {
				rest <- err
				return
			}
		}
		rest <- nil
	}()
	if got := browsertest.Value[string](t, tab, fmt.Sprintf("test.collect(%d)", count)); got != want {
		t.Errorf("the tab got other bytes: %s", got)
	}
	if err := <-rest; err != nil {
		t.Error(err)
	}

	// From the tab.
	tab.Run(t, fmt.Sprintf("test.pour(%d, %d)", count, size))
	tab.Run(t, "test.send('2a', 0)")
	if got := recv(t, c); !bytes.Equal(got, []byte{42}) {
		t.Errorf("the control lane brought %x", got)
	}
	// What it may have queued itself comes to the window, and one more message.
	if sent := browsertest.Value[int](t, tab, "test.sent()"); sent > window+256<<10/size+2 {
		t.Errorf("%d messages were sent to a reader that takes none", sent)
	}
	got := sha256.New()
	for range count {
		got.Write(recv(t, bulk))
	}
	if sum := hex.EncodeToString(got.Sum(nil)); sum != want {
		t.Errorf("the node got other bytes: %s", sum)
	}
	tab.Run(t, "await test.poured()")
}

// message is one of what the page's pour sends.
func message(i, size int) []byte { return bytes.Repeat([]byte{byte(i % 251)}, size) }

// poured is the hash of all of it.
func poured(count, size int) string {
	whole := sha256.New()
	for i := range count {
		whole.Write(message(i, size))
	}
	return hex.EncodeToString(whole.Sum(nil))
}

func send(t *testing.T, c transport.Conn, msg []byte) {
	t.Helper()
	if err := c.Send(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func recv(t *testing.T, c transport.Conn) []byte {
	t.Helper()
	msg, err := c.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func closed(t *testing.T, c transport.Conn) transport.Conn {
	t.Cleanup(func() { c.Close() })
	return c
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
