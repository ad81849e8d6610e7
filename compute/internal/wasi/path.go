package wasi

import (
	"encoding/binary"

	"github.com/peersea/sea/compute/internal/meter"
)

// at reads a path and follows it from the folder that fd is open on.
func (w *World) at(m memory, fd, off, n uint64) (place, errno) {
	dir, e := w.dirAt(u32(fd))
	if e != ok {
		return place{}, e
	}
	if u32(n) > maxPath {
		return place{}, eNAMETOOLONG
	}
	b, e := m.span(u32(off), u32(n))
	if e != ok {
		return place{}, e
	}
	w.pay(uint64(len(b)) * meter.HostByte)
	w.garbage(len(b))
	return w.resolve(dir, string(b))
}

// WASI's oflags.
const (
	openCreate    = 1
	openDirectory = 2
	openExclusive = 4
	openTruncate  = 8
	openAll       = 1<<4 - 1
)

func pathOpen(w *World, m memory, p []uint64) errno {
	oflags, rights, flags := u32(p[4]), p[5], u32(p[7])
	if oflags&^openAll != 0 || flags&^flagsAll != 0 || oflags&openCreate != 0 && oflags&openDirectory != 0 {
		return eINVAL
	}
	at, e := w.at(m, p[0], p[2], p[3])
	if e != ok {
		return e
	}
	write := rights&rightWrite != 0
	if e := at.openable(oflags, write); e != ok {
		return e
	}
	result, e := m.span(u32(p[8]), 4)
	if e != ok {
		return e
	}
	slot, e := w.slot()
	if e != ok {
		return e
	}
	n := at.node
	if n == nil {
		if at.slash {
			return eISDIR
		}
		if n, e = w.make(at, false); e != ok {
			return e
		}
	}
	d := &desc{kind: file, node: n, read: rights&rightRead != 0, write: write, flags: uint16(flags)}
	if n.dir {
		d.kind = folder
	} else if oflags&openTruncate != 0 {
		w.truncate(n, 0)
	}
	w.open(slot, d)
	binary.LittleEndian.PutUint32(result, slot)
	return ok
}

// openable says whether what is, or is not, at p may be opened so.
func (p place) openable(oflags uint32, write bool) errno {
	n := p.node
	change := write || oflags&openTruncate != 0
	switch {
	case n == nil && oflags&openCreate == 0:
		return eNOENT
	case n == nil:
		return ok
	case oflags&openCreate != 0 && oflags&openExclusive != 0:
		return eEXIST
	case n.dir && (change || oflags&openCreate != 0):
		return eISDIR
	case !n.dir && oflags&openDirectory != 0:
		return eNOTDIR
	case change && !n.writable:
		return eROFS
	}
	return ok
}

func pathFilestatGet(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[2], p[3])
	if e != ok {
		return e
	}
	if at.node == nil {
		return eNOENT
	}
	typ := byte(typeFile)
	if at.node.dir {
		typ = typeFolder
	}
	return w.putStat(m, u32(p[4]), typ, at.node)
}

func pathFilestatSetTimes(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[2], p[3])
	switch {
	case e != ok:
		return e
	case !timesValid(u32(p[6])):
		return eINVAL
	case at.node == nil:
		return eNOENT
	case !at.node.writable:
		return eROFS
	}
	return ok
}

func pathCreateDirectory(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[1], p[2])
	if e != ok {
		return e
	}
	if at.node != nil {
		return eEXIST
	}
	_, e = w.make(at, true)
	return e
}

func pathRemoveDirectory(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[1], p[2])
	if e != ok {
		return e
	}
	if e := w.removable(at); e != ok {
		return e
	}
	if !at.node.dir {
		return eNOTDIR
	}
	if len(at.node.kids) > 0 {
		return eNOTEMPTY
	}
	w.unlink(at.node)
	return ok
}

func pathUnlinkFile(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[1], p[2])
	if e != ok {
		return e
	}
	if e := w.removable(at); e != ok {
		return e
	}
	if at.node.dir {
		return eISDIR
	}
	w.unlink(at.node)
	return ok
}

