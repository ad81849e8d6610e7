package ledger

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/peersea/sea/identity"
)

// The search visits every state that two ledgers and a network can come to, as
// far as a plan lets them go. A ledger's state is what is on its disk and what
// its process sees of it; the network's is the set of all messages that were
// ever sent: each may come at any time, again, or never, so loss, doubling, delay
// and reordering are all in it.
//
// What is explored is the code in production. Each operation is carried out
// once, by a Ledger that is opened on the state's content, and its outcome is
// remembered; the two sides and the network are then combined by numbers.

// plan is how far a search goes, and what is wrong in it on purpose.
type plan struct {
	entries [2]int // payments on each half-chain
	grants  [2]int // grants by each side
	pacts   int    // checkpoints
	crashes int    // of both sides together
	restore bool   // one crash puts a side's file back to how it was at a backup

	// The carrier's rule after a start is that a side compares a position that
	// was made since, before it sends anything. It matters after a restore only;
	// without one the search does without, which allows more.
	meets bool

	// proposes has the high side propose checkpoints, too.
	proposes bool

	// late are operations after which the store says that all is on the disk
	// when it is not: that is, what they say leaves before the fsync.
	late func(act) bool
}

func (p plan) String() string {
	text := fmt.Sprintf("%d+%d entries, %d+%d grants, %d checkpoints, %d crashes", p.entries[0], p.entries[1], p.grants[0], p.grants[1], p.pacts, p.crashes)
	if p.meets {
		text += ", meeting first"
	}
	if p.restore {
		text += ", old files"
	}
	return text
}

// act is what a side can do.
type act uint8

const (
	doPay act = iota
	doGrant
	doPropose // a checkpoint, or ask for one
	doTake    // a message comes
	doSync    // a late fsync
	doCrash
	doBackup
	doRestore
)

var actNames = [...]string{"pays", "grants", "proposes", "takes", "writes to the disk", "crashes", "copies its file", "is restored from the copy"}

// bits is a set of messages.
type bits [6]uint64

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b *bits) set(i int)     { b[i/64] |= 1 << (i % 64) }

// global is a state of everything: numbers stand for contents and messages.
type global struct {
	net      bits
	disk     [2]int32 // what a crash leaves
	sees     [2]int32 // what the process sees
	backup   [2]int32
	ends     uint8   // processes that ended, of both sides
	met      [2]bool // the process has compared a position
	asked    [2]bool // and been told of checkpoints
	restored [2]bool
}

// step is how a state was come to.
type step struct {
	from int32
	do   act
	side uint8
	arg  int32
}

// holding is what is in a ledger file, with what the checks need to know of it.
type holding struct {
	kv       image
	line     Line
	standing standing
	hashes   [2][]identity.Hash // of each entry, mine and theirs
	bad      error              // what is wrong with it by itself
	pact     pact
	position int // the messages it makes
	next     int // and -1 for none
}

// sent is a message.
type sent struct {
	to   int
	kind byte
	b    []byte

	entries []Entry // a push's
	ack     ack
	pacts   []Checkpoint
}

type call struct {
	side uint8
	do   act
	at   int32
	arg  int32

	asked bool // what is in memory only
}

type result struct {
	at    int32 // the content after it
	asked bool
	reply int // a message, -1 for none
	err   error
}

type search struct {
	plan
	keys [2]*identity.Key

	contents []*holding
	byDigest map[[33]byte]int32
	messages []sent
	byBytes  map[string]int
	clashes  []bits // by message: those with another entry or checkpoint under one number
	results  map[call]result
	pairs    map[[2]int32]error
	ends     map[[2]int32]error
	acked    map[[2]int32]bool

	states []global
	steps  []step
	seen   map[global]struct{}
}

func newSearch(t testing.TB, p plan) *search {
	s := &search{
		plan: p, keys: [2]*identity.Key{keyOf(t, 1), keyOf(t, 2)},
		byDigest: map[[33]byte]int32{}, byBytes: map[string]int{}, results: map[call]result{},
		pairs: map[[2]int32]error{}, ends: map[[2]int32]error{}, acked: map[[2]int32]bool{}, seen: map[global]struct{}{},
	}
	if s.late == nil {
		s.late = func(act) bool { return false }
	}
	return s
}

// violation is a state that must not be.
type violation struct {
	why  error
	path string
}

func (v *violation) String() string { return fmt.Sprintf("%v, after\n%s", v.why, v.path) }

