package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/peersea/sea/identity"
)

// reader takes fixed-width fields off bytes that somebody else wrote. After the
// first error every further field is zero; end tells.
type reader struct {
	b    []byte
	what string // "entry", for errors
	at   int
	err  error
}

// fail keeps the first error, with cause as what errors.Is finds.
func (r *reader) fail(cause error, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s: %s", cause, r.what, fmt.Sprintf(format, args...))
	}
}

// end returns the first error; bytes that were not read are one.
func (r *reader) end() error {
	if r.at < len(r.b) {
		r.fail(ErrFormat, "%d bytes too many", len(r.b)-r.at)
	}
	return r.err
}

var zeros [64]byte

// take returns the next n bytes, 64 at most.
func (r *reader) take(n int) []byte {
	if r.err == nil && len(r.b)-r.at < n {
		r.fail(ErrFormat, "it ends at byte %d of at least %d", len(r.b), r.at+n)
	}
	if r.err != nil {
		return zeros[:n]
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) u8() uint8           { return r.take(1)[0] }
func (r *reader) u16() uint16         { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32         { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64         { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) hash() identity.Hash { return identity.Hash(r.take(32)) }
func (r *reader) sig() [64]byte       { return [64]byte(r.take(64)) }

// flag reads a byte that is 0 or 1.
func (r *reader) flag(name string) bool {
	b := r.u8()
	if b > 1 {
		r.fail(ErrFormat, "%s is %d, not 0 or 1", name, b)
	}
	return b == 1
}

func (r *reader) side(name string) Side {
	s := Side(r.u8())
	if s > High {
		r.fail(ErrFormat, "%s is %d, not 0 or 1", name, uint8(s))
	}
	return s
}

func (r *reader) entity(name string) identity.Entity {
	e := identity.Entity(r.hash())
	if r.err == nil {
		if err := e.Check(); err != nil {
			r.err = fmt.Errorf("%w: %s: %s: %w", ErrFormat, r.what, name, err)
		}
	}
	return e
}

// version reads the first byte of everything.
func (r *reader) version() {
	if v := r.u8(); v != version {
		r.fail(ErrVersion, "version %d is not known here, this program reads version %d", v, version)
	}
}

func flagByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
