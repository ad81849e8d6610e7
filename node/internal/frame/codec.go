package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/peersea/sea/node/rpc"
)

// ErrInvalid is returned, wrapped with the frame, the member and the reason,
// when bytes are not a frame.
var ErrInvalid = errors.New("frame")

const maxUint = math.MaxUint64

// The major types of CBOR that frames are made of. RFC 8949 §3.1.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
)

// Encode returns f's bytes. It panics when a member is out of its bounds: those
// are checked where the caller's data come in.
func Encode(f Frame) []byte {
	size := sizer(8)
	f.fields(&size)
	return Append(make([]byte, 0, int(size)), f)
}

// Split is Encode in two pieces: body is m's own, head is what comes before it.
func (m *Message) Split() (head, body []byte) {
	w := &writer{b: make([]byte, 0, 8+len(m.Scope)+5)}
	w.head(majorArray, 3)
	w.head(majorUint, uint64(TagMessage))
	w.scope("scope", &m.Scope)
	w.head(majorBytes, uint64(len(m.Body)))
	if w.err != nil {
		panic(fmt.Sprintf("frame: %v: %v", TagMessage, w.err))
	}
	return w.b, m.Body
}

// Append is Encode to the end of b.
func Append(b []byte, f Frame) []byte {
	w := &writer{b: b}
	_, n := blank(f.Tag())
	w.head(majorArray, uint64(n)+1)
	w.head(majorUint, uint64(f.Tag()))
	f.fields(w)
	if w.err != nil {
		panic(fmt.Sprintf("frame: %v: %v", f.Tag(), w.err))
	}
	return w.b
}

// Decode reads a frame. Its byte members share memory with b. The error wraps
// ErrInvalid.
func Decode(b []byte) (Frame, error) {
	r := &reader{b: b}
	members := r.head("frame", majorArray)
	tag := r.head("tag", majorUint)
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, r.err)
	}
	if tag > math.MaxUint8 {
		return nil, fmt.Errorf("%w: tag %d is not known here", ErrInvalid, tag)
	}
	f, n := blank(Tag(tag))
	if f == nil {
		return nil, fmt.Errorf("%w: tag %d is not known here", ErrInvalid, tag)
	}
	if members != uint64(n)+1 {
		return nil, fmt.Errorf("%w: %v: %d members, not %d", ErrInvalid, f.Tag(), members, n+1)
	}
	f.fields(r)
	if r.err == nil && r.at != len(b) {
		r.err = fmt.Errorf("%d bytes after the end", len(b)-r.at)
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrInvalid, f.Tag(), r.err)
	}
	return f, nil
}

// A codec walks a frame's members: writer writes them, reader reads them,
// sizer adds up how much room they need.
type codec interface {
	uint(name string, v *uint64, most uint64)
	bytes(name string, v *[]byte, least, most int)
	list(name string, v *[]byte, size, least, most int) // bytes of so many pieces of a size
	text(name string, v *string, most int)
	scope(name string, v *string)
}

// number is codec.uint for a 32-bit type.
func number[T ~uint32](c codec, name string, v *T, most uint64) {
	wide := uint64(*v)
	c.uint(name, &wide, most)
	*v = T(wide)
}

type writer struct {
	b   []byte
	err error
}

func (w *writer) head(major byte, n uint64) {
	m := major << 5
	switch {
	case n < 24:
		w.b = append(w.b, m|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, m|24, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, m|25), uint16(n))
	case n <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, m|26), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, m|27), n)
	}
}

