package wasi

import (
	"encoding/binary"
	"testing"

	"github.com/tetratelabs/wazero/sys"
)

// FuzzCalls makes the calls that the bytes say, with parameters that are likely
// to mean something, and checks the books of the world after each.
func FuzzCalls(f *testing.F) {
	f.Add([]byte("\x1f\x03\x00\x00\x00\x00\x00\x00\x01\xff\xff"))
	for i := range calls {
		f.Add([]byte{byte(i), 3, 1, 2, 3, 4, 5, 6, 7, 8, byte(i), 4, 1, 1, 1, 1, 1, 1})
	}
	// Open out/f, write, rename, list, unlink.
	f.Add([]byte{31, 3, 0, 1, 5, 1, 7, 7, 0, 9, 26, 4, 2, 1, 9, 34, 3, 1, 5, 3, 1, 5, 21, 3, 3, 9, 0, 9, 36, 3, 1, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		g := guestWith(t, Config{Inputs: inputs, Stdin: []byte("typed"), MaxOutput: 5000, MaxFiles: 8, Start: start, Args: []string{"a", "b"}}, make(memory, 128<<10))
		g.own.limit = 50e6
		for i, p := range []string{"out/f", "out/d", "out", "in.txt", "../x", "out/d/g", "a/b/c.txt", "."} {
			copy(g.m[fuzzPath+i*64:], p)
		}
		for i := range 4 {
			binary.LittleEndian.PutUint32(g.m[atIovs+8*i:], 64<<10)
			binary.LittleEndian.PutUint32(g.m[atIovs+8*i+4:], 700)
		}
		for len(script) > 0 {
			c := calls[int(script[0])%len(calls)]
			script = script[1:]
			params := make([]uint64, len(c.params))
			for i := range params {
				if len(script) == 0 {
					break
				}
				params[i] = value(script[0])
				script = script[1:]
			}
			if g.step(c, params) {
				break
			}
			g.audit()
		}
		g.audit()
	})
}

const fuzzPath = 4096

// value turns a byte into a parameter: small numbers, places of paths, and ends.
func value(b byte) uint64 {
	switch {
	case b < 64:
		return uint64(b)
	case b < 128:
		return fuzzPath + uint64(b-64)*16
	case b < 192:
		return uint64(b-128) * 1000
	case b < 224:
		return 1 << (b - 192)
	case b < 240:
		return 1<<63 | uint64(b)
	}
	return -uint64(b - 239)
}

// step makes one call and tells whether it ended the guest.
func (g *guest) step(c call, params []uint64) (ended bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, exit := r.(*sys.ExitError); !exit {
				panic(r)
			}
			ended = true
		}
	}()
	g.pay(1000)
	c.do(g.World, g.m, params)
	return false
}

// audit counts what the world has counted.
func (g *guest) audit() {
	g.t.Helper()
	seen := make(map[*node]bool)
	files, bytes := 0, uint64(0)
	var walk func(n *node)
	walk = func(n *node) {
		for i, k := range n.kids {
			if k.parent != n || i > 0 && n.kids[i-1].name >= k.name {
				g.t.Fatalf("folder %q is in disorder at %q", n.name, k.name)
			}
			seen[k] = true
			if k != g.out {
				files++
			}
			if k.writable {
				bytes += k.size
			}
			walk(k)
		}
	}
	walk(g.root)
	listed := 0
	for _, d := range g.fds {
		if d == nil {
			continue
		}
		listed += len(d.list)
		if d.node != nil && d.kind == file && d.node.writable && !seen[d.node] {
			seen[d.node] = true
			bytes += d.node.size
		}
	}
	said := g.bytes - bytes // stdout and stderr
	if files != g.files || listed != g.listed || g.bytes > g.cfg.MaxOutput || said > g.cfg.MaxOutput {
		g.t.Fatalf("counted %d files, %d listed, %d bytes; the world says %d, %d, %d",
			files, listed, bytes, g.files, g.listed, g.bytes)
	}
	for _, e := range g.Tree() {
		size := uint64(0)
		_ = e.Each(func(b []byte) error { size += uint64(len(b)); return nil })
		if size != e.Size {
			g.t.Fatalf("%s has %d bytes, says %d", e.Path, size, e.Size)
		}
	}
}
