package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// walName is the log beside the ledger file at path.
func walName(path string) string { return path + "-wal" }

const (
	// walSize is up to where the log is filled before it is written into the
	// file, and so about what the overlay holds in memory. One commit that is
	// larger has a log to itself.
	walSize = 8 << 20

	// walStep is by how much the log's file grows at least.
	walStep = 1 << 20

	walPage   = 4096 // records begin at multiples, so writing one touches no other
	walHeader = 4 + 16 + 8 + 4 + 4

	walMagic = 0x53656157 // "SeaW"
)

// walID says which records of a log count: the file names it. It is chance, so
// that nobody can have a payment look like a record.
type walID [16]byte

// wal is the log in front of the file: one record for each commit.
//
//	record   u32 magic, id[16], u64 number from 1, u32 length, u32 CRC-32C of the
//	         id, number, length and payload, payload, and zeros up to a page
//	payload  changes: u8 length and name of the bucket, u16 length and key,
//	         u32 length of the value + 1 and the value, or u32 0 to remove the key
//
// A record is on the disk before the next is written: so one that is not whole
// is the last, torn by a crash, or damaged if a whole one comes after it.
type wal struct {
	path string
	test bool  // no fsync
	step int64 // see walStep

	f    *os.File // nil until the first record
	size int64    // of the file
	id   walID    // zero when the file names none: no record counts
	next uint64   // number of the next record
	end  int64    // where it goes

	buffer []byte // what the last record was made in
}

// walLength is the room that a record takes.
func walLength(payload int) int64 {
	return (walHeader + int64(payload) + walPage - 1) / walPage * walPage
}

// restart has the log begin anew under id.
func (w *wal) restart(id walID) { w.id, w.next, w.end, w.buffer = id, 1, 0, nil }

// append writes a record. When it returns nil the record is on the disk.
func (w *wal) append(payload []byte) error {
	length := walLength(len(payload))
	if err := w.open(); err != nil {
		return err
	}
	if err := w.grow(w.end + length); err != nil {
		return fmt.Errorf("grow %s: %w", w.path, err)
	}
	if _, err := w.f.WriteAt(w.record(payload), w.end); err != nil {
		return err // names the file
	}
	if !w.test {
		if err := syncData(w.f); err != nil {
			return fmt.Errorf("sync %s: %w", w.path, err)
		}
	}
	w.next++
	w.end += length
	return nil
}

// record is the next one, with the zeros behind it. It is good until the one after
// it is made.
func (w *wal) record(payload []byte) []byte {
	length := int(walLength(len(payload)))
	b := slices.Grow(w.buffer[:0], length)
	b = binary.BigEndian.AppendUint32(b, walMagic)
	b = append(b, w.id[:]...)
	b = binary.BigEndian.AppendUint64(b, w.next)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, walSum(b[4:], payload))
	b = append(b, payload...)
	w.buffer = append(b, make([]byte, length-len(b))...)
	return w.buffer
}

func walSum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, payload)
}

