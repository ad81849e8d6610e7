package wasi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/compute/internal/meter"
)

// model is the output folder a second time, as simply as can be: nodes by their
// whole path below "out", bytes in slices. It says what a call must answer and
// cost.
type model struct {
	nodes map[string]*mnode // "" is out itself
	fds   map[uint64]*mdesc
	said  uint64 // bytes written to stdout
	slept uint64 // by polling
	files int    // how many more may be made
	bytes uint64 // of the output quota
}

type mnode struct {
	dir  bool
	data []byte
}

type mdesc struct {
	node        *mnode
	pos         uint64
	read, write bool
	append      bool
}

// want is what a call must do.
type want struct {
	errno errno
	price uint64 // beyond meter.HostCall
	full  bool   // it goes over the output quota
}

// used is what counts for the output quota.
func (m *model) used() uint64 {
	n := m.said
	seen := make(map[*mnode]bool)
	for _, k := range m.nodes {
		seen[k] = true
		n += uint64(len(k.data))
	}
	for _, d := range m.fds {
		if d != nil && !seen[d.node] {
			seen[d.node] = true
			n += uint64(len(d.node.data))
		}
	}
	return n
}

// walk follows p from "out": the path it leads to, whether that ends in a name,
// and whether it must be a folder.
func (m *model) walk(p string) (at string, named, slash bool, e errno) {
	var stack []string
	parts := strings.Split(p, "/")
	named = true
	for i, part := range parts {
		if part == "" {
			slash = i == len(parts)-1
			continue
		}
		slash = false
		n := m.nodes[strings.Join(stack, "/")]
		switch {
		case n == nil:
			return "", false, false, eNOENT
		case !n.dir:
			return "", false, false, eNOTDIR
		}
		named = part != "." && part != ".."
		switch {
		case named:
			stack = append(stack, part)
		case part == "..":
			if len(stack) == 0 {
				return "", false, false, eNOTCAPABLE
			}
			stack = stack[:len(stack)-1]
		}
	}
	at = strings.Join(stack, "/")
	if n := m.nodes[at]; slash && n != nil && !n.dir {
		return "", false, false, eNOTDIR
	}
	return at, named, slash, ok
}

func (m *model) make(at string, dir bool) errno {
	if m.files == 0 {
		return eNOSPC
	}
	m.files--
	m.nodes[at] = &mnode{dir: dir}
	return ok
}

// below are the paths at and below at.
func (m *model) below(at string) (list []string) {
	for p := range m.nodes {
		if p == at || strings.HasPrefix(p, at+"/") {
			list = append(list, p)
		}
	}
	return list
}

func (m *model) remove(at string) {
	delete(m.nodes, at)
	m.files++
}

// grow makes n at least size bytes, as far as the quota goes.
func (m *model) grow(n *mnode, size uint64) (full bool) {
	if size <= uint64(len(n.data)) {
		return false
	}
	more := size - uint64(len(n.data))
	room := m.bytes - m.used()
	n.data = append(n.data, make([]byte, min(more, room))...)
	return more > room
}

// extend is grow with its price.
func (m *model) extend(n *mnode, size uint64) want {
	if size <= uint64(len(n.data)) {
		return want{}
	}
	price := min(size-uint64(len(n.data)), m.bytes)
	return want{price: price, full: m.grow(n, size)}
}

func (m *model) store(n *mnode, off uint64, b []byte) want {
	if len(b) == 0 {
		return want{}
	}
	w := m.extend(n, off)
	w.price += uint64(len(b))
	if !w.full {
		w.full = m.grow(n, off+uint64(len(b)))
		if off < uint64(len(n.data)) {
			copy(n.data[off:], b)
		}
	}
	return w
}

// openFlags says what opening what is at path answers.
func (m *model) openFlags(n *mnode, oflags uint64, write bool) errno {
	switch {
	case n == nil && oflags&openCreate == 0:
		return eNOENT
	case n == nil:
		return ok
	case oflags&openCreate != 0 && oflags&openExclusive != 0:
		return eEXIST
	case n.dir && (write || oflags&(openTruncate|openCreate) != 0):
		return eISDIR
	}
	return ok
}

