//go:build !wasip1

package meter

import (
	"crypto/sha256"
	"embed"
	"io/fs"
	"sync"
)

//go:embed *.go
var sources embed.FS

// Version names what Rewrite makes of a module: it is the hash of this package's
// sources, so that nobody can forget to change it. Caches of metered modules have
// it in their keys.
var Version = sync.OnceValue(func() [sha256.Size]byte {
	h := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := sources.ReadFile(path)
		h.Write([]byte(path))
		h.Write(b)
		return err
	})
	if err != nil {
		panic("meter: its own sources: " + err.Error())
	}
	return [sha256.Size]byte(h.Sum(nil))
})
