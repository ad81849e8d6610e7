package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/transport"
	"github.com/peersea/sea/node/transport/wsnet"
)

const (
	// reachEvery is how often others are asked whether they can reach the node,
	// reachFirst how soon again while nobody has said anything.
	reachEvery = 10 * time.Minute
	reachFirst = 10 * time.Second
)

// reachView is what others say of reaching the node.
type reachView struct {
	URL   string            `json:"url"`   // what they dialled; without a host, at the address that they see
	Yes   []identity.Entity `json:"yes"`   // who came through
	No    []identity.Entity `json:"no"`    // and who did not
	Asked time.Time         `json:"asked"` // when
}

// String says it in a line.
func (v *reachView) String() string {
	switch all := len(v.Yes) + len(v.No); {
	case len(v.No) == 0:
		return fmt.Sprintf("yes: %d of %d peers that were asked dialled %s", len(v.Yes), all, clean(v.URL))
	case len(v.Yes) == 0:
		return fmt.Sprintf("no: none of %d peers that were asked came through to %s", all, clean(v.URL))
	default:
		return fmt.Sprintf("partly: %d of %d peers that were asked dialled %s", len(v.Yes), all, clean(v.URL))
	}
}

// keepReach asks others by and by whether they can reach the node, until ctx
// ends. A node that listens nowhere asks nobody.
func (d *daemon) keepReach(ctx context.Context) {
	for {
		pause := reachFirst
		if d.askReach(ctx) {
			pause = reachEvery
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// askReach asks once and reports whether anybody has said something.
func (d *daemon) askReach(ctx context.Context) bool {
	said, err := d.node.Reachable(ctx)
	if err != nil || len(said) == 0 {
		return false
	}
	v := &reachView{URL: said[0].URL, Yes: []identity.Entity{}, No: []identity.Entity{}, Asked: time.Now().UTC().Truncate(time.Second)}
	for _, r := range said {
		if r.Err == nil {
			v.Yes = append(v.Yes, r.By.Node)
		} else {
			v.No = append(v.No, r.By.Node)
		}
	}
	d.reached.Store(v)
	return true
}

// dialBack returns the wires for a neighbour at one address that wants to know
// whether it can be reached. A node with a public URL may stand behind a proxy,
// whose address its neighbours then seem to have: it dials public ones only.
func dialBack(public bool) func(netip.Addr) map[string]transport.Dialer {
	return func(only netip.Addr) map[string]transport.Dialer {
		if public && wsnet.PublicOnly(only) != nil {
			return nil
		}
		d := wsnet.NewDialer(wsnet.DialConfig{Allow: func(ip netip.Addr) error {
			if ip != only {
				return fmt.Errorf("%v is not where the link comes from", ip)
			}
			return nil
		}})
		return map[string]transport.Dialer{"ws": d, "wss": d}
	}
}
