package node

import (
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/identity/cbor"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/internal/sealed"
	"github.com/peersea/sea/node/transport"
)

// FillMemory takes all that is left of n's budget for what peers send, until
// free is called.
func FillMemory(n *Node) (free func()) {
	b := &n.session.memory
	left := maxHeld - b.held.Load()
	b.held.Add(left)
	return func() { b.held.Add(-left) }
}

// HeldMemory returns how much of the budget is taken.
func HeldMemory(n *Node) int64 { return n.session.memory.held.Load() }

// Backlog returns how many bytes wait to be sent to who, 0 when there is no link.
func Backlog(n *Node, who identity.Entity) int {
	l := n.session.link(addr.OfNode(who))
	if l == nil {
		return 0
	}
	waits := 0
	for _, la := range l.lanes {
		la.queue.mu.Lock()
		waits += la.queue.backlog
		la.queue.mu.Unlock()
	}
	return waits
}

// Emit tells n's listeners of an event.
func Emit(n *Node, e Event) { n.events.emit(e) }

// SetSeekEvery has n look for direct ways more or less often.
func SetSeekEvery(n *Node, d time.Duration) { n.seekEvery = d }

// SetBackEvery has n dial a neighbour back more or less often.
func SetBackEvery(n *Node, d time.Duration) { n.backEvery = d }

// Strikes returns how many bad signatures n has had from the node at who.
func Strikes(n *Node, who addr.Addr) int {
	l := n.session.link(who)
	if l == nil {
		return -1
	}
	return int(l.strikes.Load())
}

// MembersRequest returns the body of a sea:members by key, which is good when flaw is
// empty.
func MembersRequest(t testing.TB, key identity.Signer, flaw string) []byte {
	t.Helper()
	channel := addr.OfChannel("news")
	r := gossip.Record{Network: "test", Channel: channel, Issued: time.Now(), Every: time.Minute}
	switch flaw {
	case "another's":
		other, err := identity.NewKey(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		key = other
	case "another channel":
		r.Channel = addr.OfChannel("other")
	}
	st, err := r.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if flaw == "forged" {
		st.Sig[0] ^= 1
	}
	b, err := cbor.Marshal(membersRequest{Channel: channel, Place: channel, Record: &st})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Carried returns how often n's links carry a connection.
func Carried(n *Node) (all int) {
	s, err := n.current()
	if err != nil {
		return 0
	}
	for _, l := range s.all() {
		all += int(l.carried.Load())
	}
	return all
}

// RelayFast has n relay without a rate worth speaking of.
func RelayFast(n *Node) { n.session.relays.rate = 1 << 40 }

// RelayHeld returns how many bytes n holds of the connections that it relays, and
// how many of them no end has taken.
func RelayHeld(n *Node) (held, sent int) {
	rs := &n.session.relays
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.open {
		for i := range r.ways {
			w := &r.ways[i]
			w.mu.Lock()
			for _, f := range w.waits {
				held += len(f.Data) + frame.RelayCost
			}
			sent += w.sent
			w.mu.Unlock()
		}
	}
	return held, sent
}

// RelayStreams makes a connection between a and b over hub, their neighbour, with
// nothing on it.
func RelayStreams(t testing.TB, hub, a, b *Node) (transport.Conn, transport.Conn) {
	s := hub.session
	r, err := s.relays.begin(s, s.link(a.addr), s.link(b.addr))
	if err != nil {
		t.Fatal(err)
	}
	if !s.spawn(func() { r.run(s.relays.rate); s.relays.forget(r) }) {
		t.Fatal("the relay is going offline")
	}
	var ends [2]transport.Conn
	for i, n := range []*Node{a, b} {
		if ends[i], err = n.session.link(hub.addr).addStream(r.stream); err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

// The rate at which one host may begin links.
const (
	JoinRate   = joinRate
	JoinBurst  = joinBurst
	MaxJoiners = maxJoiners
)

// Joiners returns a rate of joining of its own, and how many hosts it keeps.
func Joiners() (allow func(now time.Time, host int) bool, kept func() int) {
	var r rates[int]
	return r.allow, func() int { return len(r.used) }
}

// MaxAnswering and OfferTime bound offers of others.
const (
	MaxAnswering = maxAnswering
	OfferTime    = offerTime
)

// OfferBody returns the body of a sea:rtc.
func OfferBody(t testing.TB, offer []byte) []byte {
	t.Helper()
	b, err := cbor.Marshal(offerBody{Offer: offer})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// SealingKey returns the key that calls to n are sealed to.
func SealingKey(n *Node) ([sealed.KeySize]byte, error) {
	s, err := n.current()
	if err != nil {
		return [sealed.KeySize]byte{}, err
	}
	return s.sealing.Public(), nil
}

// ClockAhead judges a clock by links.
var ClockAhead = clockAhead