// run visits all states and returns the first that is wrong: no shorter way leads
// to one that is.
func (s *search) run() *violation {
	var first global
	for i := range s.keys {
		m := newMemStore()
		if err := m.update(func(w setter) error { return writeMeta(newPen(w), s.keys[i].Entity()) }); err != nil {
			panic(err)
		}
		at := s.content(i, m.cache)
		first.disk[i], first.sees[i], first.backup[i] = at, at, -1
	}
	if err := s.visit(first, step{from: -1}); err != nil {
		return &violation{why: err}
	}
	for n := 0; n < len(s.states); n++ {
		if v := s.expand(int32(n)); v != nil {
			return v
		}
	}
	return nil
}

// visit notes a state and checks it.
func (s *search) visit(g global, by step) error {
	for i := range 2 {
		s.send(&g, i)
	}
	if _, known := s.seen[g]; known {
		return nil
	}
	s.seen[g] = struct{}{}
	s.states, s.steps = append(s.states, g), append(s.steps, by)
	return s.check(g)
}

// send puts on the network whatever a side can send as it is. Sending changes
// no ledger and a message may stay there for ever, so at once is as good as any
// later moment.
func (s *search) send(g *global, i int) {
	g.net.set(s.contents[g.sees[i]].position)
	if m := s.contents[g.sees[i]].next; m >= 0 && (g.met[i] || !s.meets) {
		g.net.set(m)
	}
}

// expand goes everywhere from state n.
func (s *search) expand(n int32) *violation {
	g := s.states[n]
	reach := func(next global, do act, side int, arg int32) *violation {
		by := step{n, do, uint8(side), arg}
		if err := s.visit(next, by); err != nil {
			return &violation{err, s.path(by)}
		}
		return nil
	}
	for i := range 2 {
		for do := doPay; do <= doRestore; do++ {
			if do == doTake {
				for m := range s.messages {
					if !g.net.has(m) || s.messages[m].to != i {
						continue
					}
					next, ok, err := s.do(g, i, do, int32(m))
					if err != nil {
						return &violation{err, s.path(step{n, do, uint8(i), int32(m)})}
					}
					if ok {
						if v := reach(next, do, i, int32(m)); v != nil {
							return v
						}
					}
				}
				continue
			}
			next, ok, err := s.do(g, i, do, 0)
			if err != nil {
				return &violation{err, s.path(step{n, do, uint8(i), 0})}
			}
			if ok {
				if v := reach(next, do, i, 0); v != nil {
					return v
				}
			}
		}
	}
	return nil
}

// do returns the state after side i does something, ok if it can.
func (s *search) do(g global, i int, do act, arg int32) (next global, ok bool, err error) {
	c := s.contents[g.sees[i]]
	switch do {
	case doPay:
		if c.line.Mine.Seq >= uint64(s.entries[i]) || c.line.State == StateFenced {
			return g, false, nil
		}
		arg = int32(g.ends) // another order in each life: what was lost is not asked for again
	case doGrant:
		if c.line.Signed.Grant >= uint64(s.grants[i]) || c.line.State == StateFenced {
			return g, false, nil
		}
		arg = int32(g.ends)
	case doPropose:
		if s.pacts == 0 || c.pact.n() >= uint64(s.pacts) && c.pact.proposed == nil {
			return g, false, nil
		}
	case doSync:
		g.disk[i] = g.sees[i]
		return g, true, nil
	case doCrash:
		if g.ends >= uint8(s.crashes) {
			return g, false, nil
		}
		g.sees[i] = g.disk[i]
		s.end(&g, i)
		return g, true, nil
	case doBackup:
		if !s.restore || g.backup[i] >= 0 || g.disk[i] != g.sees[i] {
			return g, false, nil
		}
		g.backup[i] = g.disk[i]
		return g, true, nil
	case doRestore:
		if g.ends >= uint8(s.crashes) || g.backup[i] < 0 || g.restored[i] {
			return g, false, nil
		}
		g.sees[i], g.disk[i], g.restored[i] = g.backup[i], g.backup[i], true
		g.net = bits{} // calls end with the process that made or answered them
		s.end(&g, i)
		return g, true, nil
	}
	r := s.carry(call{uint8(i), do, g.sees[i], arg, g.asked[i]})
	if r.err != nil && !(g.restored[i] && refusable(r.err)) {
		return g, false, fmt.Errorf("I4: side %d refuses what an honest side says: %w", i, r.err)
	}
	before, after := s.contents[g.sees[i]].line, s.contents[r.at].line
	if after.Mine.Seq < before.Mine.Seq || after.Mine.Cum < before.Mine.Cum || after.Theirs.Seq < before.Theirs.Seq || after.Agreed.N < before.Agreed.N {
		return g, false, fmt.Errorf("I5: side %d fell from %+v to %+v", i, before, after)
	}
	if g.sees[i] = r.at; !s.late(do) {
		g.disk[i] = r.at // and whatever was late before it
	}
	if do == doTake {
		g.met[i] = g.met[i] || s.meets && s.messages[arg].kind == typePosition
		g.asked[i] = r.asked
	}
	if r.reply >= 0 {
		g.net.set(r.reply)
	}
	return g, true, nil
}

