package wasi

import (
	"encoding/binary"

	"github.com/peersea/sea/compute/internal/meter"
)

// desc is an open descriptor.
type desc struct {
	kind        kind
	node        *node // nil for stdout and stderr
	pos         uint64
	read, write bool
	flags       uint16 // WASI's fdflags; append is the one that matters
	preopen     bool
	list        []*node // a folder's entries as of the last rewind
}

type kind uint8

const (
	stdin kind = iota
	stdout
	stderr
	folder
	file
)

// WASI's filetypes, fdflags and rights.
const (
	typeUnknown = 0 // what stdin, stdout and stderr are: neither terminal nor file
	typeFolder  = 3
	typeFile    = 4

	flagAppend = 1
	flagsAll   = 1<<5 - 1

	rightRead  = 1 << 1
	rightSeek  = 1<<2 | 1<<5
	rightWrite = 1 << 6
	rightsAll  = 1<<30 - 1
	// Rights of a descriptor that cannot write lack these: write, allocate,
	// set_size. Those of a folder also lack path_filestat_set_size, which no
	// call needs.
	rightsWrite   = rightWrite | 1<<8 | 1<<22
	rightPathSize = 1 << 19
)

func (k kind) stdio() bool { return k <= stderr }

func (d *desc) filetype() byte {
	switch d.kind {
	case folder:
		return typeFolder
	case file:
		return typeFile
	}
	return typeUnknown
}

func (d *desc) rights() (base, inheriting uint64) {
	base = rightsAll
	if !d.write {
		base &^= rightsWrite
	}
	if !d.read {
		base &^= rightRead
	}
	switch {
	case d.kind.stdio():
		return base &^ rightSeek, 0
	case d.kind == folder:
		return rightsAll &^ rightRead &^ rightSeek &^ rightsWrite &^ rightPathSize, rightsAll
	}
	return base, 0
}

// get gives descriptor fd.
func (w *World) get(fd uint32) (*desc, errno) {
	if fd >= uint32(len(w.fds)) || w.fds[fd] == nil {
		return nil, eBADF
	}
	return w.fds[fd], ok
}

// dirAt gives the folder that descriptor fd is open on.
func (w *World) dirAt(fd uint32) (*node, errno) {
	d, e := w.get(fd)
	if e != ok {
		return nil, e
	}
	if d.kind != folder {
		return nil, eNOTDIR
	}
	return d.node, ok
}

// slot is the lowest free descriptor.
func (w *World) slot() (uint32, errno) {
	for i, d := range w.fds {
		if d == nil {
			return uint32(i), ok
		}
	}
	if len(w.fds) >= maxOpen {
		return 0, eMFILE
	}
	w.fds = append(w.fds, nil)
	return uint32(len(w.fds) - 1), ok
}

func (w *World) open(slot uint32, d *desc) {
	d.node.open++
	w.fds[slot] = d
}

func (w *World) shut(fd uint32) {
	d := w.fds[fd]
	w.fds[fd] = nil
	w.unlist(d)
	w.garbage(nodeGarbage)
	if d.node != nil {
		d.node.open--
		w.drop(d.node)
	}
}

func fdClose(w *World, _ memory, p []uint64) errno {
	if _, e := w.get(u32(p[0])); e != ok {
		return e
	}
	w.shut(u32(p[0]))
	return ok
}

func fdRenumber(w *World, _ memory, p []uint64) errno {
	from, to := u32(p[0]), u32(p[1])
	d, e := w.get(from)
	if e != ok {
		return e
	}
	if _, e := w.get(to); e != ok {
		return e
	}
	if from != to {
		w.shut(to)
		w.fds[to], w.fds[from] = d, nil
	}
	return ok
}

func fdFdstatGet(w *World, m memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok {
		return e
	}
	b, e := m.span(u32(p[1]), 24)
	if e != ok {
		return e
	}
	w.pay(24 * meter.HostByte)
	base, inheriting := d.rights()
	clear(b)
	b[0] = d.filetype()
	binary.LittleEndian.PutUint16(b[2:], d.flags)
	binary.LittleEndian.PutUint64(b[8:], base)
	binary.LittleEndian.PutUint64(b[16:], inheriting)
	return ok
}

