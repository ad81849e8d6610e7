package node_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// conns returns two Conns that share a link.
func conns(t *testing.T, w nodetest.Wire) (ca, cb *node.Conn) {
	t.Helper()
	a, b := pair(t, w)
	ca, err := a.Connect(t.Context(), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	cb, err = b.Connect(t.Context(), a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return ca, cb
}

// Messages arrive whole and in the order in which they were sent, whatever
// their size, and calls go on beside them.
func TestConnOrder(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		ca, cb := conns(t, w)
		if ca.Transport() != w.Name || ca.Peer().Addr == cb.Peer().Addr {
			t.Errorf("%s to %v", ca.Transport(), ca.Peer())
		}
		sizes := []int{0, 1, 1 << 20, 10, 16300, 16400, 70000, 3}
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 2 * len(sizes) {
				body := bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])
				if err := ca.Send(t.Context(), "chat", body); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range 2 * len(sizes) {
			got, err := cb.Recv(t.Context(), "chat")
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])) {
				t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
			}
		}
		wg.Wait()
	})
}

func TestConnScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cb := conns(t, nodetest.Mem())
		for _, scope := range []string{"one", "two", "one"} {
			if err := ca.Send(t.Context(), scope, []byte(scope)); err != nil {
				t.Fatal(err)
			}
		}
		for _, scope := range []string{"two", "one", "one"} {
			if got, err := cb.Recv(t.Context(), scope); err != nil || string(got) != scope {
				t.Errorf("got %q, %v", got, err)
			}
		}
		if err := ca.Send(t.Context(), "BAD", nil); !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("bad scope: %v", err)
		}
		if err := ca.Send(t.Context(), "one", make([]byte, 1<<20+1)); !errors.Is(err, rpc.ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
	})
}

// Who does not take messages stops the sender at the window; calls go on, and
// so does the sender once messages are taken.
func TestConnBackpressure(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		ca, cb := conns(t, w)
		const size, total = 64 << 10, 64
		sent := make(chan int, total)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range total {
				if err := ca.Send(t.Context(), "bulk", make([]byte, size)); err != nil {
					t.Error(err)
					return
				}
				sent <- i
			}
			close(sent)
		})
		// 15 messages of 64 KiB and their cost fit 1 MiB.
		for range 15 {
			<-sent
		}
		if w.Name == "mem" {
			synctest.Wait()
		}
		select {
		case <-sent:
			t.Error("more than the window was sent")
		default:
		}
		if err := ca.Send(expired(t), "other", make([]byte, size)); !errors.Is(err, context.Canceled) {
			t.Errorf("beyond the window: %v", err)
		}
		for range total {
			if _, err := cb.Recv(t.Context(), "bulk"); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
	})
}

// expired returns a context that has ended.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestConnClose(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		ca, cb := conns(t, w)
		waiting := make(chan error)
		go func() {
			_, err := ca.Recv(t.Context(), "chat")
			waiting <- err
		}()
		ca.Close()
		ca.Close()
		if err := <-waiting; !errors.Is(err, net.ErrClosed) {
			t.Errorf("recv: %v", err)
		}
		<-ca.Done()
		if err := ca.Send(t.Context(), "chat", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send: %v", err)
		}
		select {
		case <-cb.Done():
			t.Error("the link went with the Conn")
		default:
		}
	})
}

// When the peer goes offline its last messages can still be taken.
func TestConnEnd(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		ca, err := a.Connect(t.Context(), b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		cb, err := b.Connect(t.Context(), a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if err := ca.Send(t.Context(), "chat", []byte("bye")); err != nil {
			t.Fatal(err)
		}
		if got, err := cb.Recv(t.Context(), "chat"); err != nil || string(got) != "bye" {
			t.Errorf("got %q, %v", got, err)
		}
		a.Offline()
		<-cb.Done()
		if _, err := cb.Recv(t.Context(), "chat"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := cb.Send(t.Context(), "chat", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// The other side hears when an application connects, once.
func TestConnectedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nodetest.Mem())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		events := b.Events(ctx)
		for range 2 {
			c, err := a.Connect(t.Context(), b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), "chat", nil); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for e := range events {
			if e.Kind == node.Connected && e.Peer.Addr == a.Addr() {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	})
}
