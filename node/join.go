package node

import (
	"context"
	"errors"
	"time"

	"github.com/peersea/sea/node/rpc"
)

// settleWait is when a node that has just come online looks for its neighbours
// again: others may be joining at the same time.
const settleWait = 5 * time.Second

// settleIn links to the node that is nearest to this one, now and once more a
// little later. It is the seam where the overlay's maintenance will sit: siblings
// and buckets, filled through a neighbour and never from oneself.
func (s *session) settleIn() {
	for range 2 {
		ctx, cancel := context.WithTimeout(s.ctx, connectWait)
		err := s.joinNearest(ctx)
		cancel()
		if err != nil && s.ctx.Err() == nil {
			s.n.log.Debug("own neighbourhood not reached", "err", err)
		}
		if !s.pause(settleWait) {
			return
		}
	}
}

func (s *session) joinNearest(ctx context.Context) error {
	found, err := s.n.nearest(ctx, s.n.addr, s.n.addr)
	if err != nil {
		return err
	}
	if s.link(found.Peer.Addr) != nil {
		return nil
	}
	_, err = s.connect(ctx, found.Peer.Addr)
	if errors.Is(err, rpc.ErrUnreachable) {
		return nil // it has no URL and we, or it, no WebRTC
	}
	return err
}
