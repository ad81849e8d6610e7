package transport_test

import (
	"bytes"
	"testing"

	"github.com/peersea/sea/node/transport"
)

// A kept message is a copy, whatever its size and whatever lay in its memory.
func TestKeep(t *testing.T) {
	for round := range 3 {
		for _, size := range []int{0, 1, 12<<10 - 1, 12 << 10, transport.MaxMessage, transport.MaxMessage + 1} {
			msg := bytes.Repeat([]byte{byte(size), byte(round)}, size/2+1)[:size]
			kept := transport.Keep(msg)
			want := bytes.Clone(msg)
			clear(msg)
			if !bytes.Equal(kept, want) {
				t.Errorf("%d bytes are not what was kept", size)
			}
			transport.Recycle(kept)
		}
	}
	transport.Recycle(nil)
	transport.Recycle(make([]byte, 5))
}
