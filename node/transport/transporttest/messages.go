package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

// held is what a wire may keep of messages that nobody takes, in bytes, its
// own buffers and the system's together.
const held = 24 << 20

func testOrder(t *testing.T, a, b transport.Conn) {
	const count = 2000
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for i := range count {
			if err := a.Send(patient(t), message(i, 8+i*37%3000)); err != nil {
				t.Errorf("Send %d: %v", i, err)
				return
			}
		}
	})
	for i := range count {
		expect(t, b, message(i, 8+i*37%3000))
	}
}

func testBothWays(t *testing.T, a, b transport.Conn) {
	const count = 500
	var all sync.WaitGroup
	for salt, c := range []transport.Conn{a, b} {
		all.Go(func() {
			for i := range count {
				if err := c.Send(patient(t), message(i+salt*count, 1500)); err != nil {
					t.Errorf("Send %d: %v", i, err)
					return
				}
			}
		})
	}
	for salt, c := range []transport.Conn{b, a} {
		all.Go(func() {
			for i := range count {
				got, err := c.Recv(patient(t))
				if want := message(i+salt*count, 1500); err != nil || !bytes.Equal(got, want) {
					t.Errorf("Recv %d: got %s, %v, want %s", i, show(got), err, show(want))
					return
				}
			}
		})
	}
	all.Wait()
}

func testSizes(t *testing.T, a, b transport.Conn) {
	for i, size := range []int{
		1, 2, 7, 8, 125, 126, 127, 128, 1023, 1024, 1200, 4095, 4096, 4097,
		16<<10 - 1, 16 << 10, 16<<10 + 1, transport.MaxMessage - 1, transport.MaxMessage,
	} {
		send(t, a, message(i, size))
		expect(t, b, message(i, size))
		send(t, b, message(i+1, size))
		expect(t, a, message(i+1, size))
	}
	for _, msg := range [][]byte{nil, {}, make([]byte, transport.MaxMessage+1), make([]byte, 1<<20)} {
		if err := a.Send(patient(t), msg); !errors.Is(err, transport.ErrSize) {
			t.Errorf("Send of %d bytes: got %v, want %v", len(msg), err, transport.ErrSize)
		}
	}
	send(t, a, message(1, 10)) // and the Conn is as it was
	expect(t, b, message(1, 10))
}

func testSliceIsOurs(t *testing.T, a, b transport.Conn) {
	const count, size = 200, 2048
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		buf := make([]byte, size)
		for i := range count {
			copy(buf, message(i, size))
			if err := a.Send(patient(t), buf); err != nil {
				t.Errorf("Send %d: %v", i, err)
				return
			}
			clear(buf) // the sender may reuse its slice
		}
	})
	var kept [][]byte
	for i := range count {
		got, err := b.Recv(patient(t))
		if err != nil {
			t.Fatalf("Recv %d: %v", i, err)
		}
		if i%2 == 0 { // the receiver may write over its own, up to its capacity
			full := got[:cap(got)]
			for j := range full {
				full[j] = 0xee
			}
			got = nil
		}
		kept = append(kept, got)
	}
	for i, got := range kept {
		if want := message(i, size); got != nil && !bytes.Equal(got, want) {
			t.Errorf("message %d: got %s, want %s", i, show(got), show(want))
		}
	}
}

func testManySenders(t *testing.T, a, b transport.Conn) {
	const senders, count = 8, 100
	var all sync.WaitGroup
	defer all.Wait()
	for s := range senders {
		all.Go(func() {
			for i := range count {
				if err := a.Send(patient(t), message(s<<32|i, 700+s)); err != nil {
					t.Errorf("sender %d, Send %d: %v", s, i, err)
					return
				}
			}
		})
	}
	var next [senders]int
	for range senders * count {
		got, err := b.Recv(patient(t))
		if err != nil {
			t.Fatalf("Recv: %v", err)
		}
		s := len(got) - 700
		if s < 0 || s >= senders || !bytes.Equal(got, message(s<<32|next[s], 700+s)) {
			t.Fatalf("Recv: got %d bytes, %s", len(got), show(got))
		}
		next[s]++
	}
}

