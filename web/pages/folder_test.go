package pages_test

import (
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/web/pages"
)

func TestFolder(t *testing.T) {
	handler := pages.Folder(fstest.MapFS{
		"index.html":      {Data: []byte("<p>home")},
		"page.js":         {Data: []byte("script")},
		"sub/index.html":  {Data: []byte("<p>sub")},
		"bare/secret.txt": {Data: []byte("known by name alone")},
		".env":            {Data: []byte("secret")},
		"sub/.git/config": {Data: []byte("secret")},
	})
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/page.js", 200},
		{"GET", "/sub/", 200},
		{"GET", "/bare/secret.txt", 200},
		{"GET", "/bare/", 404},
		{"GET", "/bare", 404},
		{"GET", "/bare/.", 404},
		{"GET", "/sub/../bare/", 404},
		{"GET", "/.env", 404},
		{"GET", "/sub/.git/config", 404},
		{"GET", "/sub/.git/", 404},
		{"GET", "/sub/%2egit/config", 404},
		{"GET", "/none", 404},
		{"POST", "/", 405},
		{"PUT", "/page.js", 405},
		{"OPTIONS", "/", 405},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.want {
			t.Errorf("%s %s: got %d, want %d", tc.method, tc.path, w.Code, tc.want)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", tc.method, tc.path, name, got, want)
			}
		}
	}
}
