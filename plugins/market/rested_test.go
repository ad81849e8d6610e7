package market

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/peersea/sea/compute"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/plugins/market/rest"
)

// laptop is a machine that says what it is told to.
type laptop struct {
	mu      sync.Mutex // guards what follows
	battery bool
	use     string
	err     error
}

func (l *laptop) set(f func(*laptop)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

func (l *laptop) OnBattery(context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.battery, l.err
}

func (l *laptop) Use(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.use, l.err
}

// TestRest: a seller that shall not work on battery, or only while its machine is
// idle, holds what it has where it stands and takes no more, over a restart; both
// sides hear why. It goes on when it may, and refuses rules that its machine has
// no answer for.
func TestRest(t *testing.T) {
	t.Parallel()
	sea := nodetest.New(t, 2)
	machine := &laptop{battery: true, use: "a spreadsheet is open"}
	buyer := newTrader(t, sea, 0, &tricky{}, nil)
	seller := newTrader(t, sea, 1, &tricky{}, func(tr *trader) { tr.cfg.Machine = machine })
	seller.sell(nil)
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	scripted(seller, func(ctx context.Context, _ compute.Job, _ compute.Live) compute.Result {
		begun <- struct{}{}
		select {
		case <-finish:
			return compute.Result{End: compute.Exit, Fuel: 1}
		case <-ctx.Done():
			return compute.Result{End: compute.Interrupted}
		}
	})
	resting := func(held Reason, owner, others string) {
		t.Helper()
		if tasks := seller.Tasks(); len(tasks) != 1 || tasks[0].Held != held {
			t.Errorf("tasks %+v, want one that is held for %q", tasks, held)
		}
		if why := seller.NotNow(); !strings.Contains(why, owner) || (why == "") != (owner == "") {
			t.Errorf("it rests because %q, want %q", why, owner)
		}
		if others == "" {
			return
		}
		spec := cheap(buyer, "2")
		spec.To = []addr.Addr{seller.node.Addr()}
		buyer.sellers.Forget(seller.node.Addr())
		j := buyer.run(spec)
		if text := fmt.Sprint(j.History); j.State != Failed || !strings.Contains(text, others) || !strings.Contains(text, "ask again") || strings.Contains(text, "spreadsheet") {
			t.Errorf("an order was %s: %s, %s", j.State, j.Error, text)
		}
	}
	id := buyer.submit(cheap(buyer, "1"))
	<-begun
	resting("", "", "")
	seller.sell(func(p *Policy) { p.NotOnBattery = true })
	resting(SellerPaused, "battery", "runs on battery")
	buyer.heldFor(id, SellerPaused)
	seller.halt()
	seller.start()
	resting(SellerPaused, "battery", "")
	machine.set(func(l *laptop) { l.battery = false })
	seller.look(t.Context())
	resting("", "", "")
	<-begun
	seller.sell(func(p *Policy) { p.WhenIdle = true })
	resting(SellerPaused, "spreadsheet", "is in use")
	machine.set(func(l *laptop) { l.use, l.err = "", rest.ErrUnknown })
	seller.look(t.Context())
	resting(SellerPaused, "not known", "this node rests")
	p := seller.Policy()
	p.Slots = 1
	if err := seller.SetPolicy(p); err == nil {
		t.Error("rules were taken that the machine has no answer for")
	}
	p.Rules = rest.Rules{}
	if err := seller.SetPolicy(p); err != nil {
		t.Error(err)
	}
	resting("", "", "")
	close(finish)
	if j := buyer.wait(id); j.State != Done || !j.Paid {
		t.Errorf("%s, %s (%s)", j.State, j.Reason, j.Error)
	}
}
