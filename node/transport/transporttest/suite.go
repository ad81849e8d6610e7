// Package transporttest is the one suite that every wire passes. It says in
// code what package transport promises: Run for the two ends of a Conn,
// RunListener for a Dialer and a Listener. A wire that waits on channels and
// timers only runs the same bodies on virtual time, with RunInBubble and
// RunListenerInBubble.
//
// The suite sleeps nowhere. On a real wire it waits for what must come, up to
// patience, and for a moment to see that something is stuck.
package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peersea/sea/node/transport"
)

const (
	// patience is how long what must happen may take.
	patience = 20 * time.Second

	// moment is how long something must not happen to count as stuck.
	moment = 200 * time.Millisecond
)

// A Pipe makes the two ends of a new connection. What else it needs it ends in
// t.Cleanup; the ends themselves are closed by the suite.
type Pipe func(t *testing.T) (a, b transport.Conn)

// An Opener opens a Listener on a fresh address and makes the Dialer for it.
// The suite closes the Listener.
type Opener func(t *testing.T) (transport.Dialer, transport.Listener)

// Run runs the suite on pairs that pipe makes, on real time, and after each
// test looks for goroutines left behind.
func Run(t *testing.T, pipe Pipe) {
	runConn(t, pipe, onRealTime)
}

// RunInBubble is Run with each test in a testing/synctest bubble, which finds
// what is left behind itself.
func RunInBubble(t *testing.T, pipe Pipe) {
	runConn(t, pipe, synctest.Test)
}

// RunListener runs the suite on listeners that open makes, on real time.
func RunListener(t *testing.T, open Opener) {
	runListener(t, open, onRealTime)
}

// RunListenerInBubble is RunListener with each test in a bubble.
func RunListenerInBubble(t *testing.T, open Opener) {
	runListener(t, open, synctest.Test)
}

// onRealTime runs body and then checks that it left no goroutine.
func onRealTime(t *testing.T, body func(*testing.T)) {
	before := goleak.IgnoreCurrent()
	// Cleanups run last in, first out: this one after those of the body.
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	body(t)
}

type world func(t *testing.T, body func(*testing.T))

func runConn(t *testing.T, pipe Pipe, in world) {
	for _, test := range []struct {
		name string
		body func(t *testing.T, a, b transport.Conn)
	}{
		{"Order", testOrder},
		{"BothWays", testBothWays},
		{"Sizes", testSizes},
		{"SliceIsOurs", testSliceIsOurs},
		{"ManySenders", testManySenders},
		{"ManyReceivers", testManyReceivers},
		{"Backpressure", testBackpressure},
		{"SlowReader", testSlowReader},
		{"CancelSend", testCancelSend},
		{"CancelRecv", testCancelRecv},
		{"CancelRecvLosesNothing", testCancelRecvLosesNothing},
		{"CloseHere", testCloseHere},
		{"CloseThere", testCloseThere},
		{"CloseWakes", testCloseWakes},
		{"CloseLetsOut", testCloseLetsOut},
		{"CloseAgainstTraffic", testCloseAgainstTraffic},
		{"CloseStuck", testCloseStuck},
		{"CloseTogether", testCloseTogether},
		{"Described", testDescribed},
		{"BulkOrder", testBulkOrder},
		{"BulkDoesNotDelay", testBulkDoesNotDelay},
		{"BulkClose", testBulkClose},
	} {
		t.Run(test.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				a, b := pipe(t)
				closeLater(t, a)
				closeLater(t, b)
				test.body(t, a, b)
			})
		})
	}
}

func runListener(t *testing.T, open Opener, in world) {
	for _, test := range []struct {
		name string
		body func(t *testing.T, d transport.Dialer, l transport.Listener)
	}{
		{"DialAccept", testDialAccept},
		{"URLs", testURLs},
		{"CancelAccept", testCancelAccept},
		{"CancelDial", testCancelDial},
		{"DialContextEnds", testDialContextEnds},
		{"DialNobody", testDialNobody},
		{"CloseListener", testCloseListener},
		{"CloseListenerWakes", testCloseListenerWakes},
	} {
		t.Run(test.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				d, l := open(t)
				t.Cleanup(func() {
					if err := l.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
				test.body(t, d, l)
			})
		})
	}
}

// closeLater closes c when the test ends. By then it may be closed already.
func closeLater(t *testing.T, c transport.Conn) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// patient returns a context for what must come.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// message returns a message of size bytes, at least 1, that is like no other
// of that size up to number 255, and of 8 or more like no other at all.
func message(number, size int) []byte {
	msg := bytes.Repeat([]byte{byte(number)}, size)
	if size >= 8 {
		binary.BigEndian.PutUint64(msg, uint64(number))
	}
	return msg
}

func send(t *testing.T, c transport.Conn, msg []byte) {
	t.Helper()
	if err := c.Send(patient(t), msg); err != nil {
		t.Fatalf("Send of %d bytes: %v", len(msg), err)
	}
}

func expect(t *testing.T, c transport.Conn, want []byte) {
	t.Helper()
	got, err := c.Recv(patient(t))
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("Recv: got %s, want %s", show(got), show(want))
	}
}

// show keeps long messages out of the log.
func show(msg []byte) string {
	const some = 16
	var b bytes.Buffer
	for i, c := range msg {
		if i == some {
			b.WriteString("…")
			break
		}
		b.WriteString(" "[:min(i, 1)])
		b.WriteByte("0123456789abcdef"[c>>4])
		b.WriteByte("0123456789abcdef"[c&15])
	}
	return b.String()
}

// expectClosed reads until net.ErrClosed, past messages still on their way.
func expectClosed(t *testing.T, c transport.Conn) {
	t.Helper()
	ctx := patient(t)
	for {
		_, err := c.Recv(ctx)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.Fatalf("Recv: got %v, want %v", err, net.ErrClosed)
		}
	}
}

// promptly fails the test when f takes longer than limit.
func promptly(t *testing.T, what string, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}
