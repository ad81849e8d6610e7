package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A request that does not come from the dashboard's own page, with its token, is
// answered 403 and reaches nothing.
func TestGate(t *testing.T) {
	reached := 0
	gate := newGate("right", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	ask := func(method, host, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		return w
	}
	const here = "127.0.0.1:4170"
	token := []string{"Authorization", "Bearer right"}
	browser := append([]string{"Sec-Fetch-Site", "same-origin"}, token...)

	for _, tc := range []struct {
		name, method, host, path string
		header                   []string
	}{
		{"no token", "GET", here, "/v1/status", nil},
		{"empty token", "GET", here, "/v1/status", []string{"Authorization", "Bearer "}},
		{"wrong token", "GET", here, "/v1/status", []string{"Authorization", "Bearer wrong"}},
		{"longer token", "GET", here, "/v1/status", []string{"Authorization", "Bearer right1"}},
		{"token without its word", "GET", here, "/v1/status", []string{"Authorization", "right"}},
		{"basic authentication", "GET", here, "/v1/status", []string{"Authorization", "Basic cmlnaHQ="}},
		{"token in the query", "GET", here, "/v1/status?token=right", nil},
		{"token in a cookie", "GET", here, "/v1/status", []string{"Cookie", "token=right"}},
		{"name led here", "GET", "evil.example", "/v1/status", token},
		{"name led here, with a port", "GET", "evil.example:4170", "/v1/status", token},
		{"name that begins well", "GET", "localhost.evil.example", "/v1/status", token},
		{"name that begins with the address", "GET", "127.0.0.1.evil.example", "/v1/status", token},
		{"address of the network", "GET", "192.168.1.7:4170", "/v1/status", token},
		{"any address", "GET", "0.0.0.0:4170", "/v1/status", token},
		{"no host", "GET", "", "/v1/status", token},
		{"page of a name led here", "GET", "evil.example:4170", "/", nil},
		{"other site", "GET", here, "/v1/status", append([]string{"Sec-Fetch-Site", "cross-site"}, token...)},
		{"other port", "GET", here, "/v1/status", append([]string{"Sec-Fetch-Site", "same-site"}, token...)},
		{"address bar", "GET", here, "/v1/status", append([]string{"Sec-Fetch-Site", "none"}, token...)},
		{"other origin", "GET", here, "/v1/status", append([]string{"Origin", "https://evil.example"}, token...)},
		{"other port's origin", "GET", here, "/v1/status", append([]string{"Origin", "http://127.0.0.1:80"}, token...)},
		{"other scheme's origin", "GET", here, "/v1/status", append([]string{"Origin", "https://" + here}, token...)},
		{"origin of a sandbox", "GET", here, "/v1/status", append([]string{"Origin", "null"}, token...)},
		{"form of another site", "POST", here, "/v1/jobs/abcdef/cancel", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"}},
		{"preflight", "OPTIONS", here, "/v1/shift", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}},
		{"preflight with the token", "OPTIONS", here, "/v1/shift", browser},
		{"stop", "POST", here, "/v1/stop", browser},
		{"pay", "POST", here, "/v1/credit/abcdef/pay", browser},
		{"lend", "PUT", here, "/v1/credit/abcdef/limit", browser},
		{"buy", "POST", here, "/v1/jobs", browser},
		{"policy program", "PUT", here, "/v1/offer", browser},
		{"backup", "POST", here, "/v1/credit/backup", browser},
		{"certificate", "POST", here, "/v1/certs", browser},
		{"plugin", "PUT", here, "/v1/plugins/x", browser},
		{"way around", "POST", here, "/v1/jobs/../stop", browser},
		{"another dashboard", "POST", here, "/v1/dashboard", browser},
	} {
		w := ask(tc.method, tc.host, tc.path, tc.header...)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", tc.name, w.Code)
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: got %s: nobody else may read answers", tc.name, name)
			}
		}
	}
	if reached != 0 {
		t.Fatalf("%d forged requests came through", reached)
	}

	for _, host := range []string{here, "localhost:9000", "[::1]:4170", "127.0.0.1"} {
		for _, header := range [][]string{token, browser} {
			w := ask("GET", host, "/v1/status", append([]string{"Origin", "http://" + host}, header...)...)
			if w.Code != http.StatusOK || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("the page itself at %s: got %d, %v", host, w.Code, w.Header())
			}
		}
	}
	if w := ask("GET", here, "/"); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: got %d, %v", w.Code, w.Header())
	}
}

// Each route that browsers get is one of the control API's.
func TestPageRoutes(t *testing.T) {
	routes := (&api{d: &daemon{}}).handler().(*http.ServeMux)
	fill := strings.NewReplacer("{path...}", "a/b", "{job}", "abcdef")
	for _, pattern := range pageRoutes {
		method, path, _ := strings.Cut(pattern, " ")
		if _, got := routes.Handler(httptest.NewRequest(method, fill.Replace(path), nil)); got != pattern {
			t.Errorf("%s: the control API has %q there", pattern, got)
		}
	}
}