func fdFdstatSetFlags(w *World, _ memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok {
		return e
	}
	if u32(p[1])&^flagsAll != 0 {
		return eINVAL
	}
	d.flags = uint16(p[1])
	return ok
}

func fdFilestatGet(w *World, m memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok {
		return e
	}
	return w.putStat(m, u32(p[1]), d.filetype(), d.node)
}

// putStat writes a filestat. n is nil for stdout and stderr.
func (w *World) putStat(m memory, off uint32, typ byte, n *node) errno {
	b, e := m.span(off, 64)
	if e != ok {
		return e
	}
	w.pay(64 * meter.HostByte)
	clear(b)
	binary.LittleEndian.PutUint64(b, 1)
	b[16] = typ
	binary.LittleEndian.PutUint64(b[24:], 1)
	if typ != typeUnknown {
		binary.LittleEndian.PutUint64(b[8:], n.ino)
		binary.LittleEndian.PutUint64(b[32:], n.size)
	}
	for _, at := range []int{40, 48, 56} {
		binary.LittleEndian.PutUint64(b[at:], uint64(w.cfg.Start))
	}
	return ok
}

func fdFilestatSetSize(w *World, _ memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	switch {
	case e != ok:
		return e
	case d.kind == folder || d.kind.stdio():
		return eINVAL
	case !d.write:
		return eBADF
	}
	if size := p[1]; size <= d.node.size {
		w.truncate(d.node, size)
	} else {
		w.extend(d.node, size)
	}
	return ok
}

// fdAllocate makes a file as large as what is allocated, with zeros.
func fdAllocate(w *World, _ memory, p []uint64) errno {
	d, e := w.getPositioned(u32(p[0]))
	switch {
	case e != ok:
		return e
	case !d.write:
		return eBADF
	case p[2] == 0:
		return eINVAL
	}
	w.extend(d.node, addSat(p[1], p[2]))
	return ok
}

// extend grows a file with zeros, which are paid like copied bytes, and ends
// the guest when its quota is used up.
func (w *World) extend(n *node, size uint64) {
	if size > n.size {
		w.pay(min(size-n.size, w.cfg.MaxOutput) * meter.HostByte)
		if w.grow(n, size) {
			w.stop(OutputLimit)
		}
	}
}

// fdFilestatSetTimes answers that it did, for what may be changed at all. Times
// are fixed.
func fdFilestatSetTimes(w *World, _ memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok {
		return e
	}
	if !timesValid(u32(p[3])) {
		return eINVAL
	}
	if d.node != nil && !d.node.writable {
		return eROFS
	}
	return ok
}

// timesValid says whether WASI's fstflags are known and each time is set in one
// way at most: to a given one (1, 4) or to now (2, 8).
func timesValid(flags uint32) bool {
	return flags < 1<<4 && flags&3 != 3 && flags&12 != 12
}

func fdPrestatGet(w *World, m memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok || !d.preopen {
		return eBADF
	}
	b, e := m.span(u32(p[1]), 8)
	if e != ok {
		return e
	}
	clear(b) // a folder
	binary.LittleEndian.PutUint32(b[4:], uint32(len("/")))
	return ok
}

func fdPrestatDirName(w *World, m memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok || !d.preopen {
		return eBADF
	}
	if u32(p[2]) < 1 {
		return eNAMETOOLONG
	}
	b, e := m.span(u32(p[1]), 1)
	if e == ok {
		b[0] = '/'
	}
	return e
}

// fdAdvise, fdSync and fdDatasync have nothing to do, beyond looking at what
// they are given.
func fdAdvise(w *World, _ memory, p []uint64) errno {
	_, e := w.getPositioned(u32(p[0]))
	if e == ok && u32(p[3]) > 5 {
		return eINVAL
	}
	return e
}

func fdSync(w *World, _ memory, p []uint64) errno {
	_, e := w.get(u32(p[0]))
	return e
}
