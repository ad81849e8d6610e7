package hello

import (
	"errors"
	"fmt"

	"github.com/flynn/noise"

	"github.com/peersea/sea/node/internal/frame"
)

// Version is the first byte of every message of this protocol.
const Version = 1

// Overhead is how many bytes sealing adds: the version and AES-GCM's tag.
const Overhead = 1 + 16

// MaxSealed is the largest sealed message.
const MaxSealed = frame.MaxPiece + Overhead

// maxNonce is how many messages a lane may seal: far from where AES-GCM tires,
// further than a link ever gets.
const maxNonce = 1 << 48

// bulkBit marks the nonces of the second lane.
const bulkBit = 1 << 63

var (
	// ErrSeal is returned when a message does not open: it was changed, lost,
	// repeated or moved. The link must end.
	ErrSeal = errors.New("sealed message does not open: it was changed, repeated, lost or moved")

	// ErrVersion is returned when a message begins with a version that is not
	// known here.
	ErrVersion = errors.New("unknown protocol version")

	// ErrExhausted is returned when a lane has sealed all it may.
	ErrExhausted = errors.New("link has carried all the messages it may under one key")
)

// A Session is a finished handshake: who the peer is, and the keys.
type Session struct {
	// Peer is the other side, proven.
	Peer Proof

	// Initiator tells that this side dialled.
	Initiator bool

	// Binding names the handshake: the same 32 bytes on both sides and on no
	// other link (Noise §11.2).
	Binding [32]byte

	out, in noise.Cipher
}

// Lane returns the seals of the first lane, or of the second, bulk, one. Take
// each lane once.
func (s *Session) Lane(bulk bool) (Sealer, Opener) {
	var base uint64
	if bulk {
		base = bulkBit
	}
	return Sealer{c: s.out, base: base}, Opener{c: s.in, base: base}
}

// A Sealer seals the messages of one lane in their order. One goroutine may use
// it at a time.
type Sealer struct {
	c       noise.Cipher
	base, n uint64
}

// Seal appends to dst the message that carries plain.
func (s *Sealer) Seal(dst, plain []byte) ([]byte, error) {
	if s.n >= maxNonce {
		return nil, ErrExhausted
	}
	dst = append(dst, Version)
	dst = s.c.Encrypt(dst, s.base|s.n, versionAD, plain)
	s.n++
	return dst, nil
}

// An Opener opens the messages of one lane in their order. One goroutine may
// use it at a time.
type Opener struct {
	c       noise.Cipher
	base, n uint64
}

// Open returns what msg carries. Errors are ErrSeal and ErrVersion; after one
// the lane is at its end.
func (o *Opener) Open(msg []byte) ([]byte, error) {
	rest, err := checkVersion(msg)
	if err != nil {
		return nil, err
	}
	if o.n >= maxNonce {
		return nil, ErrExhausted
	}
	if len(msg) > MaxSealed {
		return nil, fmt.Errorf("%w: %d bytes, above %d", ErrSeal, len(msg), MaxSealed)
	}
	plain, err := o.c.Decrypt(rest[:0], o.base|o.n, versionAD, rest)
	if err != nil {
		return nil, ErrSeal
	}
	o.n++
	return plain, nil
}

// versionAD is authenticated with every sealed message.
var versionAD = []byte{Version}

// checkVersion returns msg after its version byte.
func checkVersion(msg []byte) ([]byte, error) {
	if len(msg) == 0 {
		return nil, fmt.Errorf("%w: an empty message", ErrVersion)
	}
	if msg[0] != Version {
		return nil, fmt.Errorf("%w: version %d is not known here, this node speaks version %d", ErrVersion, msg[0], Version)
	}
	return msg[1:], nil
}
