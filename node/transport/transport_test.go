package transport

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckSize(t *testing.T) {
	for _, c := range []struct {
		size int
		ok   bool
	}{{0, false}, {1, true}, {MaxMessage, true}, {MaxMessage + 1, false}, {1 << 24, false}} {
		err := CheckSize(make([]byte, c.size))
		if (err == nil) != c.ok || err != nil && (!errors.Is(err, ErrSize) || !strings.Contains(err.Error(), "17408")) {
			t.Errorf("%d bytes: got %v, want ok %v", c.size, err, c.ok)
		}
	}
}
