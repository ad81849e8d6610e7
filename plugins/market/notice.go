package market

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/rpc"
	"github.com/peersea/sea/plugins/market/pick"
)

const (
	// maxNotices is how many notices are carried, of at most 2 KiB as all offers
	// are: one of each node that is linked, and there are as many of these unless
	// up --max-links says otherwise.
	maxNotices = 512

	// noticeWait is how long a neighbour may take to accept a notice,
	// noticeAgain the pause before one is tried again that did not.
	noticeWait  = 5 * time.Second
	noticeAgain = time.Minute

	// noticeSlack is by how much the clocks of a seller and who carries its notice
	// may differ, shownSlack the same for who is shown it: more, so that no seller
	// can have an honest carrier blamed.
	noticeSlack = 2 * time.Minute
	shownSlack  = 5 * time.Minute
)

// checkNotice says what is wrong with an offer as one for anybody.
func checkNotice(o Offer, now time.Time, slack time.Duration) error {
	at, until := time.UnixMilli(o.At), time.UnixMilli(o.Until)
	switch {
	case o.For != identity.Entity{}:
		return errors.New("it is for somebody")
	case until.Sub(at) > pick.NoticeLife:
		return fmt.Errorf("it is to hold for %v, at most %v", until.Sub(at), pick.NoticeLife)
	case at.After(now.Add(slack)):
		return errors.New("it is of the future; compare the clocks")
	case until.Before(now.Add(-slack)):
		return errors.New("its time is over")
	}
	return nil
}

// notices are those that this node carries for its neighbours.
type notices struct {
	mu sync.Mutex // guards what follows
	of map[identity.Entity]*notice
}

// notice is a seller's last.
type notice struct {
	came  time.Time // when it last tried
	st    *identity.Statement
	at    int64 // the offer's
	until time.Time
}

// turn says whether a seller may leave a notice now: one is verified in half of
// NoticeRest. linked says who is a neighbour.
func (n *notices) turn(seller identity.Entity, linked func() map[identity.Entity]bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.of[seller] == nil {
		if len(n.of) >= maxNotices {
			n.prune(linked(), now)
		}
		if len(n.of) >= maxNotices {
			return false
		}
		n.of[seller] = &notice{}
	} else if now.Sub(n.of[seller].came) < pick.NoticeRest/2 {
		return false
	}
	n.of[seller].came = now
	return true
}

// prune forgets those who are no neighbours any more, and what is too old.
func (n *notices) prune(linked map[identity.Entity]bool, now time.Time) {
	for seller, one := range n.of {
		if !linked[seller] {
			delete(n.of, seller)
		} else if !now.Before(one.until) {
			one.st = nil
		}
	}
}

// put takes in a notice that was verified; the newest counts, and one that is over
// as it was made takes it back.
func (n *notices) put(seller identity.Entity, st identity.Statement, o Offer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.of[seller]
	if one == nil || o.At < one.at { // the link has ended meanwhile, or an older one came late
		return
	}
	one.at, one.st = o.At, &st
	one.until = one.came.Add(time.Duration(o.Until-o.At) * time.Millisecond)
	if until := time.UnixMilli(o.Until); until.Before(one.until) {
		one.until = until
	}
	if o.Until == o.At {
		one.st = nil
	}
}

// some are at most pick.MaxNear of the notices, but who asks' own, drawn by lot.
func (n *notices) some(asks identity.Entity, linked map[identity.Entity]bool) []identity.Statement {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.prune(linked, time.Now())
	all := []identity.Statement{} // never null
	for seller, one := range n.of {
		if one.st != nil && seller != asks {
			all = append(all, *one.st)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), pick.MaxNear)]
}

// linkedKeys are the nodes that are linked now.
func (m *Market) linkedKeys() map[identity.Entity]bool {
	all := map[identity.Entity]bool{}
	for _, l := range m.node.Links() {
		all[l.Peer.Node] = true
	}
	return all
}

// serveNotice takes a neighbour's notice, of itself only: so there is one of each,
// it is known to be there while its link is, and buyers never see a forged one.
func (m *Market) serveNotice(_ context.Context, from rpc.Peer, in noticeRequest) (noticeAnswer, error) {
	if !from.Direct {
		return noticeAnswer{}, rpc.Errorf(rpc.Refused, "a notice comes over a link of its seller's own")
	}
	if !m.carried.turn(from.Node, m.linkedKeys) {
		return noticeAnswer{}, rpc.Errorf(rpc.Busy, "a notice came a moment ago, or there are too many")
	}
	if in.Offer.By != from.Node {
		return noticeAnswer{}, rpc.Errorf(rpc.Refused, "the notice is of somebody else")
	}
	o, err := OpenOffer(in.Offer)
	if err == nil {
		err = checkNotice(o, time.Now(), noticeSlack)
	}
	if err != nil {
		return noticeAnswer{}, rpc.Errorf(rpc.BadRequest, "%v", err)
	}
	m.carried.put(from.Node, in.Offer, o)
	return noticeAnswer{}, nil
}

