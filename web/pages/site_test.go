package pages_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/peersea/sea/web/pages"
)

func TestSite(t *testing.T) {
	get := func(site http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w
	}
	for _, tc := range []struct {
		site         http.Handler
		method, path string
		want         int
		kind         string
	}{
		{pages.Join(), "GET", "/", 200, "text/html; charset=utf-8"},
		{pages.Join(), "GET", "/join.js", 200, "text/javascript; charset=utf-8"},
		{pages.Join(), "GET", "/worker.js", 200, "text/javascript; charset=utf-8"},
		{pages.Join(), "GET", "/join.css", 200, "text/css; charset=utf-8"},
		{pages.Join(), "GET", "/dashboard.css", 200, "text/css; charset=utf-8"},
		{pages.Join(), "HEAD", "/icon.svg", 200, "image/svg+xml"},
		{pages.Join(), "GET", "/meter.wasm", 200, "application/wasm"},
		{pages.Join(), "GET", "/primes.wasm", 200, "application/wasm"},
		{pages.Join(), "GET", "/meter.wasm.gz", 404, ""},
		{pages.Join(), "GET", "/dashboard.js", 404, ""},
		{pages.Join(), "GET", "/join/", 404, ""},
		{pages.Join(), "GET", "/../site.go", 404, ""},
		{pages.Join(), "POST", "/", 405, ""},
		{pages.Dashboard(), "GET", "/", 200, "text/html; charset=utf-8"},
		{pages.Dashboard(), "GET", "/dashboard.js", 200, "text/javascript; charset=utf-8"},
		{pages.Dashboard(), "GET", "/join.js", 404, ""},
		{pages.Dashboard(), "PUT", "/dashboard.js", 405, ""},
	} {
		for _, takes := range []string{"gzip", "identity"} {
			w := get(tc.site, tc.method, tc.path, "Accept-Encoding", takes)
			if w.Code != tc.want || tc.kind != "" && w.Header().Get("Content-Type") != tc.kind {
				t.Errorf("%s %s as %s: got %d, %s, want %d, %s", tc.method, tc.path, takes, w.Code, w.Header().Get("Content-Type"), tc.want, tc.kind)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("%s %s: the policy is %q", tc.method, tc.path, policy)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cross-Origin-Opener-Policy") != "same-origin" {
				t.Errorf("%s %s: its headers are %v", tc.method, tc.path, w.Header())
			}
		}
	}

	// All get the same bytes, in the encoding that they take.
	want, err := os.ReadFile("join/join.js")
	if err != nil {
		t.Fatal(err)
	}
	for takes, packed := range map[string]bool{
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.0": false, "br, gzip;q=0": false, "x-gzip": false,
		"gzip": true, "gzip, deflate, br, zstd": true, "br , GZIP ; q=0.5": true,
	} {
		w := get(pages.Join(), "GET", "/join.js", "Accept-Encoding", takes)
		var body io.Reader = w.Body
		if said := w.Header().Get("Content-Encoding") == "gzip"; said != packed {
			t.Errorf("who takes %q: packed %v, want %v", takes, said, packed)
			continue
		}
		if packed {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("who takes %q: got %d bytes, want %d; %v", takes, len(got), len(want), err)
		}
	}

	// Who has a file need not load it again.
	tag := get(pages.Join(), "GET", "/meter.wasm", "Accept-Encoding", "gzip").Header().Get("ETag")
	if w := get(pages.Join(), "GET", "/meter.wasm", "Accept-Encoding", "gzip", "If-None-Match", tag); w.Code != 304 || w.Body.Len() > 0 {
		t.Errorf("the meter again: %d, %d bytes", w.Code, w.Body.Len())
	}
}
