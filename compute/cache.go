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
	dir     string
	most    int64 // bytes on the disk
	folders int
	log     *slog.Logger

	mu    sync.Mutex // guards users
	users map[string]int
}

// maxFolders is how many modules a cache keeps: a sweep over all of them takes
// some 50 ms.
const maxFolders = 4096

// room is a module's folder in the cache, for one worker that makes its program.
type room struct {
	cache  *cache
	folder string // "" when nothing is kept
	fresh  bool   // it is empty, to be filled and sealed
	filled bool   // it was
}

// open gives the folder for the job's module. It must be closed when its program
// is made. While one fills a folder, or one uses what has changed since, others
// get none; nor does anyone while the disk does not do as it should.
func (c *cache) open(job Job, engine string) *room {
	if c.dir == "" {
		return &room{}
	}
	version := meter.Version()
	key := identity.HashOf(append(job.Module[:], encode([]any{cacheVersion, job.Tariff, job.Limits.MemoryPages, engine, version[:]})...))
	r := &room{cache: c, folder: filepath.Join(c.dir, key.String())}
	c.mu.Lock()
	defer c.mu.Unlock()
	seal, _ := os.ReadFile(sealFile(r.folder))
	if sum, err := hashFolder(r.folder); err != nil || string(seal) != sum.String() {
		if c.users[r.folder] > 0 {
			return &room{}
		}
		r.fresh = true
		if err := errors.Join(removeFolder(r.folder), os.MkdirAll(r.folder, 0o700)); err != nil {
			c.log.Warn("compile cache is not used", "err", err)
			return &room{}
		}
	}
	if c.users == nil {
		c.users = make(map[string]int)
	}
	c.users[r.folder]++
	now := time.Now()
	if err := os.Chtimes(r.folder, now, now); err != nil { // when it was used last
		c.log.Debug("compile cache", "err", err)
	}
	return r
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

// trim removes the folders that were not used for longest until the rest fits.
func (c *cache) trim() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	type kept struct {
		path string
		size int64
		used time.Time
	}
	var list []kept
	var total int64
	bad := 0 // folders that no worker should have left
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		k := kept{path: filepath.Join(c.dir, e.Name()), used: info.ModTime()}
		if k.size, err = folderSize(k.path); err != nil {
			k.used = time.Time{} // the first to go
			bad++
		}
		total += k.size
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b kept) int { return a.used.Compare(b.used) })
	left := len(list)
	for _, k := range list {
		if total <= c.most && left <= c.folders && bad == 0 {
			break
		}
		bad = max(0, bad-1)
		if c.users[k.path] > 0 {
			continue
		}
		if err := removeFolder(k.path); err != nil {
			return err
		}
		total -= k.size
		left--
	}
	return nil
}
