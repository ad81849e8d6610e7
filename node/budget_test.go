package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// When the memory for what peers send is used up, calls are told busy, and what
// cannot be told ends its link; afterwards all is as before.
func TestMemoryUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		n, other := sea.Nodes[0], sea.Nodes[1]
		n.Handle("test:echo", echo)
		free := node.FillMemory(n)
		if _, err := other.Call(t.Context(), n.Addr(), "test:echo", []byte("x")); !errors.Is(err, rpc.ErrBusy) {
			t.Errorf("a call: %v", err)
		}
		if _, err := other.Call(t.Context(), n.Addr(), "test:echo", nil); err != nil {
			t.Errorf("a call without a body: %v", err)
		}
		for name, f := range map[string]frame.Frame{
			"a message": &frame.Message{Scope: "x"},
			"a part":    &frame.Part{Left: 20000, Data: []byte{1}},
		} {
			r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
			r.send(f)
			if got := r.closed(); !strings.Contains(got.Text, "no memory left") {
				t.Errorf("%s: closed with %q", name, got.Text)
			}
		}
		free()
		if got, err := other.Call(t.Context(), n.Addr(), "test:echo", []byte("x")); err != nil || string(got) != "x" {
			t.Errorf("afterwards: %q, %v", got, err)
		}
	})
}

// What is counted is freed, however it ends.
func TestMemoryFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		n, other := sea.Nodes[0], sea.Nodes[1]
		n.Handle("test:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		c, err := other.Connect(t.Context(), n.Addr())
		if err != nil {
			t.Fatal(err)
		}
		taker, err := n.Connect(t.Context(), other.Addr())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := c.Send(t.Context(), "x", make([]byte, 100000)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go other.Call(ctx, n.Addr(), "test:wait", make([]byte, 50000))
		synctest.Wait()
		const each = 100000 + 1 + frame.MessageCost
		if got := node.HeldMemory(n); got != 3*each+50000 {
			t.Errorf("held %d", got)
		}
		cancel()
		if _, err := taker.Recv(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		r := newRogue(t, sea.Wire, nodetest.Key(t), sea.URLs[0])
		r.send(&frame.Part{Left: 20000, Data: make([]byte, 1000)})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := node.HeldMemory(n); got != 2*each+1000 {
			t.Errorf("held %d after one was taken", got)
		}
		r.conn.Close()
		if err := other.Offline(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := node.HeldMemory(n); got != 0 {
			t.Errorf("held %d after the links ended", got)
		}
		// They are still there to be taken.
		if _, err := taker.Recv(t.Context(), "x"); err != nil {
			t.Error(err)
		}
	})
}