// open opens the file, or makes it.
func (w *wal) open() error {
	if w.f != nil {
		return nil
	}
	f, err := os.OpenFile(w.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !w.test {
		err = syncDir(filepath.Dir(w.path))
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.f, w.size = f, info.Size()/walPage*walPage
	return nil
}

// grow makes the file as long as to or longer, all of it written once: then a
// record needs no new blocks, and its sync writes nothing else. The zeros are on
// the disk with the record that they are made for, and each time as many more as
// there are: the file is grown a few times only.
func (w *wal) grow(to int64) error {
	if w.size >= to {
		return nil
	}
	to = max(to, w.size+max(w.step, w.size))
	zeros := make([]byte, min(to-w.size, walStep))
	for at := w.size; at < to; at += int64(len(zeros)) {
		if _, err := w.f.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at); err != nil {
			return err
		}
	}
	w.size = to
	return nil
}

// close closes the file, and removes it if all that was in it is elsewhere.
func (w *wal) close(remove bool) error {
	var err error
	if w.f != nil {
		err = w.f.Close()
	}
	if remove && err == nil {
		if err = os.Remove(w.path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return err
}

// newWALID returns a new name.
func newWALID() (id walID) {
	rand.Read(id[:]) // never fails: it ends the process instead
	return id
}

// readWAL calls f with what each record of id in the log says. The slices are
// f's to keep. Errors are a *DamageError, f's and those of reading.
func readWAL(r io.ReaderAt, size int64, id walID, f func([]change) error) error {
	next, at := uint64(1), int64(0)
	for ; ; next++ {
		number, payload, err := walRecord(r, size, id, at)
		if err != nil {
			return err
		}
		if number != next {
			break
		}
		changes, err := decodeChanges(payload)
		if err == nil {
			err = f(changes)
		}
		if err != nil {
			return &DamageError{Offset: at, Why: fmt.Sprintf("record %d of the log: %v", next, err)}
		}
		at += walLength(len(payload))
	}
	for later := at + walPage; later < size; later += walPage {
		number, _, err := walRecord(r, size, id, later)
		if err != nil {
			return err
		}
		if number > next {
			return &DamageError{Offset: at, Why: fmt.Sprintf("record %d of the log is not whole, and record %d comes after it", next, number)}
		}
	}
	return nil
}

// walRecord reads the record at an offset; its number is 0 when there is none of
// id that is whole.
func walRecord(r io.ReaderAt, size int64, id walID, at int64) (number uint64, payload []byte, err error) {
	var header [walHeader]byte
	if size-at < walHeader {
		return 0, nil, nil
	}
	if _, err := r.ReadAt(header[:], at); err != nil {
		return 0, nil, err
	}
	length := int64(binary.BigEndian.Uint32(header[28:]))
	if binary.BigEndian.Uint32(header[:]) != walMagic || walID(header[4:20]) != id || length > size-at-walHeader {
		return 0, nil, nil
	}
	payload = make([]byte, length)
	if _, err := r.ReadAt(payload, at+walHeader); err != nil {
		return 0, nil, err
	}
	if binary.BigEndian.Uint32(header[32:]) != walSum(header[4:32], payload) {
		return 0, nil, nil
	}
	return binary.BigEndian.Uint64(header[20:]), payload, nil
}

// change is one key with its new value, nil when it is removed.
type change struct {
	bucket bucket
	key    []byte
	value  []byte

	by uint64 // the commit that it is of, and its place there; of the process that made it
	at int
}

func appendChanges(b []byte, all []change) []byte {
	n := 0
	for _, c := range all {
		n += 1 + len(c.bucket) + 2 + len(c.key) + 4 + len(c.value)
	}
	b = slices.Grow(b, n)
	for _, c := range all {
		b = append(append(b, byte(len(c.bucket))), c.bucket...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(c.key))), c.key...)
		if c.value == nil {
			b = binary.BigEndian.AppendUint32(b, 0)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(c.value))+1), c.value...)
	}
	return b
}

func decodeChanges(b []byte) ([]change, error) {
	var all []change
	r := bytes.NewBuffer(b)
	take := func(n int) []byte {
		if r.Len() < n {
			return nil
		}
		return r.Next(n)
	}
	for r.Len() > 0 {
		name := bucket(take(int(r.Next(1)[0])))
		if !slices.Contains(buckets, name) {
			return nil, fmt.Errorf("nobody makes a bucket %q", name)
		}
		c := change{bucket: name}
		if n := take(2); n != nil {
			c.key = take(int(binary.BigEndian.Uint16(n)))
		}
		n := take(4)
		if len(c.key) == 0 || n == nil {
			return nil, errors.New("it ends in a key, or has an empty one")
		}
		if size := int64(binary.BigEndian.Uint32(n)); size > int64(r.Len())+1 {
			return nil, errors.New("it ends in a value")
		} else if size > 0 {
			c.value = r.Next(int(size - 1))
		}
		all = append(all, c)
	}
	return all, nil
}
