package gossip

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
	"github.com/peersea/sea/node/internal/fixed"
	"github.com/peersea/sea/node/internal/frame"
	"github.com/peersea/sea/node/internal/sim"
)

const testNetwork = "test"

var testChannel = addr.OfChannel("test")

// A bench is one Core with scripted neighbours.
type bench struct {
	t    *testing.T
	core *Core
	now  time.Time
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, now: sim.Start, core: New(sim.Start, Config{
		Self: addr.Make([]byte("self")), Channel: testChannel, Network: testNetwork,
		Rand: rand.New(rand.NewPCG(1, 1)), Verify: Verify,
	})}
}

func peer(i int) addr.Addr { return addr.Make([]byte{byte(i), byte(i >> 8)}) }

func (b *bench) step(e Event) []Effect { return b.core.Step(b.now, e) }

func (b *bench) got(from addr.Addr, f frame.Frame) []Effect {
	return b.step(Arrived{from, f})
}

// with makes n nodes partners.
func (b *bench) with(n int) *bench {
	for i := range n {
		b.got(peer(i), &frame.Neighbour{Channel: testChannel, Want: frame.WantRoom})
	}
	if b.core.Partners() != n {
		b.t.Fatalf("%d partners, want %d", b.core.Partners(), n)
	}
	return b
}

