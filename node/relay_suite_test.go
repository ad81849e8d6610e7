package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
	"github.com/peersea/sea/node/transport/transporttest"
)

// A connection over a relay keeps what package transport promises of every wire.
func TestRelaySuite(t *testing.T) {
	transporttest.RunInBubble(t, func(t *testing.T) (a, b transport.Conn) {
		hub, x, y := star(t)
		node.RelayFast(hub)
		return node.RelayStreams(t, hub, x, y)
	})
}

// star makes a node that relays and two that are linked to it, and no further.
func star(t *testing.T) (hub, a, b *node.Node) {
	t.Helper()
	wire := new(memnet.Net)
	var n [3]*node.Node
	for i, name := range []string{"hub", "", ""} {
		n[i] = newNode(t, wire, name, func(c *node.Config) {
			if c.Still = true; i == 0 {
				c.Relays = 4
			}
		})
		if err := n[i].Online(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if _, err := n[i].Dial(t.Context(), "mem://hub"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n[0], n[1], n[2]
}

// A reader that does not read stops the writer at the other end of the relay: on
// the wire after one window, of which the relay never holds more, and an
// application after its own window. What was sent comes once it is read, in order;
// the relay's links are as quick as ever meanwhile.
func TestRelayBackpressure(t *testing.T) {
	t.Run("wire", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub, x, y := star(t)
			a, b := node.RelayStreams(t, hub, x, y)
			defer a.Close()
			defer b.Close()
			sent, most := 0, 0
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := a.Send(ctx, binary.BigEndian.AppendUint64(make([]byte, 4000), uint64(sent)))
				cancel()
				held, owed := node.RelayHeld(hub)
				most = max(most, held)
				if owed > frame.RelayWindow {
					t.Fatalf("%d bytes are under way", owed)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				sent++
			}
			if want := frame.RelayWindow / (4008 + frame.RelayCost); sent != want {
				t.Errorf("%d messages were sent, not %d", sent, want)
			}
			if most > frame.RelayWindow {
				t.Errorf("the relay held %d bytes", most)
			}
			if held, _ := node.RelayHeld(hub); held != 0 {
				t.Errorf("the relay holds %d bytes that the end has", held)
			}
			if _, err := x.Ping(t.Context(), hub.Addr()); err != nil {
				t.Error(err)
			}
			for i := range sent {
				got, err := b.Recv(t.Context())
				if err != nil || binary.BigEndian.Uint64(got[4000:]) != uint64(i) {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if err := a.Send(t.Context(), []byte("more")); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("application", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, hub, n := divided(t, 4, 2)
			node.RelayFast(hub)
			a, err := n[0].Connect(t.Context(), n[1].Addr())
			if err != nil {
				t.Fatal(err)
			}
			b, err := n[1].Connect(t.Context(), n[0].Addr())
			if err != nil {
				t.Fatal(err)
			}
			const size = 32 << 10
			sent := 0
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := a.Send(ctx, "test:slow", binary.BigEndian.AppendUint64(make([]byte, size), uint64(sent)))
				cancel()
				if _, owed := node.RelayHeld(hub); owed > 2*frame.RelayWindow {
					t.Fatalf("%d bytes are under way at the relay, both ways", owed)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if sent++; sent*size > 2*frame.Window {
					t.Fatalf("%d messages that nobody reads", sent)
				}
			}
			if got, err := n[0].Call(t.Context(), n[1].Addr(), "test:echo", []byte("beside")); err != nil || string(got) != "beside" {
				t.Errorf("a call beside: %q, %v", got, err)
			}
			for i := range sent {
				got, err := b.Recv(t.Context(), "test:slow")
				if err != nil || binary.BigEndian.Uint64(got[size:]) != uint64(i) {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if err := a.Send(t.Context(), "test:slow", []byte("more")); err != nil {
				t.Error(err)
			}
		})
	})
}
