package compute

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/peersea/sea/compute/internal/wasi"
)

// MaxAsk is how many bytes the request or the answer of a Power may have.
const MaxAsk = wasi.MaxAsk

// The numbers that a Power may return instead of an answer. A guest sees them as the
// result of its call.
const (
	PowerAbsent  = -1              // what it asks for is not there
	PowerDenied  = -2              // it may not, or has used up what it may
	PowerFailed  = -3              // it was tried and came to nothing
	PowerInvalid = wasi.AskInvalid // the request is not as it must be
)

// Power is something that a guest may ask of its host beside its own world. It gives
// the answer, at most MaxAsk bytes, and 0; or one of the numbers above. The guest
// waits for it, and so does the job's cancel: it returns soon after ctx has ended. It
// does not keep the request. Calls of one job come one after the other.
//
// A guest imports it from the module "sea" as a function of type (i32, i32) -> i32
// that takes the place and the length of the request and returns the length of the
// answer, or the number; "answer", of type (i32) -> i32, then copies the answer to a
// place of the guest's. What a guest is answered is not part of its Job: the Result of
// one that asks cannot be computed again.
type Power func(ctx context.Context, request []byte) (answer []byte, code int32)

// Powers are what a guest may import from the module "sea", by name. "answer" is none.
type Powers map[string]Power

// names are sorted.
func (p Powers) names() []string { return slices.Sorted(maps.Keys(p)) }

// key names the set, for what must not be shared between guests of different ones.
func (p Powers) key() string { return strings.Join(p.names(), " ") }

// ask has a power answer, within its bounds.
func (p Powers) ask(ctx context.Context, name string, request []byte) (answer []byte, code int32) {
	answer, code = p[name](ctx, request)
	switch {
	case code < 0:
		return nil, code
	case len(answer) > MaxAsk:
		return nil, PowerFailed
	}
	return answer, 0
}

// askWire is a guest's call of a power, on its way to the engine.
type askWire struct {
	Name    string `cbor:"name"`
	Request []byte `cbor:"request"`
}

// An answer on its way to a worker is its code in four bytes, big-endian, and its
// bytes.

func answerBytes(answer []byte, code int32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(code)), answer...)
}

func readAnswer(b []byte) (answer []byte, code int32, err error) {
	if len(b) < 4 {
		return nil, 0, fmt.Errorf("%w: an answer of %d bytes", errFrame, len(b))
	}
	return b[4:], int32(binary.BigEndian.Uint32(b)), nil
}
