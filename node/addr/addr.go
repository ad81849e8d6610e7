// Package addr is the space in which the sea finds things: addresses of 224
// bits and the XOR distance between them.
//
// An Addr says where to look, never whom to trust: a node's is made from its
// public key (OfNode), a channel's from its id, a blob's from its bytes. The
// width is what lets every distance be an exact float32 (Dist) with the weights
// of Sea's first interface: 2^126 for the first bit, 2^-97 for the last. Dist
// has ties past 24 significant bits, so whatever sorts or routes uses Compare
// or Closer, which see all of them.
package addr

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

const (
	// Size is the length of an address in bytes.
	Size = 28

	// Bits is the length of an address in bits, and the LogDist of two equal
	// ones.
	Bits = Size * 8

	// Digits is the length of an address as text.
	Digits = Size * 2
)

// ErrSyntax is returned when text is not an address, or in Resolve not the
// beginning of one.
var ErrSyntax = errors.New("not an address")

// An Addr is a point in the sea, most significant bit first. All values are
// valid and Addrs may be compared with ==.
type Addr [Size]byte

// Make returns the address of data: the first 28 bytes of its SHA-256.
func Make(data []byte) Addr {
	sum := sha256.Sum256(data)
	return Addr(sum[:Size])
}

// MakeString is Make of text's UTF-8 bytes.
func MakeString(text string) Addr {
	return Make([]byte(text))
}

// Parse reads the text form: 56 lower-case hex digits and nothing else. It
// refuses everything that String does not return.
func Parse(s string) (Addr, error) {
	if len(s) != Digits {
		return Addr{}, fmt.Errorf("%w: %d characters, want %d", ErrSyntax, len(s), Digits)
	}
	if err := checkDigits(s); err != nil {
		return Addr{}, err
	}
	var a Addr
	if _, err := hex.Decode(a[:], []byte(s)); err != nil {
		return Addr{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return a, nil
}

// checkDigits refuses what is not made of lower-case hex digits alone. It
// names places, not characters: s may come from anyone.
func checkDigits(s string) error {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%w: character %d is not a lower-case hex digit", ErrSyntax, i+1)
		}
	}
	return nil
}

// String returns the text form, 56 lower-case hex digits.
func (a Addr) String() string {
	return hex.EncodeToString(a[:])
}

// Short returns the first 10 digits, for people. It identifies nothing.
func (a Addr) Short() string {
	return hex.EncodeToString(a[:5])
}

// MarshalText returns the text form, so that JSON shows it.
func (a Addr) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, a[:]), nil
}

// UnmarshalText is Parse into a, which an error leaves as it was.
func (a *Addr) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// LogDist returns the index of the first bit that differs, 0 to 223, which is
// the number of leading bits that a and b share; 224 if they are equal.
func LogDist(a, b Addr) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return i*8 + bits.LeadingZeros8(x)
		}
	}
	return Bits
}

// Dist returns the XOR distance of a and b to 24 significant bits: m * 2^(103-L)
// with L = LogDist(a, b) and m the 24 bits of the XOR from bit L on, zeros past
// the last. The value is exact, cut off and not rounded, for rounding would
// break the triangle inequality. It is 0 only for equal addresses, otherwise
// 2^-97 to 2^127 - 2^103; different distances may give the same value.
func Dist(a, b Addr) float32 {
	first := LogDist(a, b)
	if first == Bits {
		return 0
	}
	// The four bytes from the one that holds bit first contain the 24 bits
	// after at most 7 zeros.
	var window uint32
	for i := range 4 {
		window <<= 8
		if at := first/8 + i; at < Size {
			window |= uint32(a[at] ^ b[at])
		}
	}
	m := window >> (8 - first%8)
	return float32(math.Ldexp(float64(m), 103-first))
}

// Compare orders a and b by their whole XOR distance from target: -1 if a is
// nearer, 1 if b is, 0 only if a == b.
func Compare(target, a, b Addr) int {
	for i := range target {
		if x, y := target[i]^a[i], target[i]^b[i]; x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// Closer reports whether a is strictly nearer to target than b is.
func Closer(target, a, b Addr) bool {
	return Compare(target, a, b) < 0
}

// Flip returns a with the given bit, 0 to 223, turned over: the far side of the
// bucket that the bit begins. It panics for another bit.
func (a Addr) Flip(bit int) Addr {
	if bit < 0 || bit >= Bits {
		panic(fmt.Sprintf("addr: flip of bit %d", bit))
	}
	a[bit/8] ^= 0x80 >> (bit % 8)
	return a
}

// Randomise returns a with its bits before start kept and the others read from
// rand, so a.Flip(j).Randomise(rand, j+1) has LogDist j to a. Start 0 draws
// all of them, 224 none; it panics beyond that range. The error is rand's.
func (a Addr) Randomise(rand io.Reader, start int) (Addr, error) {
	if start < 0 || start > Bits {
		panic(fmt.Sprintf("addr: randomise from bit %d", start))
	}
	var drawn Addr
	if _, err := io.ReadFull(rand, drawn[:]); err != nil {
		return Addr{}, fmt.Errorf("randomise address: %w", err)
	}
	copy(drawn[:start/8], a[:])
	if rest := start % 8; rest != 0 {
		mask := byte(0xff) >> rest // the bits to draw
		i := start / 8
		drawn[i] = a[i]&^mask | drawn[i]&mask
	}
	return drawn, nil
}
