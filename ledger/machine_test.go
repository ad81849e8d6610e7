package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peersea/sea/identity"
	"pgregory.net/rapid"
)

// TestMachine drives two ledgers over a wire that loses, doubles, delays and
// reorders, while either side crashes at any moment, also in a commit, and
// compares them after each step with two integers.
func TestMachine(t *testing.T) {
	keys := [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(keys, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }, nil)
		defer m.close()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if err := m.step(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.settle(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMachineFindsLies lets the disk forget what it said it had written, and
// shows that the machine finds what comes of it.
func TestMachineFindsLies(t *testing.T) {
	keys := [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)}
	every := func() func([]bucket) bool {
		n := 0
		return func([]bucket) bool { n++; return n%3 > 0 }
	}
	for name, lies := range map[string]func() func([]bucket) bool{
		"whatever is written": every,
		"vouchers":            func() func([]bucket) bool { return onlyClaims },
	} {
		t.Run(name, func(t *testing.T) { findLies(t, keys, lies) })
	}
}

func findLies(t *testing.T, keys [2]*identity.Key, lies func() func([]bucket) bool) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := newMachine(keys, r.IntN, lies)
		var err error
		for range 60 {
			if err = m.step(); err != nil {
				break
			}
		}
		if err == nil {
			err = m.settle()
		}
		m.close()
		if err != nil {
			t.Logf("run %d: %v", seed, err)
			return
		}
	}
	t.Error("a disk that forgets is not found out")
}

type machine struct {
	draw  func(n int) int
	keys  [2]*identity.Key
	disks [2]*memStore
	ls    [2]*Ledger
	wire  []letter

	paid   [2]map[identity.Hash]Amount // what each side has promised: the model
	maybe  [2]map[identity.Hash]Amount // and what it may have, when it crashed
	signed map[string]identity.Hash    // side, epoch and seq of each entry that left
	pacts  map[uint64]identity.Hash    // each checkpoint that left, by number
	seen   [2]Line
	refs   int
	late   time.Duration // how much later than testTime it is
	deals  [2]bargains
}

// letter is a message under way.
type letter struct {
	to   int
	kind byte
	b    []byte
}

// newMachine makes the machine; lies, unless nil, makes what has a disk say too
// early that something is written.
func newMachine(keys [2]*identity.Key, draw func(int) int, lies func() func([]bucket) bool) *machine {
	m := &machine{draw: draw, keys: keys, signed: map[string]identity.Hash{}, pacts: map[uint64]identity.Hash{}}
	for i := range 2 {
		m.disks[i] = newMemStore()
		if lies != nil {
			m.disks[i].late = lies()
		}
		m.paid[i], m.maybe[i] = map[identity.Hash]Amount{}, map[identity.Hash]Amount{}
		m.deals[i].released = map[identity.Hash]bool{}
		if err := m.disks[i].update(func(s setter) error { return writeMeta(newPen(s), keys[i].Entity()) }); err != nil {
			panic(err)
		}
		m.disks[i].disk = m.disks[i].cache
		m.open(i)
	}
	return m
}

func (m *machine) open(i int) {
	cfg, _ := Config{Now: m.now}.filled()
	l, err := start(m.disks[i], m.keys[i].Entity(), m.keys[i], true, cfg)
	if err != nil {
		panic(err)
	}
	m.ls[i] = l
}

func (m *machine) now() time.Time { return testTime.Add(m.late) }

func (m *machine) close() {
	for _, l := range m.ls {
		l.Close()
	}
}

// crash ends the process of side i and starts it again.
func (m *machine) crash(i int) error {
	m.ls[i].Close()
	m.disks[i].reboot()
	m.open(i)
	for ref, amount := range m.maybe[i] {
		e, found, err := m.ls[i].PaidFor(m.peer(i), ref)
		if err != nil {
			return err
		}
		if found && e.Amount != amount {
			return fmt.Errorf("paid %d for %s, not %d", e.Amount, ref.Short(), amount)
		}
		if found {
			m.paid[i][ref] = amount
		}
	}
	clear(m.maybe[i])
	return m.reread(i)
}

func (m *machine) peer(i int) identity.Entity { return m.keys[1-i].Entity() }

var background = context.Background()

