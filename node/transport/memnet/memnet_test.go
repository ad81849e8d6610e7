package memnet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/memnet"
	"github.com/peersea/sea/node/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConn(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) (a, b transport.Conn) { return memnet.Pipe(0) })
}

func TestConnInBubble(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Millisecond, 40 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			transporttest.RunInBubble(t, func(t *testing.T) (a, b transport.Conn) { return memnet.Pipe(latency) })
		})
	}
}

func open(latency time.Duration) transporttest.Opener {
	return func(t *testing.T) (transport.Dialer, transport.Listener) {
		n := &memnet.Net{Latency: latency}
		l, err := n.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		return n, l
	}
}

func TestListener(t *testing.T) { transporttest.RunListener(t, open(0)) }

func TestListenerInBubble(t *testing.T) {
	transporttest.RunListenerInBubble(t, open(0))
	t.Run("latency", func(t *testing.T) { transporttest.RunListenerInBubble(t, open(30*time.Millisecond)) })
}

func TestNames(t *testing.T) {
	var one, other memnet.Net
	first, err := one.Listen("n1")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := one.Listen("") // must not take n1
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(first.URLs(), fresh.URLs()); got != "[mem://n1] [mem://n2]" {
		t.Errorf("URLs: got %v", got)
	}
	if _, err := one.Listen("n1"); !errors.Is(err, memnet.ErrTaken) {
		t.Errorf("Listen again: got %v, want %v", err, memnet.ErrTaken)
	}
	if _, err := one.Listen(strings.Repeat("n", 256)); err == nil {
		t.Error("Listen with a name of 256 bytes: want an error")
	}
	if _, err := other.Dial(t.Context(), "mem://n1"); !errors.Is(err, memnet.ErrRefused) {
		t.Errorf("Dial in another Net: got %v, want %v", err, memnet.ErrRefused)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := one.Listen("n1")
	if err != nil {
		t.Errorf("Listen at a freed name: %v", err)
	}
	if err := first.Close(); err != nil { // must not free the name of again
		t.Fatal(err)
	}
	if _, err := one.Listen("n1"); !errors.Is(err, memnet.ErrTaken) {
		t.Errorf("Listen again: got %v, want %v", err, memnet.ErrTaken)
	}
	for _, l := range []*memnet.Listener{again, fresh} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBacklog dials a listener that accepts nobody.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Net
		l, err := n.Listen("busy")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if c, err := n.Dial(ctx, "mem://busy"); err == nil {
					defer c.Close()
				} else if !errors.Is(err, memnet.ErrRefused) {
					t.Errorf("Dial: got %v, want %v", err, memnet.ErrRefused)
				}
			})
		}
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.Net{Latency: 50 * time.Millisecond}
		l, err := n.Listen("far")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		start := time.Now()
		lap := func(what string, want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("%s: after %v, want %v", what, got, want)
			}
			start = time.Now()
		}
		c, err := n.Dial(t.Context(), "mem://far")
		if err != nil {
			t.Fatal(err)
		}
		lap("dial", 100*time.Millisecond)
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // under way together
			if err := c.Send(t.Context(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		lap("send", 0)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := s.Recv(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		lap("receive", 50*time.Millisecond)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestManyNodes connects thirty nodes with each other in one bubble.
func TestManyNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes = 30
		n := memnet.Net{Latency: 10 * time.Millisecond}
		var all sync.WaitGroup
		for i := range nodes {
			l, err := n.Listen(fmt.Sprint("node", i))
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				defer l.Close()
				for range nodes - 1 {
					c, err := l.Accept(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					msg, err := c.Recv(t.Context())
					if err != nil {
						t.Error(err)
					}
					if err := c.Send(t.Context(), msg); err != nil {
						t.Error(err)
					}
					all.Go(func() {
						_, _ = c.Recv(t.Context()) // until the other side closes
						c.Close()
					})
				}
			})
		}
		for i := range nodes {
			all.Go(func() {
				for j := range nodes {
					if i == j {
						continue
					}
					c, err := n.Dial(t.Context(), fmt.Sprint("mem://node", j))
					if err != nil {
						t.Error(err)
						return
					}
					if err := c.Send(t.Context(), []byte("echo")); err != nil {
						t.Error(err)
					}
					if got, err := c.Recv(t.Context()); string(got) != "echo" {
						t.Errorf("got %q, %v", got, err)
					}
					c.Close()
				}
			})
		}
		all.Wait()
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	near, far := memnet.Pipe(0)
	defer near.Close()
	var echo sync.WaitGroup
	echo.Go(func() {
		for {
			msg, err := far.Recv(context.Background())
			if err != nil {
				return
			}
			if far.Send(context.Background(), msg) != nil {
				return
			}
		}
	})
	msg := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := near.Send(b.Context(), msg); err != nil {
			b.Fatal(err)
		}
		if _, err := near.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	near.Close()
	echo.Wait()
}
