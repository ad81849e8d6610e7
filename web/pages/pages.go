// Package pages holds the pages that a daemon shows to a browser, ready to be
// served: HTML and styles as they are, scripts bundled from the TypeScript beside
// them, and the meter that runs guests in a tab, by `go generate ./web/pages`,
// which a test holds to be current.
package pages

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/peersea/sea/examples"
)

//go:generate go run generate.go

//go:embed dashboard join/*.html join/*.css join/*.js join/*.gz
var files embed.FS

// policy lets a page load and ask for nothing but this server's own, run no
// inline script, make no script of text, and stand in no other page's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// joinPolicy also lets a page run WebAssembly, in a thread, and link to peers.
const joinPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Protect sets the headers that every answer to a browser has: the policy for
// pages, and that nothing is taken for what it does not say it is.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	isolate(h)
}

// isolate keeps other origins' pages out of a page, and out of its process.
func isolate(h http.Header) {
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// isolateGuests also lets a page that sells steer its guests: browsers give
// threads that share memory to pages that are alone in their process.
func isolateGuests(h http.Header) {
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	isolate(h)
}

// Dashboard serves the dashboard at /, which shows the control API at /v1 of the
// same server. It has nothing of any node in it.
func Dashboard() http.Handler { return dashboard() }

var dashboard = sync.OnceValue(func() *site {
	return newSite(Protect, embedded("dashboard/*"))
})

// Join serves the join page at /, to anyone: the visitor's tab becomes a peer by
// the node that listens at the same port.
func Join() http.Handler { return join() }

var join = sync.OnceValue(func() *site {
	all := embedded("join/*", "dashboard/dashboard.css", "dashboard/icon.svg")
	all["primes.wasm"] = examples.Primes
	return newSite(func(h http.Header) {
		h.Set("Content-Security-Policy", joinPolicy)
		isolateGuests(h)
	}, all)
})

// embedded gives the files that patterns name, by their last names.
func embedded(patterns ...string) map[string][]byte {
	all := map[string][]byte{}
	for _, pattern := range patterns {
		names, err := fs.Glob(files, pattern)
		if err != nil || len(names) == 0 {
			panic("pages: nothing is " + pattern)
		}
		for _, name := range names {
			b, err := files.ReadFile(name)
			if err != nil {
				panic("pages: " + err.Error()) // it has just been listed
			}
			all[path.Base(name)] = b
		}
	}
	return all
}

// Folder serves an operator's own pages, to anyone: files, and index.html for a
// folder, but no list of a folder's files and nothing whose name begins with a
// dot. Its pages are isolated from other origins', so that one that sells can
// steer its guests.
func Folder(fsys fs.FS) http.Handler {
	server := http.FileServerFS(fsys)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		isolateGuests(h)
		h.Set("Cache-Control", "no-cache")
		name := path.Clean("/" + r.URL.Path)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "This is a page.", http.StatusMethodNotAllowed)
			return
		}
		if strings.Contains(name, "/.") || isBareFolder(fsys, name) {
			http.NotFound(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}

// isBareFolder reports whether name is a folder without an index.html.
func isBareFolder(fsys fs.FS, name string) bool {
	name = path.Join(".", name)
	info, err := fs.Stat(fsys, name)
	if err != nil || !info.IsDir() {
		return false
	}
	_, err = fs.Stat(fsys, path.Join(name, "index.html"))
	return err != nil
}