// step does one thing and checks everything.
func (m *machine) step() error {
	i := m.draw(2)
	l, to := m.ls[i], m.peer(i)
	var err error
	switch m.draw(19) {
	case 0, 1: // pay something new
		m.refs++
		err = m.pay(i, m.ref(i, m.refs), Amount(1+m.draw(9)))
	case 2: // pay something again
		if m.refs > 0 {
			ref := m.ref(i, 1+m.draw(m.refs))
			if amount, ok := m.paid[i][ref]; ok {
				err = m.pay(i, ref, amount)
			}
		}
	case 3:
		err = l.Grant(to, Amount(m.draw(4)), time.Time{})
	case 4:
		var b []byte
		if b, err = l.Position(to); err == nil {
			m.wire = append(m.wire, letter{1 - i, typePosition, b})
		}
	case 5, 6:
		var b []byte
		if b, err = l.Next(to); err == nil && b != nil {
			m.wire = append(m.wire, letter{1 - i, typePush, b})
			err = m.leaves(b)
		}
	case 7, 8: // something arrives, and stays on the wire
		if len(m.wire) > 0 {
			err = m.arrive(m.wire[m.draw(len(m.wire))])
		}
	case 9: // something is lost
		if n := len(m.wire); n > 0 {
			k := m.draw(n)
			m.wire = append(m.wire[:k:k], m.wire[k+1:]...)
		}
	case 11, 12:
		var b []byte
		if b, err = l.Checkpoint(background, to); err == nil && b != nil {
			m.wire = append(m.wire, letter{1 - i, typeCheckpoint, b})
			err = m.proposes(b)
		}
	case 13, 14, 15, 16, 17, 18:
		err = m.lockStep(i)
	case 10:
		if when := m.draw(3); when == 0 {
			err = m.crash(i)
		} else {
			m.disks[i].crash = when
		}
	}
	if errors.Is(err, errCrash) || errors.Is(err, ErrReadOnly) {
		err = m.crash(i)
		if err == nil {
			err = m.crash(1 - i) // it may have been the other
		}
	}
	if err != nil {
		return err
	}
	return m.check()
}

// ref is what the n-th payment is for, if side i made it.
func (m *machine) ref(i, n int) identity.Hash {
	return identity.HashOf([]byte{byte(n), byte(n >> 8), byte(i)})
}

func (m *machine) pay(i int, ref identity.Hash, amount Amount) error {
	m.maybe[i][ref] = amount
	_, err := m.ls[i].Pay(background, m.peer(i), amount, ref)
	if err != nil {
		return err
	}
	delete(m.maybe[i], ref)
	m.paid[i][ref] = amount
	return nil
}

// leaves notes what was signed in a message: I2.
func (m *machine) leaves(b []byte) error {
	p, err := decodePush(b)
	if err != nil {
		return err
	}
	for _, r := range p.runs {
		for _, e := range r.entries {
			k := fmt.Sprint(e.Side, e.Epoch, e.Seq)
			if h, ok := m.signed[k]; ok && h != e.Hash() {
				return fmt.Errorf("I2: two entries %s left", k)
			}
			m.signed[k] = e.Hash()
		}
	}
	return nil
}

// proposes notes what checkpoints are in a message: for each number there is
// one, whoever says so. I2, I6.
func (m *machine) proposes(b []byte) error {
	p, err := decodePactMessage(b)
	if err != nil {
		return err
	}
	for _, c := range []*Checkpoint{p.agreed, p.proposed} {
		if c == nil {
			continue
		}
		if h, ok := m.pacts[c.N]; ok && h != c.Hash() {
			return fmt.Errorf("I6: two checkpoints %d left", c.N)
		}
		m.pacts[c.N] = c.Hash()
	}
	return nil
}

// arrive gives a message to whom it is for. Only what loss and delay explain
// may go wrong: I4.
func (m *machine) arrive(x letter) error {
	l, from := m.ls[x.to], m.peer(x.to)
	switch x.kind {
	case letterVoucher, letterRelease:
		return m.arriveLock(x)
	case typePosition:
		if err := l.Compare(background, from, x.b); err != nil {
			return err
		}
		return m.shown(x.to, x.b)
	case typePush:
		b, err := l.Receive(background, from, x.b)
		if err == nil {
			m.wire = append(m.wire, letter{1 - x.to, typeAck, b})
		}
		return err
	case typeCheckpoint:
		b, err := l.TakeCheckpoint(background, from, x.b)
		if errors.Is(err, ErrOutOfStep) {
			return nil
		}
		if err == nil && b != nil {
			m.wire = append(m.wire, letter{1 - x.to, typeCheckpoint, b})
			err = m.proposes(b)
		}
		return err
	}
	err := l.Acked(background, from, x.b)
	if errors.Is(err, ErrOutOfStep) {
		return nil
	}
	return err
}

