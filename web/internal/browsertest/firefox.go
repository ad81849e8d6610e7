package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// preferences let pages of one machine reach each other by WebRTC, with plain
// addresses, and keep Firefox from calling home.
const preferences = `
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
`

// listening is what Firefox says of where it takes commands.
var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://127\.0\.0\.1:[0-9]+)`)

// maxReply bounds one message of Firefox's, in bytes.
const maxReply = 64 << 20

// A firefox is a headless Firefox with a new profile, driven by WebDriver BiDi
// (https://w3c.github.io/webdriver-bidi).
type firefox struct {
	conn *websocket.Conn
	done chan struct{} // closed when nothing more is read

	mu      sync.Mutex // guards what follows
	last    int64
	waiting map[int64]chan bidi
	tabs    map[string]*Tab // by browsing context
}

// A bidi is what Firefox sends: the answer to a command, or an event.
type bidi struct {
	ID      int64           `json:"id"`
	Type    string          `json:"type"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// Firefox is Start with a Firefox.
func Firefox(t testing.TB) *Browser {
	t.Helper()
	path := find(t, "Firefox", "firefox-esr", "firefox")
	home := t.TempDir()
	profile := filepath.Join(home, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_DISABLE_CONTENT_SANDBOX=1") // its own needs rights that containers lack
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	url := ""
	for lines := bufio.NewScanner(says); url == "" && lines.Scan(); {
		if at := listening.FindStringSubmatch(lines.Text()); at != nil {
			url = at[1]
		}
	}
	if url == "" {
		t.Fatalf("%s ended before it took commands", path)
	}
	go func() { _, _ = io.Copy(io.Discard, says) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(maxReply)
	f := &firefox{conn: conn, done: make(chan struct{}), waiting: make(map[int64]chan bidi), tabs: make(map[string]*Tab)}
	go f.read(t)
	t.Cleanup(func() {
		conn.CloseNow()
		<-f.done
	})
	none := struct{}{}
	f.must(t, ctx, "session.new", map[string]any{"capabilities": none}, nil)
	f.must(t, ctx, "session.subscribe", map[string]any{"events": []string{"log.entryAdded", "network.responseCompleted"}}, nil)
	return &Browser{firefox: f}
}

// read gives answers and events to those who wait for them, until the end.
func (f *firefox) read(t testing.TB) {
	defer close(f.done)
	for {
		_, b, err := f.conn.Read(context.Background())
		if err != nil {
			return
		}
		var m bidi
		if err := json.Unmarshal(b, &m); err != nil {
			t.Errorf("firefox: %v", err)
			return
		}
		if m.Type == "event" {
			f.event(t, m)
			continue
		}
		f.mu.Lock()
		answer := f.waiting[m.ID]
		delete(f.waiting, m.ID)
		f.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// event takes what a tab's console shows, and what its page asked for and did not get.
func (f *firefox) event(t testing.TB, m bidi) {
	var in struct {
		// Of log.entryAdded.
		Level, Text string
		Source      struct{ Context string }
		// Of network.responseCompleted.
		Context  string
		Request  struct{ URL string }
		Response struct{ Status int }
	}
	if err := json.Unmarshal(m.Params, &in); err != nil {
		t.Errorf("firefox: %s: %v", m.Method, err)
		return
	}
	f.mu.Lock()
	tab := f.tabs[in.Source.Context+in.Context]
	f.mu.Unlock()
	switch {
	case tab == nil:
	case in.Response.Status >= 400:
		tab.message(t, fmt.Sprintf("%s: status %d", in.Request.URL, in.Response.Status), true)
	case in.Response.Status == 0:
		tab.message(t, in.Text, in.Level == "error")
	}
}

// command carries one out; its result goes to into, unless that is nil.
func (f *firefox) command(ctx context.Context, method string, params, into any) error {
	answer := make(chan bidi, 1)
	f.mu.Lock()
	f.last++
	id := f.last
	f.waiting[id] = answer
	f.mu.Unlock()
	b, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err != nil {
		return err
	}
	if err := f.conn.Write(ctx, websocket.MessageText, b); err != nil {
		return err
	}
	select {
	case m := <-answer:
		switch {
		case m.Type != "success":
			return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		case into == nil:
			return nil
		}
		return json.Unmarshal(m.Result, into)
	case <-f.done:
		return errors.New("firefox has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *firefox) must(t testing.TB, ctx context.Context, method string, params, into any) {
	t.Helper()
	if err := f.command(ctx, method, params, into); err != nil {
		t.Fatalf("firefox: %v", err)
	}
}

// A foxTab is a tab of a Firefox.
type foxTab struct {
	f       *firefox
	context string
}

// open opens an empty one, with the profile of a user context, whose console tab hears.
func (f *firefox) open(t testing.TB, profile string, tab *Tab) *foxTab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	params := map[string]any{"type": "tab"}
	if profile != "" {
		params["userContext"] = profile
	}
	var made struct{ Context string }
	f.must(t, ctx, "browsingContext.create", params, &made)
	f.mu.Lock()
	f.tabs[made.Context] = tab
	f.mu.Unlock()
	return &foxTab{f, made.Context}
}

// profile makes one that shares nothing with others.
func (f *firefox) profile(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var made struct{ UserContext string }
	f.must(t, ctx, "browser.createUserContext", struct{}{}, &made)
	return made.UserContext
}

func (tab *foxTab) open(ctx context.Context, url string) error {
	return tab.f.command(ctx, "browsingContext.navigate", map[string]any{"context": tab.context, "url": url, "wait": "complete"}, nil)
}

func (tab *foxTab) eval(ctx context.Context, expression string) (text string, err error) {
	var out struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	err = tab.f.command(ctx, "script.evaluate", map[string]any{
		"expression": expression, "target": map[string]any{"context": tab.context}, "awaitPromise": true, "userActivation": true,
	}, &out)
	if err == nil && out.Type != "success" {
		err = errors.New(out.ExceptionDetails.Text)
	}
	return out.Result.Value, err
}

func (tab *foxTab) front(ctx context.Context) error {
	return tab.f.command(ctx, "browsingContext.activate", map[string]any{"context": tab.context}, nil)
}

func (tab *foxTab) close(ctx context.Context) error {
	tab.f.mu.Lock()
	delete(tab.f.tabs, tab.context)
	tab.f.mu.Unlock()
	return tab.f.command(ctx, "browsingContext.close", map[string]any{"context": tab.context}, nil)
}
