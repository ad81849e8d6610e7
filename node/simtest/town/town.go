// Package town plays a whole channel in simulated time: thousands of members that
// run the production core of package gossip. One seed gives one course of events.
//
// What is made up: links are as good as the world's, a link to a member comes up
// after four delays, there is one meeting place, a third of a second away, and
// nothing is signed.
package town

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/gossip"
	"github.com/peersea/sea/node/internal/sim"
)

// A Town is a simulated channel.
type Town struct {
	w       *sim.World
	members []*Member
	at      map[addr.Addr]*Member
	meet    [2]*gossip.Places // of either side, when the sea is cut in two
	cut     bool
	number  uint64
	sent    map[uint64]*Said
	twice   int           // messages that a member got more than once
	skew    time.Duration // by how much clocks are off at most
}

// Said is what became of a message.
type Said struct {
	at   time.Time
	got  map[int]bool
	last time.Time // when the last of got got it
}

// A Member is a node with its key, which signs nothing that costs time.
type Member struct {
	town   *Town
	id     int
	key    identity.Entity
	at     addr.Addr
	core   *gossip.Core
	past   int
	blamed int
	joined time.Time

	// A slow member's partners have outboxes for it, which its wire empties at
	// so many bytes a second.
	slow    int
	outbox  map[int]*gossip.Outbox[frame.Frame]
	busy    map[int]bool
	dropped int
	most    int // bytes in an outbox
}

const network = "test"

var channel = addr.OfChannel("town")

// New returns a Town without members.
func New(seed uint64) *Town {
	w := sim.New(seed)
	to := &Town{w: w, at: make(map[addr.Addr]*Member), sent: make(map[uint64]*Said)}
	for i := range to.meet {
		to.meet[i] = gossip.NewPlaces(channel, w.Rand())
	}
	return to
}

// join lets one more member in.
func (to *Town) join() *Member {
	m := &Member{town: to}
	m.id = to.w.Add(m)
	if to.skew > 0 {
		to.w.Skew(m.id, time.Duration(to.w.Rand().Int64N(int64(2*to.skew)))-to.skew)
	}
	m.key = sha256.Sum256(binary.BigEndian.AppendUint64([]byte("member"), uint64(m.id)))
	m.at = addr.OfNode(m.key)
	m.joined = to.w.Now()
	to.members = append(to.members, m)
	to.at[m.at] = m
	m.core = gossip.New(to.w.Clock(m.id), gossip.Config{
		Self: m.at, Channel: channel, Network: network, Rand: rand.New(rand.NewPCG(to.w.Rand().Uint64(), 1)),
		Verify: func(f *frame.Publish) error {
			if f.Sig != ([64]byte{}) {
				return errors.New("forged")
			}
			return nil
		},
	})
	to.w.WakeAt(m.id, m.core.Wake())
	return m
}

// Grow lets n members in over a time, and more time pass until all is quiet.
func (to *Town) Grow(n int, over time.Duration) {
	for range n {
		to.join()
		to.w.Run(over / time.Duration(n))
	}
	to.w.Run(time.Minute)
}

// Run lets time pass.
func (to *Town) Run(d time.Duration) { to.w.Run(d) }

// Receive takes a frame from another member.
func (m *Member) Receive(from int, msg any) {
	m.step(gossip.Arrived{From: m.town.members[from].at, Frame: msg.(frame.Frame)})
}

// Wake does what is due.
func (m *Member) Wake() { m.step(gossip.Tick{}) }

func (m *Member) step(e gossip.Event) {
	if !m.town.w.Lives(m.id) {
		return
	}
	for _, effect := range m.core.Step(m.town.w.Clock(m.id), e) {
		m.do(effect)
	}
	m.town.w.WakeAt(m.id, m.core.Wake())
}

func (m *Member) do(effect gossip.Effect) {
	switch e := effect.(type) {
	case gossip.Send:
		to := m.town.at[e.To]
		if to.slow > 0 {
			to.squeeze(m, e)
			return
		}
		m.town.w.Send(m.id, to.id, sizeOf(e.Frame), e.Frame)
	case gossip.Dial:
		// A round trip to look the address up and one to link; a dead node's
		// address takes three seconds to be given up.
		to := m.town.at[e.To]
		reached := to != nil && m.town.w.Lives(to.id) && m.near(to)
		wait := 3 * time.Second
		if reached {
			wait = 4 * m.town.w.Delay(m.id, to.id)
		}
		m.town.w.After(wait, func() { m.step(gossip.Dialed{To: e.To, OK: reached && m.town.w.Lives(to.id)}) })
	case gossip.Lookup:
		m.town.w.After(300*time.Millisecond, func() { m.lookup(e.Every) })
	case gossip.Deliver:
		if e.Past {
			m.past++
			return
		}
		s := m.town.sent[e.Message.Number]
		if s.got[m.id] {
			m.town.twice++
		}
		s.got[m.id], s.last = true, m.town.w.Now()
		m.town.w.Note(e.Message.Number)
	case gossip.Blame:
		m.blamed++
	}
}

