package meter

import (
	"fmt"
	"unicode/utf8"
)

// reader reads the binary format between pos and end of b. The first error
// stays, moves pos to end, and makes every later read return zero; loops check
// err, so hostile counts end with the bytes that would have to back them.
type reader struct {
	b        []byte
	pos, end int
	err      *Error
}

// fail records the first error.
func (r *reader) fail(at int, cause error, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{Offset: at, What: fmt.Sprintf(format, args...), cause: cause}
	}
	r.pos = r.end
}

// malformed records that the bytes at at are not WebAssembly.
func (r *reader) malformed(at int, format string, args ...any) {
	r.fail(at, ErrMalformed, format, args...)
}

// unsupported records that the module uses what we do not know.
func (r *reader) unsupported(at int, format string, args ...any) {
	r.fail(at, ErrUnsupported, format, args...)
}

// limit records that got is more than most.
func (r *reader) limit(at int, what string, got uint64, most int) {
	r.fail(at, ErrLimit, "%s: %d, at most %d", what, got, most)
}

func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.malformed(r.pos, "unexpected end")
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// skip passes over n bytes.
func (r *reader) skip(n int) {
	if n > r.end-r.pos {
		r.malformed(r.pos, "unexpected end")
		return
	}
	r.pos += n
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.pos < r.end && r.b[r.pos] < 0x80 {
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	return r.longU32()
}

func (r *reader) longU32() uint32 {
	at := r.pos
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			if shift == 28 && c > 0x0f {
				break
			}
			return v
		}
	}
	r.malformed(at, "integer too large")
	return 0
}

// signed reads a signed LEB128 of at most bits bits.
func (r *reader) signed(bits int) int64 {
	at := r.pos
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if left := bits - shift; left < 7 {
				// The bits beyond the value repeat its sign.
				if high := int8(c<<1) >> left; high != 0 && high != -1 {
					break
				}
			}
			if shift+7 < 64 {
				v = v << (64 - shift - 7) >> (64 - shift - 7)
			}
			return v
		}
	}
	r.malformed(at, "integer too large")
	return 0
}

// count reads the length of a vector whose entries take at least min bytes
// each, and refuses more than most.
func (r *reader) count(what string, min, most int) int {
	at := r.pos
	n := r.u32()
	if uint64(n) > uint64(most) {
		r.limit(at, what, uint64(n), most)
		return 0
	}
	if int(n) > (r.end-r.pos)/min {
		r.malformed(at, "%s: %d do not fit in what is left", what, n)
		return 0
	}
	return int(n)
}

// name reads a string of UTF-8.
func (r *reader) name(what string) string {
	at := r.pos
	n := r.count(what+" length", 1, len(r.b))
	if r.err != nil {
		return ""
	}
	s := r.b[r.pos : r.pos+n]
	r.pos += n
	if !utf8.Valid(s) {
		r.malformed(at, "%s is not UTF-8", what)
		return ""
	}
	return string(s)
}

// index reads an index below n.
func (r *reader) index(what string, n int) uint32 {
	at := r.pos
	i := r.u32()
	if r.err == nil && uint64(i) >= uint64(n) {
		r.malformed(at, "unknown %s %d of %d", what, i, n)
		return 0
	}
	return i
}

// valueType reads a value type.
func (r *reader) valueType() ValueType {
	at := r.pos
	t := ValueType(r.byte())
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	default:
		r.unsupported(at, "value type 0x%02x (%s)", byte(t), strangeType(byte(t)))
	}
	return t
}

// refType reads a reference type of WebAssembly 2.0.
func (r *reader) refType() ValueType {
	at := r.pos
	t := ValueType(r.byte())
	if t != FuncRef && t != ExternRef {
		r.unsupported(at, "reference type 0x%02x (%s)", byte(t), strangeType(byte(t)))
	}
	return t
}
