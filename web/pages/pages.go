// Package pages holds the pages that a daemon shows to a browser, ready to be
// served: HTML and styles as they are, scripts bundled from the TypeScript beside
// them by `go generate ./web/pages`, which a test holds to be current.
package pages

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:generate go run generate.go

//go:embed dashboard
var files embed.FS

// policy lets a page load and ask for nothing but this server's own, run no
// inline script, make no script of text, and stand in no other page's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Protect sets the headers that every answer to a browser has: the policy for
// pages, and that nothing is taken for what it does not say it is.
func Protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// Dashboard serves the dashboard at /, which shows the control API at /v1 of the
// same server. It has nothing of any node in it.
func Dashboard() http.Handler { return dashboard }

var dashboard = serve("dashboard")

func serve(folder string) http.Handler {
	folderFS, err := fs.Sub(files, folder)
	if err != nil {
		panic("pages: " + err.Error()) // the name is no path
	}
	server := http.FileServerFS(folderFS)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Protect(w.Header())
		w.Header().Set("Cache-Control", "no-cache") // another version of the daemon may have another page
		server.ServeHTTP(w, r)
	})
}

// Folder serves an operator's own pages, to anyone: files, and index.html for a
// folder, but no list of a folder's files and nothing whose name begins with a
// dot. Its pages are isolated from other origins', so that one that sells can
// steer its guests.
func Folder(fsys fs.FS) http.Handler {
	server := http.FileServerFS(fsys)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
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
