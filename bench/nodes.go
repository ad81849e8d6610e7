package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/rtcnet"
	"github.com/peersea/sea/node/transport/wsnet"
)

const scope = "bench:echo"

// nodes are two nodes of the sea with a direct link, and for WebRTC a third one
// through which they found each other.
type nodes struct {
	all      []*node.Node
	from, to *node.Node
	out, in  *node.Conn
}

func startNodes(ctx context.Context, wire string) (n *nodes, err error) {
	n = &nodes{}
	defer func() {
		if err != nil {
			_ = n.close()
		}
	}()
	hub, url, err := n.start(ctx, true)
	if err != nil {
		return n, err
	}
	if n.from, _, err = n.start(ctx, false, url); err != nil {
		return n, err
	}
	n.to = hub
	if wire == "webrtc" {
		if n.to, _, err = n.start(ctx, false, url); err != nil {
			return n, err
		}
	}
	n.to.Handle(scope, func(_ context.Context, _ rpc.Peer, body []byte) ([]byte, error) { return body, nil })
	if n.out, err = n.from.Connect(ctx, n.to.Addr()); err != nil {
		return n, err
	}
	if n.in, err = n.to.Connect(ctx, n.from.Addr()); err != nil {
		return n, err
	}
	if n.out.Transport() != wire {
		return n, fmt.Errorf("the link is %s, want %s", n.out.Transport(), wire)
	}
	return n, nil
}

func (n *nodes) start(ctx context.Context, listens bool, bootstrap ...string) (*node.Node, string, error) {
	key, err := identity.NewKey(ctx, identity.DefaultWork)
	if err != nil {
		return nil, "", err
	}
	dialer := wsnet.NewDialer(wsnet.DialConfig{})
	cfg := node.Config{
		Network:    "bench",
		Dialers:    map[string]transport.Dialer{"ws": dialer},
		Negotiator: rtcnet.New(rtcnet.Config{Loopback: true}),
	}
	var url string
	if listens {
		listener := wsnet.NewListener(wsnet.Config{})
		if err := listener.Open("127.0.0.1:0"); err != nil {
			return nil, "", err
		}
		cfg.Listeners = []transport.Listener{listener}
		url = listener.URLs()[0]
	}
	one := node.New(key, cfg)
	if err := one.Online(ctx, bootstrap...); err != nil {
		return nil, "", err
	}
	n.all = append(n.all, one)
	return one, url, nil
}

// round is one call, 64 bytes there and back.
func (n *nodes) round(ctx context.Context) error {
	_, err := n.from.Call(ctx, n.to.Addr(), scope, make([]byte, 64))
	return err
}

// push sends count messages of size bytes and returns when the last was taken.
func (n *nodes) push(ctx context.Context, count, size int) error {
	failed := make(chan error, 1)
	go func() {
		body := make([]byte, size)
		for range count {
			if err := n.out.Send(ctx, scope, body); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for range count {
		if _, err := n.in.Recv(ctx, scope); err != nil {
			return err
		}
	}
	return <-failed
}

func (n *nodes) close() error {
	var errs []error
	for i := len(n.all) - 1; i >= 0; i-- {
		errs = append(errs, n.all[i].Offline())
	}
	return errors.Join(errs...)
}
