package transporttest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/node/transport"
)

// closing is how long a Close may take, with time for a busy machine.
const closing = transport.CloseWait + patience/4

func closeNow(t *testing.T, c transport.Conn) {
	t.Helper()
	promptly(t, "Close", closing, func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func testCloseHere(t *testing.T, a, b transport.Conn) {
	send(t, b, message(1, 8))
	closeNow(t, a)
	for range 3 {
		if _, err := a.Recv(patient(t)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv after Close: got %v, want %v", err, net.ErrClosed)
		}
		if err := a.Send(patient(t), message(1, 8)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close: got %v, want %v", err, net.ErrClosed)
		}
		closeNow(t, a)
	}
}

func testCloseThere(t *testing.T, a, b transport.Conn) {
	send(t, a, message(1, 8))
	expect(t, b, message(1, 8))
	closeNow(t, b)
	promptly(t, "the news of Close", patience/2, func() { expectClosed(t, a) })
	for range 3 {
		if err := a.Send(patient(t), message(1, 8)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send: got %v, want %v", err, net.ErrClosed)
		}
		if _, err := a.Recv(patient(t)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Recv: got %v, want %v", err, net.ErrClosed)
		}
	}
	closeNow(t, a)
}

// testCloseWakes closes under blocked callers, three of each kind.
func testCloseWakes(t *testing.T, a, b transport.Conn) {
	fill(t, a)
	results := make(chan error)
	for range 3 {
		go func() { results <- a.Send(context.Background(), message(1, transport.MaxMessage)) }()
		go func() {
			_, err := a.Recv(context.Background())
			results <- err
		}()
	}
	closeNow(t, a)
	promptly(t, "waking up", patience/4, func() {
		for range 6 {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want %v", err, net.ErrClosed)
			}
		}
	})
}

// testCloseLetsOut closes right after the last Send; all must still arrive.
func testCloseLetsOut(t *testing.T, a, b transport.Conn) {
	const count = 40
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for i := range count {
			if err := a.Send(patient(t), message(i, 1000)); err != nil {
				t.Errorf("Send %d: %v", i, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for i := range count {
		expect(t, b, message(i, 1000))
	}
	expectClosed(t, b)
}

// testCloseAgainstTraffic closes one side while the other is sending to it:
// what arrives must be whole and without a gap, and all of it unless Close had
// to give up waiting.
func testCloseAgainstTraffic(t *testing.T, a, b transport.Conn) {
	const count, size = 200, 3000
	var all sync.WaitGroup
	var closing time.Duration
	all.Go(func() {
		for {
			if err := b.Send(patient(t), message(0, size)); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Send: got %v, want %v", err, net.ErrClosed)
				}
				return
			}
		}
	})
	all.Go(func() {
		for i := range count {
			if err := a.Send(patient(t), message(i, size)); err != nil {
				t.Errorf("Send %d: %v", i, err)
			}
		}
		start := time.Now()
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		closing = time.Since(start)
	})
	ctx := patient(t)
	arrived := 0
	for {
		got, err := b.Recv(ctx)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatalf("Recv: %v", err)
		}
		if !bytes.Equal(got, message(arrived, size)) {
			t.Fatalf("message %d: got %s", arrived, show(got))
		}
		arrived++
	}
	all.Wait()
	if arrived != count && closing < transport.CloseWait {
		t.Errorf("%d of %d messages arrived at a side that was reading, Close took %v", arrived, count, closing)
	}
}

// testCloseStuck closes with a full wire and a peer that does not read.
func testCloseStuck(t *testing.T, a, b transport.Conn) {
	accepted := fill(t, a)
	closeNow(t, a)
	ctx := patient(t)
	for i := 0; ; i++ {
		got, err := b.Recv(ctx)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatalf("Recv: %v", err)
		}
		if i >= accepted || !bytes.Equal(got, message(i, transport.MaxMessage)) {
			t.Fatalf("message %d of %d: got %s", i, accepted, show(got))
		}
	}
}

// testCloseTogether closes both sides, many times at once, under traffic.
func testCloseTogether(t *testing.T, a, b transport.Conn) {
	const each = 4
	var traffic, closers sync.WaitGroup
	for _, c := range []transport.Conn{a, b} {
		for range each {
			traffic.Go(func() {
				for {
					if err := c.Send(patient(t), message(1, 900)); err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("Send: got %v, want %v", err, net.ErrClosed)
						}
						return
					}
				}
			})
			traffic.Go(func() {
				for {
					got, err := c.Recv(patient(t))
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("Recv: got %v, want %v", err, net.ErrClosed)
						}
						return
					}
					if !bytes.Equal(got, message(1, 900)) {
						t.Errorf("Recv: got %s", show(got))
						return
					}
				}
			})
		}
	}
	for range 20 {
		send(t, a, message(1, 900))
	}
	for _, c := range []transport.Conn{a, b} {
		for range each {
			closers.Go(func() { closeNow(t, c) })
		}
	}
	closers.Wait()
	promptly(t, "the end of the traffic", patience/4, traffic.Wait)
}
