package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/peersea/sea/identity"
)

// DefaultSegment is how many records are sealed together: about 10 MB. Twice as
// many are in the live file at most, and what came since Seal was called.
const DefaultSegment = 1 << 15

// sealSlice is how many records are taken out of the live file in one
// transaction, so that payments do not wait long.
const sealSlice = 2048

// Seal moves the oldest part of the log out of the live file while that has twice
// as many records as a segment, into files that never change again, and returns
// how many it made. Whatever reads the log reads them too. What a line needs to
// go on stays in the live file as well: its newest entries and grants, those of
// its newest checkpoint, open locks, and what the peer has not acknowledged. So a
// segment that is lost costs history, and no payment.
//
// Nothing is taken out before the segment is on the disk, and known there: a
// crash at any moment leaves every record in at least one place. Errors are those
// of the disk, ErrDamaged when a record is not as it was written, ErrReadOnly and
// ErrClosed. Calls wait for each other; call it after a round of checkpoints.
func (l *Ledger) Seal(ctx context.Context) (made int, err error) {
	a, ok := l.store.(*archive)
	if !ok || l.signer == nil {
		return 0, nil
	}
	l.sealing.Lock()
	defer l.sealing.Unlock()
	for {
		more, err := l.sealOne(ctx, a)
		if err != nil {
			return made, fmt.Errorf("seal the ledger's log: %w", err)
		}
		if !more {
			return made, nil
		}
		made++
	}
}