// refusable says whether a side whose file was put back may answer so until it
// has met the other: it does not know what it signed. What it writes down about
// that is another matter.
func refusable(err error) bool { return errors.Is(err, ErrLine) || errors.Is(err, ErrContradiction) }

// end is the end of a process.
func (s *search) end(g *global, i int) {
	g.ends++
	g.met[i], g.asked[i] = false, false
}

// path tells how a state was come to.
func (s *search) path(by step) string {
	var lines []string
	for {
		text := fmt.Sprintf("side %d %s", by.side, actNames[by.do])
		if by.do == doTake {
			m := s.messages[by.arg]
			text += fmt.Sprintf(" message %d, a %s", by.arg, [...]string{"", "position", "push", "ack", "checkpoint"}[m.kind])
		}
		lines = append(lines, text)
		if by.from <= 0 {
			break
		}
		by = s.steps[by.from]
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

func (s *search) String() string {
	return fmt.Sprintf("%d states, of %d contents of a ledger and %d messages; %d operations carried out",
		len(s.states), len(s.contents), len(s.messages), len(s.results))
}

// TestSearch visits every state of two ledgers within each plan.
func TestSearch(t *testing.T) {
	if slow > 1 {
		t.Skip("there is one goroutine at a time, and a race detector finds nothing in it")
	}
	states := 0
	for _, c := range []struct {
		plan
		full bool // only with SEA_TEST_FULL
	}{
		{plan: plan{entries: [2]int{2, 2}, crashes: 2}},
		{plan: plan{entries: [2]int{1, 1}, crashes: 2, meets: true, restore: true}},
		{plan: plan{entries: [2]int{1, 1}, pacts: 1, crashes: 2}},
		{plan: plan{entries: [2]int{2, 1}, pacts: 1, crashes: 2}, full: true},
		{plan: plan{entries: [2]int{1, 1}, pacts: 2, crashes: 1}, full: true},
		{plan: plan{entries: [2]int{1, 1}, pacts: 1, crashes: 2, meets: true, restore: true}, full: true},
		{plan: plan{entries: [2]int{2, 2}, crashes: 3}, full: true},
		{plan: plan{entries: [2]int{2, 1}, crashes: 1, meets: true, restore: true}, full: true},
		{plan: plan{entries: [2]int{1, 1}, grants: [2]int{1, 1}, crashes: 2}, full: true},
	} {
		t.Run(c.plan.String(), func(t *testing.T) {
			if c.full && os.Getenv("SEA_TEST_FULL") == "" {
				t.Skip("SEA_TEST_FULL is not set")
			}
			s := newSearch(t, c.plan)
			if v := s.run(); v != nil {
				t.Fatal(v)
			}
			t.Log(s)
			states += len(s.states)
		})
	}
	if states < 100_000 {
		t.Errorf("%d states are not all", states)
	}
}

// TestSearchFinds has the search find what is wrong on purpose, each by the
// invariant that it breaks.
func TestSearchFinds(t *testing.T) {
	for _, c := range []struct {
		name string
		plan
		want string
	}{
		{"send before fsync", plan{entries: [2]int{2, 2}, crashes: 2, late: func(do act) bool { return do == doPay }}, "I2"},
		{"reply before fsync", plan{entries: [2]int{2, 2}, crashes: 2, late: func(do act) bool { return do == doTake }}, "I3"},
		{"proposal only in memory", plan{entries: [2]int{1, 1}, pacts: 1, crashes: 2, late: func(do act) bool { return do == doPropose }}, "I6"},
		{"both sides propose", plan{entries: [2]int{1, 1}, pacts: 1, crashes: 2, proposes: true}, "stuck"},
		{"unfenced restore", plan{entries: [2]int{2, 2}, crashes: 2, restore: true}, "I4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSearch(t, c.plan)
			v := s.run()
			if v == nil {
				t.Fatalf("not found in %v", s)
			}
			if !strings.HasPrefix(v.why.Error(), c.want) {
				t.Errorf("got %v, want %s broken", v, c.want)
			}
			t.Logf("found among %v: %v", s, v)
		})
	}
}
