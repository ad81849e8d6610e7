package wasi

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// node is a file or folder of the tree.
type node struct {
	name     string
	parent   *node // the root is its own; nil when removed
	dir      bool
	writable bool // in "out", or "out" itself
	ino      uint64
	open     int // descriptors that hold it

	kids []*node // of a folder, sorted by name

	size   uint64
	flat   []byte   // an input's bytes
	chunks [][]byte // a writable file's bytes: see content.go
}

func (n *node) find(name string) (int, bool) {
	return slices.BinarySearchFunc(n.kids, name, func(k *node, name string) int {
		return strings.Compare(k.name, name)
	})
}

func (n *node) kid(name string) *node {
	if i, found := n.find(name); found {
		return n.kids[i]
	}
	return nil
}

func (n *node) add(k *node) {
	i, _ := n.find(k.name)
	n.kids = slices.Insert(n.kids, i, k)
	k.parent = n
}

func (n *node) remove() {
	if i, found := n.parent.find(n.name); found {
		n.parent.kids = slices.Delete(n.parent.kids, i, i+1)
	}
	n.parent = nil
}

// depth is the number of names, and length the bytes, of the path from the root.
func (n *node) depth() (parts, length int) {
	for ; n.parent != nil && n.parent != n; n = n.parent {
		parts++
		length += len(n.name) + 1
	}
	return parts, max(0, length-1)
}

// reach is the same for the deepest and longest path below n, counted from n,
// and the number of nodes looked at.
func (n *node) reach() (parts, length, nodes int) {
	nodes = 1
	for _, k := range n.kids {
		p, l, c := k.reach()
		parts = max(parts, p+1)
		length = max(length, l+len(k.name)+1)
		nodes += c
	}
	return parts, length, nodes
}

func (w *World) addInput(in Input) {
	dir := w.root
	rest := in.Path
	for {
		name, after, more := strings.Cut(rest, "/")
		if !more {
			dir.add(&node{name: name, ino: w.ino(), size: uint64(len(in.Data)), flat: in.Data})
			w.files++
			return
		}
		k := dir.kid(name)
		if k == nil {
			k = &node{name: name, dir: true, ino: w.ino()}
			dir.add(k)
			w.files++
		}
		dir, rest = k, after
	}
}

// place is where a path leads: a folder and a name in it, and the node of that
// name when there is one. name is "" when the path ends in a folder itself, by
// "." or "..".
type place struct {
	dir   *node
	name  string
	node  *node
	slash bool // the path ended in "/": it must be a folder
}

// resolve follows path from folder at, and never out of it. There are no links,
// so ".." is the folder that was walked through.
func (w *World) resolve(at *node, path string) (place, errno) {
	switch {
	case path == "":
		return place{}, eNOENT
	case len(path) > maxPath:
		return place{}, eNAMETOOLONG
	case !utf8.ValidString(path):
		return place{}, eILSEQ
	case strings.IndexByte(path, 0) >= 0:
		return place{}, eINVAL
	case path[0] == '/':
		return place{}, eNOTCAPABLE
	}
	p := place{dir: at, node: at}
	depth := 0
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" { // "a//b", or a "/" at the end
			p.slash = !more
			continue
		}
		p.slash = false
		// What came before must be a folder.
		if p.node == nil {
			return place{}, eNOENT
		}
		if !p.node.dir {
			return place{}, eNOTDIR
		}
		switch {
		case name == ".":
			p = place{dir: p.node, node: p.node}
		case name == "..":
			if depth--; depth < 0 {
				return place{}, eNOTCAPABLE
			}
			if p.node.parent == nil {
				return place{}, eNOENT
			}
			p = place{dir: p.node.parent, node: p.node.parent}
		case len(name) > maxName:
			return place{}, eNAMETOOLONG
		default:
			depth++
			p = place{dir: p.node, name: name, node: p.node.kid(name)}
		}
	}
	if p.slash && p.node != nil && !p.node.dir {
		return place{}, eNOTDIR
	}
	return p, ok
}

// vacant says whether something of the given reach may be put at p.
func (w *World) vacant(p place, parts, length int) errno {
	if p.name == "" {
		return eINVAL
	}
	if p.dir.parent == nil {
		return eNOENT // the folder was removed while open
	}
	if !p.dir.writable {
		return eROFS
	}
	dp, dl := p.dir.depth()
	// A path below the root begins with "out", so there is always a "/" more.
	if dp+1+parts > maxParts || dl+1+len(p.name)+length > maxPath {
		return eNAMETOOLONG
	}
	return ok
}

// make puts a new file or folder at p.
func (w *World) make(p place, dir bool) (*node, errno) {
	if e := w.vacant(p, 0, 0); e != ok {
		return nil, e
	}
	if w.files >= w.cfg.MaxFiles {
		return nil, eNOSPC
	}
	w.files++
	n := &node{name: strings.Clone(p.name), dir: dir, writable: true, ino: w.ino()}
	p.dir.add(n)
	return n, ok
}

// unlink takes n out of the tree. Its bytes go when nobody has it open.
func (w *World) unlink(n *node) {
	n.remove()
	w.files--
	w.drop(n)
}

// drop frees what an unlinked and closed node holds.
func (w *World) drop(n *node) {
	if n.parent == nil && n.open == 0 && n.writable {
		w.truncate(n, 0)
		w.garbage(nodeGarbage + len(n.name))
	}
}

// nodeGarbage is about what a node leaves behind.
const nodeGarbage = 256

// Entry is a file or folder below "out" when the guest has ended.
type Entry struct {
	Path string // relative to "out"
	Dir  bool
	Size uint64
	node *node
}

// Each gives the entry's bytes in pieces of at most 64 KiB, which are the
// world's own.
func (e Entry) Each(f func([]byte) error) error {
	for off := uint64(0); off < e.Size; {
		b := e.node.piece(off)
		if err := f(b); err != nil {
			return err
		}
		off += uint64(len(b))
	}
	return nil
}

// Tree lists what is below "out", sorted by path in byte order.
func (w *World) Tree() []Entry {
	var list []Entry
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, k := range n.kids {
			list = append(list, Entry{Path: path + k.name, Dir: k.dir, Size: k.size, node: k})
			walk(k, path+k.name+"/")
		}
	}
	walk(w.out, "")
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return list
}