// sealOne makes the next segment, if it is time for one.
func (l *Ledger) sealOne(ctx context.Context, a *archive) (bool, error) {
	if err := l.Writable(); err != nil {
		return false, err
	}
	s, due, err := l.gather()
	if err != nil || !due {
		return false, err
	}
	b := s.encode()
	if _, err := decodeSegment(b); err != nil {
		return false, err
	}
	part := sealedPart{n: s.n, first: s.first, last: s.last, size: int64(len(b)), hash: identity.Hash(b[len(b)-32:])}
	if err := a.disk.install(a.dir, part.name(), b); err != nil {
		return false, err
	}
	err = l.submit(ctx, LineID{}, func(b *batch) error {
		if err := b.keepPart(part); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, l.trim(ctx)
}

// gather collects the next segment; due is false when it is not time for it.
func (l *Ledger) gather() (s segment, due bool, err error) {
	var newest uint64
	err = l.store.view(func(g getter) error {
		k := book{g}
		parts, err := k.sealedParts()
		if err != nil {
			return err
		}
		s.owner, s.n, s.first = l.self, 1, 1
		if len(parts) > 0 {
			before := parts[len(parts)-1]
			s.n, s.first, s.prev = before.n+1, before.last+1, before.hash
		}
		if key := k.last(bLog); len(key) == 8 {
			newest = binary.BigEndian.Uint64(key)
		}
		return nil
	})
	size := uint64(l.cfg.Segment)
	if err != nil || newest < s.first || newest-s.first+1 <= 2*size {
		return s, false, err
	}
	next, begun := s.first, uint64(0)
	for done := false; !done; {
		err := l.store.view(func(g getter) error {
			k, read := book{g}, 0
			return k.records(next, func(n uint64, value []byte) (bool, error) {
				payload, err := unseal(k, bLog, number(n), value)
				if err != nil {
					return false, err
				}
				rec, err := decodeRecord(payload)
				if err != nil {
					return false, damage(k, bLog, number(n), value, err.Error())
				}
				if rec.entry != nil && begun == 0 {
					begun = n
				}
				if rec.signed {
					s.heads = append(s.heads, rec.headRecord(span{begun, n}))
					begun = 0
				}
				s.records = append(s.records, bytes.Clone(value))
				s.last, next = n, n+1
				read++
				done = uint64(len(s.records)) >= size && begun == 0
				return !done && read < historyChunk, nil
			})
		})
		if err != nil {
			return s, false, err
		}
	}
	s.segmentHead.heads = uint32(len(s.heads))
	slices.SortFunc(s.heads, func(a, b headRecord) int { return bytes.Compare(a.key[:], b.key[:]) })
	return s, true, nil
}

// headRecord is the one of the run at, which rec ends.
func (rec record) headRecord(at span) (h headRecord) {
	e := rec.entry
	copy(h.key[:], writer{e.Line, e.Side}.headKey(e.Epoch, e.Seq))
	copy(h.value[:], seal(bHead, h.key[:], at.encode()))
	return h
}

// keepPart notes that p is on the disk. A file with segments is of a schema of its
// own: a program that does not look for them must not open it.
func (p pen) keepPart(part sealedPart) error {
	if to := p.sealedTo(); to+1 != part.first {
		return damage(p, bSegment, number(to), nil, fmt.Sprintf("segment %d does not follow it", part.n))
	}
	if p.schema() == schema { // one with a log in front is refused by such programs anyway
		if err := p.put(bMeta, []byte("schema"), binary.BigEndian.AppendUint32(nil, sealedSchema)); err != nil {
			return err
		}
	}
	return p.put(bSegment, number(part.last), part.encode())
}

// sealedRef is a record that is in a segment and still in the live file.
type sealedRef struct {
	n    uint64
	head []byte // the key of its run's head if it ends one, else nil
	peer identity.Entity
}

// trim takes out of the live file what the segments have and no line needs.
func (l *Ledger) trim(ctx context.Context) error {
	var all []sealedRef
	err := l.store.view(func(g getter) (err error) {
		all, err = book{g}.spare(l.self)
		return err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(all, sealSlice) {
		err := l.submit(ctx, LineID{}, func(b *batch) error {
			for _, one := range some {
				err := b.remove(bLog, number(one.n))
				if one.head != nil {
					err = errors.Join(err, b.remove(bHead, one.head))
				}
				if err != nil {
					return fmt.Errorf("%w: %w", errStore, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// spare lists the records that are in a segment and in the live file, where no
// line needs them.
func (k book) spare(self identity.Entity) ([]sealedRef, error) {
	var all []sealedRef
	kept := map[uint64]bool{}
	seen := map[identity.Entity]bool{}
	to := k.sealedTo()
	err := k.scan(bLog, nil, func(key, value []byte) (bool, error) {
		n := binary.BigEndian.Uint64(key)
		if n > to {
			return false, nil
		}
		payload, err := unseal(k, bLog, key, value)
		if err != nil {
			return false, err
		}
		rec, err := decodeRecord(payload)
		if err != nil {
			return false, damage(k, bLog, key, value, err.Error())
		}
		one := sealedRef{n: n, peer: rec.peer}
		if rec.signed {
			one.head = writer{rec.entry.Line, rec.entry.Side}.headKey(rec.entry.Epoch, rec.entry.Seq)
		}
		all = append(all, one)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if seen[one.peer] {
			continue
		}
		seen[one.peer] = true
		if err := k.needed(self, one.peer, to, kept); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(one sealedRef) bool { return kept[one.n] }), nil
}

// needed adds to kept the records up to number to that the line with peer needs
// to go on. What is in a segment that cannot be read is none of them.
func (k book) needed(self, peer identity.Entity, to uint64, kept map[uint64]bool) error {
	a, err := k.account(self, peer)
	if err != nil {
		return err
	}
	p, err := k.pact(a.mine.line, peer)
	if err != nil {
		return err
	}
	keep := func(s span) {
		for n := s.first; n <= min(s.last, to); n++ {
			kept[n] = true
		}
	}
	run := func(w writer, h half, seq uint64) (last uint64, err error) {
		if seq == 0 || seq > h.seq {
			return seq, nil
		}
		r, at, found, err := k.runFrom(w, h.epoch, seq)
		if err != nil || !found {
			if errors.Is(err, ErrSegment) {
				err = nil
			}
			return seq, err
		}
		keep(at)
		return r.last().Seq, nil
	}
	for _, side := range []struct {
		w writer
		h half
	}{{a.mine, a.own}, {a.theirs, a.other}} {
		if n := side.h.grantAt; n > 0 {
			keep(span{n, n})
		}
		wants := []uint64{side.h.seq}
		for _, c := range []*Checkpoint{p.agreed, p.proposed} {
			if c != nil {
				wants = append(wants, c.Sides[side.w.side].Seq)
			}
		}
		for _, one := range side.h.locks {
			wants = append(wants, one.seq)
		}
		for _, seq := range wants {
			if _, err := run(side.w, side.h, seq); err != nil {
				return err
			}
		}
	}
	acked, more, err := k.unsentOf(a.mine.line)
	if err != nil || !more {
		return err
	}
	for seq := max(acked.seq, 1); seq <= a.own.seq; seq++ {
		if seq, err = run(a.mine, a.own, seq); err != nil {
			return err
		}
	}
	return nil
}

// segmentDisk is what installing a segment needs of a disk.
type segmentDisk interface {
	makeDir(dir string) error // one that is there is left
	write(path string, b []byte) error
	sync(path string) error
	rename(from, to string) error
	syncDir(dir string) error
}

// installer puts segments where they belong, whole or not at all.
type installer struct{ segmentDisk }

// install writes b to the file name in dir. When it returns nil, that is there
// after a power cut too.
func (i installer) install(dir, name string, b []byte) error {
	temp := filepath.Join(dir, ".sealing") // one at a time; a crash leaves it, the next one writes over it
	for _, step := range []func() error{
		func() error { return i.makeDir(dir) },
		func() error { return i.syncDir(filepath.Dir(dir)) },
		func() error { return i.write(temp, b) },
		func() error { return i.sync(temp) },
		func() error { return i.rename(temp, filepath.Join(dir, name)) },
		func() error { return i.syncDir(dir) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// systemDisk is the system's files; test spares the syncs.
type systemDisk struct{ test bool }

func (systemDisk) makeDir(dir string) error          { return os.MkdirAll(dir, 0o700) }
func (systemDisk) rename(from, to string) error      { return os.Rename(from, to) }
func (systemDisk) write(path string, b []byte) error { return os.WriteFile(path, b, 0o600) }
func (d systemDisk) syncDir(dir string) error {
	if d.test {
		return nil
	}
	return syncDir(dir)
}

func (d systemDisk) sync(path string) error {
	if d.test {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // Windows syncs only what can be written
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
