package wasi

// A writable file's bytes are pieces of chunkSize, so that a file that grows to
// any size is never copied and leaves no garbage. The first piece of a small
// file is shorter and doubles. A missing piece is zeros.

const (
	chunkSize  = 64 << 10
	firstChunk = 512
)

var zeros [chunkSize]byte

// piece gives the bytes from off to the end of their chunk or of the file.
// off must be below n.size.
func (n *node) piece(off uint64) []byte {
	if n.flat != nil {
		return n.flat[off:min(off+chunkSize, n.size)]
	}
	i, at := off/chunkSize, off%chunkSize
	end := min(chunkSize, n.size-i*chunkSize)
	if i < uint64(len(n.chunks)) {
		// The first chunk may be short: what lies beyond was never written.
		if c := n.chunks[i]; at < uint64(len(c)) {
			return c[at:min(end, uint64(len(c)))]
		}
	}
	return zeros[at:end]
}

// readAt fills v from off and returns how many bytes there were.
func (n *node) readAt(v iovs, off uint64) int {
	done := 0
	for _, b := range v.spans {
		for len(b) > 0 && off < n.size {
			c := copy(b, n.piece(off))
			b = b[c:]
			off += uint64(c)
			done += c
		}
	}
	return done
}

// available is how many of want bytes can be read at off.
func (n *node) available(want int, off uint64) int {
	if off >= n.size {
		return 0
	}
	return int(min(uint64(want), n.size-off))
}

// writeAt puts v at off. The file's size has been made large enough.
func (w *World) writeAt(n *node, v iovs, off uint64) {
	for _, b := range v.spans {
		for len(b) > 0 {
			c := copy(w.chunk(n, off, len(b)), b)
			b = b[c:]
			off += uint64(c)
		}
	}
}

// chunk gives the place of up to want bytes from off in their chunk, making it
// where there is none.
func (w *World) chunk(n *node, off uint64, want int) []byte {
	i, at := int(off/chunkSize), int(off%chunkSize)
	for len(n.chunks) <= i {
		n.chunks = append(n.chunks, nil)
	}
	end := min(at+want, chunkSize)
	if c := n.chunks[i]; len(c) < end {
		grown := w.alloc(end, i == 0)
		copy(grown, c)
		w.release(c)
		n.chunks[i] = grown
	}
	return n.chunks[i][at:end]
}

// alloc gives zeroed bytes: a whole chunk, or for the first one of a file the
// least power of two from firstChunk on.
func (w *World) alloc(n int, first bool) []byte {
	size := chunkSize
	if first {
		for size = firstChunk; size < n; size *= 2 {
		}
	}
	if last := len(w.free) - 1; size == chunkSize && last >= 0 {
		c := w.free[last]
		w.free = w.free[:last]
		clear(c)
		return c
	}
	return make([]byte, size)
}

// release keeps a whole chunk for the next file.
func (w *World) release(c []byte) {
	if len(c) == chunkSize {
		w.free = append(w.free, c)
	} else {
		w.garbage(len(c))
	}
}

// truncate makes n smaller.
func (w *World) truncate(n *node, size uint64) {
	keep := int((size + chunkSize - 1) / chunkSize)
	for i := keep; i < len(n.chunks); i++ {
		w.release(n.chunks[i])
		n.chunks[i] = nil
	}
	n.chunks = n.chunks[:min(keep, len(n.chunks))]
	// Bytes that come back when the file grows again are zeros.
	if at := size % chunkSize; at > 0 && keep == len(n.chunks) {
		if c := n.chunks[keep-1]; uint64(len(c)) > at {
			clear(c[at:])
		}
	}
	w.bytes -= n.size - size
	n.size = size
}

// grow makes n at least size bytes, as far as the quota goes: full tells that
// it did not go so far, and the size reached is n.size.
func (w *World) grow(n *node, size uint64) (full bool) {
	if size <= n.size {
		return false
	}
	if room := w.cfg.MaxOutput - w.bytes; size-n.size > room {
		size, full = n.size+room, true
	}
	w.bytes += size - n.size
	n.size = size
	return full
}
