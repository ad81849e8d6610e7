package rtcnet

import (
	"context"

	"github.com/peersea/sea/node/transport"
)

// conn is the control lane of an open peer, and the way to the other.
type conn struct{ p *peer }

var (
	_ transport.Conn      = conn{}
	_ transport.Bulk      = conn{}
	_ transport.Described = conn{}
)

func (c conn) Send(ctx context.Context, msg []byte) error { return c.p.control.send(ctx, msg) }

func (c conn) Recv(ctx context.Context) ([]byte, error) { return c.p.control.recv(ctx) }

func (c conn) Bulk() transport.Conn { return bulkConn(c) }

func (c conn) Transport() string { return "webrtc" }

func (c conn) Remote() string { return c.p.selected() }

func (c conn) Close() error {
	c.p.close()
	return nil
}

// bulkConn is the bulk lane of an open peer.
type bulkConn struct{ p *peer }

var _ transport.Conn = bulkConn{}

func (c bulkConn) Send(ctx context.Context, msg []byte) error { return c.p.bulk.send(ctx, msg) }

func (c bulkConn) Recv(ctx context.Context) ([]byte, error) { return c.p.bulk.recv(ctx) }

func (c bulkConn) Transport() string { return "webrtc" }

func (c bulkConn) Remote() string { return c.p.selected() }

func (c bulkConn) Close() error {
	c.p.close()
	return nil
}
