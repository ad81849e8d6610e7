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
	entries [2]int  // payments on each half-chain
	grants  [2]int  // grants by each side
	pacts   int     // checkpoints
	locks   [2]bool // one lock by each side
	secret  bool    // it is paid out by a preimage, not by vouchers
	crashes int     // of both sides together
	restore bool    // one crash puts a side's file back to how it was at a backup
	recalls int     // so often what it lost is asked for

	// The carrier's rule after a start is that a side compares a position that
	// was made since, before it sends anything. It matters after a restore only;
	// without one the search does without, which allows more.
	meets bool

	// prompt has a position come at once or never, as the answer of a call does.
	// That leaves room for what else there is.
	prompt bool

	// proposes has the high side propose checkpoints, too.
	proposes bool

	// late are operations after which the store says that all is on the disk
	// when it is not: that is, what they say leaves before the fsync.
	late func(act) bool

	// bug does what is wrong after an operation: in is the message that came.
	bug func(l *Ledger, peer identity.Entity, do act, in *sent) error
}

func (p plan) String() string {
	text := fmt.Sprintf("%d+%d entries, %d+%d grants, %d checkpoints, %d crashes", p.entries[0], p.entries[1], p.grants[0], p.grants[1], p.pacts, p.crashes)
	for i, locks := range p.locks {
		if locks {
			text += fmt.Sprintf(", side %d locks", i)
		}
	}
	if p.secret {
		text += " by preimage"
	}
	if p.meets {
		text += ", meeting first"
	}
	if p.restore {
		text += ", old files"
	}
	if p.recalls > 0 {
		text += fmt.Sprintf(", %d rebuilds", p.recalls)
	}
	if p.prompt {
		text += ", prompt"
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
	doRecall

	// What is done with a lock, see search_lock_test.go.
	doLock
	doVouch
	doVouchLost // and the process ends before a commit
	doFold
	doVoid // the payer takes the rest back alone
	doRelease
	doReveal
	doSettle
	acts = iota
)

var actNames = [...]string{"pays", "grants", "proposes", "takes", "writes to the disk", "crashes", "copies its file", "is restored from the copy", "asks for what it lost",
	"locks", "gives a voucher", "gives a voucher that its disk does not have, and crashes", "folds", "takes the rest of its lock back",
	"releases the lock", "reveals the preimage", "settles by the preimage"}

// bits is a set of messages.
type bits [12]uint64

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b *bits) set(i int)     { b[i/64] |= 1 << (i % 64) }

// without takes c out of b.
func (b *bits) without(c bits) {
	for i := range b {
		b[i] &^= c[i]
	}
}

// global is a state of everything: numbers stand for contents and messages.
type global struct {
	net      bits
	disk     [2]int32 // what a crash leaves
	sees     [2]int32 // what the process sees
	backup   [2]int32
	ends     uint8     // processes that ended, of both sides
	asks     uint8     // rebuilds that were begun
	met      [2]bool   // the process has compared a position
	mind     [2]memory // what else it has in memory only
	restored [2]bool
	released [2]bool // the side has released the other's lock: it takes no more vouchers of it
}

// memory is what a ledger has that is not in its file.
type memory struct {
	asked bool   // it has been told of checkpoints
	epoch uint32 // the latest that it asked the other side to agree to
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
	pays     int                // payments among mine
	locked   bool               // there is a LOCK among mine
	locks    [2][]lock          // that are not closed, mine and theirs
	said     map[identity.Hash]evidence
	bad      error // what is wrong with it by itself
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
	mind memory
}

type result struct {
	at    int32 // the content after it
	mind  memory
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
	calls    bits   // the messages of rebuilds, which end with the process at either end
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
	if !s.prompt {
		g.net.set(s.contents[g.sees[i]].position)
	}
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
		for do := range act(acts) {
			for arg := range s.choices(g, i, do) {
				next, ok, err := s.do(g, i, do, int32(arg))
				if err != nil {
					return &violation{err, s.path(step{n, do, uint8(i), int32(arg)})}
				}
				if ok {
					if v := reach(next, do, i, int32(arg)); v != nil {
						return v
					}
				}
			}
		}
	}
	return nil
}

// choices is of how many things side i can do one.
func (s *search) choices(g global, i int, do act) int {
	switch do {
	case doTake:
		return len(s.messages)
	case doVouch, doVouchLost, doFold, doVoid, doSettle:
		return len(s.contents[g.sees[i]].locks[0])
	case doRelease, doReveal:
		return len(s.contents[g.sees[i]].locks[1])
	}
	return 1
}

