package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// ErrSegment is returned, in a *SegmentError, when something is asked for that
// stands in a sealed segment which is missing or damaged. Balances, limits and
// what is signed next do not need the segments.
var ErrSegment = errors.New("sealed segment cannot be read")

// SegmentError says which part of the log cannot be read. It is ErrSegment.
type SegmentError struct {
	File        string // its path
	First, Last uint64 // the log's records in it
	Why         string
}

func (e *SegmentError) Error() string {
	return fmt.Sprintf("%s: %s, with records %d to %d: %s", ErrSegment, e.File, e.First, e.Last, e.Why)
}

// Is says that e is ErrSegment.
func (e *SegmentError) Is(target error) bool { return target == ErrSegment }

// archive is a store with a folder of segments beside it. Which of the files
// there count, the store says.
type archive struct {
	store
	dir  string
	disk installer
}

// withSegments is s with the segments of the ledger at path. It does not look at
// them: lost does.
func withSegments(s store, path string, test bool) *archive {
	return &archive{store: s, dir: segmentDir(path), disk: installer{systemDisk{test}}}
}

// lost returns what is wrong with the segments as far as their sizes and headers
// tell, one error for each.
func (a *archive) lost() (all []error, err error) {
	var parts []sealedPart
	err = a.view(func(g getter) (err error) {
		parts, err = book{g}.sealedParts()
		return err
	})
	for _, p := range parts {
		o, err := p.open(a.dir)
		if err == nil {
			if info, statErr := o.file.Stat(); statErr != nil || info.Size() != p.size {
				err = o.fail("the file has not the size that it should have")
			}
			o.file.Close()
		}
		if err != nil {
			all = append(all, err)
		}
	}
	return all, err
}

// segmentDir is where the segments of the ledger at path are.
func segmentDir(path string) string { return path + ".segments" }

func (a *archive) view(f func(getter) error) error {
	return a.store.view(func(g getter) error { return f(archiveGetter{g, a.dir}) })
}

func (a *archive) update(f func(setter) error) error {
	return a.store.update(func(s setter) error { return f(archiveSetter{s, a.dir}) })
}

// updateLater is the store's, if it has one.
func (a *archive) updateLater(f func(setter) error) error {
	s, ok := a.store.(laterStore)
	if !ok {
		return a.update(f)
	}
	return s.updateLater(func(s setter) error { return f(archiveSetter{s, a.dir}) })
}

