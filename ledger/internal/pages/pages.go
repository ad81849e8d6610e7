// Package pages walks the pages of a bbolt file, format 2, and finds what bbolt
// itself would trip over.
//
// bbolt maps its file into memory and believes it: on a damaged one it panics,
// faults, or follows a page that points at itself for ever. This package reads
// the file like any other bytes from outside. A file that it passes can be
// given to bbolt. What stands in the values is not its business.
//
// Only what the ledger writes is passed: buckets in the root, none inside
// another, and a freelist in the file.
package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// Error says what is wrong at which byte of the file.
type Error struct {
	Offset int64
	Why    string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Why) }

const (
	headerSize  = 16 // id u64, flags u16, count u16, overflow u32
	elementSize = 16 // of a branch: pos u32, ksize u32, page u64; of a leaf: flags, pos, ksize, vsize u32
	bucketSize  = 16 // root u64, sequence u64
	metaSize    = 64 // magic, version, page size, flags u32; root bucket; freelist, pages, tx, sum u64

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	magic         = 0xED0CDAED
	formatVersion = 2

	maxPage  = 1 << 16
	maxDepth = 64 // of a tree; 2^64 keys need no more at two keys a page
)

// Check walks the file of size bytes in r. The error is an *Error, or r's.
// Memory is a bit for each page and one buffer for each level of the tree.
//
// Of the two meta pages the newer one that is valid counts. If the other is not
// valid, torn says so and the walk goes on: a power cut in the middle of a
// commit leaves such a file, which is as it was before that, but so does a
// flipped bit in what was committed long ago.
func Check(r io.ReaderAt, size int64) (torn *Error, err error) {
	w := walk{r: r, size: size}
	torn, err = w.metas()
	for _, step := range []func() error{
		w.freelist,
		func() error { return w.tree(w.m.root, 0, nil, nil, true) },
		w.all,
	} {
		if err == nil {
			err = step()
		}
	}
	return torn, err
}

// all makes sure that no page was forgotten.
func (w *walk) all() error {
	for id := uint64(2); id < w.m.pages; id++ {
		if w.seen[id/8]&(1<<(id%8)) == 0 {
			return w.bad(id, 0, "page %d is neither used nor free", id)
		}
	}
	return nil
}

type walk struct {
	r    io.ReaderAt
	size int64
	page uint64 // its size
	m    meta
	seen []byte // a bit for each page
}

func (w *walk) bad(id uint64, at int, format string, args ...any) error {
	return &Error{Offset: int64(id*w.page) + int64(at), Why: fmt.Sprintf(format, args...)}
}

type meta struct{ page, root, freelist, pages, tx uint64 }

// readMeta reads the meta page at an offset.
func (w *walk) readMeta(at int64) (meta, error) {
	var b [headerSize + metaSize]byte
	if _, err := w.r.ReadAt(b[:], at); err != nil {
		if errors.Is(err, io.EOF) {
			err = &Error{Offset: at, Why: "the file ends before its meta page does"}
		}
		return meta{}, err
	}
	body := b[headerSize:]
	u32 := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(body[i:])) }
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(body[i:]) }
	bad := func(why string) (meta, error) { return meta{}, &Error{Offset: at + headerSize, Why: why} }
	switch {
	case binary.BigEndian.Uint32(body) == magic:
		return bad("the file was written by a machine of the other byte order")
	case u32(0) != magic:
		return bad("it is no bbolt file: the magic number is wrong")
	case u32(4) != formatVersion:
		return bad("the bbolt format is not version 2")
	case u64(56) != sumOf(body):
		return bad("the meta page's checksum does not fit")
	}
	m := meta{page: u32(8), root: u64(16), freelist: u64(32), pages: u64(40), tx: u64(48)}
	if m.page < 1024 || m.page > maxPage || m.page&(m.page-1) != 0 {
		return bad("the page size is not a power of 2 from 1024 to 65536")
	}
	return m, nil
}

func sumOf(body []byte) uint64 {
	h := fnv.New64a()
	h.Write(body[:56])
	return h.Sum64()
}

