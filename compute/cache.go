package compute

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/compute/internal/meter"
	"github.com/peersea/sea/identity"
)

// cache is the folder of metered and compiled modules. Each has a folder of its
// own in it, and a worker is told of that one only: a guest that breaks out of
// its engine finds no other module's code to change. Beside the folder, out of
// the worker's reach, lies its seal: the hash of what was there when the module
// was ready and no guest had run.
type cache struct {
	dir  string
	most int64
	log  *slog.Logger

	mu    sync.Mutex // guards users
	users map[string]int
}

// sealFile, beside a folder, has the hash of everything in it. A folder without
// one is removed unseen.
func sealFile(folder string) string { return folder + ".seal" }

// room is a module's folder in the cache, for one worker that makes its program.
type room struct {
	cache  *cache
	folder string // "" when nothing is kept
	fresh  bool   // it is empty, to be filled and sealed
	filled bool   // it was
}

// open gives the folder for the job's module. It must be closed when its program
// is made. While one fills a folder, or one uses what has changed since, others
// get none.
func (c *cache) open(job Job, engine string) (*room, error) {
	if c.dir == "" {
		return &room{}, nil
	}
	version := meter.Version()
	key := identity.HashOf(append(job.Module[:], encode([]any{cacheVersion, job.Tariff, job.Limits.MemoryPages, engine, version[:]})...))
	r := &room{cache: c, folder: filepath.Join(c.dir, key.String())}
	c.mu.Lock()
	defer c.mu.Unlock()
	seal, _ := os.ReadFile(sealFile(r.folder))
	if len(seal) == 0 || string(seal) != hashFolder(r.folder).String() {
		if c.users[r.folder] > 0 {
			return &room{}, nil
		}
		if err := removeFolder(r.folder); err != nil {
			return nil, err
		}
		r.fresh = true
	}
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return nil, err
	}
	if c.users == nil {
		c.users = make(map[string]int)
	}
	c.users[r.folder]++
	now := time.Now()
	if err := os.Chtimes(r.folder, now, now); err != nil { // when it was used last
		c.log.Debug("compile cache", "err", err)
	}
	return r, nil
}

// cacheVersion is that of the files in a folder.
const cacheVersion = 2

// seal makes what is in a fresh folder valid, which had this hash before the
// first guest ran.
func (r *room) seal(sum identity.Hash) {
	if !r.fresh || r.folder == "" {
		return
	}
	r.fresh, r.filled = false, true
	if err := os.WriteFile(sealFile(r.folder), []byte(sum.String()), 0o600); err != nil {
		r.cache.log.Warn("compile cache is not kept", "err", err)
	}
}

// close lets others have the folder, makes room after it was filled, and removes
// it when it was to be filled and is not sealed. No worker may fill it any more.
func (r *room) close() {
	if r.folder == "" {
		return
	}
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users[r.folder]--; c.users[r.folder] == 0 {
		delete(c.users, r.folder)
	}
	if r.fresh { // nobody else has it, and what is there without a seal is nothing
		if err := removeFolder(r.folder); err != nil {
			c.log.Warn("compile cache is not cleaned", "err", err)
		}
	}
	if !r.filled {
		return
	}
	if err := c.trim(); err != nil {
		c.log.Warn("compile cache is not trimmed", "err", err)
	}
}

// removeFolder removes the seal first: what lies there without one is nothing.
func removeFolder(folder string) error {
	if err := os.Remove(sealFile(folder)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(folder)
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
		if err := removeFolder(f.path); err != nil {
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

// hashFolder is the hash of the names and bytes of all files in dir. A file that
// cannot be read makes it differ.
func hashFolder(dir string) identity.Hash {
	var all []byte
	walkFiles(dir, func(path string, _ os.FileInfo) {
		b, err := os.ReadFile(path)
		if err != nil {
			b = []byte(err.Error() + time.Now().String())
		}
		name, _ := filepath.Rel(dir, path)
		h := identity.HashOf(b)
		all = append(append(all, name...), h[:]...)
	})
	return identity.HashOf(all)
}