func testManyReceivers(t *testing.T, a, b transport.Conn) {
	const receivers, count = 8, 400
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[uint64]int)
	for range receivers {
		all.Go(func() {
			for range count / receivers {
				got, err := b.Recv(patient(t))
				if err != nil || len(got) != 100 {
					t.Errorf("Recv: got %d bytes, %v", len(got), err)
					return
				}
				mu.Lock()
				seen[binary.BigEndian.Uint64(got)]++
				mu.Unlock()
			}
		})
	}
	for i := range count {
		send(t, a, message(i, 100))
	}
	all.Wait()
	for i := range uint64(count) {
		if seen[i] != 1 {
			t.Errorf("message %d came %d times", i, seen[i])
		}
	}
}

// fill sends numbered messages until one does not leave within a moment, which
// it must not send, and returns how many left.
func fill(t *testing.T, c transport.Conn) (accepted int) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), moment)
		err := c.Send(ctx, message(accepted, transport.MaxMessage))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return accepted
		}
		if err != nil {
			t.Fatalf("Send %d: %v", accepted, err)
		}
		accepted++
		if accepted*transport.MaxMessage > held {
			t.Fatalf("Send takes in %d messages that nobody reads", accepted)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func testBackpressure(t *testing.T, a, b transport.Conn) {
	before := heap()
	accepted := fill(t, a)
	if grown := heap() - before; grown > held {
		t.Errorf("%d bytes of memory for a reader that does not read", grown)
	}
	// The other direction goes on as if nothing were.
	for i := range 10 {
		send(t, b, message(i, 100))
		expect(t, a, message(i, 100))
	}
	for i := range accepted {
		expect(t, b, message(i, transport.MaxMessage))
	}
	send(t, a, message(7, 8)) // what did not leave in time was not sent
	expect(t, b, message(7, 8))
}

func testSlowReader(t *testing.T, a, b transport.Conn) {
	const count, size = 1500, 4096
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for i := range count {
			if err := a.Send(patient(t), message(i, size)); err != nil {
				t.Errorf("Send %d: %v", i, err)
				return
			}
		}
	})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range count {
		if i%10 == 0 {
			<-tick.C
		}
		expect(t, b, message(i, size))
	}
}

func testCancelSend(t *testing.T, a, b transport.Conn) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if err := a.Send(ended, message(1, 8)); !errors.Is(err, context.Canceled) {
			t.Fatalf("Send after cancel: got %v, want %v", err, context.Canceled)
		}
	}
	accepted := fill(t, a)

	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- a.Send(ctx, message(accepted, transport.MaxMessage)) }()
	cancel()
	promptly(t, "Send after cancel", patience/4, func() {
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("Send: got %v, want %v", err, context.Canceled)
		}
	})
	for i := range accepted {
		expect(t, b, message(i, transport.MaxMessage))
	}
	send(t, a, message(9, 8))
	expect(t, b, message(9, 8))
}

func testCancelRecv(t *testing.T, a, b transport.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	promptly(t, "Recv past its deadline", patience/4, func() {
		if _, err := b.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Recv: got %v, want %v", err, context.DeadlineExceeded)
		}
	})
	ctx, cancel = context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := b.Recv(ctx)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Recv: got %v, want %v", err, context.Canceled)
	}
	send(t, a, message(1, 8)) // and the Conn is as it was
	expect(t, b, message(1, 8))
}

// testCancelRecvLosesNothing ends contexts of Recv just as messages come in.
func testCancelRecvLosesNothing(t *testing.T, a, b transport.Conn) {
	const count = 300
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for i := range count {
			if err := a.Send(patient(t), message(i, 64)); err != nil {
				t.Errorf("Send %d: %v", i, err)
				return
			}
			runtime.Gosched()
		}
	})
	deadline := time.Now().Add(patience)
	next := 0
	for try := 1; next < count; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(try%50)*time.Microsecond)
		got, err := b.Recv(ctx)
		cancel()
		switch {
		case err == nil && bytes.Equal(got, message(next, 64)):
			next++
		case err == nil:
			t.Fatalf("Recv: got %s, want %s", show(got), show(message(next, 64)))
		case !errors.Is(err, context.DeadlineExceeded):
			t.Fatalf("Recv: %v", err)
		case time.Now().After(deadline):
			t.Fatalf("message %d never came", next)
		}
	}
}

func testDescribed(t *testing.T, a, b transport.Conn) {
	for _, c := range []transport.Conn{a, b} {
		d, ok := c.(transport.Described)
		if !ok {
			continue
		}
		for _, text := range []string{d.Transport(), d.Remote()} {
			if text == "" || len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("describes itself as %q", text)
			}
		}
	}
}
