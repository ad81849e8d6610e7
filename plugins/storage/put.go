package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
)

// Put reads r to its end, at most most bytes, keeps what it read and returns
// its name. It is durable when Put returns. Errors are r's, ctx's, ErrSize and
// ErrFull. The blob is not pinned.
func (s *Storage) Put(ctx context.Context, r io.Reader, most uint64) (compute.Blob, error) {
	f, err := os.CreateTemp(s.tempDir(), "put-")
	if err != nil {
		return compute.Blob{}, fmt.Errorf("put blob: %w", err)
	}
	w := &writer{s: s, f: f}
	blob, err := w.copy(ctx, r, most)
	if err == nil {
		err = w.keep(blob)
	}
	if err := errors.Join(err, w.close()); err != nil {
		return compute.Blob{}, fmt.Errorf("put blob: %w", err)
	}
	return blob, nil
}

// PutBytes is Put of b.
func (s *Storage) PutBytes(b []byte) (compute.Blob, error) {
	blob := compute.BlobOf(b)
	if _, ok := s.Size(blob.Hash); ok {
		s.touch(blob.Hash)
		return blob, nil
	}
	return s.Put(context.Background(), bytes.NewReader(b), uint64(len(b)))
}

func (s *Storage) touch(h identity.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.blobs[h]; e != nil {
		e.used = time.Now()
	}
}

// writer makes a file into a blob.
type writer struct {
	s     *Storage
	f     *os.File
	grown int64 // taken out of the bound for bytes that are no blob yet
	kept  bool
}

// copy writes what r gives and hashes it on the way.
func (w *writer) copy(ctx context.Context, r io.Reader, most uint64) (compute.Blob, error) {
	sum := sha256.New()
	buf := make([]byte, 128<<10)
	var size uint64
	for {
		if err := ctx.Err(); err != nil {
			return compute.Blob{}, err
		}
		n, err := r.Read(buf)
		if size += uint64(n); size > most {
			return compute.Blob{}, fmt.Errorf("%w: more than %d bytes", ErrSize, most)
		}
		if n > 0 {
			if err := w.grow(int64(n)); err != nil {
				return compute.Blob{}, err
			}
			sum.Write(buf[:n])
			if _, err := w.f.Write(buf[:n]); err != nil {
				return compute.Blob{}, err
			}
		}
		if errors.Is(err, io.EOF) {
			return compute.Blob{Hash: identity.Hash(sum.Sum(nil)), Size: size}, nil
		}
		if err != nil {
			return compute.Blob{}, err
		}
	}
}

func (w *writer) grow(n int64) error {
	if err := w.s.grow(n); err != nil {
		return err
	}
	w.grown += n
	return nil
}

// keep gives the file, which has the blob's bytes, the blob's name.
func (w *writer) keep(blob compute.Blob) error {
	if blob.Size == 0 {
		return nil
	}
	if _, ok := w.s.Size(blob.Hash); ok {
		w.s.touch(blob.Hash)
		return nil
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	path := w.s.path(blob.Hash)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs[blob.Hash] != nil {
		return nil // another one was quicker
	}
	if len(s.blobs) >= maxBlobs {
		s.drop(1)
	}
	if len(s.blobs) >= maxBlobs {
		return fmt.Errorf("%w: it holds %d blobs, all in use", ErrFull, len(s.blobs))
	}
	if err := renameOpen(w.f, path); err != nil {
		return err
	}
	w.kept = true
	w.grown -= int64(blob.Size)
	s.blobs[blob.Hash] = &entry{size: int64(blob.Size), used: time.Now()}
	return syncDir(filepath.Dir(path))
}

// close ends the writing: the file is a blob or it is gone.
func (w *writer) close() error {
	w.s.shrink(w.grown)
	w.grown = 0
	err := w.f.Close()
	if w.kept && errors.Is(err, os.ErrClosed) {
		err = nil // renameOpen had to close it
	}
	if !w.kept {
		err = errors.Join(err, os.Remove(w.f.Name()))
	}
	return err
}
