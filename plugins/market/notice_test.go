package market

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/ledger"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/nodetest"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/pick"
)

// carries is what a trader would show to others now, by its seller.
func (tr *trader) carries() map[identity.Entity]Offer {
	tr.t.Helper()
	all := map[identity.Entity]Offer{}
	for _, st := range tr.carried.some(identity.Entity{}, tr.linkedKeys()) {
		o, err := OpenOffer(st)
		if err != nil {
			tr.t.Error(err)
		}
		all[st.By] = o
	}
	return all
}

// carrying waits until the trader carries a seller's notice, or none.
func (tr *trader) carrying(seller *trader, want bool) Offer {
	tr.t.Helper()
	for {
		o, ok := tr.carries()[seller.key.Entity()]
		if ok == want {
			return o
		}
		<-time.After(10 * time.Millisecond)
	}
}

// shy is a node that sees only some of its links, and counts its calls.
type shy struct {
	*greedy
	sees []addr.Addr
}

func (n shy) Links() []node.Link {
	return slices.DeleteFunc(n.Node.Links(), func(l node.Link) bool { return !slices.Contains(n.sees, l.Peer.Addr) })
}

// behind is a buyer that is linked to a carrier, as far as it knows, to which so
// many sellers are: at most 7, for each tells 8.
func behind(t *testing.T, n int) (buyer, carrier *trader, sellers []*trader, wire *greedy) {
	t.Helper()
	sea := nodetest.New(t, n+2)
	wire = &greedy{Node: sea.Nodes[0], calls: map[string]int{}}
	buyer = newTrader(t, sea, 0, &tricky{}, func(tr *trader) { tr.via = shy{wire, []addr.Addr{sea.Nodes[1].Addr()}} })
	carrier = newTrader(t, sea, 1, &tricky{engine: testEngine(t)}, nil)
	for i := range n {
		s := newTrader(t, sea, i+2, &tricky{engine: testEngine(t)}, nil)
		s.sell(nil)
		sellers = append(sellers, s)
	}
	for _, s := range sellers {
		carrier.carrying(s, true)
	}
	return buyer, carrier, sellers, wire
}

func (n *greedy) count(scope string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[scope]
}

// TestNoticeFinds: by asking one node a buyer has the offers of all sellers near
// it, and asks none of them for its offer, but for a quote.
func TestNoticeFinds(t *testing.T) {
	t.Parallel()
	buyer, carrier, sellers, wire := behind(t, pick.MaxAsked-1)
	carrier.sell(nil)
	s := primes(buyer, "100")
	s.Limits.Fuel = Gfuel / 10
	if j := buyer.run(s); j.State != Done {
		t.Fatalf("%s: %s", j, j.Error)
	}
	if near, offers, asks := wire.count("market:near"), wire.count("market:offer"), wire.count("market:ask"); near < 1 || offers != 0 || asks != pick.MaxAsked {
		t.Errorf("%d questions for what is near, %d for offers, %d for quotes", near, offers, asks)
	}
	offers, err := buyer.Offers(t.Context())
	if err != nil || len(offers) != len(sellers)+1 {
		t.Errorf("%d offers, %v, want %d", len(offers), err, len(sellers)+1)
	}
}

// TestNoticeIsHint: what a notice says is not what is paid: the quote is asked for
// afresh, and the cap holds against it; a seller that looks too dear is looked at
// again.
func TestNoticeIsHint(t *testing.T) {
	t.Parallel()
	buyer, carrier, sellers, _ := behind(t, 1)
	seller := sellers[0]
	says := func(price ledger.Amount) { // the carrier's notice, whatever the seller asks
		t.Helper()
		o, _ := seller.notice()
		o.PerGfuel = price
		st, err := o.Sign(seller.key)
		if err != nil {
			t.Fatal(err)
		}
		carrier.carried.put(seller.key.Entity(), st, o)
		buyer.sellers.Forget(seller.node.Addr())
		buyer.sellers.Forget(carrier.node.Addr())
	}
	s := primes(buyer, "100")
	s.Limits.Fuel, s.MaxPrice = Gfuel/10, ledger.Credit
	seller.sell(func(p *Policy) { p.PerGfuel = 2 * ledger.Credit })
	carrier.carrying(seller, true)
	says(ledger.Credit / 2)
	if j := buyer.run(s); j.State != Failed || j.Reason != RefusedPrice || j.Order != (identity.Hash{}) {
		t.Errorf("%s, %s: %s", j.State, j.Reason, j.Error)
	}
	s.MaxPrice = 2 * ledger.Credit
	says(ledger.Credit / 2)
	if j := buyer.run(s); j.State != Done || j.Price.PerGfuel != 2*ledger.Credit {
		t.Errorf("%s at %s: %s", j.State, j.Price.PerGfuel, j.Error)
	}
	says(9 * ledger.Credit)
	if j := buyer.run(s); j.State != Done || j.Price.PerGfuel != 2*ledger.Credit {
		t.Errorf("%s at %s: %s", j.State, j.Price.PerGfuel, j.Error)
	}
}