func (m *model) rename(from, to string) want {
	price := uint64(len(from) + len(to))
	a, named, _, e := m.walk(from)
	b, bNamed, slash, e2 := m.walk(to)
	switch {
	case e != ok:
		return want{errno: e, price: uint64(len(from))}
	case e2 != ok:
		return want{errno: e2, price: price}
	}
	n, old := m.nodes[a], m.nodes[b]
	switch {
	case n == nil:
		return want{errno: eNOENT, price: price}
	case !named:
		return want{errno: eINVAL, price: price}
	case !n.dir && slash && old == nil:
		return want{errno: eNOTDIR, price: price}
	}
	moved := m.below(a)
	price += 16 * uint64(len(moved))
	switch {
	case !bNamed, strings.HasPrefix(b, a+"/"):
		return want{errno: eINVAL, price: price}
	case n == old:
		return want{price: price}
	case old != nil && n.dir && !old.dir:
		return want{errno: eNOTDIR, price: price}
	case old != nil && !n.dir && old.dir:
		return want{errno: eISDIR, price: price}
	case old != nil && len(m.below(b)) > 1:
		return want{errno: eNOTEMPTY, price: price}
	}
	if old != nil {
		m.remove(b)
	}
	for _, p := range moved {
		m.nodes[b+p[len(a):]] = m.nodes[p]
		delete(m.nodes, p)
	}
	return want{price: price}
}

// FuzzWorld does what the bytes say in the world and in the model, and compares
// every answer, every price and the tree.
func FuzzWorld(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x02\x00\x09\x05\x00\x00\x04\x00\x09"))
	for op := range byte(15) {
		f.Add([]byte{0, 1, 9, 7, 2, 0, 0, 0x45, 1, 2, 0, 40, op, 1, 2, op, 0, 5, op, 2, 3, 11, 1, 2, 11, 2, 0x45})
	}
	f.Add([]byte{7, 1, 0, 7, 0x45, 0, 0, 0x49, 9, 2, 0, 99, 11, 1, 2, 11, 0x86, 2, 12, 2, 0, 9, 2, 0, 8, 1, 0})
	mem := make(memory, atData+1024) // what one call left means nothing to the next
	f.Fuzz(func(t *testing.T, script []byte) {
		g := guestWith(t, Config{MaxOutput: 4000, MaxFiles: 6, Start: start}, mem)
		s := &scratch{guest: g, dir: g.open(ok, "out", openDirectory, 0, 0)}
		m := &model{nodes: map[string]*mnode{"": {dir: true}}, fds: map[uint64]*mdesc{}, files: 6, bytes: 4000}
		for len(script) >= 3 && s.fuzzStep(m, script[0], script[1], script[2]) {
			script = script[3:]
			s.audit()
		}
		s.audit()
		var tree []string
		for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
			if n := m.nodes[p]; n.dir && p != "" {
				tree = append(tree, p+"/")
			} else if !n.dir {
				tree = append(tree, p+"="+string(n.data))
			}
		}
		if got, want := s.tree(), strings.TrimSpace(strings.Join(tree, " ")); got != want {
			t.Errorf("tree %q, want %q", got, want)
		}
	})
}

// fuzzPathOf turns a byte into a path of up to three names.
func fuzzPathOf(b byte) string {
	parts := []string{"", "a", "b", "..", "a", "b", ".", "c"}
	var p []string
	for v := b & 0x7f; v > 0; v >>= 3 {
		p = append(p, parts[v&7])
	}
	path := strings.TrimLeft(strings.Join(p, "/"), "/")
	if b&0x80 != 0 {
		path += "/"
	}
	if path == "" || path == "/" {
		return "c"
	}
	return path
}

