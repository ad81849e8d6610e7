package browsertest

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/peersea/sea/web/internal/bundle"
)

// page runs the module test.js. It has an icon, which a browser would ask for.
const page = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>Test</title>
<script type="module" src="test.js"></script>
`

// Page makes a page that runs the TypeScript module at path, bundled with all
// that it imports. What scripts are to call it puts into globalThis; see the
// test of this package. More files may be added.
func Page(t testing.TB, path string) fstest.MapFS {
	t.Helper()
	module, err := bundle.File(path, !bundle.Small)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"index.html": {Data: []byte(page)},
		"test.js":    {Data: module},
	}
}

// Serve serves files on loopback until the test ends, and returns the URL of
// their folder, which ends in a slash.
func Serve(t testing.TB, files fs.FS) string {
	t.Helper()
	server := httptest.NewServer(http.FileServerFS(files))
	t.Cleanup(server.Close)
	return server.URL + "/"
}
