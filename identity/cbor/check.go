package cbor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

const (
	// MaxDepth is how many arrays and maps may stand inside each other.
	MaxDepth = 32

	// MaxElements is how many members one array or pairs one map may have.
	MaxElements = 1 << 16
)

// Major types, RFC 8949 §3.1.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// null is the encoding of null.
const null = 0xf6

// Check says whether b is exactly one value in Sea's subset of CBOR, in its one
// spelling. It allocates nothing unless it refuses, and it never believes a
// length before that many bytes are there.
func Check(b []byte) error {
	c := checker{b: b}
	if err := c.value(0); err != nil {
		return err
	}
	if c.at != len(b) {
		return c.fail(c.at, "%d bytes after the value", len(b)-c.at)
	}
	return nil
}

// checker walks over the bytes once.
type checker struct {
	b  []byte
	at int
}

func (c *checker) fail(at int, format string, args ...any) error {
	return fmt.Errorf("%w: byte %d: %s", ErrInvalid, at, fmt.Sprintf(format, args...))
}

// value checks one value that stands inside depth arrays and maps.
func (c *checker) value(depth int) error {
	at := c.at
	major, n, err := c.head()
	if err != nil {
		return err
	}
	switch major {
	case majorUint:
		return nil
	case majorNegative: // the number is -1-n
		if n > math.MaxInt64 {
			return c.fail(at, "integer below -2^63")
		}
		return nil
	case majorBytes:
		_, err := c.take(at, n)
		return err
	case majorText:
		return c.text(at, n)
	case majorArray, majorMap:
		if depth == MaxDepth {
			return c.fail(at, "more than %d levels deep", MaxDepth)
		}
		if n > MaxElements {
			return c.fail(at, "%d members, %d at most", n, MaxElements)
		}
		if major == majorArray {
			return c.array(at, int(n), depth+1)
		}
		return c.pairs(at, int(n), depth+1)
	case majorTag:
		return c.fail(at, "tag %d: tags are not used", n)
	}
	return nil // a simple value, whole in its head
}

func (c *checker) array(at, n, depth int) error {
	if n > len(c.b)-c.at { // a member takes at least one byte
		return c.fail(at, "array of %d members in %d bytes", n, len(c.b)-c.at)
	}
	for range n {
		if err := c.value(depth); err != nil {
			return err
		}
	}
	return nil
}

// pairs checks a map. Keys stand in the bytewise order of their encodings
// (RFC 8949 §4.2.1), which also shows that none comes twice.
func (c *checker) pairs(at, n, depth int) error {
	if n > (len(c.b)-c.at)/2 {
		return c.fail(at, "map of %d pairs in %d bytes", n, len(c.b)-c.at)
	}
	var last []byte
	for i := range n {
		key := c.at
		major, size, err := c.head()
		if err != nil {
			return err
		}
		if major != majorText {
			return c.fail(key, "map key is not text")
		}
		if err := c.text(key, size); err != nil {
			return err
		}
		this := c.b[key:c.at]
		if i > 0 {
			switch bytes.Compare(this, last) {
			case 0:
				return c.fail(key, "map key comes twice")
			case -1:
				return c.fail(key, "map keys are out of order")
			}
		}
		last = this
		if err := c.value(depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) text(at int, n uint64) error {
	s, err := c.take(at, n)
	if err != nil {
		return err
	}
	if !utf8.Valid(s) {
		return c.fail(at, "text is not UTF-8")
	}
	return nil
}

// take steps over n bytes of the string whose head is at at.
func (c *checker) take(at int, n uint64) ([]byte, error) {
	if n > uint64(len(c.b)-c.at) {
		return nil, c.fail(at, "string of %d bytes, %d are there", n, len(c.b)-c.at)
	}
	s := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return s, nil
}

// head reads a head: a major type and its argument in the shortest spelling.
// Simple values and floats are checked here, because what follows their first
// byte is no number.
func (c *checker) head() (major byte, n uint64, err error) {
	at := c.at
	if at == len(c.b) {
		return 0, 0, c.fail(at, "the value ends early")
	}
	first := c.b[at]
	c.at++
	major, info := first>>5, first&0x1f
	if info < 24 {
		if major == majorSimple && (info < 20 || info > 22) {
			return 0, 0, c.fail(at, "simple value %d: only false, true and null are used", info)
		}
		return major, uint64(info), nil
	}
	if info > 27 {
		return 0, 0, c.fail(at, "indefinite length or reserved head 0x%02x", first)
	}
	size := 1 << (info - 24)
	if len(c.b)-c.at < size {
		return 0, 0, c.fail(at, "the head ends early")
	}
	arg := c.b[c.at : c.at+size]
	c.at += size
	var least uint64 // the smallest number that needs this head
	switch size {
	case 1:
		n, least = uint64(arg[0]), 24
	case 2:
		n, least = uint64(binary.BigEndian.Uint16(arg)), 1<<8
	case 4:
		n, least = uint64(binary.BigEndian.Uint32(arg)), 1<<16
	case 8:
		n, least = binary.BigEndian.Uint64(arg), 1<<32
	}
	if major == majorSimple {
		return major, n, c.float(at, size, n)
	}
	if n < least {
		return 0, 0, c.fail(at, "%d is not written in the shortest way", n)
	}
	return major, n, nil
}

// float checks that a float is written in the shortest form that keeps its
// value, and not-a-number as f97e00.
func (c *checker) float(at, size int, bits uint64) error {
	shortest := true
	switch size {
	case 1:
		return c.fail(at, "simple value %d: only false, true and null are used", bits)
	case 2:
		if bits&0x7c00 == 0x7c00 && bits&0x3ff != 0 && bits != 0x7e00 {
			return c.fail(at, "not-a-number is not written as f97e00")
		}
	case 4:
		shortest = !fitsFloat16(math.Float32frombits(uint32(bits)))
	case 8:
		f := math.Float64frombits(bits)
		shortest = !math.IsNaN(f) && float64(float32(f)) != f
	}
	if !shortest {
		return c.fail(at, "float is not written in the shortest way")
	}
	return nil
}

// fitsFloat16 says whether f, or not-a-number, can be written in half precision
// without loss: 11 significant bits, exponents from -14 to 15, below that
// multiples of 2^-24.
func fitsFloat16(f float32) bool {
	bits := math.Float32bits(f)
	exponent := int(bits>>23&0xff) - 127
	mantissa := bits & (1<<23 - 1)
	switch {
	case exponent == 128: // infinities and not-a-number
		return true
	case exponent > 15:
		return false
	case exponent >= -14:
		return mantissa&(1<<13-1) == 0
	case exponent >= -24: // a half's subnormal: shift out what it has no room for
		drop := uint(13 + -14 - exponent)
		return (mantissa|1<<23)&(1<<drop-1) == 0
	}
	return bits<<1 == 0 // zero; every other such float is too small
}
