// Package cbor is the one codec of Sea's messages, statements and records: a
// strict subset of CBOR (RFC 8949) in core deterministic encoding, in which
// every value has exactly one spelling.
//
// The subset is integers, byte strings, UTF-8 text, arrays, maps with text
// keys, false, true, null and floats. Refused are tags, indefinite lengths,
// undefined and the other simple values, keys that are not text, that repeat or
// that are out of order, lengths and numbers that are not written in the
// shortest way, integers outside int64 and uint64, text that is not UTF-8,
// bytes after the value, more than [MaxDepth] levels and more than
// [MaxElements] members of one array or map.
//
// [Marshal] and [Unmarshal] map these to Go values with the struct tags of
// github.com/fxamacker/cbor: `cbor:"name"`, `cbor:"name,omitempty"`,
// `cbor:"name,omitzero"`, `cbor:"-"` and, on a blank field `_ struct{}`,
// `cbor:",toarray"`. A nil slice or map is written as an empty one, a nil
// pointer as null. A struct's field that may be absent says omitempty or
// omitzero; all others must be there.
//
// What Unmarshal allocates is bounded by what came: for each byte at most the
// size of one member of the slice or map that it may stand for, and never
// anything for a length whose bytes are not there.
//
// One spelling does not mean that one may sign a re-encoding: what is signed
// or hashed is kept and forwarded as the bytes that came.
package cbor

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"

	fx "github.com/fxamacker/cbor/v2"
)

// ErrInvalid is returned, wrapped with the place and the reason, when bytes
// are not in Sea's subset of CBOR or do not fit the value they are read into.
var ErrInvalid = errors.New("cbor")

// Marshal returns the one spelling of v. It refuses values that Check would
// not let back in, such as maps with keys that are not text.
func Marshal(v any) ([]byte, error) {
	b, err := encoder.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: write %T: %w", ErrInvalid, v, err)
	}
	if err := Check(b); err != nil {
		return nil, fmt.Errorf("write %T: %w", v, err)
	}
	return b, nil
}

// Unmarshal reads b into v, a pointer to a zero value. It accepts b only when
// Marshal of the result gives b again: a missing field, a byte string that is
// shorter than the array it fills, a null where a number belongs and an integer
// where a float belongs are all refused. The result shares no memory with b.
// On an error v is left in an unspecified state.
func Unmarshal(b []byte, v any) error {
	if err := Check(b); err != nil {
		return err
	}
	if err := decoder.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: read %s: %w", ErrInvalid, target(v), err)
	}
	again := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(again)
	again.Reset()
	if err := encoder.MarshalToBuffer(v, again); err != nil {
		return fmt.Errorf("%w: read %s: %w", ErrInvalid, target(v), err)
	}
	if !bytes.Equal(again.Bytes(), b) {
		return fmt.Errorf("%w: not the one spelling of %s from byte %d on (a missing field, a wrong length or a wrong type)",
			ErrInvalid, target(v), firstDifference(again.Bytes(), b))
	}
	return nil
}

// RawMessage is one encoded value, kept as the bytes that came. An empty one is
// written as null.
type RawMessage []byte

// MarshalCBOR returns the bytes as they are.
func (m RawMessage) MarshalCBOR() ([]byte, error) {
	if len(m) == 0 {
		return []byte{null}, nil
	}
	return m, nil
}

// UnmarshalCBOR keeps a copy of b.
func (m *RawMessage) UnmarshalCBOR(b []byte) error {
	*m = append((*m)[:0], b...)
	return nil
}

// The underlying codec. Check has already refused what its options forbid; the
// options say it again so that neither depends on the other alone.
var (
	encoder = must(fx.EncOptions{
		Sort:          fx.SortCoreDeterministic,
		ShortestFloat: fx.ShortestFloat16,
		NaNConvert:    fx.NaNConvert7e00,
		InfConvert:    fx.InfConvertFloat16,
		IndefLength:   fx.IndefLengthForbidden,
		NilContainers: fx.NilContainerAsEmpty,
		TagsMd:        fx.TagsForbidden,
		BigIntConvert: fx.BigIntConvertReject,
	}.UserBufferEncMode())

	decoder = must(fx.DecOptions{
		DupMapKey:         fx.DupMapKeyEnforcedAPF,
		IndefLength:       fx.IndefLengthForbidden,
		TagsMd:            fx.TagsForbidden,
		MaxNestedLevels:   2 * MaxDepth, // Check counts; this only must not be stricter
		MaxArrayElements:  MaxElements,
		MaxMapPairs:       MaxElements,
		FieldNameMatching: fx.FieldNameMatchingCaseSensitive,
		ExtraReturnErrors: fx.ExtraDecErrorUnknownField,
		DefaultMapType:    reflect.TypeFor[map[string]any](),
	}.DecMode())

	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// must is for the options above, which are ours.
func must[M any](mode M, err error) M {
	if err != nil {
		panic("cbor: " + err.Error())
	}
	return mode
}

// target names what a value is read into, without the pointer.
func target(v any) string {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return fmt.Sprint(t)
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
