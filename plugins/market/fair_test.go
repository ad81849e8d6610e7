package market

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/examples"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
)

// until waits for something that only looking shows.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for !is() {
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// waiting is how many orders wait for a slot, opened how many run or wait at all.
func (tr *trader) waiting() int {
	tr.selling.Lock()
	defer tr.selling.Unlock()
	return tr.selling.turns.Len()
}

func (tr *trader) opened() int {
	tr.selling.Lock()
	defer tr.selling.Unlock()
	return tr.selling.opened
}

// trusted lends each buyer enough for all that a test does.
func trusted(t *testing.T, seller *trader, buyers ...*trader) {
	t.Helper()
	for _, b := range buyers {
		if err := seller.ledger.Grant(b.key.Entity(), 1000*ledger.Credit, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}

// cheap is a job of which many fit into a grant.
func cheap(b *trader, arg string) Spec {
	s := primes(b, arg)
	s.Limits.Fuel = Gfuel
	return s
}

// TestFair: a buyer that comes with one order behind another's crowd has its turn
// after the one that runs, and not after the crowd.
func TestFair(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 3)
	seller := newTrader(t, sea, 0, &tricky{}, nil)
	crowd, one := newTrader(t, sea, 1, &tricky{}, nil), newTrader(t, sea, 2, &tricky{}, nil)
	seller.sell(func(p *Policy) { p.Slots = 1 })
	trusted(t, seller, crowd, one)
	var mu sync.Mutex
	var order []string
	begun, finish := make(chan struct{}, 100), make(chan struct{})
	scripted(seller, func(ctx context.Context, job compute.Job, _ compute.Live) compute.Result {
		mu.Lock()
		order = append(order, job.Args[1][:1])
		mu.Unlock()
		begun <- struct{}{}
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return compute.Result{End: compute.Exit, Fuel: 1}
	})
	ids := map[*trader][]ID{crowd: {crowd.submit(cheap(crowd, "a"))}}
	<-begun
	for i := range 8 {
		ids[crowd] = append(ids[crowd], crowd.submit(cheap(crowd, fmt.Sprint("a", i))))
	}
	until(t, "the crowd waits", func() bool { return seller.waiting() == 8 })
	ids[one] = []ID{one.submit(cheap(one, "b")), one.submit(cheap(one, "b2"))}
	until(t, "all wait", func() bool { return seller.waiting() == 10 })
	close(finish)
	for b, all := range ids {
		for _, id := range all {
			if j := b.wait(id); j.State != Done {
				t.Errorf("%s: %s (%s)", j.State, j.Reason, j.Error)
			}
		}
	}
	if got := strings.Join(order, ""); got != "ababaaaaaaa" {
		t.Errorf("they ran in the order %s, want ababaaaaaaa", got)
	}
}

// TestStrangersQueue: orders of all strangers together leave half of the queue to
// buyers with a grant.
func TestStrangersQueue(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 3)
	seller := newTrader(t, sea, 0, &tricky{}, nil)
	stranger, friend := newTrader(t, sea, 1, &tricky{}, nil), newTrader(t, sea, 2, &tricky{}, nil)
	seller.sell(func(p *Policy) { p.Slots, p.Queue = 1, 4 })
	trusted(t, seller, friend)
	finish := make(chan struct{})
	scripted(seller, func(ctx context.Context, _ compute.Job, _ compute.Live) compute.Result {
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return compute.Result{End: compute.Exit, Fuel: 1}
	})
	var all []ID
	for i := range 3 {
		all = append(all, stranger.submit(cheap(stranger, fmt.Sprint(i))))
	}
	until(t, "three are taken", func() bool { return seller.opened() == 3 })
	asks := func(b *trader) Reason {
		quotes, err := b.Quotes(t.Context(), cheap(b, "x"))
		if err != nil || len(quotes) != 1 {
			t.Fatalf("%+v, %v", quotes, err)
		}
		return quotes[0].Reason
	}
	if r := asks(stranger); r != Busy {
		t.Errorf("a fourth order of strangers is %q, want busy", r)
	}
	if r := asks(friend); r != "" {
		t.Errorf("one with a grant is refused: %s", r)
	}
	close(finish)
	for _, id := range all {
		stranger.wait(id)
	}
	until(t, "nothing is counted", func() bool { return seller.opened() == 0 })
	if r := asks(stranger); r != "" {
		t.Errorf("with the room back, a stranger is refused: %s", r)
	}
}

