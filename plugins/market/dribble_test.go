package market

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// TestDribble has a buyer order as much as it may and send its input a piece at a
// time, or never, at a seller that has no room beside: each of its orders ends at
// its bound, by itself, with a reason that both hear; nothing is held then, and
// another buyer, who was told to wait, is served.
func TestDribble(t *testing.T) {
	for name, test := range map[string]struct {
		through int // of so many calls for input one is answered; 0 is none
		text    string
	}{
		"in drops": {2, errSlow.Error()},
		"never":    {0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const orders = 3
			sea := nodetest.New(t, 3)
			wire := &tap{Node: sea.Nodes[0]}
			seller := newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.via, tr.cfg.InputPatience = wire, time.Second/2 })
			hoarder, buyer := newTrader(t, sea, 1, &tricky{}, nil), newTrader(t, sea, 2, &tricky{}, nil)
			seller.Market.leastRate = 1 << 40 // what is left of the bound is the patience
			seller.put(examples.Primes)       // the honest one's whole input is there
			var mu sync.Mutex
			calls, pieces := 0, 0
			wire.set(func(scope string) error {
				if !strings.HasPrefix(scope, "storage:") {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				if calls++; test.through > 0 && calls%test.through == 0 {
					pieces++
					return nil
				}
				return rpc.Errorf(rpc.Unavailable, "later")
			}, nil)
			seller.sell(func(p *Policy) { p.Slots, p.Queue, p.PerBuyer = orders, 0, orders })
			trusted(t, seller, hoarder, buyer)
			scripted(seller, func(context.Context, compute.Job, compute.Live) compute.Result {
				return compute.Result{End: compute.Exit, Fuel: 1}
			})
			var all []ID
			for i := range orders {
				s := cheap(hoarder, "x")
				s.Stdin = hoarder.put(bytes.Repeat([]byte{byte(i)}, 4<<20)) // far more than comes in time
				s.To = []addr.Addr{seller.node.Addr()}
				all = append(all, hoarder.submit(s))
			}
			honest := buyer.submit(cheap(buyer, "y"))
			for _, id := range all {
				if j := hoarder.wait(id); j.State != Failed || j.Reason != InputsMissing || !strings.Contains(j.Error, test.text) || j.Cost != 0 {
					t.Errorf("the dribbler's job: %s, %s (%s)", j.State, j.Reason, j.Error)
				}
			}
			if j := buyer.wait(honest); j.State != Done {
				t.Errorf("another buyer's job: %s, %s (%s)", j.State, j.Reason, j.Error)
			}
			until(t, "nothing is held", func() bool { return seller.opened() == 0 && len(seller.Tasks()) == 0 && seller.waiting() == 0 })
			for _, h := range seller.ledger.Holds() {
				if h.Peer == hoarder.key.Entity() {
					t.Errorf("for the dribbler %+v is held", h)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if (pieces > 0) != (test.through > 0) {
				t.Errorf("%d pieces of %d came", pieces, calls)
			}
		})
	}
}
