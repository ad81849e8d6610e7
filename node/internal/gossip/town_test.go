package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/sim"
)

// long asks for channels of full size: go test ./node/internal/gossip -long
var long = flag.Bool("long", false, "simulate channels of 10,000 members, not 1,000")

// size is how many members a channel of the tests has.
func size() int {
	switch {
	case *long:
		return 10_000
	case raceDetector: // ten times slower, and there is one goroutine
		return 200
	}
	return 1_000
}

// few is n, or a third of it where that is enough of a wait.
func few(n int) int {
	if raceDetector {
		return n / 3
	}
	return n
}

// A town is a simulated channel: members run the production core, links are as
// good as the world's, and there is one meeting place, a third of a second away.
type town struct {
	t       testing.TB
	w       *sim.World
	members []*member
	at      map[addr.Addr]*member
	meet    [2]*Places // of either side, when the sea is cut in two
	cut     bool
	number  uint64
	sent    map[uint64]*said
}

// said is what became of a message.
type said struct {
	at   time.Time
	got  map[int]bool
	last time.Time // when the last of got got it
}

// A member is a node with its key, which signs nothing that costs time.
type member struct {
	*town
	id     int
	key    identity.Entity
	at     addr.Addr
	core   *Core
	past   int
	blamed int
	joined time.Time

	// A slow member's partners have outboxes for it, which its wire empties at
	// so many bytes a second.
	slow    int
	outbox  map[int]*Outbox[frame.Frame]
	busy    map[int]bool
	dropped int
	most    int // bytes in an outbox
}

const townNetwork = "test"

var townChannel = addr.OfChannel("town")

func newTown(t testing.TB, seed uint64) *town {
	w := sim.New(seed)
	to := &town{t: t, w: w, at: make(map[addr.Addr]*member), sent: make(map[uint64]*said)}
	for i := range to.meet {
		to.meet[i] = NewPlaces(townChannel, w.Rand())
	}
	return to
}

