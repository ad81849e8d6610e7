// Package storage keeps blobs, named by their SHA-256, in a bounded folder, and
// moves them between nodes.
//
// A Storage is the folder: Put takes bytes in, Open gives them out, Pin keeps
// them, and what nobody has pinned is dropped, the longest unused first, when
// room is needed or after a week. As a plugin it serves the scope "storage:get"
// to the peers a blob was shared with, or to Anyone, and to nobody else; Fetch is the other
// side of it. *Storage is a compute.Blobs.
//
// A blob is there wholly and with the right bytes, or not at all: it is hashed
// while it is written, synced, and only then given its name.
//
// Pins and shares are kept in memory: whoever needs a blob says so again after a
// restart, before anything else is put in.
package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// What a Config's zero fields stand for.
const (
	DefaultMaxBytes = 1 << 30
	DefaultMaxAge   = 7 * 24 * time.Hour
)

// maxBlobs bounds how many blobs are kept at a time, whatever their size.
const maxBlobs = 1 << 16

var (
	// ErrFull is returned when a blob does not fit beside what is pinned.
	ErrFull = errors.New("the storage is full")

	// ErrHash is returned when fetched bytes are not those that were asked for.
	ErrHash = errors.New("the bytes do not have the hash that names them")

	// ErrSize is returned when a blob is larger than the caller allows.
	ErrSize = errors.New("the blob is too large")
)

// Config is what may be wished for.
type Config struct {
	// MaxBytes bounds all blobs together, those still arriving included; 0 is
	// DefaultMaxBytes. Pinned blobs count and are never dropped. Fetches that
	// were interrupted may keep a quarter of it beside.
	MaxBytes int64
	// MaxAge is how long an unpinned blob is kept after its last use; 0 is
	// DefaultMaxAge.
	MaxAge time.Duration
	// Log takes what an operator should know; nil discards.
	Log *slog.Logger
}

// A Storage is the folder and the plugin. All methods may be called at once.
type Storage struct {
	dir string
	cfg Config

	serving chan struct{} // one element for each chunk that is being read for a peer
	peers

	mu      sync.Mutex // guards what follows
	blobs   map[identity.Hash]*entry
	total   int64                           // of blobs and of what is being written
	arrival map[identity.Hash]chan struct{} // fetches under way; closed when they end
}

type entry struct {
	size int64
	used time.Time
	pins int
}

// Open opens the folder, making it with mode 0700 when there is none, and drops
// what a crash has left half written, all but interrupted fetches, which go on
// where they stopped.
func Open(dir string, cfg Config) (*Storage, error) {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Storage{
		dir: dir, cfg: cfg,
		serving: make(chan struct{}, maxServing),
		peers:   peers{shared: map[identity.Hash]map[identity.Entity]int{}},
		blobs:   map[identity.Hash]*entry{},
		arrival: map[identity.Hash]chan struct{}{},
	}
	for _, d := range []string{dir, s.tempDir(), s.partDir()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open storage: %w", err)
		}
	}
	if err := s.scan(); err != nil {
		return nil, fmt.Errorf("open storage %s: %w", dir, err)
	}
	return s, nil
}

// scan reads what is there.
func (s *Storage) scan() error {
	left, err := os.ReadDir(s.tempDir())
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.Remove(filepath.Join(s.tempDir(), f.Name())); err != nil {
			return err
		}
	}
	if err := s.dropParts(identity.Hash{}); err != nil {
		return err
	}
	return filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		h, err := identity.ParseHash(d.Name())
		if err != nil || path != s.path(h) { // parts have another folder
			return nil // not ours
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s.blobs[h] = &entry{size: info.Size(), used: info.ModTime()}
		s.total += info.Size()
		return nil
	})
}

func (s *Storage) tempDir() string { return filepath.Join(s.dir, "tmp") }

func (s *Storage) path(h identity.Hash) string {
	name := h.String()
	return filepath.Join(s.dir, name[:2], name)
}

// Open gives the bytes of h, or an error that wraps compute.ErrNoBlob. The
// reader is an io.ReaderAt and io.Seeker too. The caller closes it. A blob that
// is dropped meanwhile can still be read to its end where the system allows.
func (s *Storage) Open(h identity.Hash) (io.ReadCloser, error) {
	return s.open(h)
}