func (w *writer) check(name string, err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (w *writer) uint(name string, v *uint64, most uint64) {
	w.check(name, checkUint(*v, most))
	w.head(majorUint, *v)
}

func (w *writer) bytes(name string, v *[]byte, least, most int) {
	w.check(name, checkLength(len(*v), least, most))
	w.head(majorBytes, uint64(len(*v)))
	w.b = append(w.b, *v...)
}

func (w *writer) list(name string, v *[]byte, size, least, most int) {
	w.check(name, checkPieces(len(*v), size))
	w.bytes(name, v, least, most)
}

func (w *writer) text(name string, v *string, most int) {
	w.check(name, checkText(*v, most))
	w.head(majorText, uint64(len(*v)))
	w.b = append(w.b, *v...)
}

func (w *writer) scope(name string, v *string) {
	w.check(name, rpc.CheckScope(*v))
	w.head(majorText, uint64(len(*v)))
	w.b = append(w.b, *v...)
}

type reader struct {
	b   []byte
	at  int
	err error
}

// head reads a data item's head and returns its argument. After the first
// error it reads nothing more.
func (r *reader) head(name string, major byte) uint64 {
	if r.err != nil {
		return 0
	}
	if r.at >= len(r.b) {
		r.err = fmt.Errorf("%s: missing", name)
		return 0
	}
	first := r.b[r.at]
	if first>>5 != major {
		r.err = fmt.Errorf("%s: CBOR type %d, not %d, at byte %d", name, first>>5, major, r.at)
		return 0
	}
	info := first & 0x1f
	if info < 24 {
		r.at++
		return uint64(info)
	}
	if info > 27 {
		r.err = fmt.Errorf("%s: no definite length at byte %d", name, r.at)
		return 0
	}
	size := 1 << (info - 24)
	if len(r.b)-r.at-1 < size {
		r.err = fmt.Errorf("%s: cut short", name)
		return 0
	}
	var n uint64
	for _, c := range r.b[r.at+1 : r.at+1+size] {
		n = n<<8 | uint64(c)
	}
	// RFC 8949 §4.2.1: the shortest head that holds the argument.
	if n < 24 || size > 1 && n < 1<<(8*size/2) {
		r.err = fmt.Errorf("%s: not in the shortest spelling at byte %d", name, r.at)
		return 0
	}
	r.at += 1 + size
	return n
}

func (r *reader) take(name string, major byte, least, most int) []byte {
	n := r.head(name, major)
	if r.err != nil {
		return nil
	}
	if n > uint64(most) || n < uint64(least) {
		r.err = fmt.Errorf("%s: %d bytes, not %d to %d", name, n, least, most)
		return nil
	}
	if uint64(len(r.b)-r.at) < n {
		r.err = fmt.Errorf("%s: cut short", name)
		return nil
	}
	taken := r.b[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return taken
}

func (r *reader) check(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (r *reader) uint(name string, v *uint64, most uint64) {
	n := r.head(name, majorUint)
	r.check(name, checkUint(n, most))
	*v = n
}

func (r *reader) bytes(name string, v *[]byte, least, most int) {
	*v = r.take(name, majorBytes, least, most)
}

func (r *reader) list(name string, v *[]byte, size, least, most int) {
	r.bytes(name, v, least, most)
	r.check(name, checkPieces(len(*v), size))
}

func (r *reader) text(name string, v *string, most int) {
	*v = string(r.take(name, majorText, 0, most))
	r.check(name, checkText(*v, most))
}

func (r *reader) scope(name string, v *string) {
	*v = string(r.take(name, majorText, 1, rpc.MaxScope))
	if r.err == nil {
		r.check(name, rpc.CheckScope(*v))
	}
}

// A sizer adds up an upper bound on the bytes that members need.
type sizer int

func (s *sizer) uint(string, *uint64, uint64)          { *s += 9 }
func (s *sizer) bytes(_ string, v *[]byte, _, _ int)   { *s += sizer(5 + len(*v)) }
func (s *sizer) list(_ string, v *[]byte, _, _, _ int) { *s += sizer(5 + len(*v)) }
func (s *sizer) text(_ string, v *string, _ int)       { *s += sizer(5 + len(*v)) }
func (s *sizer) scope(_ string, v *string)             { *s += sizer(5 + len(*v)) }

func checkUint(n, most uint64) error {
	if n > most {
		return fmt.Errorf("%d, above %d", n, most)
	}
	return nil
}

func checkLength(n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%d bytes, not %d to %d", n, least, most)
	}
	return nil
}

func checkPieces(n, size int) error {
	if n%size != 0 {
		return fmt.Errorf("%d bytes, not a multiple of %d", n, size)
	}
	return nil
}

func checkText(s string, most int) error {
	if err := checkLength(len(s), 0, most); err != nil {
		return err
	}
	if !utf8.ValidString(s) {
		return errors.New("not UTF-8")
	}
	return nil
}
