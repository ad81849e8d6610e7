package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/ledger"
)

// headsPause is how old the copy of the heads may be while the daemon runs.
const headsPause = time.Minute

// keepHeads copies the ledger's heads to a second file: when it begins, each
// minute in which something changed, and when ctx ends.
func (d *daemon) keepHeads(ctx context.Context) {
	var changed atomic.Bool
	defer d.ledger.Watch(func(ledger.Change) { changed.Store(true) })()
	save := func() {
		if err := d.ledger.SaveHeads(d.dir.heads()); err != nil {
			d.log.Warn("the copy of the ledger's heads is not kept", "err", err)
		}
	}
	save()
	tick := time.NewTicker(headsPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if changed.Swap(false) {
				save()
			}
		case <-ctx.Done():
			save()
			return
		}
	}
}

// lostHeads lists whom to ask for entries of ours: those on fenced lines, and
// those of whom the copy of the heads has more than the ledger.
func (d *daemon) lostHeads() []identity.Entity {
	peers := d.credit.Fenced()
	heads, err := ledger.ReadHeads(d.dir.heads(), d.key.Entity())
	if err != nil {
		d.log.Debug("no copy of the heads", "err", err)
	}
	for _, h := range heads {
		if line := d.ledger.Line(h.Peer); line.State != ledger.StateFenced && line.Mine.Seq < h.Mine.Seq {
			peers = append(peers, h.Peer)
		}
	}
	return peers
}
