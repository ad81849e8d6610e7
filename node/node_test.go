package node_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

func echo(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil }

func TestCallDirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		a, b := sea.Nodes[0], sea.Nodes[1]
		var from rpc.Peer
		b.Handle("test:echo", func(_ context.Context, p rpc.Peer, body []byte) ([]byte, error) {
			from = p
			return body, nil
		})
		for _, size := range []int{0, 1, 16300, 16400, 100000, 1 << 20} {
			body := bytes.Repeat([]byte{7}, size)
			got, err := a.Call(t.Context(), b.Addr(), "test:echo", body)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
		if from.Addr != a.Addr() || !from.Direct || from.Node != a.Key() || from.Entity != a.Key() {
			t.Errorf("from %+v", from)
		}
		if _, err := a.Call(t.Context(), b.Addr(), "test:echo", make([]byte, 1<<20+1)); !errors.Is(err, rpc.ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
		if _, err := a.Call(t.Context(), b.Addr(), "test:other", nil); !errors.Is(err, rpc.ErrNoHandler) {
			t.Errorf("no handler: %v", err)
		}
		if rtt, err := a.Ping(t.Context(), b.Addr()); err != nil || rtt > time.Second {
			t.Errorf("ping %v, %v", rtt, err)
		}
	})
}

func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		a, b := sea.Nodes[0], sea.Nodes[1]
		ca, err := a.Connect(t.Context(), b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		cb, err := b.Connect(t.Context(), a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for i := range 100 {
				if err := ca.Send(t.Context(), "chat", bytes.Repeat([]byte{byte(i)}, i*1000)); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range 100 {
			got, err := cb.Recv(t.Context(), "chat")
			if err != nil || len(got) != i*1000 {
				t.Fatalf("message %d: %d bytes, %v", i, len(got), err)
			}
		}
	})
}

func TestRouted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// a - c - b: a and b have no link to each other.
		sea := nodetest.Loose(t, 3)
		sea.Link(0, 2)
		sea.Link(1, 2)
		a, b := sea.Nodes[0], sea.Nodes[1]
		b.Handle("test:echo", echo)
		got, err := a.Call(t.Context(), b.Addr(), "test:echo", []byte("hello"))
		if err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
		c, err := a.Nearest(t.Context(), b.Addr())
		if err != nil || c.Peer.Addr != b.Addr() {
			t.Fatalf("nearest %+v, %v", c, err)
		}
		if _, err := a.Call(t.Context(), b.Addr().Flip(200), "test:echo", nil); !errors.Is(err, rpc.ErrUnreachable) {
			t.Fatalf("nobody there: %v", err)
		}
	})
}
