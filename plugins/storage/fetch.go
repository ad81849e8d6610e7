package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
)

const (
	// window is how many chunks are asked for at a time.
	window = 8

	// chunkWait is how long one may take, with the rest of the window before it:
	// a peer whose link lives may still never answer.
	chunkWait = time.Minute

	// What interrupted fetches may keep beside Config.MaxBytes: so long, so
	// many, and that part of it.
	maxPart   = 24 * time.Hour
	maxParts  = 16
	partShare = 4
)

// Fetch gets a blob from a node that has shared it with this one, over the link
// that the caller has connected, and keeps it unpinned. It does nothing when
// the blob is here. progress, unless nil, is called with the bytes so far, from
// one goroutine. What has arrived when Fetch fails is kept for a day, and the
// next Fetch of the blob goes on from there, from whatever node. Errors are
// the call's, ctx's, ErrHash, ErrFull.
func (s *Storage) Fetch(ctx context.Context, from addr.Addr, blob compute.Blob, progress func(done uint64)) error {
	for {
		if _, ok := s.Size(blob.Hash); ok {
			s.touch(blob.Hash)
			return nil
		}
		s.mu.Lock()
		other := s.arrival[blob.Hash]
		mine := make(chan struct{})
		if other == nil {
			s.arrival[blob.Hash] = mine
		}
		s.mu.Unlock()
		if other == nil {
			defer func() {
				s.mu.Lock()
				delete(s.arrival, blob.Hash)
				s.mu.Unlock()
				close(mine)
			}()
			break
		}
		select { // somebody fetches the same
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.fetch(ctx, from, blob, progress); err != nil {
		return fmt.Errorf("fetch blob %s: %w", blob.Hash.Short(), err)
	}
	return nil
}

func (s *Storage) fetch(ctx context.Context, from addr.Addr, blob compute.Blob, progress func(uint64)) error {
	s.sharing.Lock()
	caller := s.caller
	s.sharing.Unlock()
	if caller == nil {
		return errors.New("the storage runs on no node")
	}
	f, err := os.OpenFile(s.partPath(blob.Hash), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	w := &writer{s: s, f: f}
	sum := sha256.New()
	done, err := w.resume(sum, blob.Size)
	if err == nil {
		err = pull(ctx, caller, from, blob, done, io.MultiWriter(sum, w.f), progress)
	}
	if err == nil && identity.Hash(sum.Sum(nil)) != blob.Hash {
		err = ErrHash
	}
	if err == nil {
		return errors.Join(w.keep(blob), w.close())
	}
	s.shrink(w.grown)
	if errors.Is(err, ErrHash) {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	err = errors.Join(err, f.Close()) // the part stays
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.dropParts(blob.Hash))
}

// Shown has a node that has shared a blob with this one send all of it, whether it
// is here or not, and keeps nothing: who can do that has the bytes and not only
// their hash. progress is as for Fetch. Errors are the call's, ctx's, ErrHash.
func (s *Storage) Shown(ctx context.Context, from addr.Addr, blob compute.Blob, progress func(done uint64)) error {
	s.sharing.Lock()
	caller := s.caller
	s.sharing.Unlock()
	if caller == nil {
		return errors.New("the storage runs on no node")
	}
	sum := sha256.New()
	err := pull(ctx, caller, from, blob, 0, sum, progress)
	if err == nil && identity.Hash(sum.Sum(nil)) != blob.Hash {
		err = ErrHash
	}
	if err != nil {
		return fmt.Errorf("be shown blob %s: %w", blob.Hash.Short(), err)
	}
	return nil
}

// resume hashes what an earlier fetch has left and returns how much that is.
func (w *writer) resume(sum hash.Hash, most uint64) (uint64, error) {
	info, err := w.f.Stat()
	if err != nil {
		return 0, err
	}
	done := uint64(info.Size())
	if done > most {
		done = 0
	}
	if err := w.f.Truncate(int64(done)); err != nil {
		return 0, err
	}
	if err := w.grow(int64(most)); err != nil { // all of it, so that it is known to fit
		return 0, err
	}
	_, err = io.Copy(sum, w.f)
	return done, err
}

type chunk struct {
	bytes []byte
	err   error
}

// pull asks for the rest, several chunks at a time, and writes them in order.
func pull(ctx context.Context, caller rpc.Caller, from addr.Addr, blob compute.Blob, done uint64, to io.Writer, progress func(uint64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var flight []chan chunk // oldest first
	defer func() {
		cancel()
		for _, c := range flight {
			<-c
		}
	}()
	for asked := done; done < blob.Size; {
		for len(flight) < window && asked < blob.Size {
			size := min(ChunkBytes, blob.Size-asked)
			flight = append(flight, ask(ctx, caller, from, getRequest{blob.Hash, asked, size}))
			asked += size
		}
		c := <-flight[0]
		flight = flight[1:]
		if c.err != nil {
			return c.err
		}
		if _, err := to.Write(c.bytes); err != nil {
			return err
		}
		done += uint64(len(c.bytes))
		if progress != nil {
			progress(done)
		}
	}
	return nil
}

// ask sends one request; exactly one chunk comes out of the channel.
func ask(ctx context.Context, caller rpc.Caller, from addr.Addr, r getRequest) chan chunk {
	out := make(chan chunk, 1)
	go func() {
		body, err := cbor.Marshal(r)
		var b []byte
		if err == nil {
			callCtx, cancel := context.WithTimeout(ctx, chunkWait)
			defer cancel()
			b, err = caller.Call(callCtx, from, Scope, body)
		}
		if err == nil && uint64(len(b)) != r.Size {
			err = fmt.Errorf("%w: asked for %d bytes at %d, %d came", ErrHash, r.Size, r.Offset, len(b))
		}
		out <- chunk{b, err}
	}()
	return out
}

func (s *Storage) partDir() string { return filepath.Join(s.dir, "part") }

func (s *Storage) partPath(h identity.Hash) string { return filepath.Join(s.partDir(), h.String()) }

// dropParts removes interrupted fetches that are too old, too many or too
// large together, the oldest first, but none that is under way except own. It
// is called with mu held.
func (s *Storage) dropParts(own identity.Hash) error {
	list, err := os.ReadDir(s.partDir())
	if err != nil {
		return err
	}
	var parts []fs.FileInfo
	for _, p := range list {
		h, err := identity.ParseHash(p.Name())
		if err == nil && h != own && s.arrival[h] != nil {
			continue
		}
		info, err := p.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		parts = append(parts, info)
	}
	slices.SortFunc(parts, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var size int64
	for i, p := range parts {
		size += p.Size()
		if i < maxParts && size <= s.cfg.MaxBytes/partShare && time.Since(p.ModTime()) <= maxPart {
			continue
		}
		if err := os.Remove(filepath.Join(s.partDir(), p.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