// metas finds the newer of the two meta pages that is valid. The second one
// stands where the page size says, or, without the first, at one of a few.
func (w *walk) metas() (torn *Error, err error) {
	first, err0 := w.readMeta(0)
	if err0 == nil {
		err0 = w.checkMeta(first, 0)
	}
	second, err1 := meta{}, err0
	for size := uint64(1024); size <= maxPage; size *= 2 {
		if err0 == nil && size != first.page {
			continue
		}
		if second, err1 = w.readMeta(int64(size)); err1 == nil && second.page != size {
			err1 = &Error{Offset: int64(size), Why: "the meta page is not where its page size says"}
		}
		if err1 == nil {
			err1 = w.checkMeta(second, 1)
		}
		if err1 == nil {
			break
		}
	}
	switch {
	case err0 != nil && err1 != nil:
		return nil, err0
	case err1 != nil && second.tx > first.tx:
		return nil, err1 // its checksum fits, and that is all that bbolt asks for
	case err0 != nil && first.tx > second.tx:
		return nil, err0
	case err0 == nil && (err1 != nil || first.tx > second.tx):
		w.m = first
	default:
		w.m = second
	}
	w.page = w.m.page
	w.seen = make([]byte, w.m.pages/8+1)
	w.seen[0] = 1 | 2
	err = errors.Join(err0, err1)
	if err != nil && !errors.As(err, &torn) {
		return nil, err
	}
	return torn, nil
}

// checkMeta returns what is wrong with a meta page whose checksum fits.
func (w *walk) checkMeta(m meta, id uint64) error {
	w.page = m.page
	var b [headerSize]byte
	if _, err := w.r.ReadAt(b[:], int64(id*m.page)); err != nil {
		return err
	}
	switch {
	case binary.LittleEndian.Uint16(b[8:]) != flagMeta || binary.LittleEndian.Uint64(b[:]) != id:
		return w.bad(id, 0, "it is not the header of meta page %d", id)
	case m.pages < 4 || m.pages > uint64(w.size)/m.page:
		return w.bad(id, headerSize, "%d pages do not fit the file's %d bytes: it was cut off", m.pages, w.size)
	}
	return nil
}

// take reads page id with its overflow, for the first and only time.
func (w *walk) take(id uint64, flags ...uint16) ([]byte, error) {
	if id < 2 || id >= w.m.pages {
		return nil, w.bad(min(id, w.m.pages), 0, "page %d is outside of the file", id)
	}
	var head [headerSize]byte
	if _, err := w.r.ReadAt(head[:], int64(id*w.page)); err != nil {
		return nil, err
	}
	if got := binary.LittleEndian.Uint64(head[:]); got != id {
		return nil, w.bad(id, 0, "page %d says that it is page %d", id, got)
	}
	kind := binary.LittleEndian.Uint16(head[8:])
	ok := false
	for _, f := range flags {
		ok = ok || kind == f
	}
	if !ok {
		return nil, w.bad(id, 8, "page %d is of type %#x", id, kind)
	}
	more := uint64(binary.LittleEndian.Uint32(head[12:]))
	if more >= w.m.pages-id {
		return nil, w.bad(id, 12, "page %d runs over the end of the file", id)
	}
	for i := id; i <= id+more; i++ {
		if err := w.mark(i, id); err != nil {
			return nil, err
		}
	}
	b := make([]byte, (more+1)*w.page)
	if _, err := w.r.ReadAt(b, int64(id*w.page)); err != nil {
		return nil, err
	}
	return b, nil
}

// mark notes that a page is used, or free; for is the page that says so.
func (w *walk) mark(id, by uint64) error {
	if id < 2 || id >= w.m.pages {
		return w.bad(by, 0, "page %d names page %d, which is outside of the file", by, id)
	}
	if w.seen[id/8]&(1<<(id%8)) != 0 {
		return w.bad(by, 0, "page %d is named twice", id)
	}
	w.seen[id/8] |= 1 << (id % 8)
	return nil
}