// fuzzStep makes one call and tells whether the guest goes on.
func (s *scratch) fuzzStep(m *model, op, a, b byte) bool {
	path, fd := fuzzPathOf(a), 5+uint64(a%4)
	at, n := s.path(path)
	place, named, slash, e := m.walk(path)
	node := m.nodes[place]
	w := want{errno: e, price: n}
	d := m.fds[fd]
	data := []byte(strings.Repeat(string('A'+b%26), int(b)))
	after := func() {} // looks at what the call gave
	var call string
	var params []uint64
	switch op % 15 {
	case 0: // open
		oflags, rights, flags := uint64(b&15&^openDirectory), uint64(b>>4&1)<<1|uint64(b>>5&1)<<6, uint64(b>>6&1)
		call, params = "path_open", []uint64{s.dir, 0, at, n, oflags, rights, 0, flags, atResult}
		free := uint64(5)
		for m.fds[free] != nil {
			free++
		}
		if free > 8 {
			return true
		}
		if e == ok {
			w.errno = m.openFlags(node, oflags, rights&rightWrite != 0)
		}
		if w.errno == ok && node == nil {
			if slash {
				w.errno = eISDIR
			} else {
				w.errno = m.make(place, false)
				node = m.nodes[place]
			}
		}
		if w.errno == ok && node.dir {
			after = func() { s.must(ok, "fd_close", free) }
		} else if w.errno == ok {
			if oflags&openTruncate != 0 {
				node.data = nil
			}
			m.fds[free] = &mdesc{node: node, read: rights&rightRead != 0, write: rights&rightWrite != 0, append: flags&flagAppend != 0}
			after = func() { s.equal("descriptor", uint64(s.u32(atResult)), free) }
		}
	case 1:
		call, params = "fd_close", []uint64{fd}
		w = m.open(d, false)
		delete(m.fds, fd)
	case 2:
		copy(s.m[atData:], data)
		list, count := s.span(len(data))
		call, params = "fd_write", []uint64{fd, list, count, atResult}
		if w = m.open(d, true); w.errno == ok {
			if d.append {
				d.pos = uint64(len(d.node.data))
			}
			w = m.store(d.node, d.pos, data)
			d.pos += uint64(len(data))
		}
	case 3:
		copy(s.m[atData:], data)
		list, count := s.span(len(data))
		off := uint64(a) * 9
		call, params = "fd_pwrite", []uint64{fd, list, count, off, atResult}
		if w = m.open(d, true); w.errno == ok {
			w = m.store(d.node, off, data)
		}
	case 4:
		list, count := s.span(int(b))
		call, params = "fd_read", []uint64{fd, list, count, atResult}
		if w = m.open(d, false); w.errno == ok && !d.read {
			w.errno = eBADF
		}
		if w.errno == ok {
			from := d.node.data[min(d.pos, uint64(len(d.node.data))):]
			from = slices.Clone(from[:min(int(b), len(from))])
			d.pos += uint64(len(from))
			w.price = uint64(len(from))
			after = func() {
				s.equal("read", string(s.m[atData:atData+s.u32(atResult)]), string(from))
			}
		}
	case 5:
		call, params = "fd_seek", []uint64{fd, uint64(int64(int8(b))), uint64(a >> 2 & 3), atResult}
		if w = m.open(d, false); w.errno == ok {
			to := int64(int8(b)) + []int64{0, int64(d.pos), int64(len(d.node.data)), 0}[a>>2&3]
			if to < 0 || a>>2&3 == 3 {
				w.errno = eINVAL
			} else {
				d.pos = uint64(to)
				after = func() { s.equal("position", s.u64(atResult), d.pos) }
			}
		}
	case 6:
		size := uint64(b) * uint64(a%32)
		call, params = "fd_filestat_set_size", []uint64{fd, size}
		if w = m.open(d, true); w.errno == ok {
			if size <= uint64(len(d.node.data)) {
				d.node.data = d.node.data[:size:size]
			} else {
				w = m.extend(d.node, size)
			}
		}
	case 7:
		call, params = "path_create_directory", []uint64{s.dir, at, n}
		if e == ok && node != nil {
			w.errno = eEXIST
		} else if e == ok {
			w.errno = m.make(place, true)
		}
	case 8, 9:
		call, params = "path_unlink_file", []uint64{s.dir, at, n}
		rmdir := op%15 == 9
		if rmdir {
			call = "path_remove_directory"
		}
		if e == ok {
			w.errno = m.unlink(place, named, rmdir)
		}
	case 10:
		call, params = "path_filestat_get", []uint64{s.dir, 0, at, n, atStat}
		switch {
		case e != ok:
		case node == nil:
			w.errno = eNOENT
		default:
			w.price += 64
			after = func() {
				s.equal("stat", fmt.Sprint(s.m[atStat+16] == typeFolder, s.u64(atStat+32)), fmt.Sprint(node.dir, len(node.data)))
			}
		}
	case 11:
		to := fuzzPathOf(b)
		copy(s.m[atPath2:], to)
		call, params = "path_rename", []uint64{s.dir, at, n, s.dir, atPath2, uint64(len(to))}
		w = m.rename(path, to)
	case 12:
		list, count := s.span(int(b))
		call, params = "fd_write", []uint64{1, list, count, atResult}
		w = want{price: uint64(b), full: uint64(b) > m.bytes-m.used()}
		m.said += min(uint64(b), m.bytes-m.used())
	case 13: // a relative clock, an absolute one, and perhaps a file
		subs := 2 + uint64(a>>7)
		now := s.own.used + meter.HostCall + 80*subs + m.slept
		due := []uint64{uint64(a) * 100, uint64(b)*50 - 3000}
		s.subscribe(0, clockMono, due[0], 0)
		s.subscribe(1, clockReal, start+now+due[1], 1)
		s.subscribe(2, 1, 0, 0)
		s.m[atData+2*subscriptionSize+8] = tagWrite
		call, params = "poll_oneoff", []uint64{atData, atEvents, subs, atResult}
		w = want{price: 80 * subs}
		if b < 60 {
			due[1] = 0 // the past
		}
		wake := min(due[0], due[1])
		if subs == 3 {
			wake = 0
		}
		var events []int
		for i, d := range append(due, 0)[:subs] {
			if d <= wake {
				events = append(events, 100+i)
			}
		}
		m.slept += wake
		after = func() {
			var got []int
			for i := range int(s.u32(atResult)) {
				got = append(got, int(s.u64(atEvents+i*eventSize)))
			}
			s.equal("events", fmt.Sprint(got), fmt.Sprint(events))
			s.equal("clock", s.time(clockReal), start+s.own.used+m.slept)
		}
	case 14:
		names := ". .."
		for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
			if p != "" && !strings.Contains(p, "/") {
				names += " " + p
			}
		}
		s.equal("names", s.names(s.dir, 27+uint64(b)), names)
		return true
	}
	before := s.own.used
	got, ended := s.call(call, params...)
	if got != w.errno || ended != w.full || s.own.used-before != meter.HostCall+w.price {
		s.t.Fatalf("%s%v %q: got errno %d, ended %v, price %d; want %+v", call, params, path, got, ended, s.own.used-before-meter.HostCall, w)
	}
	if !ended {
		after()
	}
	return !ended
}

// open says what a call answers that needs an open file, and to write it.
func (m *model) open(d *mdesc, write bool) want {
	if d == nil || write && !d.write {
		return want{errno: eBADF}
	}
	return want{}
}

func (m *model) unlink(at string, named, dir bool) errno {
	n := m.nodes[at]
	switch {
	case n == nil:
		return eNOENT
	case !named:
		return eINVAL
	case n.dir && !dir:
		return eISDIR
	case !n.dir && dir:
		return eNOTDIR
	case len(m.below(at)) > 1:
		return eNOTEMPTY
	}
	m.remove(at)
	return ok
}
