package node_test

import (
	"testing"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
)

func benchWires(b *testing.B, body func(b *testing.B, from, to *node.Node)) {
	for _, wire := range []func() nodetest.Wire{nodetest.Mem, nodetest.WS, nodetest.RTC} {
		w := wire()
		b.Run(w.Name, func(b *testing.B) {
			n := nodetest.NewOn(b, w, 2).Last(2)
			n[1].Handle("test:echo", echo)
			b.ReportAllocs()
			body(b, n[0], n[1])
		})
	}
}

// BenchmarkCall is one small call after the other over a link.
func BenchmarkCall(b *testing.B) {
	benchWires(b, func(b *testing.B, from, to *node.Node) {
		for b.Loop() {
			if _, err := from.Call(b.Context(), to.Addr(), "test:echo", []byte("ping")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSend is messages of 64 KiB over a Conn, as fast as they are taken.
func BenchmarkSend(b *testing.B) {
	const size = 64 << 10
	benchWires(b, func(b *testing.B, from, to *node.Node) {
		cf, err := from.Connect(b.Context(), to.Addr())
		if err != nil {
			b.Fatal(err)
		}
		ct, err := to.Connect(b.Context(), from.Addr())
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(size)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if m, err := ct.Recv(b.Context(), "bulk"); err != nil || len(m) == 0 {
					return
				}
			}
		}()
		body := make([]byte, size)
		for b.Loop() {
			if err := cf.Send(b.Context(), "bulk", body); err != nil {
				b.Fatal(err)
			}
		}
		if err := cf.Send(b.Context(), "bulk", nil); err != nil {
			b.Fatal(err)
		}
		<-done
	})
}

// BenchmarkRouted is one routed call after the other through a neighbour, below
// the rate that neighbours allow.
func BenchmarkRouted(b *testing.B) {
	sea := nodetest.Loose(b, 3)
	sea.Link(0, 1)
	sea.Link(1, 2)
	sea.Nodes[2].Handle("test:echo", echo)
	const most = 150 // of the burst
	for n := 0; b.Loop(); n++ {
		if n == most {
			b.StopTimer()
			sea = nodetest.Loose(b, 3)
			sea.Link(0, 1)
			sea.Link(1, 2)
			sea.Nodes[2].Handle("test:echo", echo)
			n = 0
			b.StartTimer()
		}
		if _, err := sea.Nodes[0].Call(b.Context(), sea.Nodes[2].Addr(), "test:echo", nil); err != nil {
			b.Fatal(err)
		}
	}
}
