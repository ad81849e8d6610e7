package wasi

import "encoding/binary"

// memory is the guest's, as one call sees it. Its bytes are untrusted and its
// offsets may be anything, so every access is checked.
type memory []byte

// span gives the n bytes at off, which alias the guest's.
func (m memory) span(off, n uint32) ([]byte, errno) {
	if uint64(off)+uint64(n) > uint64(len(m)) {
		return nil, eFAULT
	}
	return m[off : uint64(off)+uint64(n)], ok
}

func (m memory) put32(off uint32, v uint32) errno {
	b, e := m.span(off, 4)
	if e == ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return e
}

func (m memory) put64(off uint32, v uint64) errno {
	b, e := m.span(off, 8)
	if e == ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return e
}

// iovs is a list of spans, short enough for one call.
type iovs struct {
	spans [][]byte
	size  int // bytes in all of them
}

// vector reads an array of n spans at off into w's scratch space, so a call
// makes no garbage. Bytes beyond maxTransfer are left out: reads and writes may
// be short.
func (w *World) vector(m memory, off, n uint32) (iovs, errno) {
	if n > maxIovs {
		return iovs{}, eINVAL
	}
	list, e := m.span(off, n*8)
	if e != ok {
		return iovs{}, e
	}
	v := iovs{spans: w.spans[:0]}
	for ; len(list) > 0; list = list[8:] {
		b, e := m.span(binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]))
		if e != ok {
			return iovs{}, e
		}
		b = b[:min(len(b), maxTransfer-v.size)]
		if len(b) > 0 {
			v.spans = append(v.spans, b)
			v.size += len(b)
		}
	}
	return v, ok
}

// cut shortens v to its first n bytes.
func (v iovs) cut(n int) iovs {
	if n >= v.size {
		return v
	}
	v.size = n
	for i, b := range v.spans {
		if len(b) >= n {
			v.spans[i] = b[:n]
			v.spans = v.spans[:i+1]
			break
		}
		n -= len(b)
	}
	return v
}