func (w *walk) freelist() error {
	id := w.m.freelist
	b, err := w.take(id, flagFreelist)
	if err != nil {
		return err
	}
	count, list := uint64(binary.LittleEndian.Uint16(b[10:])), b[headerSize:]
	if count == 0xffff { // then the first element is the number
		count, list = binary.LittleEndian.Uint64(list), list[8:]
	}
	if count > uint64(len(list))/8 {
		return w.bad(id, 10, "the freelist has %d members, more than its page holds", count)
	}
	last := uint64(0)
	for i := range count {
		free := binary.LittleEndian.Uint64(list[8*i:])
		if free <= last {
			return w.bad(id, headerSize, "the freelist is not in order")
		}
		if err := w.mark(free, id); err != nil {
			return err
		}
		last = free
	}
	return nil
}

// tree walks the page and what is below it. Its keys are from low, and below
// high unless that is nil. Leaves of the root hold buckets, others values.
func (w *walk) tree(id uint64, depth int, low, high []byte, root bool) error {
	if depth > maxDepth {
		return w.bad(id, 0, "the tree is more than %d levels deep", maxDepth)
	}
	b, err := w.take(id, flagBranch, flagLeaf)
	if err != nil {
		return err
	}
	return w.node(b, id, 0, depth, low, high, root)
}

// node walks the page in b, which stands at byte at of page id.
func (w *walk) node(b []byte, id uint64, at, depth int, low, high []byte, root bool) error {
	leaf := binary.LittleEndian.Uint16(b[8:]) == flagLeaf
	count := int(binary.LittleEndian.Uint16(b[10:]))
	if headerSize+count*elementSize > len(b) {
		return w.bad(id, at+10, "page %d has %d elements, more than it holds", id, count)
	}
	if !leaf && count == 0 {
		return w.bad(id, at+10, "page %d leads nowhere", id)
	}
	for i := range count {
		e := headerSize + i*elementSize
		key, value, why := element(b, e, leaf, headerSize+count*elementSize)
		switch {
		case why != "":
		case i > 0 && bytes.Compare(key, low) <= 0:
			why = "its key is not above the one before"
		case i == 0 && bytes.Compare(key, low) < 0:
			why = "its key is below its page's first"
		case high != nil && bytes.Compare(key, high) >= 0:
			why = "its key is above its page's last"
		}
		if why != "" {
			return w.bad(id, at+e, "element %d of page %d: %s", i, id, why)
		}
		low = key
		switch {
		case !leaf:
			end := high
			if i+1 < count {
				if end, _, why = element(b, e+elementSize, false, headerSize+count*elementSize); why != "" {
					return w.bad(id, at+e+elementSize, "element %d of page %d: %s", i+1, id, why)
				}
			}
			if err := w.tree(binary.LittleEndian.Uint64(b[e+8:]), depth+1, key, end, root); err != nil {
				return err
			}
		case binary.LittleEndian.Uint32(b[e:])&1 != 0:
			if !root {
				return w.bad(id, at+e, "element %d of page %d is a bucket inside a bucket", i, id)
			}
			if err := w.bucket(value, id, at+e); err != nil {
				return err
			}
		case root:
			return w.bad(id, at+e, "element %d of page %d is not a bucket", i, id)
		}
	}
	return nil
}

// element returns the key and value of the element at e, or why there is none.
// They stand behind the last element, which ends at from.
func element(b []byte, e int, leaf bool, from int) (key, value []byte, why string) {
	u32 := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[i:])) }
	pos, ksize, vsize := u32(e), u32(e+4), uint64(0)
	if leaf {
		if u32(e) > 1 {
			return nil, nil, "its flags are unknown"
		}
		pos, ksize, vsize = u32(e+4), u32(e+8), u32(e+12)
	}
	start := uint64(e) + pos
	if start < uint64(from) || start+ksize+vsize > uint64(len(b)) {
		return nil, nil, "it is outside of its page"
	}
	return b[start : start+ksize], b[start+ksize : start+ksize+vsize], ""
}

// bucket walks what an element of the root holds: a page number, or a small
// bucket's page itself.
func (w *walk) bucket(value []byte, id uint64, at int) error {
	if len(value) < bucketSize {
		return w.bad(id, at, "a bucket of %d bytes", len(value))
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return w.tree(root, 0, nil, nil, false)
	}
	inline := value[bucketSize:]
	if len(inline) < headerSize || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf {
		return w.bad(id, at, "a bucket inside its element is not a leaf")
	}
	return w.node(inline, id, at, 0, nil, nil, false)
}
