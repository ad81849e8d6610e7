package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func echo(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil }

// pair returns two linked nodes.
func pair(t *testing.T, w nodetest.Wire) (a, b *node.Node) {
	t.Helper()
	n := nodetest.NewOn(t, w, 2).Last(2)
	return n[0], n[1]
}

func TestCallDirect(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
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
		if rtt, err := a.Ping(t.Context(), b.Addr()); err != nil || rtt <= 0 || rtt > time.Second {
			t.Errorf("ping %v, %v", rtt, err)
		}
		links := a.Links()
		if w.Negotiator == nil && len(links) != 1 {
			t.Errorf("%d links", len(links))
		}
		for _, l := range links {
			if l.Peer.Addr == b.Addr() && (l.Transport != w.Name || l.Since.IsZero() || l.Agent != "nodetest") {
				t.Errorf("link %+v", l)
			}
		}
	})
}

func TestCallErrors(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		b.Handle("test:refuse", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			return nil, fmt.Errorf("deep inside: %w", rpc.Errorf(rpc.Refused, "no\nthanks"))
		})
		b.Handle("test:broken", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			return nil, errors.New("open /home/b/secret: no such file")
		})
		b.Handle("test:huge", func(context.Context, rpc.Peer, []byte) ([]byte, error) {
			return make([]byte, 1<<20+1), nil
		})
		remove := b.Handle("test:removed", echo)
		remove()
		remove()
		for _, c := range []struct {
			scope string
			body  int
			want  error
			text  string
		}{
			{"test:refuse", 0, rpc.ErrRefused, "refused: no thanks"},
			{"test:broken", 0, rpc.ErrInternal, "internal error"},
			{"test:huge", 0, rpc.ErrTooLarge, "too large: the answer has 1048577 bytes, above 1048576"},
			{"test:removed", 0, rpc.ErrNoHandler, "no handler: scope test:removed is not served here"},
			{"test:echo", 1<<20 + 1, rpc.ErrTooLarge, "too large: a body of 1048577 bytes, above 1048576"},
			{"Test", 0, rpc.ErrBadRequest, "bad request: scope: character 1 is not one of a-z 0-9 - . / : _"},
		} {
			_, err := a.Call(t.Context(), b.Addr(), c.scope, make([]byte, c.body))
			if !errors.Is(err, c.want) || err.Error() != c.text {
				t.Errorf("%s: got %v, want %v", c.scope, err, c.text)
			}
		}
	})
}

// Hundreds of calls under way at once all come back, and more than a link
// carries wait their turn.
func TestCallsAtOnce(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		b.Handle("test:echo", echo)
		var wg sync.WaitGroup
		for i := range 2 * node.MaxCalls {
			wg.Go(func() {
				body := bytes.Repeat([]byte{byte(i)}, 20*i)
				got, err := a.Call(t.Context(), b.Addr(), "test:echo", body)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("call %d: %d bytes, %v", i, len(got), err)
				}
			})
		}
		wg.Wait()
	})
}

// A caller that gives up ends the handler's context; the link goes on.
func TestCallCancelled(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		started, ended := make(chan struct{}), make(chan struct{})
		b.Handle("test:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			close(started)
			<-ctx.Done()
			close(ended)
			return nil, ctx.Err()
		})
		b.Handle("test:echo", echo)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		if _, err := a.Call(ctx, b.Addr(), "test:wait", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		<-ended
		if _, err := a.Call(t.Context(), b.Addr(), "test:echo", nil); err != nil {
			t.Error(err)
		}
	})
}

// When the other side goes offline, calls under way end and say why.
func TestCallLinkLost(t *testing.T) {
	nodetest.Everywhere(t, func(t *testing.T, w nodetest.Wire) {
		a, b := pair(t, w)
		started := make(chan struct{})
		b.Handle("test:wait", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			close(started)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		go func() { <-started; b.Offline() }()
		_, err := a.Call(t.Context(), b.Addr(), "test:wait", nil)
		if !errors.Is(err, rpc.ErrUnreachable) && !errors.Is(err, rpc.ErrCancelled) {
			t.Errorf("got %v", err)
		}
	})
}

// A long poll may take its time, and does not hold up what comes after it.
func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nodetest.Mem())
		b.Handle("test:poll", func(ctx context.Context, _ rpc.Peer, _ []byte) ([]byte, error) {
			select {
			case <-time.After(time.Minute):
				return []byte("news"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		b.Handle("test:echo", echo)
		go func() {
			if _, err := a.Call(t.Context(), b.Addr(), "test:echo", nil); err != nil {
				t.Error(err)
			}
		}()
		if got, err := a.Call(t.Context(), b.Addr(), "test:poll", nil); err != nil || string(got) != "news" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestCallSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := nodetest.New(t, 1).Nodes[0]
		n.Handle("test:echo", echo)
		if got, err := n.Call(t.Context(), n.Addr(), "test:echo", []byte("me")); err != nil || string(got) != "me" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := n.Connect(t.Context(), n.Addr()); !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("connect to self: %v", err)
		}
		if c, err := n.Nearest(t.Context(), n.Addr()); err != nil || c.Peer.Addr != n.Addr() {
			t.Errorf("nearest %+v, %v", c, err)
		}
		if _, err := n.NearestBut(t.Context(), n.Addr(), n.Addr()); !errors.Is(err, rpc.ErrUnreachable) {
			t.Errorf("nearest other: %v", err)
		}
	})
}