func (b *bench) message(author string, number uint64, size int) *frame.Publish {
	f, err := Message{
		Network: testNetwork, Channel: testChannel, Issued: b.now, Number: number, Scope: "text", Body: make([]byte, size),
	}.Sign(fixed.Key(author))
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// count counts the effects that match.
func count[T Effect](effects []Effect, match func(T) bool) int {
	n := 0
	for _, e := range effects {
		if e, ok := e.(T); ok && match(e) {
			n++
		}
	}
	return n
}

func delivered(effects []Effect) int {
	return count(effects, func(Deliver) bool { return true })
}

func sent[F frame.Frame](effects []Effect) int {
	return count(effects, func(s Send) bool { _, ok := s.Frame.(F); return ok })
}

// The order of work: what was seen costs no token and no signature; what is
// above the rate costs no signature; what is forged is blamed, and neither
// remembered nor counted against its author.
func TestOrderOfWork(t *testing.T) {
	b := newBench(t).with(3)
	verified := 0
	b.core.cfg.Verify = func(f *frame.Publish) error { verified++; return Verify(f) }
	f := b.message("author", 1, 10)
	forged := *f
	forged.Sig[0] ^= 1
	if out := b.got(peer(0), &forged); count(out, func(b Blame) bool { return b.Who == peer(0) }) != 1 || delivered(out) != 0 {
		t.Errorf("a forgery: %+v", out)
	}
	if out := b.got(peer(0), f); delivered(out) != 1 || sent[*frame.Publish](out) != 2 {
		t.Errorf("the message after its forgery: %+v", out)
	}
	if out := b.got(peer(1), f); delivered(out) != 0 || verified != 2 {
		t.Errorf("the message again: %+v, %d verified", out, verified)
	}
	for i := range 100 {
		b.got(peer(0), b.message("author", uint64(2+i), 10))
	}
	s := b.core.Stats()
	if s.Delivered != AuthorBurst || s.Excess != 100+1-AuthorBurst || verified != 1+AuthorBurst || s.Bad != 1 {
		t.Errorf("after a flood: %+v, %d verified", s, verified)
	}
	b.now = b.now.Add(time.Second)
	if out := b.got(peer(0), b.message("author", 1000, 10)); delivered(out) != 1 {
		t.Error("a second later the author is not heard again")
	}
	if out := b.got(peer(0), b.message("other", 1, 10)); delivered(out) != 1 {
		t.Error("another author is not heard")
	}
}

func TestStaleAndForeign(t *testing.T) {
	b := newBench(t).with(2)
	for name, edit := range map[string]func(*Message){
		"old":             func(m *Message) { m.Issued = b.now.Add(-MaxAge - time.Second) },
		"ahead":           func(m *Message) { m.Issued = b.now.Add(MaxAhead + time.Second) },
		"another channel": func(m *Message) { m.Channel = addr.OfChannel("other") },
		"another network": func(m *Message) { m.Network = "other" },
	} {
		m := Message{Network: testNetwork, Channel: testChannel, Issued: b.now, Scope: "text"}
		edit(&m)
		f, err := m.Sign(fixed.Key("author"))
		if err != nil {
			t.Fatal(err)
		}
		f.Channel = testChannel
		if out := b.got(peer(0), f); delivered(out) != 0 || sent[*frame.Publish](out) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if s := b.core.Stats(); s.Stale != 2 || s.Bad != 2 {
		t.Errorf("%+v", s)
	}
	// What was heard is known until its time is over.
	f := b.message("author", 1, 10)
	b.got(peer(0), f)
	b.now = b.now.Add(MaxAge)
	b.got(peer(0), &frame.Have{Channel: testChannel})
	b.got(peer(0), b.message("author", 2, 10))
	if out := b.got(peer(0), f); delivered(out) != 0 || b.core.Stats().Copies != 1 {
		t.Error("a message came twice")
	}
}

// A large message is passed on in full until a partner has it already; then its
// name is enough, and what does not come after its name is asked for.
func TestTree(t *testing.T) {
	b := newBench(t).with(3)
	for i := range 3 {
		b.got(peer(i), &frame.Graft{Channel: testChannel})
	}
	b.got(peer(0), b.message("a", 1, 4096))
	out := b.got(peer(1), b.message("a", 1, 4096))
	if sent[*frame.Prune](out) != 1 {
		t.Errorf("a copy: %+v", out)
	}
	out = b.got(peer(0), b.message("a", 2, 4096))
	if sent[*frame.Publish](out) != 1 || sent[*frame.Have](out) != 1 {
		t.Errorf("with one lazy partner: %+v", out)
	}
	if out = b.got(peer(0), b.message("a", 3, 100)); sent[*frame.Publish](out) != 2 {
		t.Errorf("a small message: %+v", out)
	}
	missing := b.message("a", 4, 4096)
	b.now = b.now.Add(time.Second)
	b.got(peer(1), &frame.Have{Channel: testChannel, IDs: []frame.ID{IDOf(missing)}})
	b.got(peer(2), &frame.Have{Channel: testChannel, IDs: []frame.ID{IDOf(missing)}})
	asked := func(after time.Duration) (to []addr.Addr) {
		b.now = b.now.Add(after)
		for _, e := range b.step(Tick{}) {
			if s, ok := e.(Send); ok {
				if _, ok := s.Frame.(*frame.Graft); ok {
					to = append(to, s.To)
				}
			}
		}
		return to
	}
	if to := asked(399 * time.Millisecond); len(to) != 0 {
		t.Errorf("asked %v too early", to)
	}
	if to := asked(time.Millisecond); len(to) != 1 || to[0] != peer(1) {
		t.Errorf("asked %v first", to)
	}
	if to := asked(200 * time.Millisecond); len(to) != 1 || to[0] != peer(2) {
		t.Errorf("asked %v then", to)
	}
	if to := asked(200 * time.Millisecond); len(to) != 0 || len(b.core.wanted) != 0 || len(b.core.queue) != 0 {
		t.Errorf("asked %v in the end", to)
	}
	out = b.got(peer(1), &frame.Graft{Channel: testChannel, IDs: []frame.ID{IDOf(b.message("a", 9, 1)), {9}}})
	if sent[*frame.Publish](out) != 0 {
		t.Error("gave what it does not have")
	}
}

// A member takes seven partners and no more for the asking; one in need takes
// the place of another.
func TestRoom(t *testing.T) {
	b := newBench(t).with(MaxActive)
	out := b.got(peer(8), &frame.Neighbour{Channel: testChannel, Want: frame.WantRoom})
	if count(out, func(s Send) bool {
		p, ok := s.Frame.(*frame.Partner)
		return ok && p.Yes == 0 && len(p.Members) == MaxActive
	}) != 1 {
		t.Errorf("one too many: %+v", out)
	}
	out = b.got(peer(9), &frame.Neighbour{Channel: testChannel, Want: frame.WantNeeded})
	if b.core.Partners() != MaxActive || b.core.partner(peer(9)) == nil || sent[*frame.Leave](out) != 1 {
		t.Errorf("one in need: %+v", out)
	}
	out = b.got(peer(10), &frame.Neighbour{Channel: testChannel, Want: frame.WantNew})
	if b.core.Partners() != MaxActive || sent[*frame.Walk](out) != Active-1 {
		t.Errorf("one that is new: %+v", out)
	}
	if out := b.got(peer(99), &frame.Have{Channel: testChannel}); sent[*frame.Leave](out) != 1 {
		t.Errorf("a stranger that takes us for a partner: %+v", out)
	}
}

// Whatever arrives, nothing grows beyond its bound and nothing breaks.
func FuzzStep(f *testing.F) {
	f.Add(int64(1), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add(int64(2), bytes.Repeat([]byte{4, 36, 67, 97, 129, 160, 202, 233, 5, 41}, 20))
	key := fixed.Key("author")
	f.Fuzz(func(t *testing.T, seed int64, script []byte) {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		b := newBench(t)
		b.core.cfg.Verify = func(*frame.Publish) error { return nil }
		ids := func() (ids []frame.ID) {
			for range r.IntN(frame.MaxIDs) {
				ids = append(ids, frame.ID{byte(r.IntN(256)), byte(r.IntN(4))})
			}
			return ids
		}
		some := func(n int) (all []addr.Addr) {
			for range r.IntN(n) {
				all = append(all, peer(r.IntN(100)))
			}
			return all
		}
		for _, op := range script[:min(len(script), 400)] {
			from := peer(r.IntN(20))
			var effects []Effect
			switch op % 16 {
			case 0:
				effects = b.got(from, &frame.Have{Channel: testChannel, IDs: ids()})
			case 1:
				effects = b.got(from, &frame.Graft{Channel: testChannel, IDs: ids()})
			case 2:
				effects = b.got(from, &frame.Prune{Channel: testChannel})
			case 3:
				effects = b.got(from, &frame.Neighbour{Channel: testChannel, Want: r.Uint64N(3), IDs: ids()})
			case 4:
				effects = b.got(from, &frame.Partner{Channel: testChannel, Yes: r.Uint64N(2), IDs: ids(), Members: some(8)})
			case 5:
				effects = b.got(from, &frame.Leave{Channel: testChannel})
			case 6:
				effects = b.got(from, &frame.Walk{Channel: testChannel, Who: peer(r.IntN(100)), TTL: r.Uint64N(7)})
			case 7:
				effects = b.got(from, &frame.Shuffle{Channel: testChannel, Path: append(some(5), from), Members: some(8)})
			case 8:
				effects = b.got(from, &frame.Shuffled{Channel: testChannel, Path: some(6), Members: some(8)})
			case 9:
				effects = b.got(from, &frame.Past{Channel: testChannel, Want: r.Uint64N(17)})
			case 10, 11:
				m := Message{
					Network: testNetwork, Channel: testChannel, Issued: b.now, Number: r.Uint64N(50), Scope: "text",
					Body: make([]byte, r.IntN(3000)),
				}
				p, err := m.Sign(key)
				if err != nil {
					t.Fatal(err)
				}
				if r.IntN(4) == 0 {
					p.Body = p.Body[:r.IntN(len(p.Body))+1]
				}
				p.Past = r.Uint64N(2)
				effects = b.got(from, p)
			case 12:
				effects = b.step(Found{Members: some(16), Count: int(r.Uint64() >> (1 + r.IntN(63)))})
			case 13:
				effects = b.step(Lost{from})
			case 14:
				effects = b.step(Recall{Want: 16})
			case 15:
				b.now = b.core.Wake()
				effects = b.step(Tick{})
			}
			for _, e := range effects {
				switch e := e.(type) {
				case Send:
					frame.Encode(e.Frame)
				case Dial:
					b.step(Dialed{e.To, r.IntN(2) == 0})
				}
			}
			c := b.core
			if len(c.partners) > MaxActive || len(c.suitors) > maxSuitors || len(c.sources) > maxSources || len(c.passive) > MaxPassive ||
				len(c.wanted) > maxWanted*20 || len(c.store.all) > maxStored || c.store.bytes > maxStoredBytes {
				t.Fatalf("%d partners, %d suitors, %d others, %d wanted, %d stored", len(c.partners), len(c.suitors),
					len(c.passive), len(c.wanted), len(c.store.all))
			}
			for i, p := range c.partners {
				if p.at == c.cfg.Self {
					t.Fatal("a partner of its own")
				}
				for _, q := range c.partners[i+1:] {
					if p.at == q.at {
						t.Fatal("one partner twice")
					}
				}
			}
		}
	})
}

func TestOutbox(t *testing.T) {
	var o Outbox[int]
	for i := range 5 {
		if d := o.Push(Forward, 40<<10, 100+i); len(d) != 0 {
			t.Fatalf("dropped %v", d)
		}
	}
	o.Push(Own, 40<<10, 200)
	o.Push(Control, 10, 300)
	if d := o.Push(Forward, 40<<10, 105); len(d) != 1 || d[0] != 100 {
		t.Errorf("dropped %v, want the oldest forward", d)
	}
	if d := o.Push(Own, 100<<10, 201); len(d) != 3 {
		t.Errorf("dropped %v for a message of its own", d)
	}
	var got []int
	for {
		i, ok := o.Pop()
		if !ok {
			break
		}
		got = append(got, i)
	}
	want := []int{300, 200, 201, 104, 105}
	if len(got) != len(want) || o.Bytes() != 0 || o.Len() != 0 {
		t.Fatalf("got %v, want %v, %d bytes left", got, want, o.Bytes())
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for i := range 10 {
		o.Push(Own, 60<<10, i)
	}
	if o.Bytes() > MaxOutbox || o.Fits(60<<10) || !o.Fits(100) {
		t.Errorf("%d bytes", o.Bytes())
	}
}

func TestPlaces(t *testing.T) {
	self := addr.Make([]byte("self"))
	p := NewPlaces(self, rand.New(rand.NewPCG(1, 1)))
	now := sim.Start
	announce := func(channel addr.Addr, i int) {
		who := identity.Entity{byte(i), byte(i >> 8)}
		p.Announce(now, channel, Record{Member: who, Channel: channel, Every: time.Minute}, identity.Statement{By: who})
	}
	for i := range 20 {
		announce(testChannel, i)
		announce(testChannel, i)
	}
	records, n := p.Members(now, testChannel, MaxAnswer, identity.Entity{3})
	if n != 20 || len(records) != MaxAnswer {
		t.Errorf("%d records of %d members", len(records), n)
	}
	for _, r := range records {
		if r.By == (identity.Entity{3}) {
			t.Error("told a member of itself")
		}
	}
	for i := range 1000 {
		announce(testChannel, i)
	}
	if r := p.rooms[testChannel]; len(r.records) != MaxRecords {
		t.Errorf("%d records", len(r.records))
	}
	now = now.Add(RecordLife)
	if records, n := p.Members(now, testChannel, MaxAnswer, identity.Entity{}); n != 0 || len(records) != 0 || p.Rooms() != 0 {
		t.Errorf("after their time: %d records of %d members", len(records), n)
	}
	// Of too many channels those nearest to the node stay.
	channels := map[addr.Addr]bool{}
	for i := range 2 * MaxRooms {
		c := addr.Make([]byte{1, byte(i), byte(i >> 8)})
		channels[c] = true
		announce(c, i)
	}
	if p.Rooms() != MaxRooms {
		t.Errorf("%d channels", p.Rooms())
	}
	kept := 0
	for c := range channels {
		if addr.LogDist(self, c) > 0 && p.rooms[c] != nil {
			kept++
		}
	}
	if kept < MaxRooms*9/10 {
		t.Errorf("only %d channels of the node's half of the sea are kept", kept)
	}
}
