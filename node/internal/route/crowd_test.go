package route

import (
	"net/netip"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
)

// Requests avoid neighbours of a crowded subnet while another is nearer to the target; what
// is meant is asked all the same.
func TestCrowdedNeighbours(t *testing.T) {
	self, target := addr.MakeString("self"), addr.MakeString("target")
	near := func(bit int) addr.Addr { return target.Flip(bit) }
	host := func(a, b byte) netip.Addr { return netip.AddrFrom4([4]byte{a, b, 113, 1}) }
	for name, tt := range map[string]struct {
		old  int // links before the last two, each on a subnet of its own
		host netip.Addr
		want addr.Addr
	}{
		"few":              {20, netip.Addr{}, near(200)},
		"a crowded subnet": {20, host(203, 0), near(100)},
	} {
		for i, scope := range []string{SealedScope, NearScope} {
			c := New(self)
			now := noon
			up := func(a addr.Addr, h netip.Addr) {
				now = now.Add(time.Second)
				c.Step(now, LinkUp{Addr: a, Host: h})
			}
			up(near(100), host(192, 0))
			for k := range tt.old {
				up(addr.Make([]byte{byte(k)}), host(198, byte(k)))
			}
			if tt.host.IsValid() { // two older ones
				up(near(3), tt.host)
				up(near(4), tt.host)
			}
			up(near(200), tt.host)
			now = now.Add(time.Minute)
			ask := func(to addr.Addr) addr.Addr {
				r := &Request{Source: identity.Entity{1}, ID: [16]byte{byte(i)}, To: to, Scope: scope, Expires: now.Add(MaxLife)}
				return sentTo(c.Step(now, Begin{Req: r}))
			}
			if got := ask(target); got != tt.want {
				t.Errorf("%s, %s: goes to bucket %d of the target", name, scope, addr.LogDist(got, target))
			}
			if got := ask(near(200)); got != near(200) {
				t.Errorf("%s, %s: what is meant is not asked", name, scope)
			}
		}
	}
}

// A first attempt goes to the neighbour nearest to its target, a retry to the oldest that
// brings it a bit nearer; and to the target itself if that is a neighbour.
func TestRetryByTheOldest(t *testing.T) {
	self, target := addr.MakeString("self"), addr.MakeString("target")
	bit := addr.LogDist(self, target)
	c, now := New(self), noon
	up := func(a addr.Addr) {
		now = now.Add(time.Second)
		c.Step(now, LinkUp{Addr: a})
	}
	far, old, young := self.Flip(bit+3), target.Flip(bit+2), target.Flip(bit+100)
	up(far) // no bit nearer, if nearer at all
	up(old)
	up(young)
	now = now.Add(time.Minute)
	for i, scope := range []string{SealedScope, NearScope} {
		for attempt, want := range []addr.Addr{young, old, old} {
			r := &Request{Source: identity.Entity{1}, ID: [16]byte{byte(i)}, To: target, Scope: scope, Expires: now.Add(MaxLife)}
			if got := sentTo(c.Step(now, Begin{Req: r, Attempt: uint64(attempt)})); got != want {
				t.Errorf("%s, attempt %d: goes to bucket %d of the target", scope, attempt, addr.LogDist(got, target))
			}
			r = &Request{Source: identity.Entity{2}, ID: [16]byte{byte(i)}, To: target, Scope: scope, Expires: now.Add(MaxLife)}
			effects := c.Step(now, Arrived{From: far, Req: r, Frame: &frame.Routed{Hop: 1, TTL: 5, Attempt: uint64(attempt)}})
			if got := sentTo(effects); got != want {
				t.Errorf("%s, attempt %d of another: goes to bucket %d of the target", scope, attempt, addr.LogDist(got, target))
			}
		}
	}
	up(target)
	for attempt := range uint64(3) {
		r := &Request{Source: identity.Entity{3}, To: target, Scope: SealedScope, Expires: now.Add(MaxLife)}
		if got := sentTo(c.Step(now, Begin{Req: r, Attempt: attempt})); got != target {
			t.Errorf("attempt %d: the target itself is not asked", attempt)
		}
	}
}

// sentTo is the neighbour that a request is handed to.
func sentTo(effects []Effect) addr.Addr {
	for _, e := range effects {
		if s, ok := e.(Send); ok {
			if _, ok := s.Frame.(*frame.Routed); ok {
				return s.To
			}
		}
	}
	return addr.Addr{}
}