// copyTo copies the segments too, as links where the disk has them.
func (a *archive) copyTo(path string) error {
	if err := a.store.copyTo(path); err != nil {
		return err
	}
	var parts []sealedPart
	err := a.store.view(func(g getter) (err error) { // after the copy: all that it has, and maybe one more
		parts, err = book{g}.sealedParts()
		return err
	})
	if err != nil || len(parts) == 0 {
		return err
	}
	to := segmentDir(path)
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, p := range parts {
		err := copySegment(filepath.Join(a.dir, p.name()), filepath.Join(to, p.name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is missing is missing in the copy
			return err
		}
	}
	return syncDir(to)
}

func copySegment(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// archived is a getter that knows where the segments are.
type archived interface{ segments() string }

type archiveGetter struct {
	getter
	dir string
}

type archiveSetter struct {
	setter
	dir string
}

func (a archiveGetter) segments() string { return a.dir }
func (a archiveSetter) segments() string { return a.dir }

// segments is the folder of the segments, "" in a store without one.
func (k book) segments() string {
	if a, ok := k.getter.(archived); ok {
		return a.segments()
	}
	return ""
}

// sealedParts lists the segments, the first first.
func (k book) sealedParts() ([]sealedPart, error) {
	var all []sealedPart
	err := k.scan(bSegment, nil, func(key, value []byte) (bool, error) {
		p, err := k.sealedPart(key, value)
		all = append(all, p)
		return err == nil, err
	})
	return all, err
}

func (k book) sealedPart(key, value []byte) (sealedPart, error) {
	payload, err := unseal(k, bSegment, key, value)
	if err != nil {
		return sealedPart{}, err
	}
	p, err := decodeSealedPart(key, payload)
	if err != nil {
		return p, damage(k, bSegment, key, value, err.Error())
	}
	return p, nil
}

// sealedTo is the number of the newest record in a segment, 0 for none.
func (k book) sealedTo() uint64 {
	if key := k.last(bSegment); len(key) == 8 {
		return binary.BigEndian.Uint64(key)
	}
	return 0
}

// partOf returns the segment that has record n; found is false when none does.
func (k book) partOf(n uint64) (p sealedPart, found bool, err error) {
	err = k.scan(bSegment, number(n), func(key, value []byte) (bool, error) {
		p, err = k.sealedPart(key, value)
		found = err == nil && n >= p.first
		return false, err
	})
	return p, found, err
}

// openPart is a segment's file while something is read from it.
type openPart struct {
	sealedPart
	head segmentHead
	path string
	file *os.File
}

// open opens p, whose header has to be the one that was written. The caller
// closes the file.
func (p sealedPart) open(dir string) (*openPart, error) {
	o := &openPart{sealedPart: p, path: filepath.Join(dir, p.name())}
	var err error
	if o.file, err = os.Open(o.path); errors.Is(err, fs.ErrNotExist) {
		return nil, o.fail("the file is missing")
	} else if err != nil {
		return nil, o.fail(err.Error())
	}
	b, err := o.read(0, segmentHeadSize)
	if err == nil {
		if o.head, err = decodeSegmentHead(b); err != nil {
			err = o.fail(err.Error())
		} else if o.head.n != p.n || o.head.first != p.first || o.head.last != p.last {
			err = o.fail("it is another segment")
		}
	}
	if err != nil {
		return nil, errors.Join(err, o.file.Close())
	}
	return o, nil
}

func (o *openPart) fail(why string) error {
	return &SegmentError{File: o.path, First: o.first, Last: o.last, Why: why}
}

func (o *openPart) read(at int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := o.file.ReadAt(b, at); err != nil {
		return nil, o.fail(fmt.Sprintf("at byte %d: %v", at, err))
	}
	return b, nil
}

// values returns the records from n on, count at most, as they were in the log,
// with good checksums.
func (o *openPart) values(n, count uint64) ([][]byte, error) {
	count = min(count, o.last-n+1)
	table, err := o.read(o.head.offsetAt(n), 4*int(count+1))
	if err != nil {
		return nil, err
	}
	offset := func(i uint64) int64 { return int64(binary.BigEndian.Uint32(table[4*i:])) }
	if size := offset(count) - offset(0); size < 0 || size > int64(count)*maxRecord {
		return nil, o.fail(fmt.Sprintf("record %d has no place in it", n))
	}
	body, err := o.read(offset(0), int(offset(count)-offset(0)))
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, count)
	for i := range count {
		from, to := offset(i)-offset(0), offset(i+1)-offset(0)
		if from < 0 || to < from+sumSize || to > int64(len(body)) {
			return nil, o.fail(fmt.Sprintf("record %d has no place in it", n+i))
		}
		v := body[from:to:to]
		if binary.BigEndian.Uint32(v[len(v)-sumSize:]) != sum(bLog, number(n+i), v[:len(v)-sumSize]) {
			return nil, o.fail(fmt.Sprintf("the checksum of record %d at byte %d does not fit", n+i, offset(i)))
		}
		out = append(out, v)
	}
	return out, nil
}

// headFrom returns the first head from key on, and whether there is one before it
// that begins with prefix.
func (o *openPart) headFrom(key, prefix []byte) (one headRecord, found, before bool, err error) {
	at := func(i int) (h headRecord) {
		b, readErr := o.read(o.head.headAt(i), headRecordSize)
		if readErr != nil {
			err = errors.Join(err, readErr)
			return h
		}
		if h = headIn(b); binary.BigEndian.Uint32(h.value[headValueSize-sumSize:]) != sum(bHead, h.key[:], h.value[:headValueSize-sumSize]) {
			err = o.fail(fmt.Sprintf("the checksum of the head at byte %d does not fit", o.head.headAt(i)))
		}
		return h
	}
	count := int(o.head.heads)
	i := sort.Search(count, func(i int) bool {
		if err != nil {
			return true
		}
		h := at(i)
		return bytes.Compare(h.key[:], key) >= 0
	})
	if err == nil && i > 0 {
		h := at(i - 1)
		before = bytes.HasPrefix(h.key[:], prefix)
	}
	if err == nil && i < count {
		one, found = at(i), true
	}
	return one, found && err == nil, before, err
}

// sealedRecord returns the value of record n from the segment that has it, nil
// when none does.
func (k book) sealedRecord(n uint64) ([]byte, error) {
	dir := k.segments()
	if dir == "" || n > k.sealedTo() {
		return nil, nil
	}
	p, found, err := k.partOf(n)
	if err != nil || !found {
		return nil, err
	}
	o, err := p.open(dir)
	if err != nil {
		return nil, err
	}
	defer o.file.Close()
	values, err := o.values(n, 1)
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// sealedHead returns the span of the first run of w and epoch in the segments
// that ends at seq or later.
func (k book) sealedHead(w writer, epoch uint32, seq uint64) (at span, end uint64, found bool, err error) {
	dir := k.segments()
	if dir == "" {
		return span{}, 0, false, nil
	}
	parts, err := k.sealedParts()
	if err != nil {
		return span{}, 0, false, err
	}
	key := w.headKey(epoch, seq)
	prefix := key[:len(w.key())+4]
	for i := len(parts) - 1; i >= 0; i-- { // a half-chain's runs are in order
		one, more, before, err := parts[i].headFrom(dir, key, prefix)
		if err != nil {
			return span{}, 0, false, err
		}
		if more && bytes.HasPrefix(one.key[:], prefix) {
			if at, err = decodeSpan(one.value[:headValueSize-sumSize]); err != nil || at.first < parts[i].first || at.last > parts[i].last {
				return span{}, 0, false, &SegmentError{filepath.Join(dir, parts[i].name()), parts[i].first, parts[i].last, "its head is of no run in it"}
			}
			found, end = true, binary.BigEndian.Uint64(one.key[len(prefix):])
		}
		if before || found && end-seq <= at.last-at.first { // what is older ends before seq; or the run has it
			break
		}
	}
	return at, end, found, nil
}

func (p sealedPart) headFrom(dir string, key, prefix []byte) (headRecord, bool, bool, error) {
	o, err := p.open(dir)
	if err != nil {
		return headRecord{}, false, false, err
	}
	defer o.file.Close()
	return o.headFrom(key, prefix)
}

// locate says in e where the segments have its record, if they do.
func (k book) locate(e *DamageError) {
	dir := k.segments()
	if dir == "" || e.Number > k.sealedTo() {
		return
	}
	p, found, err := k.partOf(e.Number)
	if err != nil || !found {
		return
	}
	e.File = filepath.Join(dir, p.name())
	o, err := p.open(dir)
	if err != nil {
		return
	}
	defer o.file.Close()
	if b, err := o.read(o.head.offsetAt(e.Number), 4); err == nil {
		e.Offset = int64(binary.BigEndian.Uint32(b))
	}
}

// records calls f for each record of the log from n on, of the segments first,
// then of the live file.
func (k book) records(n uint64, f func(n uint64, value []byte) (more bool, err error)) error {
	sealed := uint64(0)
	if k.segments() != "" {
		sealed = k.sealedTo()
	}
	for n <= sealed {
		p, found, err := k.partOf(n)
		if err == nil && !found {
			err = damage(k, bLog, number(n), nil, "it is missing")
		}
		if err != nil {
			return err
		}
		o, err := p.open(k.segments())
		if err != nil {
			return err
		}
		more := true
		for more && err == nil && n <= p.last {
			var values [][]byte
			values, err = o.values(n, historyChunk)
			for _, v := range values {
				if more, err = f(n, v); !more || err != nil {
					break
				}
				n++
			}
		}
		o.file.Close()
		if err != nil || !more {
			return err
		}
	}
	return k.scan(bLog, number(n), func(key, value []byte) (bool, error) {
		if !bytes.Equal(key, number(n)) {
			return false, damage(k, bLog, key, value, fmt.Sprintf("record %d should stand here", n))
		}
		n++
		return f(n-1, value)
	})
}