// TestNoticeRoom: a stranger's room in a notice does not bound what a buyer asks
// for that may owe more.
func TestNoticeRoom(t *testing.T) {
	t.Parallel()
	buyer, carrier, sellers, wire := behind(t, 1)
	if err := sellers[0].ledger.Grant(buyer.key.Entity(), 500*ledger.Credit, time.Time{}); err != nil {
		t.Fatal(err)
	}
	s := primes(buyer, "100").withDefaults()
	s.MaxCredit = 200 * ledger.Credit
	_, near, err := buyer.fetchNear(t.Context(), carrier.node.Addr())
	if err != nil || len(near) != 1 || near[0].Offer.Room >= s.MaxCredit {
		t.Fatalf("%+v, %v", near, err)
	}
	if q, no := buyer.ask(t.Context(), s, near[0]); no != nil || q.job.Limits.Fuel != 200*Gfuel || wire.count("market:offer") != 1 {
		t.Errorf("a quote for %d fuel: %v", q.job.Limits.Fuel, no)
	}
}

// TestNoticeForged: a buyer drops all notices of a node that shows one that an honest
// one does not carry, and for an hour asks it for its own offer only.
func TestNoticeForged(t *testing.T) {
	t.Parallel()
	buyer, carrier, sellers, wire := behind(t, 3)
	key := sellers[0].key
	now := time.Now()
	signed := func(edit func(*Offer)) identity.Statement {
		o, _ := sellers[0].notice()
		edit(&o)
		st, err := o.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	forged := signed(func(*Offer) {})
	forged.By = sellers[1].key.Entity()
	cut := signed(func(*Offer) {})
	cut.Body = slices.Clone(cut.Body)
	cut.Body[len(cut.Body)-1] ^= 1
	quote, err := Quote{Until: 1}.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	lies := map[string][]identity.Statement{
		"by somebody else": {forged},
		"changed":          {cut},
		"no offer":         {quote},
		"for the buyer":    {signed(func(o *Offer) { o.For = buyer.key.Entity() })},
		"stale":            {signed(func(o *Offer) { o.At, o.Until = now.Add(-time.Hour).UnixMilli(), now.Add(-50*time.Minute).UnixMilli() })},
		"of the future": {signed(func(o *Offer) {
			o.At, o.Until = now.Add(time.Hour).UnixMilli(), now.Add(time.Hour+time.Minute).UnixMilli()
		})},
		"for ever": {signed(func(o *Offer) { o.Until = now.Add(24 * time.Hour).UnixMilli() })},
		"too many": slices.Repeat([]identity.Statement{signed(func(*Offer) {})}, pick.MaxNear+1),
	}
	carrier.sell(nil)
	at := carrier.node.Addr()
	for name, lie := range lies {
		var lied atomic.Bool
		wire.alter = func(to addr.Addr, scope string, _, reply []byte) []byte {
			var a nearAnswer
			if to != at || scope != nearMethod.Scope || cbor.Unmarshal(reply, &a) != nil {
				return reply
			}
			lied.Store(true)
			a.Near = append(slices.Clone(lie), a.Near...)
			out, err := cbor.Marshal(a)
			if err != nil {
				t.Error(err)
			}
			return out
		}
		k, near, err := buyer.fetchNear(t.Context(), at)
		if !lied.Load() || err != nil || !k.Sells || len(near) != 0 {
			t.Errorf("%s: %d notices, its own: %v, %v", name, len(near), k.Sells, err)
		}
		for _, s := range sellers {
			if _, ok := buyer.sellers.Get(s.node.Addr()); ok {
				t.Errorf("%s: a seller is known by it", name)
			}
		}
		lied.Store(false)
		if k, near, err := buyer.fetchNear(t.Context(), at); lied.Load() || err != nil || !k.Sells || len(near) != 0 {
			t.Errorf("%s: asked again: %d notices, its own: %v, %v", name, len(near), k.Sells, err)
		}
		buyer.sellers.mu.Lock()
		clear(buyer.sellers.liars)
		buyer.sellers.mu.Unlock()
	}
	wire.alter = nil
	if _, near, err := buyer.fetchNear(t.Context(), at); err != nil || len(near) != len(sellers) {
		t.Errorf("%d honest notices, %v", len(near), err)
	}
}

// TestNoticeRefused: a neighbour's notice is taken over its own link only, when it is
// one that buyers would take, and seldom.
func TestNoticeRefused(t *testing.T) {
	t.Parallel()
	_, carrier, sellers, _ := behind(t, 2)
	seller := sellers[0]
	from := rpc.Peer{Addr: seller.node.Addr(), Node: seller.key.Entity(), Entity: seller.key.Entity(), Direct: true}
	routed := from
	routed.Direct = false
	now := time.Now().UnixMilli()
	for name, tt := range map[string]struct {
		from rpc.Peer
		edit func(*Offer)
		by   *trader
		want error
	}{
		"routed":        {routed, nil, seller, rpc.ErrRefused},
		"of another":    {from, nil, sellers[1], rpc.ErrRefused},
		"for somebody":  {from, func(o *Offer) { o.For = identity.Entity{1} }, seller, rpc.ErrBadRequest},
		"for ever":      {from, func(o *Offer) { o.Until = o.At + 2*pick.NoticeLife.Milliseconds() }, seller, rpc.ErrBadRequest},
		"over":          {from, func(o *Offer) { o.At, o.Until = now-500_000, now-400_000 }, seller, rpc.ErrBadRequest},
		"of the future": {from, func(o *Offer) { o.At, o.Until = now+500_000, now+600_000 }, seller, rpc.ErrBadRequest},
	} {
		o, _ := seller.notice()
		o.PerGfuel = 77
		if tt.edit != nil {
			tt.edit(&o)
		}
		st, err := o.Sign(tt.by.key)
		if err != nil {
			t.Fatal(err)
		}
		carrier.carried.mu.Lock()
		carrier.carried.of[from.Node].came = time.Time{} // its turn
		carrier.carried.mu.Unlock()
		if _, err := carrier.serveNotice(t.Context(), tt.from, noticeRequest{st}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if !tt.from.Direct {
			continue
		}
		if _, err := carrier.serveNotice(t.Context(), from, noticeRequest{st}); !errors.Is(err, rpc.ErrBusy) {
			t.Errorf("%s: at once again: %v", name, err)
		}
	}
	if o := carrier.carries()[from.Node]; o.PerGfuel != DefaultPolicy().PerGfuel {
		t.Errorf("the notice says %s", o.PerGfuel)
	}
}

// TestNoticeFlood: notices are bounded in number, one of each neighbour; those of
// nodes that left make room and are shown to nobody, and an answer has a few.
func TestNoticeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := notices{of: map[identity.Entity]*notice{}}
		linked := map[identity.Entity]bool{}
		who := func(i int) identity.Entity { return identity.Entity{byte(i), byte(i >> 8), 1} }
		at := time.Now()
		took := 0
		for i := range 2 * maxNotices {
			linked[who(i)] = true
			if !n.turn(who(i), func() map[identity.Entity]bool { return linked }) {
				continue
			}
			took++
			n.put(who(i), identity.Statement{By: who(i)}, Offer{At: at.UnixMilli(), Until: at.Add(time.Minute).UnixMilli()})
		}
		if took != maxNotices || len(n.of) != maxNotices {
			t.Errorf("%d were taken, %d are kept, want %d", took, len(n.of), maxNotices)
		}
		if got := n.some(who(0), linked); len(got) != pick.MaxNear {
			t.Errorf("%d are shown", len(got))
		}
		if n.turn(who(0), func() map[identity.Entity]bool { return linked }) {
			t.Error("one came twice")
		}
		clear(linked)
		linked[who(1)], linked[who(9999)] = true, true // the others left
		if !n.turn(who(9999), func() map[identity.Entity]bool { return linked }) || len(n.of) != 2 {
			t.Errorf("no room where others left, %d are kept", len(n.of))
		}
		if got := n.some(who(0), linked); len(got) != 1 || got[0].By != who(1) {
			t.Errorf("%d are shown of one that is there", len(got))
		}
		if got := n.some(who(1), linked); len(got) != 0 {
			t.Error("a seller was shown itself")
		}
		time.Sleep(time.Minute)
		if got := n.some(who(0), linked); len(got) != 0 {
			t.Error("one is shown whose time is over")
		}
	})
}

