// Package state is the small durable store that plugins share: tables of keys
// and values in one file, changed in batches that happen wholly or not at all.
//
// A Store is the file, a Table a named part of it with a schema version, a
// Batch what is to change together. Many goroutines may Commit at once: those
// that wait at the same moment share one transaction and one fsync, so a lone
// caller waits for nothing and a hundred wait for one disk write.
//
// Caveats: one process has the file at a time. A batch is lost or there, but
// what Queue was given may be lost until a later Commit has returned. After a
// write has failed the store only reads: whoever waits is told why.
package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Bounds of keys, values and batches. A batch beyond them is refused.
const (
	MaxKey   = 256
	MaxValue = 8 << 20
	MaxBatch = 16 << 20 // keys and values together
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = time.Second

var (
	// ErrLocked is returned when another process has the file.
	ErrLocked = errors.New("the state is in use by another process")

	// ErrVersion is returned when the file, or a table in it, was written by
	// another version of the program.
	ErrVersion = errors.New("state of an unknown version")

	// ErrDamaged is returned when the file cannot be read.
	ErrDamaged = errors.New("the state file is damaged")

	// ErrSize is returned for a batch with a key or value that is empty or too
	// long, or that is too large as a whole.
	ErrSize = errors.New("key, value or batch out of range")

	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the state is closed")
)

// A Store is the file. All methods may be called at once.
type Store struct {
	db   *bolt.DB
	wake chan struct{} // of capacity 1: there is something in the queue
	done chan struct{} // closed when the committer has ended

	mu     sync.Mutex // guards what follows
	queue  []*write
	broken error // why nothing can be written any more
	closed bool
}

// write is one batch in the queue; done is nil when nobody waits.
type write struct {
	ops  []op
	done chan error
}

// Open opens the file at path with mode 0600, making it when there is none.
// The caller closes the Store.
func Open(path string) (s *Store, err error) {
	defer func() {
		if r := recover(); r != nil { // bbolt panics on files that others have cut
			err = fmt.Errorf("%w: %s: %v", ErrDamaged, path, r)
		}
	}()
	if err := create(path); err != nil {
		return nil, err
	}
	db, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := db.Update(claimFile); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	s = &Store{db: db, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.commits()
	return s, nil
}

// create makes the file under another name first, so that a crash leaves
// either none or a whole one.
func create(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := open(fresh)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(claimFile), db.Close()); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func open(path string) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:         lockWait,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: 16 << 20,
		NoStatistics:    true,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// Close writes what is queued and closes the file. Those who wait in Commit
// get their answer first.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.wakeUp()
	<-s.done

	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	return errors.Join(broken, s.db.Close())
}

// Commit makes the batch durable and returns. On an error nothing of it has
// happened, unless the disk failed: then nothing can be said before the next
// Open. The batch may be used again.
func (s *Store) Commit(b *Batch) error {
	return s.Begin(b)()
}

// Begin is Commit in two steps: when Begin returns the batch has its place
// before all that is given to the store later, and when wait returns it is
// durable. wait is called at most once.
func (s *Store) Begin(b *Batch) (wait func() error) {
	done := make(chan error, 1)
	if err := s.enqueue(b, done); err != nil {
		done <- err
	}
	return func() error { return <-done }
}

// Queue has the batch written soon, before all that is given to Commit or Queue
// later, and does not wait. An error of the disk comes out of the next Commit.
func (s *Store) Queue(b *Batch) error {
	return s.enqueue(b, nil)
}

func (s *Store) enqueue(b *Batch, done chan error) error {
	if b.err != nil {
		return b.err
	}
	if b.size > MaxBatch {
		return fmt.Errorf("%w: a batch of %d bytes, at most %d", ErrSize, b.size, MaxBatch)
	}
	w := &write{ops: b.ops[:len(b.ops):len(b.ops)], done: done}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.broken != nil {
		return s.broken
	}
	s.queue = append(s.queue, w)
	s.wakeUp()
	return nil
}

func (s *Store) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commits is the one writer: it takes all that waits into one transaction.
func (s *Store) commits() {
	defer close(s.done)
	for range s.wake {
		s.mu.Lock()
		group, closed := s.queue, s.closed
		s.queue = nil
		s.mu.Unlock()

		if len(group) > 0 {
			err := s.apply(group)
			if err != nil {
				err = fmt.Errorf("write state: %w", err)
				s.mu.Lock()
				s.broken = err
				group = append(group, s.queue...)
				s.queue = nil
				s.mu.Unlock()
			}
			for _, w := range group {
				if w.done != nil {
					w.done <- err
				}
			}
		}
		if closed {
			return
		}
	}
}

func (s *Store) apply(group []*write) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, w := range group {
			for _, o := range w.ops {
				if err := o.apply(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