// notice is this node's own, and false when it sells nothing to strangers now.
func (m *Market) notice() (Offer, bool) {
	anybody := rpc.Peer{}
	if m.sellsTo(m.Policy(), anybody) != nil {
		return Offer{}, false
	}
	o := m.offer(anybody.Node)
	o.Until = o.At + pick.NoticeLife.Milliseconds()
	return o, o.Room > 0
}

// said is what a notice says that others should hear of soon when it changes.
func (o Offer) said() string {
	o.At, o.Until, o.Room, o.Free = 0, 0, 0, min(o.Free, 1)
	b, err := cbor.Marshal(offerBody{version, o})
	if err != nil {
		panic("market: an offer of our own: " + err.Error())
	}
	return string(b)
}

// announced is what a neighbour was told last.
type announced struct {
	link time.Time // when the link was made
	at   time.Time
	said string // "" is that nothing is sold
	next time.Time
}

// announce leaves this node's notice with its neighbours, until ctx ends.
func (m *Market) announce(ctx context.Context) {
	events := m.node.Events(ctx)
	m.spawn(func(context.Context) {
		for e := range events {
			if e.Kind == node.LinkUp {
				m.renotice()
			}
		}
	})
	all := map[addr.Addr]announced{}
	for {
		var due <-chan time.Time
		if next, ok := m.tellNeighbours(ctx, all); ok {
			due = time.After(time.Until(next))
		}
		select {
		case <-due:
		case <-m.changed:
		case <-ctx.Done():
			return
		}
	}
}

// renotice has announce look whether its notice is another one by now, or its
// neighbours are others.
func (m *Market) renotice() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// tellNeighbours tells those who are to be told now, and says when the next is.
func (m *Market) tellNeighbours(ctx context.Context, all map[addr.Addr]announced) (next time.Time, ok bool) {
	o, sells := m.notice()
	if !sells && len(all) == 0 {
		return next, false
	}
	said := ""
	if sells {
		said = o.said()
	} else {
		now := time.Now().UnixMilli()
		o = Offer{Tariff: 1, At: now, Until: now}
	}
	me := m.node.Addr()
	links := m.node.Links()
	slices.SortFunc(links, func(a, b node.Link) int { return addr.Compare(me, a.Peer.Addr, b.Peer.Addr) })
	links = links[:min(len(links), pick.NoticeTo)]

	now := time.Now()
	near := map[addr.Addr]bool{}
	var due []node.Link
	for _, l := range links {
		near[l.Peer.Addr] = true
		t, known := all[l.Peer.Addr]
		at := t.next
		switch {
		case !known || t.link != l.Since:
			at = now
		case t.said != said:
			at = t.at.Add(pick.NoticeRest)
		}
		if said == "" && (!known || t.said == "" || t.link != l.Since) {
			delete(all, l.Peer.Addr)
			continue
		}
		if !at.After(now) {
			due = append(due, l)
		} else if !ok || at.Before(next) {
			next, ok = at, true
		}
	}
	for at := range all { // a new link may come to who is none now
		if !near[at] {
			delete(all, at)
		}
	}
	if len(due) == 0 {
		return next, ok
	}
	st, err := o.Sign(m.key)
	if err != nil {
		m.log.Error("cannot sign a notice", "err", err)
		return next, ok
	}
	ctx, cancel := context.WithTimeout(ctx, noticeWait)
	defer cancel()
	errs := make([]error, len(due))
	var calls sync.WaitGroup
	for i, l := range due {
		calls.Go(func() { _, errs[i] = noticeMethod.Call(ctx, m.node, l.Peer.Addr, noticeRequest{st}) })
	}
	calls.Wait()
	for i, l := range due {
		every := pick.NoticeEvery*4/5 + rand.N(pick.NoticeEvery*2/5)
		t := announced{l.Since, now, said, now.Add(every)}
		if errs[i] != nil && !errors.Is(errs[i], rpc.ErrNoHandler) {
			t.next = now.Add(noticeAgain)
			m.log.Debug("a neighbour did not take a notice", "peer", l.Peer.Addr.Short(), "err", errs[i])
		}
		all[l.Peer.Addr] = t
		if !ok || t.next.Before(next) {
			next, ok = t.next, true
		}
	}
	return next, ok
}