// removable says whether the name at p may go away.
func (w *World) removable(p place) errno {
	switch {
	case p.node == nil:
		return eNOENT
	case p.name == "":
		return eINVAL
	case p.node == w.out:
		return eBUSY
	case !p.node.writable:
		return eROFS
	}
	return ok
}

func pathRename(w *World, m memory, p []uint64) errno {
	from, e := w.at(m, p[0], p[1], p[2])
	if e != ok {
		return e
	}
	to, e := w.at(m, p[3], p[4], p[5])
	if e != ok {
		return e
	}
	if e := w.removable(from); e != ok {
		return e
	}
	n, old := from.node, to.node
	if !n.dir && to.slash && old == nil {
		return eNOTDIR
	}
	parts, length, nodes := n.reach()
	w.pay(uint64(nodes) * 16 * meter.HostByte)
	if e := w.vacant(to, parts, length); e != ok {
		return e
	}
	for up := to.dir; up != w.root; up = up.parent {
		if up == n {
			return eINVAL // into itself
		}
	}
	switch {
	case old == n:
		return ok
	case old == nil:
	case n.dir && !old.dir:
		return eNOTDIR
	case !n.dir && old.dir:
		return eISDIR
	case len(old.kids) > 0:
		return eNOTEMPTY
	}
	if old != nil {
		w.unlink(old)
	}
	n.remove()
	w.garbage(len(n.name))
	n.name = to.name
	to.dir.add(n)
	return ok
}

// pathReadlink finds no links.
func pathReadlink(w *World, m memory, p []uint64) errno {
	at, e := w.at(m, p[0], p[1], p[2])
	switch {
	case e != ok:
		return e
	case at.node == nil:
		return eNOENT
	}
	return eINVAL
}

// Sizes of WASI's dirent, and of the snapshot that a listing keeps.
const direntSize = 24

// fdReaddir lists ".", "..", and the entries sorted by name. Cookie n asks for
// what follows the first n of them. The list is that of the last call with
// cookie 0, so that a guest may remove what it lists.
func fdReaddir(w *World, m memory, p []uint64) errno {
	d, e := w.get(u32(p[0]))
	if e != ok {
		return e
	}
	if d.kind != folder {
		return eNOTDIR
	}
	buf, e := m.span(u32(p[1]), min(u32(p[2]), maxTransfer))
	if e != ok {
		return e
	}
	result, e := m.span(u32(p[4]), 4)
	if e != ok {
		return e
	}
	cookie := p[3]
	if cookie == 0 || d.list == nil {
		if e := w.list(d); e != ok {
			return e
		}
	}
	// A buffer too short for all is filled to its end, with an entry cut off:
	// that is how the guest knows that there is more.
	w.pay(uint64(len(buf)) * meter.HostByte)
	rest := buf
	for i := cookie; i < uint64(len(d.list))+2 && len(rest) > 0; i++ {
		rest = rest[d.entry(i, rest):]
	}
	binary.LittleEndian.PutUint32(result, uint32(len(buf)-len(rest)))
	return ok
}

// list takes the snapshot of a folder, paid as the pointers it copies.
func (w *World) list(d *desc) errno {
	n := len(d.node.kids)
	w.unlist(d)
	if w.listed+n > maxListed {
		return eNOMEM
	}
	w.pay(uint64(n) * 8 * meter.HostByte)
	w.listed += n
	d.list = append(make([]*node, 0, n), d.node.kids...)
	return ok
}

func (w *World) unlist(d *desc) {
	w.listed -= len(d.list)
	w.garbage(8 * cap(d.list))
	d.list = nil
}

// entry writes entry i, or as much of it as fits, and returns the length.
func (d *desc) entry(i uint64, b []byte) int {
	name, n := ".", d.node
	switch {
	case i == 1:
		name = ".."
		if n.parent != nil {
			n = n.parent
		}
	case i > 1:
		n = d.list[i-2]
		name = n.name
	}
	var head [direntSize]byte
	binary.LittleEndian.PutUint64(head[:], i+1)
	binary.LittleEndian.PutUint64(head[8:], n.ino)
	binary.LittleEndian.PutUint32(head[16:], uint32(len(name)))
	head[20] = typeFile
	if n.dir {
		head[20] = typeFolder
	}
	c := copy(b, head[:])
	return c + copy(b[c:], name)
}