func (s *Storage) open(h identity.Hash) (*os.File, error) {
	if h == emptyHash {
		return os.Open(os.DevNull)
	}
	s.mu.Lock()
	e := s.blobs[h]
	if e != nil {
		e.used = time.Now()
	}
	s.mu.Unlock()
	if e == nil {
		return nil, fmt.Errorf("%w: %v", compute.ErrNoBlob, h)
	}
	f, err := os.Open(s.path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %v", compute.ErrNoBlob, h)
	}
	return f, err
}

var emptyHash = identity.HashOf(nil)

// Size is how many bytes h has; ok is false when it is not here.
func (s *Storage) Size(h identity.Hash) (size uint64, ok bool) {
	if h == emptyHash {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.blobs[h]
	if e == nil {
		return 0, false
	}
	return uint64(e.size), true
}

// Pin keeps the blobs until Unpin, which is called once for each Pin that
// returned true. When one is not here none is pinned and Pin returns false. The
// empty blob is always here. A hash may stand several times.
func (s *Storage) Pin(hashes ...identity.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range hashes {
		if s.blobs[h] == nil && h != emptyHash {
			return false
		}
	}
	for _, h := range hashes {
		if e := s.blobs[h]; e != nil {
			e.pins++
		}
	}
	return true
}

// Unpin takes back a Pin of the same blobs.
func (s *Storage) Unpin(hashes ...identity.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range hashes {
		if e := s.blobs[h]; e != nil && e.pins > 0 {
			e.pins--
			e.used = time.Now()
		}
	}
}

// Discard forgets a blob whose bytes were found to be others than its hash says, with
// its pins, so that it can be put in again.
func (s *Storage) Discard(h identity.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs[h] != nil {
		s.remove(h)
	}
}

// MaxBytes is Config.MaxBytes, or its default.
func (s *Storage) MaxBytes() int64 { return s.cfg.MaxBytes }

// Usage is how many bytes are kept, and how many of them are pinned.
func (s *Storage) Usage() (total, pinned int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.blobs {
		if e.pins > 0 {
			pinned += e.size
		}
	}
	return s.total, pinned
}

// grow takes n more bytes out of the bound, dropping old blobs as needed.
func (s *Storage) grow(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total+n > s.cfg.MaxBytes {
		s.drop(s.total + n - s.cfg.MaxBytes)
	}
	if s.total+n > s.cfg.MaxBytes {
		return fmt.Errorf("%w: it holds %d of at most %d bytes, all in use", ErrFull, s.total, s.cfg.MaxBytes)
	}
	s.total += n
	return nil
}

func (s *Storage) shrink(n int64) {
	s.mu.Lock()
	s.total -= n
	s.mu.Unlock()
}

// drop removes unpinned blobs, the longest unused first, until at least need
// bytes are free. It is called with mu held.
func (s *Storage) drop(need int64) {
	type old struct {
		h identity.Hash
		*entry
	}
	var olds []old
	for h, e := range s.blobs {
		if e.pins == 0 {
			olds = append(olds, old{h, e})
		}
	}
	slices.SortFunc(olds, func(a, b old) int { return a.used.Compare(b.used) })
	for _, o := range olds {
		if need <= 0 {
			return
		}
		s.remove(o.h)
		need -= o.size
	}
}

// remove deletes one blob. It is called with mu held.
func (s *Storage) remove(h identity.Hash) {
	if err := os.Remove(s.path(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Warn("cannot remove a blob", "blob", h.Short(), "err", err)
	}
	s.total -= s.blobs[h].size
	delete(s.blobs, h)
}

// Sweep drops the unpinned blobs that are older than MaxAge and interrupted
// fetches of more than a day. Run does it hourly.
func (s *Storage) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := time.Now().Add(-s.cfg.MaxAge)
	for h, e := range s.blobs {
		if e.pins == 0 && e.used.Before(oldest) {
			s.remove(h)
		}
	}
	if err := s.dropParts(identity.Hash{}); err != nil {
		s.cfg.Log.Warn("cannot remove old parts", "err", err)
	}
}
