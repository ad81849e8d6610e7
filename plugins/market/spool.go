package market

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// spoolMemory is how much of an output that is still growing is kept in memory;
// what is longer goes to a file.
const spoolMemory = 256 << 10

// A spool is an output while it grows: written at its end, read anywhere, at
// once. It is hashed on the way.
type spool struct {
	dir string // for the file, when there has to be one

	mu   sync.Mutex // guards what follows
	mem  []byte     // all of it, until file is there
	file *os.File
	size uint64
	sum  hash.Hash
}

func newSpool(dir string) *spool { return &spool{dir: dir, sum: sha256.New()} }

// Write appends b.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil && len(s.mem)+len(b) > spoolMemory {
		f, err := os.CreateTemp(s.dir, "spool-")
		if err != nil {
			return 0, err
		}
		if _, err := f.Write(s.mem); err != nil {
			return 0, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		s.file, s.mem = f, nil
	}
	if s.file == nil {
		s.mem = append(s.mem, b...)
	} else if _, err := s.file.WriteAt(b, int64(s.size)); err != nil {
		return 0, err
	}
	s.sum.Write(b)
	s.size += uint64(len(b))
	return len(b), nil
}

// ReadAt is io.ReaderAt over what is there now.
func (s *spool) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file.ReadAt(b, off)
	}
	return bytes.NewReader(s.mem).ReadAt(b, off)
}

// Size is how long it is now.
func (s *spool) Size() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Blob names what is there now.
func (s *spool) Blob() compute.Blob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return compute.Blob{Hash: identity.Hash(s.sum.Sum(nil)), Size: s.size}
}

// Reset empties it.
func (s *spool) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem, s.size = nil, 0
	s.sum.Reset()
	return s.dropFile()
}

func (s *spool) dropFile() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// part reads at most most bytes from off on, nil when there are none.
func part(r io.ReaderAt, size, off, most uint64) ([]byte, error) {
	if off >= size {
		return nil, nil
	}
	b := make([]byte, min(most, size-off))
	n, err := r.ReadAt(b, int64(off))
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}
