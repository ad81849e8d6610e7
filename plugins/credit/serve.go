package credit

import (
	"context"
	"errors"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/rpc"
)

// sync answers a peer's position with ours.
func (c *Credit) sync(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	// A fenced line answers too: the peer's half of it is whole.
	if err := c.ledger.Compare(ctx, from.Node, body); err != nil && !errors.Is(err, ledger.ErrLine) {
		return nil, c.refuse(from, err)
	}
	mine, err := c.ledger.Position(from.Node)
	if err != nil {
		return nil, c.refuse(from, err)
	}
	return mine, nil
}

// push takes in what a peer signed. When it answers, that is on the disk.
func (c *Credit) push(ctx context.Context, from rpc.Peer, body []byte) ([]byte, error) {
	answer, err := c.ledger.Receive(ctx, from.Node, body)
	if err != nil {
		return nil, c.refuse(from, err)
	}
	return answer, nil
}

// refuse is what a peer is told when the ledger does not take its message.
func (c *Credit) refuse(from rpc.Peer, err error) error {
	code := rpc.Internal
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ledger.ErrFormat), errors.Is(err, ledger.ErrVersion), errors.Is(err, ledger.ErrKind),
		errors.Is(err, identity.ErrBadRevocation),
		errors.Is(err, ledger.ErrSelf):
		code = rpc.BadRequest
	case errors.Is(err, ledger.ErrStranger), errors.Is(err, identity.ErrBadSignature), errors.Is(err, identity.ErrBadKey),
		errors.Is(err, ledger.ErrContradiction), errors.Is(err, ledger.ErrGrant), errors.Is(err, ledger.ErrLine),
		errors.Is(err, ledger.ErrVoucher), errors.Is(err, ledger.ErrFork), errors.Is(err, ledger.ErrWarrant):
		code = rpc.Refused
	case errors.Is(err, ledger.ErrLines), errors.Is(err, ledger.ErrLocks), errors.Is(err, ledger.ErrOutOfStep),
		errors.Is(err, ledger.ErrUnmet), errors.Is(err, ledger.ErrCertificates): // later it may do
		code = rpc.Busy
	case errors.Is(err, ledger.ErrReadOnly), errors.Is(err, ledger.ErrClosed):
		code = rpc.Unavailable
	}
	if code == rpc.Internal {
		c.log.Error("the ledger cannot take a message", "peer", from.Node, "err", err)
		return rpc.Errorf(code, "")
	}
	c.log.Warn("refused what a peer signed or sent", "peer", from.Node, "err", err)
	return rpc.Errorf(code, "%v", err)
}