// join lets one more member in.
func (to *town) join() *member {
	m := &member{town: to}
	m.id = to.w.Add(m)
	m.key = sha256.Sum256(binary.BigEndian.AppendUint64([]byte("member"), uint64(m.id)))
	m.at = addr.OfNode(m.key)
	m.joined = to.w.Now()
	to.members = append(to.members, m)
	to.at[m.at] = m
	m.core = New(to.w.Clock(m.id), Config{
		Self: m.at, Channel: townChannel, Network: townNetwork, Rand: rand.New(rand.NewPCG(to.w.Rand().Uint64(), 1)),
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

// grow lets n members in over a time, and more time pass until all is quiet.
func (to *town) grow(n int, over time.Duration) {
	for range n {
		to.join()
		to.w.Run(over / time.Duration(n))
	}
	to.w.Run(time.Minute)
}

func (m *member) Receive(from int, msg any) {
	m.step(Arrived{m.members[from].at, msg.(frame.Frame)})
}

func (m *member) Wake() { m.step(Tick{}) }

func (m *member) step(e Event) {
	if !m.w.Lives(m.id) {
		return
	}
	for _, effect := range m.core.Step(m.w.Clock(m.id), e) {
		m.do(effect)
	}
	m.w.WakeAt(m.id, m.core.Wake())
}

func (m *member) do(effect Effect) {
	switch e := effect.(type) {
	case Send:
		to := m.town.at[e.To]
		if to.slow > 0 {
			to.squeeze(m, e)
			return
		}
		m.w.Send(m.id, to.id, sizeOf(e.Frame), e.Frame)
	case Dial:
		// A round trip to look the address up and one to link; a dead node's
		// address takes three seconds to be given up.
		to := m.town.at[e.To]
		reached := to != nil && m.w.Lives(to.id) && m.near(to)
		wait := 3 * time.Second
		if reached {
			wait = 4 * m.w.Delay(m.id, to.id)
		}
		m.w.After(wait, func() { m.step(Dialed{e.To, reached && m.w.Lives(to.id)}) })
	case Lookup:
		m.w.After(300*time.Millisecond, func() { m.lookup(e.Every) })
	case Deliver:
		if e.Past {
			m.past++
			return
		}
		s := m.sent[e.Message.Number]
		if s.got[m.id] {
			m.t.Errorf("member %d got message %d twice", m.id, e.Message.Number)
		}
		s.got[m.id], s.last = true, m.w.Now()
		m.w.Note(e.Message.Number)
	case Blame:
		m.blamed++
	}
}

// squeeze puts a frame from another member into its outbox for this slow one.
func (m *member) squeeze(from *member, e Send) {
	o := m.outbox[from.id]
	if o == nil {
		o = new(Outbox[frame.Frame])
		m.outbox[from.id] = o
	}
	m.dropped += len(o.Push(e.Class, sizeOf(e.Frame), e.Frame))
	m.most = max(m.most, o.Bytes())
	if !m.busy[from.id] {
		m.drain(from, o)
	}
}

func (m *member) drain(from *member, o *Outbox[frame.Frame]) {
	f, ok := o.Pop()
	if m.busy[from.id] = ok; !ok {
		return
	}
	m.w.Send(from.id, m.id, sizeOf(f), f)
	m.w.After(time.Duration(sizeOf(f))*time.Second/time.Duration(m.slow), func() { m.drain(from, o) })
}

func (m *member) lookup(every time.Duration) {
	if !m.w.Lives(m.id) {
		return
	}
	place := m.meet[0]
	if m.cut {
		place = m.meet[m.id%2]
	}
	now := m.w.Now()
	place.Announce(now, townChannel, Record{Member: m.key, Channel: townChannel, Every: every}, identity.Statement{By: m.key})
	records, count := place.Members(now, townChannel, MaxAnswer, m.key)
	found := Found{Count: count}
	for _, r := range records {
		found.Members = append(found.Members, addr.OfNode(r.By))
	}
	m.step(found)
}

// near reports whether nothing lies between two members.
func (m *member) near(o *member) bool { return !m.cut || m.id%2 == o.id%2 }

// divide cuts the sea in two, or heals it.
func (to *town) divide(cut bool) {
	to.cut = cut
	to.w.Path = func(from, at int) (time.Duration, bool) {
		return to.w.Delay(from, at), to.members[from].near(to.members[at])
	}
}

// kill takes members out without a word.
func (to *town) kill(share float64) {
	for _, m := range to.members {
		if to.w.Lives(m.id) && to.w.Rand().Float64() < share {
			to.w.Remove(m.id)
		}
	}
}

// alive returns the members that live.
func (to *town) alive() []*member {
	var all []*member
	for _, m := range to.members {
		if to.w.Lives(m.id) {
			all = append(all, m)
		}
	}
	return all
}

// any draws a member that lives.
func (to *town) any() *member {
	all := to.alive()
	return all[to.w.Rand().IntN(len(all))]
}

// Entity and Sign make a member a signer.
func (m *member) Entity() identity.Entity { return m.key }

// Sign signs with zeros, which the town takes for a signature.
func (m *member) Sign(_ identity.Purpose, body []byte) (identity.Statement, error) {
	return identity.Statement{By: m.key, Body: body}, nil
}

// write makes a message of the member's with a body of n bytes.
func (m *member) write(n int) (*frame.Publish, *said) {
	m.number++
	f, err := Message{
		Network: townNetwork, Channel: townChannel, Issued: m.w.Clock(m.id), Number: m.number,
		Scope: "text", Body: make([]byte, n),
	}.Sign(m)
	if err != nil {
		m.t.Fatal(err)
	}
	s := &said{at: m.w.Now(), last: m.w.Now(), got: map[int]bool{m.id: true}}
	m.sent[m.number] = s
	return f, s
}

// say publishes n bytes.
func (m *member) say(n int) *said {
	f, s := m.write(n)
	m.step(Say{f})
	return s
}

// reach is which share of the members that live has the message.
func (to *town) reach(s *said) float64 {
	n, all := 0, to.alive()
	for _, m := range all {
		if s.got[m.id] {
			n++
		}
	}
	return float64(n) / float64(len(all))
}

// copies returns how often members got messages, and how often for the first
// time.
func (to *town) copies() (all, first uint64) {
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