// TestNoticeOld: an older notice does not replace a newer one, and one that is over
// as it is made takes it back.
func TestNoticeOld(t *testing.T) {
	n := notices{of: map[identity.Entity]*notice{}}
	me := identity.Entity{1}
	linked := map[identity.Entity]bool{me: true}
	at := time.Now().UnixMilli()
	n.turn(me, nil)
	for _, tt := range []struct {
		at, until int64
		want      int
	}{{at, at + 60_000, 1}, {at - 1, at - 1, 1}, {at + 2, at + 2, 0}, {at + 1, at + 60_000, 0}, {at + 3, at + 60_000, 1}} {
		n.put(me, identity.Statement{By: me}, Offer{At: tt.at, Until: tt.until})
		if got := n.some(identity.Entity{}, linked); len(got) != tt.want {
			t.Errorf("from %d to %d: %d are shown, want %d", tt.at-at, tt.until-at, len(got), tt.want)
		}
	}
}

// TestNoticeBlame: whatever times a seller writes, who takes and shows its notice is
// not blamed by a buyer whose clock is two minutes off.
func TestNoticeBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		me := identity.Entity{1}
		linked := map[identity.Entity]bool{me: true}
		shown := 0
		for at := -30 * time.Minute; at <= 5*time.Minute; at += time.Minute {
			for life := time.Duration(0); life <= pick.NoticeLife; life += time.Minute {
				n := notices{of: map[identity.Entity]*notice{}}
				o := Offer{At: time.Now().Add(at).UnixMilli(), Until: time.Now().Add(at + life).UnixMilli()}
				if checkNotice(o, time.Now(), noticeSlack) != nil {
					continue
				}
				n.turn(me, nil)
				n.put(me, identity.Statement{By: me}, o)
				for len(n.some(identity.Entity{}, linked)) > 0 {
					shown++
					for _, off := range []time.Duration{-2 * time.Minute, 2 * time.Minute} {
						if err := checkNotice(o, time.Now().Add(off), shownSlack); err != nil {
							t.Fatalf("made at %v for %v: %v", at, life, err)
						}
					}
					time.Sleep(time.Minute)
				}
			}
		}
		if shown == 0 {
			t.Error("nothing was shown")
		}
	})
}