// squeeze puts a frame from another member into its outbox for this slow one.
func (m *Member) squeeze(from *Member, e gossip.Send) {
	o := m.outbox[from.id]
	if o == nil {
		o = new(gossip.Outbox[frame.Frame])
		m.outbox[from.id] = o
	}
	m.dropped += len(o.Push(e.Class, sizeOf(e.Frame), e.Frame))
	m.most = max(m.most, o.Bytes())
	if !m.busy[from.id] {
		m.drain(from, o)
	}
}

func (m *Member) drain(from *Member, o *gossip.Outbox[frame.Frame]) {
	f, ok := o.Pop()
	if m.busy[from.id] = ok; !ok {
		return
	}
	m.town.w.Send(from.id, m.id, sizeOf(f), f)
	m.town.w.After(time.Duration(sizeOf(f))*time.Second/time.Duration(m.slow), func() { m.drain(from, o) })
}

func (m *Member) lookup(every time.Duration) {
	if !m.town.w.Lives(m.id) {
		return
	}
	place := m.town.meet[0]
	if m.town.cut {
		place = m.town.meet[m.id%2]
	}
	now := m.town.w.Now()
	place.Announce(now, channel, gossip.Record{Member: m.key, Channel: channel, Every: every}, identity.Statement{By: m.key})
	records, count := place.Members(now, channel, gossip.MaxAnswer, m.key)
	found := gossip.Found{Count: count}
	for _, r := range records {
		found.Members = append(found.Members, addr.OfNode(r.By))
	}
	m.step(found)
}

// near reports whether nothing lies between two members.
func (m *Member) near(o *Member) bool { return !m.town.cut || m.id%2 == o.id%2 }

// divide cuts the sea in two, or heals it.
func (to *Town) divide(cut bool) {
	to.cut = cut
	to.w.Path = func(from, at int) (time.Duration, bool) {
		return to.w.Delay(from, at), to.members[from].near(to.members[at])
	}
}

// Kill takes a share of the members out without a word.
func (to *Town) Kill(share float64) {
	for _, m := range to.members {
		if to.w.Lives(m.id) && to.w.Rand().Float64() < share {
			to.w.Remove(m.id)
		}
	}
}

// alive returns the members that live.
func (to *Town) alive() []*Member {
	var all []*Member
	for _, m := range to.members {
		if to.w.Lives(m.id) {
			all = append(all, m)
		}
	}
	return all
}

// Any draws a member that lives.
func (to *Town) Any() *Member {
	all := to.alive()
	return all[to.w.Rand().IntN(len(all))]
}

// Entity and Sign make a member a signer.
func (m *Member) Entity() identity.Entity { return m.key }

// Sign signs with zeros, which the town takes for a signature.
func (m *Member) Sign(_ identity.Purpose, body []byte) (identity.Statement, error) {
	return identity.Statement{By: m.key, Body: body}, nil
}

// write makes a message of the member's with a body of n bytes.
func (m *Member) write(n int) (*frame.Publish, *Said) {
	m.town.number++
	f, err := gossip.Message{
		Network: network, Channel: channel, Issued: m.town.w.Clock(m.id), Number: m.town.number,
		Scope: "text", Body: make([]byte, n),
	}.Sign(m)
	if err != nil {
		panic("town: " + err.Error()) // nothing is signed
	}
	s := &Said{at: m.town.w.Now(), last: m.town.w.Now(), got: map[int]bool{m.id: true}}
	m.town.sent[m.town.number] = s
	return f, s
}

// Say publishes n bytes.
func (m *Member) Say(n int) *Said {
	f, s := m.write(n)
	m.step(gossip.Say{Frame: f})
	return s
}

// Reach is which share of the members that live has the message.
func (to *Town) Reach(s *Said) float64 {
	n, all := 0, to.alive()
	for _, m := range all {
		if s.got[m.id] {
			n++
		}
	}
	return float64(n) / float64(len(all))
}

// Copies returns how often members got messages, and how often for the first
// time.
func (to *Town) Copies() (all, first uint64) {
	for _, m := range to.members {
		s := m.core.Stats()
		all += s.Copies + s.Delivered
		first += s.Delivered
	}
	return all, first
}

// sizeOf is about what a frame takes on the wire.
func sizeOf(f frame.Frame) int {
	const envelope = 64
	switch f := f.(type) {
	case *frame.Publish:
		return envelope + 96 + len(f.Body)
	case *frame.Have:
		return envelope + 16*len(f.IDs)
	case *frame.Shuffle:
		return envelope + 28*(len(f.Path)+len(f.Members))
	}
	return envelope
}
