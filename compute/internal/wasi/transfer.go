package wasi

import (
	"math"

	"github.com/peersea/sea/compute/internal/meter"
)

// readable gives the descriptor when it can be read.
func (w *World) readable(fd uint32) (*desc, errno) {
	d, e := w.get(fd)
	switch {
	case e != ok:
		return nil, e
	case d.kind == folder:
		return nil, eISDIR
	case !d.read:
		return nil, eBADF
	}
	return d, ok
}

// positioned refuses what has no position, for pread, pwrite, seek and tell.
func (d *desc) positioned() errno {
	switch {
	case d.kind.stdio():
		return eSPIPE
	case d.kind == folder:
		return eBADF
	}
	return ok
}

// getPositioned gives descriptor fd if it has a position.
func (w *World) getPositioned(fd uint32) (*desc, errno) {
	d, e := w.get(fd)
	if e == ok {
		e = d.positioned()
	}
	return d, e
}

func fdRead(w *World, m memory, p []uint64) errno {
	d, e := w.readable(u32(p[0]))
	if e != ok {
		return e
	}
	n, e := w.read(m, d.node, p[1], p[2], d.pos, p[3])
	d.pos += uint64(n)
	return e
}

func fdPread(w *World, m memory, p []uint64) errno {
	d, e := w.readable(u32(p[0]))
	if e == ok {
		e = d.positioned()
	}
	if e == ok {
		_, e = w.read(m, d.node, p[1], p[2], p[3], p[4])
	}
	return e
}

// read copies from n at off into the spans at list, and puts the number of
// bytes at result.
func (w *World) read(m memory, n *node, list, count, off, result uint64) (int, errno) {
	v, e := w.vector(m, u32(list), u32(count))
	if e != ok {
		return 0, e
	}
	want := n.available(v.size, off)
	if e := m.put32(u32(result), uint32(want)); e != ok {
		return 0, e
	}
	w.pay(uint64(want) * meter.HostByte)
	return n.readAt(v.cut(want), off), ok
}

// writable gives the descriptor when it can be written.
func (w *World) writable(fd uint32) (*desc, errno) {
	d, e := w.get(fd)
	if e == ok && !d.write {
		return nil, eBADF
	}
	return d, e
}

func fdWrite(w *World, m memory, p []uint64) errno {
	d, e := w.writable(u32(p[0]))
	if e != ok {
		return e
	}
	v, e := w.vector(m, u32(p[1]), u32(p[2]))
	if e != ok {
		return e
	}
	if e := m.put32(u32(p[3]), uint32(v.size)); e != ok {
		return e
	}
	if d.kind.stdio() {
		w.say(d.kind, v)
		return ok
	}
	if d.flags&flagAppend != 0 {
		d.pos = d.node.size
	}
	if e := w.store(d.node, v, d.pos); e != ok {
		return e
	}
	d.pos += uint64(v.size)
	return ok
}

func fdPwrite(w *World, m memory, p []uint64) errno {
	d, e := w.writable(u32(p[0]))
	if e == ok {
		e = d.positioned()
	}
	if e != ok {
		return e
	}
	v, e := w.vector(m, u32(p[1]), u32(p[2]))
	if e != ok {
		return e
	}
	if e := m.put32(u32(p[4]), uint32(v.size)); e != ok {
		return e
	}
	return w.store(d.node, v, p[3])
}

// say writes to stdout or stderr: what the quota has room for, and if that is
// not all of it, the guest ends.
func (w *World) say(k kind, v iovs) {
	w.pay(uint64(v.size) * meter.HostByte)
	room := w.cfg.MaxOutput - w.bytes
	full := uint64(v.size) > room
	if full {
		v = v.cut(int(room))
	}
	w.bytes += uint64(v.size)
	to := w.cfg.Stdout
	if k == stderr {
		to = w.cfg.Stderr
	}
	if to != nil && v.size > 0 {
		for _, b := range v.spans {
			to(b)
		}
	}
	if full {
		w.stop(OutputLimit)
	}
}

// store writes v to a file at off, with the same end. A gap before off is
// zeros, and paid like written bytes.
func (w *World) store(n *node, v iovs, off uint64) errno {
	if v.size == 0 {
		return ok
	}
	if off > math.MaxInt64-maxTransfer {
		return eINVAL
	}
	w.pay(uint64(v.size) * meter.HostByte)
	w.extend(n, off)
	full := w.grow(n, off+uint64(v.size))
	if full {
		v = v.cut(int(n.size - min(off, n.size)))
	}
	w.writeAt(n, v, off)
	if full {
		w.stop(OutputLimit)
	}
	return ok
}

func fdSeek(w *World, m memory, p []uint64) errno {
	d, e := w.getPositioned(u32(p[0]))
	if e != ok {
		return e
	}
	var from uint64
	switch u32(p[2]) {
	case 0:
	case 1:
		from = d.pos
	case 2:
		from = d.node.size
	default:
		return eINVAL
	}
	to := from + p[1] // p[1] is signed; both stay below 2^63 or are refused
	if int64(to) < 0 {
		return eINVAL
	}
	if e := m.put64(u32(p[3]), to); e != ok {
		return e
	}
	d.pos = to
	return ok
}

func fdTell(w *World, m memory, p []uint64) errno {
	d, e := w.getPositioned(u32(p[0]))
	if e != ok {
		return e
	}
	return m.put64(u32(p[1]), d.pos)
}