// A typed method works between nodes.
func TestMethod(t *testing.T) {
	type question struct {
		Name string `cbor:"name"`
	}
	greet := rpc.Method[question, string]{Scope: "test:greet"}
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, nodetest.Mem())
		greet.Handle(b, func(_ context.Context, _ rpc.Peer, q question) (string, error) { return "hello " + q.Name, nil })
		if got, err := greet.Call(t.Context(), a, b.Addr(), question{"sea"}); err != nil || got != "hello sea" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := a.Call(t.Context(), b.Addr(), "test:greet", []byte{0x01}); !errors.Is(err, rpc.ErrBadRequest) {
			t.Errorf("got %v", err)
		}
	})
}

// A node that shows a certificate acts for its entity, over links and through
// others.
func TestCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sea := nodetest.Loose(t, 2)
		entity, key := nodetest.Key(t), nodetest.Key(t)
		now := time.Now().Unix()
		cert, err := identity.Certificate{Node: key.Entity(), Can: []string{"sell"}, NotBefore: now, NotAfter: now + 60}.Sign(entity)
		if err != nil {
			t.Fatal(err)
		}
		revoked := make(chan bool, 1)
		n := sea.AddKey(key, func(c *node.Config) { c.Certificate = &cert })
		doubter := sea.Add(func(c *node.Config) {
			c.Revoked = func(by identity.Entity, c identity.Certificate) bool {
				r := <-revoked
				revoked <- r
				return r && by == entity.Entity() && c.Node == key.Entity()
			}
		})
		revoked <- false
		if n.Entity() != entity.Entity() || n.Key() != key.Entity() {
			t.Error("who the node is")
		}
		sea.Link(0, 2)
		sea.Link(0, 1)
		from := make(chan rpc.Peer, 1)
		for _, other := range sea.Nodes[:2] {
			other.Handle("test:who", func(_ context.Context, p rpc.Peer, _ []byte) ([]byte, error) {
				from <- p
				return nil, nil
			})
		}
		for i, direct := range []bool{true, false} {
			if _, err := n.Call(t.Context(), sea.Nodes[i].Addr(), "test:who", nil); err != nil {
				t.Fatal(err)
			}
			if p := <-from; p.Entity != entity.Entity() || p.Node != key.Entity() || p.Direct != direct {
				t.Errorf("direct %v: from %+v", direct, p)
			}
		}
		if c, err := sea.Nodes[1].Nearest(t.Context(), n.Addr()); err != nil || c.Peer.Entity != entity.Entity() {
			t.Errorf("contact %+v, %v", c, err)
		}
		sea.Link(0, 3)
		sea.Link(2, 3)
		shows := func(at *node.Node) identity.Entity {
			for _, l := range at.Links() {
				if l.Peer.Node == key.Entity() {
					return l.Peer.Entity
				}
			}
			t.Error("there is no link")
			return identity.Entity{}
		}
		if got := shows(doubter); got != entity.Entity() {
			t.Errorf("acts for %v", got)
		}
		<-revoked
		revoked <- true
		if got := shows(doubter); got != key.Entity() {
			t.Errorf("revoked: acts for %v", got)
		}
		if got := shows(sea.Nodes[0]); got != entity.Entity() {
			t.Errorf("who has not heard of it cannot know: acts for %v", got)
		}
		time.Sleep(70 * time.Second)
		synctest.Wait()
		if got := shows(sea.Nodes[0]); got != key.Entity() || n.Entity() != key.Entity() {
			t.Errorf("it has ended: acts for %v", got)
		}
		for i, direct := range []bool{true, false} {
			if _, err := n.Call(t.Context(), sea.Nodes[i].Addr(), "test:who", nil); err != nil {
				t.Fatal(err)
			}
			if p := <-from; p.Entity != key.Entity() || p.Direct != direct {
				t.Errorf("it has ended, direct %v: from %+v", direct, p)
			}
		}
	})
}

func TestHandlePanics(t *testing.T) {
	n := node.New(nodetest.Key(t), node.Config{})
	n.Handle("taken", echo)
	for _, scope := range []string{"", "A", "sea:own", "taken"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("scope %q was taken", scope)
				}
			}()
			n.Handle(scope, echo)
		}()
	}
}
