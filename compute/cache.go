package compute

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
)

// cache is the folder of compiled modules. Each module has a folder of its own
// in it, and a worker is told of that one only: a guest that breaks out of its
// engine finds no other module's code to change.
type cache struct {
	dir  string
	most int64
	log  *slog.Logger

	mu    sync.Mutex // guards users
	users map[string]int
}

// sumFile, in a module's folder, has the hash of everything else there. Who
// writes code there without it has it removed unseen.
const sumFile = "sum"

// open gives the folder for the job's module, "" when nothing is kept. release
// must be called when its worker is done.
func (c *cache) open(job Job, engine string) (folder string, release func(), err error) {
	if c.dir == "" {
		return "", func() {}, nil
	}
	key := identity.HashOf(append(job.Module[:], encode([]any{job.Tariff, engine})...))
	folder = filepath.Join(c.dir, key.String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[folder] == 0 {
		if sum, _ := os.ReadFile(filepath.Join(folder, sumFile)); string(sum) != hashFolder(folder).String() {
			if err := os.RemoveAll(folder); err != nil {
				return "", nil, err
			}
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", nil, err
		}
	}
	if c.users == nil {
		c.users = make(map[string]int)
	}
	c.users[folder]++
	now := time.Now()
	if err := os.Chtimes(folder, now, now); err != nil { // when it was used last
		c.log.Debug("compile cache", "err", err)
	}
	return folder, func() { c.release(folder) }, nil
}

// release seals the folder when nobody uses it any more, and makes room.
func (c *cache) release(folder string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[folder]--; c.users[folder] > 0 {
		return
	}
	delete(c.users, folder)
	name, sum := filepath.Join(folder, sumFile), hashFolder(folder).String()
	if old, _ := os.ReadFile(name); string(old) == sum {
		return // nothing was added
	}
	if err := os.WriteFile(name, []byte(sum), 0o600); err != nil {
		c.log.Warn("compile cache is not kept", "err", err)
	}
	if err := c.trim(); err != nil {
		c.log.Warn("compile cache is not trimmed", "err", err)
	}
}

// trim removes the folders that were not used for longest until the rest fits.
func (c *cache) trim() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	type folder struct {
		path string
		size int64
		used time.Time
	}
	var list []folder
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		f := folder{path: filepath.Join(c.dir, e.Name()), used: info.ModTime()}
		walkFiles(f.path, func(_ string, info os.FileInfo) { f.size += info.Size() })
		total += f.size
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b folder) int { return a.used.Compare(b.used) })
	for _, f := range list {
		if total <= c.most {
			break
		}
		if c.users[f.path] > 0 {
			continue
		}
		if err := os.RemoveAll(f.path); err != nil {
			return err
		}
		total -= f.size
	}
	return nil
}

// walkFiles calls f for each file below dir, in byte order of their paths.
func walkFiles(dir string, f func(path string, info os.FileInfo)) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			f(path, info)
		}
		return nil
	})
}

// hashFolder is the hash of the names and bytes of all files in dir but the sum.
// A file that cannot be read makes it differ.
func hashFolder(dir string) identity.Hash {
	var all []byte
	walkFiles(dir, func(path string, _ os.FileInfo) {
		if filepath.Base(path) == sumFile {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			b = []byte(err.Error() + time.Now().String())
		}
		h := identity.HashOf(b)
		all = append(append(all, path...), h[:]...)
	})
	return identity.HashOf(all)
}
