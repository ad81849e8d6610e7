package rtcnet

import (
	"testing"
	"time"
)

func TestBufferFor(t *testing.T) {
	for _, test := range []struct {
		rtt  time.Duration
		want uint64
	}{
		{0, 256 << 10},
		{-time.Second, 256 << 10},
		{100 * time.Microsecond, 258 << 10},
		{25 * time.Millisecond, 768 << 10},
		{50 * time.Millisecond, 1 << 20},
		{time.Hour, 1 << 20},
	} {
		if got := bufferFor(test.rtt); got < test.want-1024 || got > test.want+1024 {
			t.Errorf("%v: got %d, want about %d", test.rtt, got, test.want)
		}
	}
}