// check holds the two ledgers against the model and against each other.
func (m *machine) check() error {
	for i, l := range m.ls {
		peer := m.peer(i)
		mine, theirs := l.Line(peer), m.ls[1-i].Line(l.self)
		if mine.State != StateOpen {
			return fmt.Errorf("I4: side %d is %s: %s", i, mine.State, mine.Reason)
		}
		var sum Amount
		for _, a := range m.paid[i] {
			sum += a
		}
		if err := m.checkLocks(i); err != nil {
			return err
		}
		if sum += m.deals[i].own.jobs; mine.Mine.Cum != sum && len(m.maybe[i]) == 0 {
			return fmt.Errorf("side %d has promised %d, the model %d", i, mine.Mine.Cum, sum)
		}
		if theirs.Theirs.Seq > mine.Mine.Seq || theirs.Theirs.Cum > mine.Mine.Cum {
			return fmt.Errorf("I3: %d is counted, %d was promised", theirs.Theirs.Cum, mine.Mine.Cum)
		}
		if theirs.Theirs.Seq > 0 {
			a := accountOf(l.self, peer)
			err := l.store.view(func(g getter) error {
				e, _, err := book{g}.entryAt(a.mine, firstEpoch, theirs.Theirs.Seq)
				if err == nil && (e.Hash() != theirs.Theirs.Tip || e.Cum != theirs.Theirs.Cum) {
					err = fmt.Errorf("I1: the sides differ at entry %d", e.Seq)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		if c := mine.Agreed; c.N > 0 && m.pacts[c.N] != c.Hash {
			return fmt.Errorf("I6: side %d has another checkpoint %d than left", i, c.N)
		}
		if mine.Acked.Entry > theirs.Theirs.Seq {
			return fmt.Errorf("I3: entry %d was acknowledged, %d is held", mine.Acked.Entry, theirs.Theirs.Seq)
		}
		if was := m.seen[i]; mine.Agreed.N < was.Agreed.N || mine.Mine.Seq < was.Mine.Seq || mine.Mine.Cum < was.Mine.Cum || mine.Theirs.Seq < was.Theirs.Seq {
			return fmt.Errorf("I5: side %d fell from %+v to %+v", i, was, mine)
		}
		m.seen[i] = mine
	}
	return nil
}

// settle has both sides meet on a wire that works, and demands that they agree
// and that both files are in order.
func (m *machine) settle() error {
	for i := range m.ls {
		if err := m.crash(i); err != nil {
			return err
		}
	}
	for range 3 { // and again: a claim is folded, a release shown, a lock closed
		if err := m.meet(); err != nil {
			return err
		}
	}
	for i, l := range m.ls { // the high side has none
		for {
			b, err := l.Checkpoint(background, m.peer(i))
			if err != nil {
				return err
			}
			if b == nil {
				break
			}
			answer, err := m.ls[1-i].TakeCheckpoint(background, l.self, b)
			if err == nil {
				err = errors.Join(m.proposes(b), m.proposes(answer))
			}
			if err == nil {
				_, err = l.TakeCheckpoint(background, m.peer(i), answer)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := m.check(); err != nil {
		return err
	}
	a, b := m.ls[0].Line(m.peer(0)), m.ls[1].Line(m.peer(1))
	if a.Agreed.Hash != b.Agreed.Hash || a.Agreed.Mine != b.Agreed.Theirs || a.Agreed.Mine.Seq != a.Mine.Seq || a.Agreed.Theirs.Seq != a.Theirs.Seq {
		return fmt.Errorf("I6: checkpoints %+v and %+v", a.Agreed, b.Agreed)
	}
	for _, x := range [2][2]*Line{{&a, &b}, {&b, &a}} { // vouchers that were lost on the way
		more := x[0].Mine.Claim - x[1].Theirs.Claim
		if more < 0 {
			return fmt.Errorf("claim: %d is claimed, %d was promised", x[1].Theirs.Claim, x[0].Mine.Claim)
		}
		x[1].Theirs.Claim += more
		x[1].Claim += more
	}
	if a.Balance+b.Balance != 0 || a.Claim+b.Claim != 0 || a.Mine != b.Theirs || a.Theirs != b.Mine || a.TheyMayOwe != b.IMayOwe && !a.Stranger {
		return fmt.Errorf("I1: %+v and %+v", a, b)
	}
	for i := range m.ls {
		err := m.disks[i].view(func(g getter) error {
			c := newChecker(g, &Report{})
			return c.all()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// meet has both sides show each other what they hold, and sends all there is.
func (m *machine) meet() error {
	for i, l := range m.ls {
		b, err := l.Position(m.peer(i))
		if err == nil {
			err = m.arrive(letter{1 - i, typePosition, b})
		}
		if err != nil {
			return err
		}
	}
	for i, l := range m.ls {
		for {
			b, err := l.Next(m.peer(i))
			if err != nil {
				return err
			}
			if b == nil {
				break
			}
			if err := m.leaves(b); err != nil {
				return err
			}
			answer, err := m.ls[1-i].Receive(background, l.self, b)
			if err == nil {
				err = l.Acked(background, m.peer(i), answer)
			}
			if err != nil {
				return err
			}
		}
	}
	return m.check()
}