// TestHoardedHolds: a buyer that orders and never sends its input takes no slot,
// has no more orders than one buyer may have, and leaves its room and its places
// when it is gone.
func TestHoardedHolds(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 3)
	wire := &tap{Node: sea.Nodes[0]}
	wire.set(func(scope string) error {
		if strings.HasPrefix(scope, "storage:") {
			return rpc.Errorf(rpc.Unavailable, "later")
		}
		return nil
	}, nil)
	seller := newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.via, tr.cfg.InputPatience = wire, time.Hour })
	hoarder, buyer := newTrader(t, sea, 1, &tricky{}, nil), newTrader(t, sea, 2, &tricky{}, nil)
	seller.sell(func(p *Policy) { p.Slots, p.PerBuyer = 1, 3 })
	trusted(t, seller, hoarder, buyer)
	scripted(seller, func(context.Context, compute.Job, compute.Live) compute.Result {
		return compute.Result{End: compute.Exit, Fuel: 1}
	})
	var all []ID
	for i := range 3 {
		s := cheap(hoarder, fmt.Sprint(i))
		s.Stdin = hoarder.put([]byte(fmt.Sprint("input ", i)))
		all = append(all, hoarder.submit(s))
	}
	until(t, "three are taken", func() bool { return seller.opened() == 3 })
	if quotes, err := hoarder.Quotes(t.Context(), cheap(hoarder, "x")); err != nil || len(quotes) != 1 || quotes[0].Reason != Busy {
		t.Errorf("a fourth order: %+v, %v; want busy", quotes, err)
	}
	if seller.waiting() != 0 {
		t.Error("an order without its input waits for a slot")
	}
	s := cheap(buyer, "y")
	seller.put(examples.Primes) // it has this one's input
	if j := buyer.run(s); j.State != Done {
		t.Errorf("another buyer: %s, %s (%s)", j.State, j.Reason, j.Error)
	}
	for _, id := range all {
		if err := hoarder.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
		hoarder.wait(id)
	}
	until(t, "nothing is held", func() bool { return seller.opened() == 0 && len(seller.ledger.Holds()) == 0 })
}

// TestAllMemory shows that the jobs that run never have more memory together than
// the seller's policy says, and that a smaller bound than one job's is refused.
func TestAllMemory(t *testing.T) {
	buyer, seller := testMarket(t)
	began, gate := make(chan struct{}, 4), make(chan struct{})
	var mu sync.Mutex
	running, most := 0, 0
	scripted(seller, func(context.Context, compute.Job, compute.Live) compute.Result {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		began <- struct{}{}
		<-gate
		mu.Lock()
		running--
		mu.Unlock()
		return compute.Result{End: compute.Exit, Fuel: 1000}
	})
	p := seller.Policy()
	p.Memory = p.Caps.MemoryPages - 1
	if err := seller.SetPolicy(p); err == nil {
		t.Error("less for all than for one")
	}
	seller.sell(func(p *Policy) { p.Slots, p.Caps.MemoryPages, p.Memory = 4, 1024, 2100 })
	var ids []ID
	for i := range 4 {
		s := primes(buyer, fmt.Sprint(i))
		s.Limits.MemoryPages, s.Limits.Fuel = 1000, 1_000_000
		ids = append(ids, buyer.submit(s))
	}
	<-began
	<-began
	until(t, "two run and two wait", func() bool {
		seller.selling.Lock()
		defer seller.selling.Unlock()
		return seller.selling.slots == 2 && seller.selling.turns.Len() == 2 && seller.selling.memory == 2000
	})
	close(gate)
	for _, id := range ids {
		if j := buyer.wait(id); j.State != Done {
			t.Errorf("got %+v", j)
		}
	}
	if most != 2 {
		t.Errorf("%d ran at once", most)
	}
}
