package transport

import (
	"bytes"
	"sync"
)

// keepLeast is from which size on a message is kept in memory that is used
// again. Smaller ones would waste most of it.
const keepLeast = 12 << 10

// A room holds one message of any size. It has a byte more than a message may,
// so that no other slice has its capacity.
type room [MaxMessage + 1]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// Keep returns a copy of msg, for a Conn to keep. It may lie in memory that
// Recycle has taken back.
func Keep(msg []byte) []byte {
	if len(msg) < keepLeast || len(msg) > MaxMessage {
		return bytes.Clone(msg)
	}
	r := rooms.Get().(*room)
	return r[:copy(r[:], msg)]
}

// Recycle takes a message back that Keep or a Conn's Recv returned, so that its
// memory can be used again. Nobody may hold on to any part of it. There is no
// need to call it.
func Recycle(msg []byte) {
	if cap(msg) == len(room{}) {
		rooms.Put((*room)(msg[:cap(msg)]))
	}
}