// TestNoticeTimes: neighbours are told at once by a seller that begins or is new to
// them, again when it says something else, not too often, and every ten minutes; who
// stops selling takes its notice back, and who left is not shown.
func TestNoticeTimes(t *testing.T) {
	nodetest.Bubble(t, func(t *testing.T) {
		sea := nodetest.New(t, 2)
		wire := &greedy{Node: sea.Nodes[1], calls: map[string]int{}}
		carrier := newTrader(t, sea, 0, &tricky{}, nil)
		seller := newTrader(t, sea, 1, &tricky{}, func(tr *trader) { tr.via = wire })
		told := func(what string, after time.Duration, calls int, price ledger.Amount) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			o, ok := carrier.carries()[seller.key.Entity()]
			if got := wire.count("market:notice"); got != calls || ok != (price != 0) || ok && o.PerGfuel != price {
				t.Errorf("%s: told %d times, %v at %s; want %d, at %s", what, got, ok, o.PerGfuel, calls, price)
			}
		}
		told("before it sells", time.Minute, 0, 0)
		seller.sell(func(p *Policy) { p.PerGfuel = 5 })
		told("it sells", time.Second, 1, 5)
		seller.sell(func(p *Policy) { p.PerGfuel = 6 })
		told("at once again", time.Second, 1, 5)
		told("a little later", pick.NoticeRest, 2, 6)
		told("nothing new", pick.NoticeEvery/2, 2, 6)
		told("renewed", pick.NoticeEvery*7/10, 3, 6)
		if err := seller.SetShift(Shift{Mode: Paused}); err != nil {
			t.Fatal(err)
		}
		told("paused", time.Second, 4, 0)
		told("it stays so", 3*pick.NoticeEvery, 4, 0)
		if err := seller.SetShift(Shift{Mode: Open}); err != nil {
			t.Fatal(err)
		}
		told("open", time.Second, 5, 6)
		seller.sell(func(p *Policy) { p.AllowPeers = []identity.Entity{{1}} })
		told("to few only", pick.NoticeRest, 6, 0)
		seller.sell(func(p *Policy) { p.AllowPeers = nil })
		told("to all", pick.NoticeRest, 7, 6)
		seller.node.Offline()
		told("it has left", time.Minute, 7, 0)
	})
}

// TestNearOften: what a peer may ask for is bounded.
func TestNearOften(t *testing.T) {
	t.Parallel()
	buyer, carrier, _, _ := behind(t, 1)
	from := rpc.Peer{Node: buyer.key.Entity(), Entity: buyer.key.Entity()}
	got := 0
	for {
		a, err := carrier.serveNear(context.Background(), from, nearRequest{})
		if errors.Is(err, rpc.ErrBusy) {
			break
		}
		if err != nil || len(a.Near) != 1 || a.Offer != nil {
			t.Fatalf("%+v, %v", a, err)
		}
		got++
	}
	if got < askBurst/nearCost || got > 10*askBurst/nearCost {
		t.Errorf("%d answers at once, want about %d", got, askBurst/nearCost)
	}
}
