package route

import (
	"net/netip"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
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
				for _, e := range c.Step(now, Begin{Req: r}) {
					if s, ok := e.(Send); ok {
						return s.To
					}
				}
				return addr.Addr{}
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
