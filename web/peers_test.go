package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/web/internal/tradetest"
)

// peers brings three Go nodes online, each linked to each by WebSocket, and
// returns what the tests in TypeScript need to know: where they listen, and their
// addresses. The first two relay connections. Each serves
//
//	echo: the body
//	back: calls the scope test:echo of who asks, with the body, and returns the answer
//	ask: calls test:echo of the node whose address begins the body with what follows a space
//	join: joins the channel that the body names and says there, in scope "back", what comes in "there"
//	talk: connects to who asks and sends back, in scope "back", what comes in scope "there"
//
// The first trades: see tradetest.
func peers(t *testing.T) (env []string) {
	t.Helper()
	sea := nodetest.LooseOn(t, nodetest.WS(), 0)
	for i, relays := range []int{16, 16, 0} {
		sea.Add(func(c *node.Config) { c.Relays = relays })
		for j := range i {
			sea.Link(i, j)
		}
	}
	tradetest.Sell(t, sea, 0)
	var addrs []string
	for _, n := range sea.Nodes {
		addrs = append(addrs, n.Addr().String())
		n.Handle("echo", func(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil })
		n.Handle("back", func(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
			return n.Call(ctx, from.Addr, "test:echo", body)
		})
		n.Handle("talk", func(ctx context.Context, from rpc.Peer, _ []byte) ([]byte, error) {
			return nil, talk(context.WithoutCancel(ctx), n, from.Addr)
		})
		n.Handle("join", func(ctx context.Context, _ rpc.Peer, body []byte) ([]byte, error) {
			return nil, join(t, context.WithoutCancel(ctx), n, string(body))
		})
		n.Handle("ask", func(ctx context.Context, _ rpc.Peer, body []byte) ([]byte, error) {
			to, what, _ := strings.Cut(string(body), " ")
			a, err := addr.Parse(to)
			if err != nil {
				return nil, err
			}
			return n.Call(ctx, a, "test:echo", []byte(what))
		})
	}
	return []string{"SEA_URLS=" + strings.Join(sea.URLs, " "), "SEA_NODES=" + strings.Join(addrs, " ")}
}

func talk(ctx context.Context, n *node.Node, to addr.Addr) error {
	c, err := n.Connect(ctx, to)
	if err != nil {
		return err
	}
	go func() {
		defer c.Close()
		for {
			body, err := c.Recv(ctx, "there")
			if err != nil {
				return // the other side has gone
			}
			if err := c.Send(ctx, "back", body); err != nil {
				return
			}
		}
	}()
	return nil
}

func join(t *testing.T, ctx context.Context, n *node.Node, id string) error {
	c, err := n.Join(ctx, id)
	if err != nil {
		return err
	}
	go func() {
		defer c.Close()
		for {
			m, err := c.Recv(ctx)
			if err != nil {
				return // the node has gone offline
			}
			if m.Scope != "there" {
				continue
			}
			if err := c.Send(ctx, "back", m.Body); err != nil {
				t.Logf("say back: %v", err)
			}
		}
	}()
	return nil
}
