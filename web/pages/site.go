package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// site is the files of a page that the binary holds, by their names. They are
// sent as gzip, a third of their bytes, to whoever takes that; a browser that
// comes again is told that it has them.
type site struct {
	files  map[string]file
	header func(http.Header) // of every answer
}

type file struct {
	kind   string // its MIME type
	tag    string // names what is in it
	packed []byte // gzip
}

// kinds are the MIME types of what pages have. The system's own list, which a
// program on it may have changed, is not asked.
var kinds = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".wasm": "application/wasm",
}

// newSite packs files that are not packed yet, which a name that ends in .gz is.
func newSite(header func(http.Header), files map[string][]byte) *site {
	s := &site{files: map[string]file{}, header: header}
	for name, b := range files {
		name, packed := strings.CutSuffix(name, ".gz")
		if !packed {
			b = pack(b)
		}
		sum := sha256.Sum256(b)
		s.files[name] = file{kind: kinds[path.Ext(name)], tag: hex.EncodeToString(sum[:8]), packed: b}
	}
	return s
}

func pack(b []byte) []byte {
	var to bytes.Buffer
	w, err := gzip.NewWriterLevel(&to, gzip.BestCompression)
	if err != nil {
		panic("pages: " + err.Error()) // the level is none
	}
	_, _ = w.Write(b) // a buffer takes all
	_ = w.Close()
	return to.Bytes()
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	s.header(h)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "This is a page.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	f, ok := s.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.Set("Cache-Control", "no-cache") // another version of the daemon may have another page
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", `"`+f.tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.packed))
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(f.packed))
	if err != nil {
		panic("pages: " + err.Error()) // the binary is not what was built
	}
	_, _ = io.Copy(w, unpacked) // who has gone needs no more
}

// takesGzip reports whether a request names gzip among what it takes.
func takesGzip(r *http.Request) bool {
	for _, list := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(list, ",") {
			name, rest, _ := strings.Cut(strings.TrimSpace(one), ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				weight, _ := strings.CutPrefix(strings.ReplaceAll(rest, " ", ""), "q=")
				return strings.Trim(weight, "0.") != "" || weight == ""
			}
		}
	}
	return false
}