// do returns the state after side i does something, ok if it can.
func (s *search) do(g global, i int, do act, arg int32) (next global, ok bool, err error) {
	c := s.contents[g.sees[i]]
	switch do {
	case doPay:
		if c.pays >= s.entries[i] || c.line.State == StateFenced {
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
	case doTake:
		m := s.messages[arg]
		comes := g.net.has(int(arg)) || s.prompt && int(arg) == s.contents[g.sees[1-i]].position
		if !comes || m.to != i || m.kind == letterVoucher && g.released[i] {
			return g, false, nil
		}
	case doRecall:
		if g.asks >= uint8(s.recalls) || c.line.State != StateFenced {
			return g, false, nil
		}
		g.asks++
	case doLock:
		if !s.locks[i] || c.locked || c.line.State == StateFenced {
			return g, false, nil
		}
		arg = int32(g.ends)
	case doVouch, doVouchLost, doFold, doVoid, doSettle, doRelease, doReveal:
		if !s.mayLock(g, i, do, arg) {
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
		// A copy that lacks a recovery which its owner agreed to takes nothing of
		// the new epoch, as docs/SECURITY.md says: with rebuilds, one side only.
		if g.ends >= uint8(s.crashes) || g.backup[i] < 0 || g.restored[i] || s.recalls > 0 && g.restored[1-i] {
			return g, false, nil
		}
		g.sees[i], g.disk[i], g.restored[i] = g.backup[i], g.backup[i], true
		g.net = bits{} // calls end with the process that made or answered them
		s.end(&g, i)
		return g, true, nil
	}
	r := s.carry(call{uint8(i), do, g.sees[i], arg, g.mind[i]})
	if r.err != nil && !(g.restored[i] && refusable(r.err)) {
		return g, false, fmt.Errorf("I4: side %d refuses what an honest side says: %w", i, r.err)
	}
	before, after := c.line, s.contents[r.at].line
	if after.Mine.Seq < before.Mine.Seq || after.Mine.Cum < before.Mine.Cum || after.Theirs.Seq < before.Theirs.Seq || after.Agreed.N < before.Agreed.N {
		return g, false, fmt.Errorf("I5: side %d fell from %+v to %+v", i, before, after)
	}
	if after.Theirs.Claim < before.Theirs.Claim || after.Mine.Claim < before.Mine.Claim {
		return g, false, fmt.Errorf("claim: at side %d the claims fell from %d and %d to %d and %d", i,
			before.Mine.Claim, before.Theirs.Claim, after.Mine.Claim, after.Theirs.Claim)
	}
	if g.sees[i] = r.at; !s.late(do) {
		g.disk[i] = r.at // and whatever was late before it
	}
	if do == doTake {
		if s.calls.has(int(arg)) { // no call is answered twice
			g.net[arg/64] &^= 1 << (arg % 64)
		}
		g.met[i] = g.met[i] || s.meets && s.messages[arg].kind == typePosition
	}
	g.mind[i] = r.mind
	g.released[i] = g.released[i] || do == doRelease
	if r.reply >= 0 {
		g.net.set(r.reply)
	}
	if do == doVouchLost {
		g.sees[i] = g.disk[i]
		s.end(&g, i)
	}
	return g, true, nil
}

// refusable says whether a side whose file was put back may answer so until it
// has met the other: it does not know what it signed. What it writes down about
// that is another matter.
func refusable(err error) bool {
	return errors.Is(err, ErrLine) || errors.Is(err, ErrContradiction) || errors.Is(err, ErrFork)
}

// end is the end of a process.
func (s *search) end(g *global, i int) {
	g.ends++
	g.met[i], g.mind[i] = false, memory{}
	g.net.without(s.calls)
}

var messageNames = map[byte]string{
	typePosition: "position", typePush: "push", typeAck: "ack", typeCheckpoint: "checkpoint",
	typeRecall: "recall", typeRecalled: "recalled", letterVoucher: "voucher", letterRelease: "release",
}

// path tells how a state was come to.
func (s *search) path(by step) string {
	var lines []string
	for {
		text := fmt.Sprintf("side %d %s", by.side, actNames[by.do])
		if by.do == doTake {
			m := s.messages[by.arg]
			text += fmt.Sprintf(" message %d, a %s", by.arg, messageNames[m.kind])
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
		{plan: plan{locks: [2]bool{true, false}, crashes: 1, prompt: true}},
		{plan: plan{locks: [2]bool{true, false}, secret: true, crashes: 2, prompt: true}},
		{plan: plan{entries: [2]int{1, 1}, crashes: 1, meets: true, restore: true, recalls: 2, prompt: true}},
		{plan: plan{entries: [2]int{1, 0}, crashes: 2, meets: true, restore: true, recalls: 2, prompt: true}},
		{plan: plan{locks: [2]bool{true, false}, crashes: 2, prompt: true}, full: true},
		{plan: plan{locks: [2]bool{true, false}, secret: true, crashes: 1, meets: true, restore: true, recalls: 1, prompt: true}, full: true},
		{plan: plan{entries: [2]int{2, 1}, crashes: 1, meets: true, restore: true, recalls: 2, prompt: true}, full: true},
		{plan: plan{entries: [2]int{1, 1}, crashes: 2, meets: true, restore: true, recalls: 2, prompt: true}, full: true},
		{plan: plan{entries: [2]int{1, 1}, pacts: 1, crashes: 1, meets: true, restore: true, recalls: 1, prompt: true}, full: true},
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
	if slow > 1 {
		t.Skip("as TestSearch")
	}
	vouchers := plan{locks: [2]bool{true, false}, crashes: 1, prompt: true}
	rebuilds := plan{entries: [2]int{2, 0}, crashes: 1, meets: true, restore: true, recalls: 2, prompt: true}
	with := func(p plan, bug func(*Ledger, identity.Entity, act, *sent) error) plan {
		p.bug = bug
		return p
	}
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
		{"void that does not wait for the claim", with(vouchers, forgetVoids), "claim"},
		{"voucher below the last", with(vouchers, takeLower), "claim"},
		{"fold that forgets the rest", with(vouchers, closeFolded), "claim"},
		{"release applied twice", with(vouchers, releaseTwice), "I5"},
		{"recovery that reuses an epoch", with(rebuilds, sameEpoch), "I4"},
		{"recovery to another epoch than was asked for", with(rebuilds, anyEpoch), "I4"},
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
